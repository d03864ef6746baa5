"""Trajectory and scan in the panel: created, looked at view by view, played, drawn by hand, simulated, cancelled, saved."""

import numpy as np
import pytest
import slicer
import vtk
from SlicerHost import driving

from XRayTomoLib.mrml import stack, trajectory_display
from XRayTomoLib.mrml.geometry_node import views_from_node

from .panel_kit import Panel


@pytest.fixture
def panel():
    return Panel()


@pytest.fixture
def section(panel):
    panel.ready(pixels=48)
    section = panel.section("TrajectorySection")
    section.panelKit = panel
    return section


def settle(section, seconds=60):
    driving.process()
    driving.wait_until(lambda: not section.projection.busy and not section.projection.timer.isActive(), seconds)


def create(section, name="Circle", **values):
    driving.choose(section.ui.trajectoryComboBox, name)
    for option, value in values.items():
        driving.type_text(section.form.control(option), str(value))
    driving.click(section.ui.createButton)
    settle(section)
    return section.parameters.scanGeometry


def projection(section):
    return slicer.util.arrayFromVolume(section.parameters.projection)[0].copy()


def test_create_draws_and_shows_the_first_projection(section):
    node = create(section, "Helix", count=12, pitch_mm=20)
    views = views_from_node(node)
    assert len(views) == 12
    assert "12 views of 48 x 48 pixels, flat" in section.ui.trajectorySummaryLabel.text
    assert projection(section).shape == (48, 48)
    assert projection(section).max() > 1
    assert not section.parameters.cone.GetDisplayNode().GetVisibility()
    assert trajectory_display.display_node(node, "path").GetDisplayNode().GetVisibility()
    assert section.ui.viewSlider.maximum == 11


def test_the_view_slider_moves_view_and_projection(section):
    node = create(section, count=8)
    first = projection(section)
    section.ui.viewSlider.setValue(2)
    settle(section)
    assert section.parameters.viewIndex == 2
    matrix = vtk.vtkMatrix4x4()
    section.parameters.projection.GetIJKToRASMatrix(matrix)
    np.testing.assert_allclose(slicer.util.arrayFromVTKMatrix(matrix), views_from_node(node)[2].image_to_ras(), atol=1e-9)
    assert np.abs(projection(section) - first).max() > 0.1
    assert "90.0° LAO" in section.ui.viewStatusLabel.text


def test_play_goes_round_and_stops(section):
    create(section, count=3)
    seen = set()
    driving.click(section.ui.playButton)
    driving.wait_until(lambda: seen.add(section.parameters.viewIndex) or seen == {0, 1, 2}, 20)
    assert section.ui.playButton.text == "Stop"
    driving.click(section.ui.playButton)
    assert not section.playTimer.isActive()


def test_options_are_kept_for_each_trajectory(section):
    create(section, "Helix", count=17)
    driving.choose(section.ui.trajectoryComboBox, "Saddle")
    driving.choose(section.ui.trajectoryComboBox, "Helix")
    assert section.form.values["count"] == 17


def test_a_curve_that_is_drawn_is_followed(section):
    driving.choose(section.ui.trajectoryComboBox, "Free curve")
    assert section.ui.curveSelector.isVisible()
    driving.click(section.ui.createButton)
    assert "at least 2 points" in section.ui.trajectoryMessageLabel.text
    driving.click(section.ui.drawCurveButton)
    curve = section.parameters.trajectoryCurve
    for point in [(-500, 0, 0), (0, -500, 80), (500, 0, 0)]:
        curve.AddControlPointWorld(vtk.vtkVector3d(*point))
    driving.type_text(section.form.control("count"), "5")
    driving.click(section.ui.createButton)
    settle(section)
    np.testing.assert_allclose(views_from_node(section.parameters.scanGeometry).source[2], (0, -500, 80), atol=1e-3)
    assert section.ui.trajectoryMessageLabel.text == ""
    driving.choose(section.ui.trajectoryComboBox, "Circle")
    assert not section.ui.curveSelector.isVisible()


def test_a_curved_detector_has_its_projection(section):
    p = section.parameters
    section.ui.detectorGroupBox.collapsed = False
    driving.choose(section.detectorForm.control("surface"), "cylindrical")
    node = create(section, count=4)
    assert "cylindrical" in section.ui.trajectorySummaryLabel.text
    assert projection(section).max() > 1
    texture = trajectory_display.display_node(node, "detector").GetDisplayNode().GetTextureImageDataConnection()
    assert texture is p.projection.GetDisplayNode().GetImageDataConnection()


def test_check_boxes_show_and_hide(section):
    node = create(section, count=4)
    driving.click(section.ui.outlinesCheckBox)
    assert not trajectory_display.display_node(node, "outlines").GetDisplayNode().GetVisibility()
    trajectory_display.set_group_visible(node, "outlines", True)
    section.panel.update()
    assert section.ui.outlinesCheckBox.checked


def test_export_and_import(section, tmp_path):
    node = create(section, count=4)
    section.ui.filesGroupBox.collapsed = False
    section.ui.exportPath.setCurrentPath(str(tmp_path / "way.json"))
    driving.click(section.ui.exportButton)
    assert (tmp_path / "way.json").is_file()
    section.ui.importPath.setCurrentPath(str(tmp_path / "way.json"))
    driving.click(section.ui.importButton)
    assert section.parameters.scanGeometry is not node
    assert section.parameters.scanGeometry.GetText() == node.GetText()
    section.ui.exportPath.setCurrentPath(str(tmp_path / "transforms.json"))
    driving.click(section.ui.exportButton)
    assert "see from the source" in section.ui.trajectoryMessageLabel.text
    driving.click(section.ui.flipButton)
    settle(section)
    driving.click(section.ui.exportButton)
    section.ui.importPath.setCurrentPath(str(tmp_path / "transforms.json"))
    driving.click(section.ui.importButton)
    np.testing.assert_allclose(views_from_node(section.parameters.scanGeometry).u, -views_from_node(node).u, atol=1e-9)
    section.ui.importPath.setCurrentPath(str(tmp_path / "none.json"))
    driving.click(section.ui.importButton)
    assert "no such file" in section.ui.trajectoryMessageLabel.text


def test_what_a_file_does_not_say_is_given_in_the_form(section, tmp_path):
    node = create(section, count=4)
    section.ui.filesGroupBox.collapsed = False
    section.ui.exportPath.setCurrentPath(str(tmp_path / "vectors.npy"))
    driving.click(section.ui.exportButton)
    assert "no place for: times" in section.ui.trajectorySummaryLabel.text
    section.ui.importPath.setCurrentPath(str(tmp_path / "vectors.npy"))
    driving.choose(section.files.form.control("kind"), "cone_vec")
    for name in ("rows", "cols"):
        driving.type_text(section.files.form.control(name), "48")
    driving.click(section.ui.importButton)
    assert section.ui.trajectoryMessageLabel.text == ""
    np.testing.assert_allclose(views_from_node(section.parameters.scanGeometry).origin, views_from_node(node).origin, atol=1e-9)


def scan(section):
    found = section.panelKit.section("ScanSection")
    driving.wait_until(lambda: found.ui.simulateButton.enabled)
    driving.click(found.ui.simulateButton)
    return found


def finished(found, seconds=60):
    driving.wait_until(lambda: not found.job.running, seconds)


def test_a_scan_is_made_and_looked_through(section):
    create(section, count=6)
    live = projection(section)
    found = scan(section)
    finished(found)
    p = section.parameters
    assert stack.stack_shape(p.projectionStack) == (6, 48, 48)
    np.testing.assert_allclose(projection(section), live, atol=1e-4)
    section.ui.viewSlider.setValue(4)
    driving.process()
    np.testing.assert_array_equal(projection(section), slicer.util.arrayFromVolume(p.projectionStack)[4])
    create(section, count=7)
    assert "select the geometry of this stack" in section.ui.trajectoryMessageLabel.text


def test_a_scan_in_a_file_fills_one_projection(section, tmp_path):
    create(section, count=3)
    section.panelKit.section("ScanSection").ui.stackPath.setCurrentPath(str(tmp_path / "scan.nrrd"))
    finished(scan(section))
    p = section.parameters
    assert p.projectionStack.GetImageData() is None
    section.ui.viewSlider.setValue(2)
    driving.process()
    last = projection(section)
    np.testing.assert_array_equal(last, stack.projection_of(p.projectionStack, 2))
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear(0)
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    settle(section)
    np.testing.assert_array_equal(projection(section), last)
    section.ui.viewSlider.setValue(0)
    driving.process()
    assert np.abs(projection(section) - last).max() > 0.1


def test_a_scan_is_cancelled_by_button_and_by_closing_the_scene(section):
    create(section, count=3000)
    found = scan(section)
    driving.click(found.ui.cancelScanButton)
    assert not found.job.running
    assert "Cancelled" in found.ui.scanStatusLabel.text
    assert section.parameters.projectionStack is None
    found = scan(section)
    thread = found.job._thread
    slicer.mrmlScene.Clear(0)
    driving.process()
    assert not thread.running
    assert not found.job.running


def test_a_saved_scene_continues(section, tmp_path):
    node = create(section, "Helix", count=5)
    finished(scan(section))
    section.ui.viewSlider.setValue(3)
    driving.process()
    before, text, count = projection(section), node.GetText(), len(slicer.util.getNodesByClass("vtkMRMLModelNode"))
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear(0)
    driving.process()
    assert section.parameters.scanGeometry is None
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    settle(section)
    p = section.parameters
    assert p.scanGeometry.GetText() == text
    assert p.viewIndex == section.ui.viewSlider.value == 3
    assert section.form.values["count"] == 5
    np.testing.assert_array_equal(projection(section), before)
    assert stack.stack_geometry(p.projectionStack) is p.scanGeometry
    assert len(slicer.util.getNodesByClass("vtkMRMLModelNode")) == count


def checks(section):
    return section.panelKit.section("GeometryChecksSection")


def test_points_are_checked_and_drawn_in_every_view(section):
    node = create(section, count=6)
    found, p = checks(section), section.parameters
    assert not found.ui.checkGeometryButton.enabled
    driving.click(found.ui.placeCheckPointButton)
    for point in [(0, 0, 0), (20, 10, -15)]:
        p.checkPoints.AddControlPointWorld(vtk.vtkVector3d(*point))
    driving.process()
    driving.click(found.ui.checkGeometryButton)
    assert "6 views, 2 points" in found.ui.checkReportLabel.text
    views = views_from_node(node)
    for index in (0, 4):
        section.ui.viewSlider.setValue(index)
        driving.process()
        place = np.array(p.projectedCheckPoints.GetNthControlPointPositionWorld(1))
        np.testing.assert_allclose(views[index].project(place[None]), views[index].project(np.array([[20.0, 10, -15]])), atol=1e-4)
        source = views.source[index]
        np.testing.assert_allclose(np.cross(place - source, np.array([20, 10, -15]) - source), 0, atol=1e-3)


def test_marks_on_the_projection_give_reprojection_errors(section):
    node = create(section, count=6)
    found, p = checks(section), section.parameters
    driving.click(found.ui.placeCheckPointButton)
    for point in [(0, 0, 0), (20, 10, -15)]:
        p.checkPoints.AddControlPointWorld(vtk.vtkVector3d(*point))
    driving.click(found.ui.placeObservedButton)
    views = views_from_node(node)
    for index in (0, 2):
        section.ui.viewSlider.setValue(index)
        driving.process()
        for point in [(0.0, 0, 0), (20.0, 10, -15)]:
            row, col = views[index].project(np.array([point]))[0, 0] + (0, 1.0)
            p.observedPoints.AddControlPointWorld(vtk.vtkVector3d(*(views.origin[index] + col * views.u[index] + row * views.v[index])))
            driving.process()
    assert p.observedPoints.GetNthControlPointDescription(3) == "view 2"
    assert p.observedPoints.GetNthControlPointLabel(3) == p.checkPoints.GetNthControlPointLabel(1)
    assert not p.observedPoints.GetNthControlPointVisibility(0)
    driving.click(found.ui.checkGeometryButton)
    assert "reprojection error: mean 1, rms 1, max 1 px" in found.ui.checkReportLabel.text


def test_a_coverage_map_is_made(section):
    create(section, count=6)
    found, p = checks(section), section.parameters
    driving.type_text(found.ui.coverageSpacingSpinBox, "16")
    driving.click(found.ui.coverageButton)
    driving.wait_until(lambda: not found.job.running, 60)
    values = slicer.util.arrayFromVolume(p.coverageMap)
    assert values.shape == (10, 11, 12)
    assert values[5, 5, 6] == 6
    driving.choose(found.ui.coverageComboBox, "Completeness (share of planes)")
    driving.click(found.ui.coverageButton)
    driving.wait_until(lambda: not found.job.running, 60)
    assert slicer.util.arrayFromVolume(p.coverageMap).max() <= 1


def test_what_does_not_fit_is_said(section):
    create(section, count=6)
    found, p = checks(section), section.parameters
    assert "reaches beyond the detector" in found.ui.warningsLabel.text
    p.tableRoi = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "Table")
    p.tableRoi.SetCenter(0, -530, 0)
    p.tableRoi.SetSize(400, 40, 900)
    driving.process()
    section.panel.update()
    assert "would hit the table" in found.ui.warningsLabel.text
    driving.click(found.ui.warningsCheckBox)
    assert found.ui.warningsLabel.text == ""
