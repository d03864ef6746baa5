"""Trajectories, stacks and checks through XRayTomoLogic: nodes in, nodes out."""

import json

import numpy as np
import pytest
import slicer
import vtk

import XRayTomo
from XRayTomoLib.geometry import FreePixels, Views, carm, circle
from XRayTomoLib.geometry.detectors import Panels, Polar
from XRayTomoLib.geometry.trajectories import TRAJECTORIES
from XRayTomoLib.mrml import scan_job, stack, trajectory_display
from XRayTomoLib.mrml.geometry_node import views_from_node, write_geometry
from XRayTomoLib.mrml.projection import describe_view
from XRayTomoLib.mrml.trajectory import show_geometry

SMALL = {"rows": 20, "cols": 24, "row_pitch_mm": 12.0, "col_pitch_mm": 12.0}


@pytest.fixture
def logic():
    return XRayTomo.XRayTomoLogic()


def block(name="Block", shape=(20, 24, 28)):
    values = np.full(shape, -1000, np.int16)
    values[4:-4, 4:-4, 6:-4] = 0
    matrix = np.diag([4.0, 4.0, 4.0, 1.0])
    matrix[:3, 3] = -2 * (np.array(shape[::-1]) - 1)
    return slicer.util.addVolumeFromArray(values, ijkToRAS=slicer.util.vtkMatrixFromArray(matrix), name=name)


def curve(points, kind="vtkMRMLMarkupsCurveNode"):
    node = slicer.mrmlScene.AddNewNodeByClass(kind, "Way")
    for point in points:
        node.AddControlPointWorld(vtk.vtkVector3d(*point))
    return node


def fiducials(points, name="Balls"):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", name)
    for i, point in enumerate(points):
        node.AddControlPointWorld(vtk.vtkVector3d(*point), f"P{i}")
    return node


def shape_of(node, kind):
    return trajectory_display.display_node(node, kind).GetPolyData()


def test_a_circle_is_the_circle_of_the_library_and_is_drawn(logic):
    node = logic.createTrajectory("circle", isocentreRas=(1, 2, 3), count=8, **SMALL)
    views = views_from_node(node)
    expected = circle(carm("Cios Fusion"), 8, isocentre_ras=(1, 2, 3))
    np.testing.assert_allclose(views.source, expected.source, atol=1e-9)
    assert views.shape == (20, 24)
    assert shape_of(node, "path").GetNumberOfPoints() == 8
    assert shape_of(node, "outlines").GetNumberOfLines() == 8
    axis = slicer.util.arrayFromModelPoints(trajectory_display.display_node(node, "axis"))
    np.testing.assert_allclose(axis[:, :2], [[1, 2], [1, 2]], atol=1e-6)


def test_the_field_of_view_is_drawn_where_all_views_see(logic):
    node = logic.createTrajectory("circle", isocentreRas=(10, 20, 30), count=40, **SMALL)
    low_r, high_r, low_a, high_a, low_s, high_s = shape_of(node, "field").GetBounds()
    radius = 530 * np.sin(np.arctan(12 * 12.0 / 1020))
    assert [(low_r + high_r) / 2, (low_a + high_a) / 2, (low_s + high_s) / 2] == pytest.approx([10, 20, 30], abs=1)
    assert [(high_r - low_r) / 2, (high_a - low_a) / 2] == pytest.approx([radius, radius], rel=0.05)
    assert (high_s - low_s) / 2 == pytest.approx(530 * 120 / 1020, rel=0.08)


@pytest.mark.parametrize("name", [n for n in TRAJECTORIES if n != "free"])
def test_every_trajectory_becomes_a_node(logic, name):
    node = logic.createTrajectory(name, count=150, **SMALL)
    assert len(views_from_node(node)) == 150
    assert node.GetName() == f"{TRAJECTORIES[name].TITLE} trajectory"
    assert shape_of(node, "outlines").GetNumberOfLines() == 36


@pytest.mark.parametrize("surface", ["flat", "cylindrical", "spherical"])
def test_the_drawn_detector_lies_where_the_pixels_are(logic, surface):
    node = logic.createTrajectory("circle", count=4, detector={"surface": surface, "tilt_deg": 5.0}, **SMALL)
    trajectory_display.show_view(node, 2)
    views = views_from_node(node)[2]
    drawn = shape_of(node, "detector")
    points = slicer.util.arrayFromModelPoints(trajectory_display.display_node(node, "detector"))
    texture = np.array([drawn.GetPointData().GetTCoords().GetTuple2(i) for i in range(len(points))])
    for ras, (s, t) in zip(points, texture, strict=True):
        inside = ras + 1e-7 * (views.source[0] - ras)
        np.testing.assert_allclose(views.project(inside[None])[0, 0], [t * 20 - 0.5, s * 24 - 0.5], atol=1e-3)
    corner = np.array(shape_of(node, "corner").GetCenter())
    np.testing.assert_allclose(views.project(corner[None])[0, 0], [0, 0], atol=0.05)


def parallel():
    cone = circle(carm("Cios Fusion").resampled(6, 8), 5)
    return Views(direction=cone.centre - cone.source, origin=cone.origin, u=cone.u, v=cone.v, shape=cone.shape)


def of_surface(surface):
    views = circle(carm("Cios Fusion").resampled(6, 8), 5)
    return views.with_surface(surface(views))


UNUSUAL = {
    "parallel rays": parallel,
    "free pixels": lambda: of_surface(lambda views: FreePixels(views.surface.points(views))),
    "polar": lambda: of_surface(lambda views: Polar((2.5, 3.5), 10.0, 5.0, 0.0, 45.0)),
    "panels": lambda: of_surface(lambda views: Panels.on_arc((6, 8), 2, 1020.0, [float(a[0]) for a in views.pitch_mm])),
    "one view": lambda: circle(carm("Cios Fusion").resampled(6, 8), 1),
}


@pytest.mark.parametrize("case", list(UNUSUAL))
def test_unusual_geometries_are_drawn_exported_and_scanned(logic, case, tmp_path):
    views = UNUSUAL[case]()
    node = logic.createTrajectory("circle", count=2, **SMALL)
    show_geometry(node, views)
    trajectory_display.show_view(node, len(views) - 1)
    low_high = np.array(shape_of(node, "detector").GetBounds()).reshape(3, 2)
    points = views[len(views) - 1].surface.points(views[len(views) - 1]).reshape(-1, 3)
    assert (points >= low_high[:, 0] - 1e-3).all() and (points <= low_high[:, 1] + 1e-3).all()
    assert describe_view(views, len(views) - 1).startswith("View")
    assert logic.importGeometry(logic.exportGeometry(node, tmp_path / "g.json")).GetText() == node.GetText()
    assert slicer.util.arrayFromVolume(logic.simulateScan(block(), node)).max() > 0


def test_a_drawn_curve_is_the_way_of_the_source(logic):
    points = [(-600, 0, 0), (0, -600, 50), (600, 0, 100), (0, 600, 150)]
    node = logic.createTrajectory("free", curveNode=curve(points), count=31, **SMALL)
    views = views_from_node(node)
    np.testing.assert_allclose(views.source[[0, -1]], [points[0], points[-1]], atol=1e-6)
    pixels = views.project(np.zeros((1, 3)))[:, 0]
    np.testing.assert_allclose(pixels, np.tile([9.5, 11.5], (31, 1)), atol=1e-6)
    drawn = slicer.util.arrayFromMarkupsCurvePoints(curve(points), world=True)
    share = np.linspace(0, len(drawn) - 1, 2000)
    line = np.stack([np.interp(share, np.arange(len(drawn)), along) for along in drawn.T], -1)
    assert np.linalg.norm(views.source[:, None] - line, axis=-1).min(1).max() < 5          # as it is seen; between chords of 130 mm
    closed = logic.createTrajectory("free", curveNode=curve(points, "vtkMRMLMarkupsClosedCurveNode"), count=4, **SMALL)
    ends = views_from_node(closed).source[[0, -1]]
    assert np.linalg.norm(ends[0] - ends[1]) > 100


BAD = {
    "no curve": (("free",), {}, "needs a markups curve"),
    "unknown": (("zigzag",), {}, "zigzag.*helix"),
    "unknown value": (("helix",), {"piches": 3}, "piches.*pitch_mm"),
    "bad option": (("helix",), {"turns": -1.0}, "turns"),
    "bad detector": (("circle",), {"detector": {"surface": "cubic"}}, "cubic.*flat"),
}


@pytest.mark.parametrize("case", list(BAD))
def test_bad_trajectories_are_one_sentence_and_make_no_node(logic, case):
    arguments, values, sentence = BAD[case]
    count = slicer.mrmlScene.GetNumberOfNodes()
    with pytest.raises(ValueError, match=sentence):
        logic.createTrajectory(*arguments, **(SMALL | values))
    assert slicer.mrmlScene.GetNumberOfNodes() == count


def test_export_and_import_give_the_same_views(logic, tmp_path):
    node = logic.createTrajectory("helix", count=9, detector={"surface": "cylindrical"}, **SMALL)
    path = logic.exportGeometry(node, tmp_path / "helix.json")
    again = logic.importGeometry(path)
    assert again.GetText() == node.GetText()
    assert again.GetName() == "helix"
    assert shape_of(again, "path").GetNumberOfPoints() == 9


def test_a_scan_is_a_stack_that_knows_its_geometry(logic):
    volume = block()
    geometry = logic.createTrajectory("circle", count=5, **SMALL)
    steps = []
    node = logic.simulateScan(volume, geometry, progress=steps.append)
    array = slicer.util.arrayFromVolume(node)
    assert array.shape == (5, 20, 24)
    assert node.GetName() == "Block scan"
    assert stack.stack_geometry(node) is geometry
    assert steps[-1].index == 5
    assert json.loads(node.GetAttribute("XRayTomo.Provenance"))["operation"] == "scan"
    one = logic.createTrajectory("circle", count=1, **SMALL)
    write_geometry(one, views_from_node(geometry)[3])
    single = logic.radiograph(volume, geometryNode=one)
    np.testing.assert_allclose(array[3], slicer.util.arrayFromVolume(single)[0], atol=1e-5)
    np.testing.assert_array_equal(stack.projection_of(node, 3), array[3])


def test_a_large_stack_stays_in_its_file(logic, tmp_path):
    volume, geometry = block(), logic.createTrajectory("circle", count=5, **SMALL)
    with pytest.raises(ValueError, match="choose a file"):
        scan_job.scan_request(volume, geometry, "joseph", None, limit_bytes=1000)
    node = logic.simulateScan(volume, geometry, path=tmp_path / "scan.nrrd")
    assert node.GetImageData() is None
    assert stack.stack_shape(node) == (5, 20, 24)
    small = logic.simulateScan(volume, geometry)
    np.testing.assert_array_equal(stack.projection_of(node, 4), stack.projection_of(small, 4))
    with pytest.raises(ValueError, match="has 5 views"):
        stack.projection_of(node, 5)
    (tmp_path / "scan.nrrd").unlink()
    with pytest.raises(ValueError, match="no longer at"):
        stack.projection_of(node, 0)


def test_a_projection_lies_on_its_detector(logic):
    volume, geometry = block(), logic.createTrajectory("helix", count=5, **SMALL)
    node = logic.simulateScan(volume, geometry)
    shown = stack.new_projection_node("Projection")
    stack.show_projection(shown, stack.projection_of(node, 3), geometry, 3)
    matrix = vtk.vtkMatrix4x4()
    shown.GetIJKToRASMatrix(matrix)
    np.testing.assert_allclose(slicer.util.arrayFromVTKMatrix(matrix), views_from_node(geometry)[3].image_to_ras(), atol=1e-9)
    texture = trajectory_display.display_node(geometry, "detector").GetDisplayNode().GetTextureImageDataConnection()
    assert texture is shown.GetDisplayNode().GetImageDataConnection()


def test_the_check_reports_how_far_marks_are_off(logic):
    geometry = logic.createTrajectory("circle", count=6, **SMALL)
    places = np.array([[10.0, 0, 0], [0, 20, -10], [-15, 5, 30]])
    points, views = fiducials(places), views_from_node(geometry)
    found = logic.checkGeometry(geometry, points)
    np.testing.assert_allclose(found.pixels, views.project(places), atol=1e-9)
    assert found.errors_px is None
    marks = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "Marks")
    pixels = views.project(places)
    for view in (1, 4):
        for i in range(3):
            r, c = pixels[view, i] + (0.0, 0.5)
            place = views.origin[view] + c * views.u[view] + r * views.v[view]
            number = marks.AddControlPointWorld(vtk.vtkVector3d(*place), f"P{i}")
            marks.SetNthControlPointDescription(number, f"view {view}")
    found = logic.checkGeometry(geometry, points, marks)
    np.testing.assert_allclose(found.errors_px[[1, 4]], 0.5, atol=1e-5)
    assert np.isnan(found.errors_px[0]).all()
    assert "reprojection error: mean 0.5" in found.report()
    marks.SetNthControlPointLabel(0, "Q")
    with pytest.raises(ValueError, match="'Q' has no partner"):
        logic.checkGeometry(geometry, points, marks)


def test_coverage_on_an_oriented_region(logic):
    geometry = logic.createTrajectory("circle", count=9, **SMALL)
    region = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "Region")
    region.SetSize(40, 60, 80)
    turn = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Turn")
    turned = np.array([[0.0, -1, 0, 5], [1, 0, 0, 6], [0, 0, 1, 7], [0, 0, 0, 1]])
    turn.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(turned))
    region.SetAndObserveTransformNodeID(turn.GetID())
    node = logic.coverage(geometry, region, spacingMm=20)
    values = slicer.util.arrayFromVolume(node)
    assert values.shape == (4, 3, 2)
    assert (values == 9).all()
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    expected = (turned @ [-10, -20, -30, 1])[:3]
    np.testing.assert_allclose(slicer.util.arrayFromVTKMatrix(matrix)[:3, 3], expected, atol=1e-9)
    with pytest.raises(ValueError, match="too large"):
        logic.coverage(geometry, region, spacingMm=0.01)
    with pytest.raises(ValueError, match="no map 'beauty'"):
        logic.coverage(geometry, region, kind="beauty")
