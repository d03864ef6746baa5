"""Registration through XRayTomoLogic: what moves, from which start, what is refused, and what is known of the result."""

import numpy as np
import pytest
import slicer
import vtk

import XRayTomo
from XRayTomoLib.geometry import pose_about, transform_points
from XRayTomoLib.mrml import convergence, moved_nodes, registration_job, xrays
from XRayTomoLib.mrml.geometry_node import views_from_node
from XRayTomoLib.mrml.moving_object import moving_object
from XRayTomoLib.mrml.registration_evaluation import rows_of
from XRayTomoLib.mrml.transforms import matrix_from_array, world_from_local
from XRayTomoLib.mrml.volumes import GEOMETRY_ROLE
from XRayTomoLib.physics.attenuation import AttenuationModel

DETECTOR = {"rows": 64, "cols": 64, "row_pitch_mm": 6.0, "col_pitch_mm": 6.0, "sdd_mm": 1000.0, "sod_mm": 600.0}
MOVED = pose_about(np.radians([3.0, -4.0, 5.0]), (6.0, -5.0, 4.0), (0.0, 0.0, 0.0))
POINTS = np.array([[40.0, 30, 20], [-40, 25, -30], [10, -35, 40], [-20, -30, -10]])
QUICK = {"search_count": 64}


@pytest.fixture
def logic():
    return XRayTomo.XRayTomoLogic()


@pytest.fixture
def scene(logic):
    return Scene(logic)


class Scene:
    """A crooked body of water with bones, and two X-rays of it at its true place, from which it was taken away."""

    def __init__(self, logic):
        values = np.full((32, 34, 36), -1000, np.int16)
        values[6:-6, 6:-6, 6:-6] = 0
        values[20:26, 8:14, 22:30], values[8:14, 20:28, 8:16], values[10:12, 8:26, 24:26] = 900, 1200, 1500
        matrix = np.diag([5.0, 5.0, 5.0, 1.0])
        matrix[:3, 3] = -2.5 * (np.array(values.shape[::-1]) - 1)
        self.volume = slicer.util.addVolumeFromArray(values, ijkToRAS=slicer.util.vtkMatrixFromArray(matrix), name="CT")
        self.truth = transform("True place", MOVED)
        self.volume.SetAndObserveTransformNodeID(self.truth.GetID())
        self.xrays = [logic.radiograph(self.volume, primaryDeg=angle, isocentreRas=(0, 0, 0), **DETECTOR) for angle in (0, 90)]
        self.volume.SetAndObserveTransformNodeID(None)

    def views(self):
        return [views_from_node(node.GetNodeReference(GEOMETRY_ROLE)) for node in self.xrays]

    def landmarks(self, count=4):
        """Points on the object, and marks on the detectors where the X-rays show them."""
        marks, labels = [], []
        for view in self.views():
            for n, (row, col) in enumerate(view.project(transform_points(MOVED, POINTS[:count]))[0]):
                marks.append(view.origin[0] + col * view.u[0] + row * view.v[0])
                labels.append(f"L{n}")
        return fiducials("Landmarks", POINTS[:count]), fiducials("Marks", marks, labels)


def transform(name, matrix):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", name)
    node.SetMatrixTransformToParent(matrix_from_array(matrix))
    return node


def fiducials(name, points, labels=None):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", name)
    for i, point in enumerate(points):
        node.AddControlPointWorld(vtk.vtkVector3d(point), labels[i] if labels else f"L{i}")
    return node


def error_mm(node):
    points = np.array([[x, y, z] for x in (-40, 40) for y in (-40, 40) for z in (-40, 40)], float)
    return np.linalg.norm(transform_points(world_from_local(node), points) - transform_points(MOVED, points), axis=1).mean()


def known(table):
    return {what: float(value) for what, value, _unit in rows_of(table)}


def test_the_volume_is_registered_and_evaluated(logic, scene):
    node, result = logic.register(scene.volume, scene.xrays, **QUICK)
    assert error_mm(scene.volume) < 0.5 and scene.volume.GetParentTransformNode() is node
    assert result.scores.min() > 0.98 and (result.scores > result.scores_start + 0.05).all()
    matrices = registration_job.matrices_of_run(node)
    np.testing.assert_array_equal(matrices[0], np.eye(4))
    np.testing.assert_allclose(matrices[-1], world_from_local(scene.volume), atol=1e-9)
    assert convergence.table_of(node).GetNumberOfRows() == len(matrices) > 5
    ellipsoid = slicer.util.getNode("95 % ellipsoid")
    ellipsoid.SetDisplayVisibility(False)
    assert registration_job.show_ellipsoid(result, ellipsoid) is ellipsoid and ellipsoid.GetDisplayVisibility()
    table = logic.evaluateRegistration(scene.volume, scene.xrays, scene.truth)
    assert known(table)["mTRE"] == pytest.approx(error_mm(scene.volume), abs=0.3) and known(table)["mRPE"] <= known(table)["mTRE"]


def test_landmarks_give_the_start_and_their_distances(logic, scene):
    landmarks, marks = scene.landmarks()
    before = known(logic.evaluateRegistration(scene.volume, scene.xrays, scene.truth, landmarks, marks))
    assert before["landmarks, all X-rays"] > 1 and before["mTRE"] == pytest.approx(np.linalg.norm(
        transform_points(MOVED, POINTS) - POINTS, axis=1).mean())  # fmt: skip
    _node, result = logic.register(scene.volume, scene.xrays, start="landmarks", landmarksNode=landmarks, xrayPointsNode=marks, search_count=1,
                                   refined_starts=1)
    np.testing.assert_allclose(transform_points(result.start, POINTS), transform_points(MOVED, POINTS), atol=0.05)
    after = known(logic.evaluateRegistration(scene.volume, scene.xrays, scene.truth, landmarks, marks))
    assert after["landmarks, all X-rays"] < 0.2 and after[f"landmarks, {scene.xrays[1].GetName()}"] < 0.2 and after["mTRE"] < 0.5


def test_a_truth_below_a_non_rigid_transform_is_refused(logic, scene):
    warp = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode", "Warp")
    warp.SetAndObserveTransformToParent(vtk.vtkThinPlateSplineTransform())
    scene.truth.SetAndObserveTransformNodeID(warp.GetID())
    with pytest.raises(ValueError, match="'True place' is non-rigid or under such a transform"):
        logic.evaluateRegistration(scene.volume, scene.xrays, scene.truth)


def test_points_placed_on_a_moved_object_go_along_and_back(scene):
    node = moved_nodes.move([scene.volume], MOVED)
    points = fiducials("Landmarks", transform_points(MOVED, POINTS))
    further = pose_about((0.1, 0, 0), (0, 5.0, 0), (0, 0, 0))
    moved_nodes.move(moved_nodes.together(scene.volume, [points, None]), further @ MOVED, node)
    places = [points.GetNthControlPointPositionWorld(n) for n in range(4)]
    np.testing.assert_allclose(places, transform_points(further @ MOVED, POINTS), atol=1e-9)
    moved_nodes.revert(node)
    np.testing.assert_allclose([points.GetNthControlPointPositionWorld(n) for n in range(4)], POINTS, atol=1e-9)
    assert scene.volume.GetParentTransformNode() is None


def test_an_object_that_was_moved_is_not_dragged_along_by_the_next(logic, scene):
    node, other = moved_nodes.move([scene.volume], MOVED), sphere((0, 0, 0), 10.0)
    with pytest.raises(ValueError, match="'CT' was moved by 'Registration' and is neither accepted nor reverted"):
        logic.register(None, scene.xrays, partNode=other, transformNode=node)
    with pytest.raises(ValueError, match="neither accepted nor reverted"):
        moved_nodes.move([other], np.eye(4), node)
    assert error_mm(scene.volume) < 1e-9 and other.GetParentTransformNode() is None
    moved_nodes.accept(node)
    next_node = moved_nodes.move([other], np.eye(4))
    assert next_node is not node and error_mm(scene.volume) < 1e-9


@pytest.mark.parametrize("end", [moved_nodes.accept, moved_nodes.revert])
def test_handles_end_with_the_move(scene, end):
    node = moved_nodes.move([scene.volume], MOVED)
    moved_nodes.show_handles(node, (0, 0, 0))
    assert node.GetDisplayNode().GetEditorVisibility() and node.GetDisplayNode().GetEditorVisibility3D()
    end(node)
    assert not node.GetDisplayNode().GetEditorVisibility() and not node.GetDisplayNode().GetEditorVisibility3D()


def constant(scene):
    slicer.util.arrayFromVolume(scene.xrays[0])[:] = 1.0


def masked(scene):
    nothing = slicer.util.addVolumeFromArray(np.zeros((1, 64, 64), np.uint8), name="Nothing")
    scene.xrays[1].SetNodeReferenceID(xrays.SIDE_ROLES["mask"], nothing.GetID())


def aside(scene):
    scene.volume.SetAndObserveTransformNodeID(transform("Aside", pose_about((0, 0, 0), (0, 0, 2000.0), (0, 0, 0))).GetID())


def two_landmarks(scene):
    landmarks, marks = scene.landmarks(2)
    return {"start": "landmarks", "landmarksNode": landmarks, "xrayPointsNode": marks}


def strange_landmark(scene):
    landmarks, marks = scene.landmarks()
    marks.SetNthControlPointLabel(0, "elbow")
    return {"start": "landmarks", "landmarksNode": landmarks, "xrayPointsNode": marks}


def same_landmarks(scene):
    landmarks, marks = scene.landmarks()
    landmarks.SetNthControlPointLabel(0, "L1")
    return {"start": "landmarks", "landmarksNode": landmarks, "xrayPointsNode": marks}


def without_geometry(scene):
    scene.xrays[0].SetNodeReferenceID(GEOMETRY_ROLE, None)


def no_xray(scene):
    scene.xrays = []


def a_ct(scene):
    scene.xrays[0] = scene.volume


def mask_of_another_size(scene):
    small = slicer.util.addVolumeFromArray(np.ones((1, 32, 64), np.uint8), name="Small")
    scene.xrays[0].SetNodeReferenceID(xrays.SIDE_ROLES["mask"], small.GetID())


BAD = {
    constant: "nothing to register to", masked: "mask leaves no pixel", aside: "does not see", two_landmarks: "2 landmarks.*at least 3",
    no_xray: "No X-ray takes part", strange_landmark: "elbow.*no partner", same_landmarks: "same label", without_geometry: "has no geometry: select",
    a_ct: "has no geometry", mask_of_another_size: r"'mask' has the shape \(32, 64\)",
    lambda scene: {"start": "landmarks"}: "Landmarks are missing", lambda scene: {"similarity": "ncc"}: "needs residuals",
    lambda scene: {"free": "rotation Q"}: "rotation Q", lambda scene: {"partNode": slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode", "Hull")}:
    "'Hull' has no surface",
}  # fmt: skip


@pytest.mark.parametrize("spoil", BAD, ids=range(len(BAD)))
def test_what_is_wrong_is_one_sentence_and_nothing_moves(logic, scene, spoil):
    options = spoil(scene) or {}
    before, above = world_from_local(scene.volume), scene.volume.GetParentTransformNode()
    with pytest.raises(ValueError, match=BAD[spoil]) as caught:
        logic.register(scene.volume, scene.xrays, **(QUICK | options))
    assert "\n" not in str(caught.value)
    np.testing.assert_array_equal(world_from_local(scene.volume), before)
    assert scene.volume.GetParentTransformNode() is above


def segment(volume, mask, name="Bone"):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Segmentation")
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    node.GetSegmentation().AddEmptySegment("bone", name)
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask.astype(np.uint8), node, "bone", volume)
    return node


def test_a_segment_is_cut_out_of_the_volume_and_moves_alone(scene):
    mask = np.zeros((32, 34, 36), bool)
    mask[20:26, 8:14, 22:30] = True
    node = segment(scene.volume, mask)
    moving = moving_object(scene.volume, AttenuationModel(), node, "bone")
    assert moving.values.shape == (6, 6, 8) and (moving.values == AttenuationModel().mu(np.array(900))).all()
    np.testing.assert_allclose(moving.grid.centre_ras, 5.0 * (np.array([25.5, 10.5, 22.5]) - np.array([17.5, 16.5, 15.5])))
    node.SetAndObserveTransformNodeID(scene.truth.GetID())
    again = moving_object(scene.volume, AttenuationModel(), node, "bone", moving)
    assert again.key == moving.key and again.values is moving.values
    np.testing.assert_allclose(again.grid.centre_ras, transform_points(MOVED, moving.grid.centre_ras))
    with pytest.raises(ValueError, match=r"no segment 'nail'.*Bone"):
        moving_object(scene.volume, AttenuationModel(), node, "nail")


def test_a_segment_is_registered_by_its_footprint_and_the_volume_stays(logic, scene):
    """The bones alone; the X-rays show the whole body."""
    node = segment(scene.volume, slicer.util.arrayFromVolume(scene.volume) > 500)
    transform, _result = logic.register(scene.volume, scene.xrays, partNode=node, segment="bone", footprint_mm=6.0, search_shift_mm=12.0,
                                        search_rotation_deg=8.0, search_count=64)
    assert node.GetParentTransformNode() is transform and scene.volume.GetParentTransformNode() is None
    table = logic.evaluateRegistration(scene.volume, scene.xrays, scene.truth, partNode=node, segment="bone")
    assert known(table)["mTRE"] < 0.5


def sphere(centre, radius):
    source = vtk.vtkSphereSource()
    source.SetCenter(*centre)
    source.SetRadius(radius)
    source.SetThetaResolution(48)
    source.SetPhiResolution(48)
    source.Update()
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode", "Ball")
    node.SetAndObservePolyData(source.GetOutput())
    return node


def test_a_part_is_cut_out_anew_when_its_volume_was_centred_or_stretched(scene):
    node = sphere((0, 0, 0), 30.0)
    before = moving_object(scene.volume, AttenuationModel(), node)
    scene.volume.SetOrigin(*np.array(scene.volume.GetOrigin()) + 2)
    centred = moving_object(scene.volume, AttenuationModel(), node, last=before)
    np.testing.assert_allclose((centred.grid.centre_ras - before.grid.centre_ras) % 5, 2)
    scene.volume.SetSpacing(4, 4, 4)
    np.testing.assert_allclose(moving_object(scene.volume, AttenuationModel(), node, last=centred).grid.spacing_mm, 4)


def test_without_a_volume_and_a_part_nothing_can_move():
    with pytest.raises(ValueError, match="No volume is selected"):
        moving_object(None, AttenuationModel())


@pytest.mark.parametrize("with_volume", [True, False])
def test_a_closed_model_becomes_its_inside(scene, with_volume):
    node = sphere((10.0, -5.0, 0.0), 30.0)
    moving = moving_object(scene.volume if with_volume else None, AttenuationModel(), node)
    inside = moving.values > 0
    volume = inside.sum() * np.prod(moving.grid.spacing_mm)
    assert volume == pytest.approx(4 / 3 * np.pi * 30**3, rel=0.02)
    places = moving.grid.ras_from_ijk(np.argwhere(inside)[:, ::-1])
    np.testing.assert_allclose(places.mean(0), (10.0, -5.0, 0.0), atol=0.3)


def test_stacks_and_loaded_pictures_become_xrays_with_their_own_geometry(logic, scene):
    p = logic.getParameterNode()
    geometry = logic.createGeometry("Free form", primaryDeg=[0, 90], **{**DETECTOR, "rows": 20, "cols": 24})
    stack = logic.simulateScan(scene.volume, geometry)
    node = xrays.add_xray(p, stack, 1)
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(node)[0], slicer.util.arrayFromVolume(stack)[1])
    assert node is not stack and xrays.describe_xray(node) == ("90.0° LAO, 0.0° cranial", "")
    picture = xrays.add_xray(p, slicer.util.addVolumeFromArray(np.ones((1, 20, 24)), name="Picture"))
    assert "has no geometry: select" in xrays.describe_xray(picture)[1]
    xrays.set_geometry(picture, geometry, 1)
    assert xrays.describe_xray(picture) == ("90.0° LAO, 0.0° cranial", "")
    assert xrays.xrays_of(p) == [node, picture]
    with pytest.raises(ValueError, match="64 x 64 pixels.*20 x 24"):
        xrays.set_geometry(scene.xrays[0], geometry)
    with pytest.raises(ValueError, match="an X-ray is one image"):
        xrays.add_xray(p, scene.volume)


def test_a_geometry_that_is_set_again_takes_the_place_of_the_one_before(logic, scene):
    geometry = logic.createGeometry("Free form", primaryDeg=[0, 90], **DETECTOR)
    first, second = scene.xrays
    theirs = first.GetNodeReference(GEOMETRY_ROLE)
    before = theirs.GetText()
    xrays.set_geometry(first, geometry, 1)
    own = first.GetNodeReference(GEOMETRY_ROLE)
    xrays.set_geometry(first, geometry, 0)
    assert first.GetNodeReference(GEOMETRY_ROLE) is own is not theirs and theirs.GetText() == before
    assert xrays.describe_xray(first) == ("0.0° LAO, 0.0° cranial", "")
    second.SetNodeReferenceID(GEOMETRY_ROLE, own.GetID())
    xrays.set_geometry(first, geometry, 1)
    assert first.GetNodeReference(GEOMETRY_ROLE) is not own and xrays.describe_xray(second)[0] == "0.0° LAO, 0.0° cranial"


def test_a_mask_is_painted_on_the_xray(scene):
    painted = np.zeros((1, 64, 64), bool)
    painted[0, 10:20, 30:50] = True
    node = segment(scene.xrays[0], painted, "Counts")
    scene.xrays[0].SetNodeReferenceID(xrays.SIDE_ROLES["mask"], node.GetID())
    np.testing.assert_array_equal(xrays.stored_xray(scene.xrays[0]).prepared().mask, painted[0])


def test_counts_with_flat_and_dark_image_are_the_line_integrals(scene):
    node = scene.xrays[0]
    line_integrals = slicer.util.arrayFromVolume(node).copy()
    flat = np.full_like(line_integrals, 5000.0)
    flat[:, :, 32:] = 8000.0
    slicer.util.updateVolumeFromArray(node, (flat - 100) * np.exp(-line_integrals) + 100)
    for name, image in (("flat", flat), ("dark", np.full_like(flat, 100.0))):
        node.SetNodeReferenceID(xrays.SIDE_ROLES[name], slicer.util.addVolumeFromArray(image, name=name).GetID())
    xrays.set_preparation(node, {"values": "counts", "find_collimator": False, "bad_sigma": 0.0})
    np.testing.assert_allclose(xrays.stored_xray(node).prepared().image, line_integrals[0], atol=1e-3)


def test_an_overlay_lies_on_the_detector_and_is_white_where_all_agrees(logic, scene):
    scene.volume.SetAndObserveTransformNodeID(scene.truth.GetID())
    node = logic.overlay(scene.volume, scene.xrays[0], mode="difference")
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    np.testing.assert_allclose(slicer.util.arrayFromVTKMatrix(matrix), scene.views()[0].image_to_ras(), atol=1e-9)
    assert slicer.util.arrayFromVolume(node).min() > 250
    scene.volume.SetAndObserveTransformNodeID(None)
    assert slicer.util.arrayFromVolume(logic.overlay(scene.volume, scene.xrays[0], outputNode=node, mode="difference")).min() < 100
