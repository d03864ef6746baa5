"""From parameters to the scene: every door shows the same point at the same place, names and outputs are kept."""

import json

import numpy as np
import pytest
import slicer
import vtk

import XRayTomo
from XRayTomoLib.mrml import acquisition, scene_objects
from XRayTomoLib.mrml.choices import AttenuationKind, IsocentreFrom, Method
from XRayTomoLib.mrml.geometry_node import views_from_node
from XRayTomoLib.mrml.volumes import PROVENANCE_ATTRIBUTE

VOXEL = (11, 17, 10)  # i, j, k of the one dense voxel
SHAPE = (15, 24, 20)
STRAIGHT = np.diag([2.0, 2.0, 2.0, 1.0])
OBLIQUE = np.array([[1.8, 0.4, 0.3, -15.0], [-0.5, 1.6, 0.2, 40.0], [0.1, 0.3, -2.4, 5.0], [0, 0, 0, 1.0]])  # left-handed, sheared
DETECTORS = {
    "square": {},
    "not square": {"rows": 120, "cols": 200, "rowPitchMm": 0.9, "colPitchMm": 0.5},
    "offset": {"offsetUMm": 13.0, "offsetVMm": -9.0},
    "rotated": {"inPlaneDeg": 33.0},
    "mirrored": {"flipped": True},
    "all of it": {"rows": 150, "cols": 230, "colPitchMm": 0.4, "offsetUMm": -8.0, "offsetVMm": 5.0, "inPlaneDeg": -70.0, "flipped": True},
}


@pytest.fixture
def logic():
    return XRayTomo.XRayTomoLogic()


def dense_voxel(matrix=STRAIGHT):
    values = np.zeros(SHAPE, np.float32)
    values[VOXEL[::-1]] = 1.0
    return slicer.util.addVolumeFromArray(values, ijkToRAS=slicer.util.vtkMatrixFromArray(matrix), name="Marker")


def parameters(logic, volume, **values):
    p = logic.getParameterNode()
    p.inputVolume = volume
    p.attenuationKind = AttenuationKind.LINEAR
    p.sddMm, p.sodMm, p.rows, p.cols, p.rowPitchMm, p.colPitchMm = 1000.0, 600.0, 160, 160, 0.6, 0.6
    for name, value in values.items():
        setattr(p, name, value)
    return p


def landmarks(points):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "Landmarks")
    for point in points:
        node.AddControlPointWorld(vtk.vtkVector3d(point))
    return node


def brightest_place(node):
    """RAS of the picture's centre of mass in a radiograph node, through the node's own matrix."""
    image = slicer.util.arrayFromVolume(node)[0].astype(float)
    rows, cols = np.indices(image.shape)
    ijk = [(cols * image).sum() / image.sum(), (rows * image).sum() / image.sum(), 0, 1]
    return _matrix(node) @ ijk


def _matrix(node):
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


@pytest.mark.parametrize("matrix", [STRAIGHT, OBLIQUE], ids=["straight", "oblique left-handed"])
@pytest.mark.parametrize("detector", list(DETECTORS))
def test_a_landmark_is_where_its_voxel_shines(logic, detector, matrix):
    volume = dense_voxel(matrix)
    place = matrix @ [*VOXEL, 1]
    p = parameters(logic, volume, primaryDeg=35.0, secondaryDeg=-20.0, landmarks=landmarks([place[:3]]), **DETECTORS[detector])
    node = logic.render(p)
    assert p.projectedLandmarks.GetNumberOfControlPoints() == 1
    projected = np.array(p.projectedLandmarks.GetNthControlPointPositionWorld(0))
    shining = brightest_place(node)[:3]
    assert np.linalg.norm(projected - shining) < 0.1 * min(p.rowPitchMm, p.colPitchMm)
    views = views_from_node(p.geometry)
    row, col = views.project(place[None, :3])[0, 0]
    np.testing.assert_allclose(views.origin[0] + col * views.u[0] + row * views.v[0], projected, atol=1e-6)


def test_at_zero_the_picture_is_upright_with_the_left_at_the_right(logic):
    """The voxel lies to the patient's right of the middle and above it: left and up in the picture."""
    assert VOXEL[0] > (SHAPE[2] - 1) / 2
    assert VOXEL[2] > (SHAPE[0] - 1) / 2
    image = slicer.util.arrayFromVolume(logic.render(parameters(logic, dense_voxel())))[0]
    row, col = np.unravel_index(image.argmax(), image.shape)
    assert col < 79
    assert row < 79


@pytest.mark.parametrize("flipped", [False, True])
def test_the_detector_wears_its_picture_the_right_way_round(logic, flipped):
    """Texture coordinate (s, t) of every corner is the place of that corner in the radiograph's own image."""
    p = parameters(logic, dense_voxel(), primaryDeg=20.0, inPlaneDeg=15.0, rows=100, flipped=flipped)
    logic.render(p)
    polydata = p.detector.GetPolyData()
    gantry = slicer.util.arrayFromTransformMatrix(p.gantry, toWorld=True)
    ijk_from_ras = np.linalg.inv(_matrix(p.radiograph))
    cols, rows, _ = p.radiograph.GetImageData().GetDimensions()
    for n in range(4):
        corner = ijk_from_ras @ gantry @ [*polydata.GetPoint(n), 1]
        s, t = polydata.GetPointData().GetTCoords().GetTuple2(n)
        np.testing.assert_allclose(corner[:3], [s * cols - 0.5, t * rows - 0.5, 0], atol=1e-6)
    assert p.detector.GetDisplayNode().GetTextureImageDataConnection() is not None


def test_the_models_stand_where_the_geometry_says(logic):
    p = parameters(logic, dense_voxel(), primaryDeg=-40.0, secondaryDeg=25.0, inPlaneDeg=10.0, offsetUMm=12.0)
    logic.updateScene(p)
    views, gantry = views_from_node(p.geometry), slicer.util.arrayFromTransformMatrix(p.gantry, toWorld=True)
    bounds = np.zeros(6)
    p.source.GetRASBounds(bounds)
    np.testing.assert_allclose((bounds[::2] + bounds[1::2]) / 2, views.source[0], atol=0.5)
    corners = [(gantry @ [*p.detector.GetPolyData().GetPoint(n), 1])[:3] for n in range(4)]
    np.testing.assert_allclose(corners, views.corners()[0], atol=1e-6)
    for kind in scene_objects.NAMES:
        assert getattr(p, kind).GetTransformNodeID() == p.gantry.GetID()
    assert p.axis.GetPolyData().GetNumberOfPoints() == 2
    assert p.cone.GetPolyData().GetNumberOfPolys() == 4


def test_bringing_the_scene_up_to_date_twice_changes_nothing(logic):
    p = parameters(logic, dense_voxel(), primaryDeg=12.0)
    logic.render(p)
    logic.updateScene(p)
    nodes = [getattr(p, name) for name in ("gantry", "geometry", "source", "cone", "detector", "axis", "radiograph")]
    before = [node.GetMTime() for node in nodes]
    logic.updateScene(p)
    logic.followGantry(p)
    assert [node.GetMTime() for node in nodes] == before


def test_sliders_and_gantry_follow_each_other(logic):
    p = parameters(logic, dense_voxel(), primaryDeg=30.0, secondaryDeg=10.0, inPlaneDeg=-20.0)
    logic.updateScene(p)
    assert p.isocentreFrom == IsocentreFrom.VOLUME
    turned = acquisition.GantryPose(-75.0, 40.0, 160.0, (p.isocentreR, p.isocentreA, p.isocentreS)).matrix()
    p.gantry.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(turned))
    logic.followGantry(p)
    np.testing.assert_allclose((p.primaryDeg, p.secondaryDeg, p.inPlaneDeg), (-75, 40, 160), atol=1e-6)
    assert p.isocentreFrom == IsocentreFrom.VOLUME
    turned[:3, 3] += (5, 0, 0)
    p.gantry.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(turned))
    logic.followGantry(p)
    assert p.isocentreFrom == IsocentreFrom.FREE
    logic.updateScene(p)
    np.testing.assert_allclose(slicer.util.arrayFromTransformMatrix(p.gantry), turned, atol=1e-6)


def test_isocentre_from_a_point_and_from_a_moved_volume(logic):
    volume = dense_voxel()
    point = landmarks([(1.0, 2.0, 3.0)])
    p = parameters(logic, volume, isocentreFrom=IsocentreFrom.POINT, isocentrePoint=point)
    logic.updateScene(p)
    assert (p.isocentreR, p.isocentreA, p.isocentreS) == (1.0, 2.0, 3.0)
    p.isocentreFrom = IsocentreFrom.VOLUME
    moved = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Shift")
    matrix = np.eye(4)
    matrix[:3, 3] = 7, 8, 9
    moved.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    volume.SetAndObserveTransformNodeID(moved.GetID())
    logic.updateScene(p)
    np.testing.assert_allclose((p.isocentreR, p.isocentreA, p.isocentreS), np.array([19, 23, 14]) + (7, 8, 9))
    point.RemoveAllControlPoints()
    p.isocentreFrom = IsocentreFrom.POINT
    with pytest.raises(ValueError, match="markups point"):
        logic.updateScene(p)


def test_a_point_on_the_radiograph_shows_its_ray(logic):
    p = parameters(logic, dense_voxel(), primaryDeg=35.0, flipped=True)
    logic.updateScene(p)
    views = views_from_node(p.geometry)
    pixel_ras = views.origin[0] + 40 * views.u[0] + 100 * views.v[0]
    p.radiographPoints = landmarks([pixel_ras])
    logic.updateScene(p)
    gantry = slicer.util.arrayFromTransformMatrix(p.gantry, toWorld=True)
    ends = [(gantry @ [*p.rays.GetPolyData().GetPoint(n), 1])[:3] for n in range(2)]
    np.testing.assert_allclose(ends, [views.source[0], pixel_ras], atol=1e-4)
    p.primaryDeg = -10.0
    logic.updateScene(p)
    turned = views_from_node(p.geometry)
    there = np.array(p.radiographPoints.GetNthControlPointPositionWorld(0))
    np.testing.assert_allclose(there, turned.origin[0] + 40 * turned.u[0] + 100 * turned.v[0], atol=1e-6)


def test_landmarks_outside_the_picture_are_left_out(logic):
    p = parameters(logic, dense_voxel(), landmarks=landmarks([(20, 20, 15), (5000, 20, 15), (20, -3000, 15)]))
    logic.updateScene(p)
    assert p.projectedLandmarks.GetNumberOfControlPoints() == 1


def test_output_is_named_after_the_ct_reused_and_says_where_it_comes_from(logic):
    p = parameters(logic, dense_voxel(), method=Method.SIDDON)
    node = logic.render(p)
    assert node.GetName() == "Marker radiograph"
    p.primaryDeg = 90.0
    assert logic.render(p) is node
    assert len(slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")) == 2
    provenance = json.loads(node.GetAttribute(PROVENANCE_ATTRIBUTE))
    assert provenance["parameters"]["method"] == "siddon"
    assert provenance["inputs"]["volume"] == "Marker"
    hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
    parent = hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node))
    assert hierarchy.GetItemName(parent) == acquisition.FOLDER


def test_window_and_level_follow_until_the_user_sets_them(logic):
    p = parameters(logic, dense_voxel())
    node = logic.render(p)
    display = node.GetDisplayNode()
    low, high = display.GetWindowLevelMin(), display.GetWindowLevelMax()
    image = slicer.util.arrayFromVolume(node)
    assert 0 <= low < high <= image.max()
    display.SetWindowLevelMinMax(0.1, 0.7)
    p.primaryDeg = 45.0
    logic.render(p)
    assert (display.GetWindowLevelMin(), display.GetWindowLevelMax()) == pytest.approx((0.1, 0.7))


def test_nothing_is_made_when_a_number_is_impossible(logic):
    p = parameters(logic, dense_voxel(), sddMm=500.0)
    count = slicer.mrmlScene.GetNumberOfNodes()
    with pytest.raises(ValueError, match="500"):
        logic.render(p)
    with pytest.raises(ValueError, match="500"):
        logic.updateScene(p)
    assert slicer.mrmlScene.GetNumberOfNodes() == count
