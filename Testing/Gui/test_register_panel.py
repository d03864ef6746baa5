"""Register in the panel: the object moves to where X-rays show it, is reverted, accepted, cancelled, and stays where it was on bad input."""

from dataclasses import replace

import ctk
import numpy as np
import pytest
import qt
import slicer
import vtk
from SlicerHost import driving

from XRayTomoLib.geometry import pose_about, transform_points
from XRayTomoLib.mrml import convergence, moved_nodes, tables, xrays
from XRayTomoLib.mrml.choices import StartFrom
from XRayTomoLib.mrml.geometry_node import views_from_node
from XRayTomoLib.mrml.registration_evaluation import rows_of
from XRayTomoLib.mrml.transforms import matrix_from_array, world_from_local
from XRayTomoLib.mrml.volumes import GEOMETRY_ROLE

from .panel_kit import Panel, phantom

DETECTOR = {"rows": 64, "cols": 64, "row_pitch_mm": 6.0, "col_pitch_mm": 6.0, "sdd_mm": 1000.0, "sod_mm": 600.0}
MOVED = pose_about(np.radians([3.0, -4.0, 5.0]), (6.0, -5.0, 4.0), (0.0, 0.0, 0.0))
POINTS = np.array([[40.0, 30, 20], [-40, 25, -30], [10, -35, 40], [-20, -30, -10]])


def body(name):
    """HU: a crooked body of water with bones that are alike in no two directions."""
    volume = phantom(name, shape=(32, 34, 36), spacing=5.0)
    values = slicer.util.arrayFromVolume(volume)
    values[20:26, 8:14, 22:30] = 900
    values[8:14, 20:28, 8:16] = 1200
    values[10:12, 8:26, 24:26] = 1500
    slicer.util.arrayFromVolumeModified(volume)
    return volume


@pytest.fixture
def section():
    panel = Panel()
    section = panel.section("RegisterSection")
    volume, logic = body("CT"), slicer.util.getModuleLogic("XRayTomo")
    section.truth = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "True place")
    section.truth.SetMatrixTransformToParent(matrix_from_array(MOVED))
    volume.SetAndObserveTransformNodeID(section.truth.GetID())
    section.xrays = [logic.radiograph(volume, primaryDeg=angle, isocentreRas=(0, 0, 0), **DETECTOR) for angle in (0, 90)]
    volume.SetAndObserveTransformNodeID(None)
    section.parameters.live = False
    section.parameters.inputVolume = volume
    driving.process()
    for node in section.xrays:
        driving.choose(section.ui.xraySelector, node.GetName())
        driving.click(section.ui.addXrayButton)
    section.ui.registrationOptionsGroupBox.collapsed = False
    driving.type_text(section.form.control("search_count"), "64")
    section.volume = volume
    return section


def finish(section, seconds=200):
    driving.wait_until(lambda: not section.job.running and not section.result.job.running and not section.overlay.busy, seconds)
    driving.process()


def error_mm(volume):
    points = np.array([[x, y, z, 1] for x in (-40, 40) for y in (-40, 40) for z in (-40, 40)], float)
    return np.linalg.norm((points @ (world_from_local(volume) - MOVED).T)[:, :3], axis=1).mean()


def fiducials(name, points, labels=None):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", name)
    for i, point in enumerate(points):
        node.AddControlPointWorld(vtk.vtkVector3d(point), labels[i] if labels else f"L{i}")
    return node


def mark(section, points=POINTS):
    """Landmarks on the object, and on the detectors where the X-rays show them."""
    p = section.parameters
    p.landmarks = fiducials("Landmarks", points)
    seen, labels = [], []
    for node in section.xrays:
        view = views_from_node(node.GetNodeReference(GEOMETRY_ROLE))
        for n, (row, col) in enumerate(view.project(transform_points(MOVED, points))[0]):
            seen.append(view.origin[0] + col * view.u[0] + row * view.v[0])
            labels.append(f"L{n}")
    p.xrayPoints = fiducials("Landmarks on X-rays", seen, labels)
    driving.process()


def test_the_volume_moves_to_where_the_xrays_show_it_is_evaluated_and_goes_back(section, tmp_path):
    p, ui = section.parameters, section.ui
    p.trueTransform = section.truth
    assert error_mm(section.volume) > 8
    driving.click(ui.registerButton)
    finish(section)
    assert ui.registrationMessageLabel.text == ""
    assert error_mm(section.volume) < 0.5
    assert "95 % ellipsoid" in ui.registrationReportLabel.text
    assert p.registrationEllipsoid.GetPolyData().GetNumberOfPoints() > 100 and p.registrationEllipsoid.GetDisplayVisibility()
    known = {what: float(value) for what, value, unit in rows_of(p.evaluation)}
    assert known["mTRE"] == pytest.approx(error_mm(section.volume), abs=0.3) and known[f"local NCC, {section.xrays[0].GetName()}"] > 0.98
    assert ui.evaluationTable.item(0, 0).text() == "mTRE"
    check_run(section, tmp_path)
    driving.click(ui.revertButton)
    assert section.volume.GetParentTransformNode() is None and not ui.revertButton.enabled
    assert not p.registrationEllipsoid.GetDisplayVisibility() and ui.registrationReportLabel.text == ""


def check_run(section, folder):
    """The steps are looked at again, the plot and a movie are made of them."""
    p, ui = section.parameters, section.ui
    table = convergence.table_of(p.registration)
    assert ui.replaySlider.value == ui.replaySlider.maximum == table.GetNumberOfRows() - 1 > 3
    ui.runGroupBox.collapsed = False
    ui.replaySlider.setValue(0)
    assert error_mm(section.volume) > 8
    ui.replaySlider.setValue(ui.replaySlider.maximum)
    assert error_mm(section.volume) < 0.5
    driving.click(ui.convergencePlotButton)
    assert table.GetNodeReference(tables.CHART_ROLE) is not None
    ui.movieFolderPath.setCurrentPath(str(folder / "movie"))
    driving.process()
    driving.click(ui.movieButton)
    finish(section)
    assert len(list((folder / "movie").iterdir())) == table.GetNumberOfRows()


def test_the_overlay_follows_whatever_moves(section):
    p, mode = section.parameters, section.overlay.form.control("mode")
    finish(section)
    assert p.overlaySlice is not None and slicer.util.arrayFromVolume(p.overlay).shape == (1, 64, 64, 3)
    driving.choose(mode, "difference")
    apart = slicer.util.arrayFromVolume(p.overlay).astype(float)
    section.volume.SetAndObserveTransformNodeID(section.truth.GetID())
    finish(section)
    together = slicer.util.arrayFromVolume(p.overlay).astype(float)
    assert together.min() > 240 > 150 > apart.min()
    section.ui.xrayTable.selectRow(0)
    finish(section)
    assert section.table.selected is section.xrays[0]
    matrix = vtk.vtkMatrix4x4()
    p.overlay.GetIJKToRASMatrix(matrix)
    view = views_from_node(section.xrays[0].GetNodeReference(GEOMETRY_ROLE))
    np.testing.assert_allclose(slicer.util.arrayFromVTKMatrix(matrix), view.image_to_ras(), atol=1e-6)


def test_landmarks_give_the_start_and_move_along(section):
    mark(section)
    p, ui = section.parameters, section.ui
    assert [p.xrayPoints.GetNthControlPointDescription(n) for n in (0, 7)] == [node.GetName() for node in section.xrays]
    p.registrationStart = StartFrom.LANDMARKS
    driving.click(ui.startButton)
    assert error_mm(section.volume) < 0.05 and "px rms" in ui.registrationStatusLabel.text
    landmarks = np.array([p.landmarks.GetNthControlPointPositionWorld(n) for n in range(4)])
    np.testing.assert_allclose(landmarks, transform_points(MOVED, POINTS), atol=0.1)
    finish(section)
    marked = [p.xrayPoints.GetNthControlPointPositionWorld(4 + n) for n in range(4)]
    np.testing.assert_allclose([p.overlayLandmarks.GetNthControlPointPositionWorld(n) for n in range(4)], marked, atol=0.1)
    ui.evaluationGroupBox.collapsed = False
    driving.click(ui.evaluateButton)
    assert float(rows_of(p.evaluation)[0][1]) < 0.05 and rows_of(p.evaluation)[0][0] == "landmarks, all X-rays"
    driving.click(ui.revertButton)
    assert section.volume.GetParentTransformNode() is None and p.landmarks.GetParentTransformNode() is None


def test_the_report_tells_how_well_the_landmarks_agreed(section):
    mark(section)
    xrays.use(section.xrays[0], False)
    section.parameters.registrationStart = StartFrom.LANDMARKS
    section.onOptions({"search_count": 1, "refined_starts": 1, "grey_curve": False})
    driving.click(section.ui.registerButton)
    finish(section)
    assert section.ui.registrationReportLabel.text.startswith("start: 4 landmarks, 0.0")


def test_a_new_mark_gets_the_next_landmarks_label(section):
    p = section.parameters
    p.landmarks, p.xrayPoints = fiducials("Landmarks", POINTS, ["nose", "ear", "chin", "eye"]), fiducials("Marks", [])
    driving.process()
    view = views_from_node(section.xrays[1].GetNodeReference(GEOMETRY_ROLE))
    for row in (10, 20):
        p.xrayPoints.AddControlPointWorld(vtk.vtkVector3d(view.origin[0] + 30 * view.u[0] + row * view.v[0]))
        driving.process()
    assert [p.xrayPoints.GetNthControlPointLabel(n) for n in range(2)] == ["nose", "ear"]
    assert p.xrayPoints.GetNthControlPointDescription(1) == section.xrays[1].GetName()


def test_handles_move_the_object_and_accept_keeps_it(section):
    p, ui = section.parameters, section.ui
    driving.click(ui.handMoveCheckBox)
    transform = p.registration
    assert transform.GetDisplayNode().GetEditorVisibility() and section.volume.GetParentTransformNode() is transform
    transform.SetMatrixTransformToParent(matrix_from_array(MOVED))
    assert error_mm(section.volume) < 1e-9
    driving.click(ui.acceptButton)
    assert not ui.handMoveCheckBox.checked and not transform.GetDisplayNode().GetEditorVisibility()
    assert error_mm(section.volume) < 1e-9 and p.registration is None and not ui.revertButton.enabled
    moved_nodes.revert(transform)
    assert error_mm(section.volume) < 1e-9


def test_a_second_object_waits_until_the_first_is_accepted(section):
    p, ui = section.parameters, section.ui
    driving.click(ui.handMoveCheckBox)
    p.registration.SetMatrixTransformToParent(matrix_from_array(MOVED))
    p.inputVolume = other = body("Second")
    p.registrationStart = StartFrom.ISOCENTRE
    driving.process()
    for button in (ui.registerButton, ui.startButton):
        driving.click(button)
        assert "'CT' was moved by 'Registration'" in ui.registrationMessageLabel.text and not section.job.running
    driving.click(ui.handMoveCheckBox)
    assert not ui.handMoveCheckBox.checked and other.GetParentTransformNode() is None and error_mm(section.volume) < 1e-9
    driving.click(ui.acceptButton)
    driving.click(ui.startButton)
    assert ui.registrationMessageLabel.text == "" and other.GetParentTransformNode() is p.registration
    assert error_mm(section.volume) < 1e-9
    finish(section)


def test_cancel_of_a_second_run_goes_back_to_where_it_began(section):
    p, ui = section.parameters, section.ui
    driving.click(ui.handMoveCheckBox)
    p.registration.SetMatrixTransformToParent(matrix_from_array(pose_about((0, 0, 0.02), (1.0, 2.0, 3.0), (0, 0, 0))))
    before = world_from_local(section.volume)
    driving.click(ui.registerButton)
    driving.wait_until(lambda: not np.allclose(world_from_local(section.volume), before) or not section.job.running, 100)
    driving.click(ui.cancelRegistrationButton)
    np.testing.assert_allclose(world_from_local(section.volume), before)
    driving.click(ui.revertButton)
    assert section.volume.GetParentTransformNode() is None


def test_cancel_moves_nothing(section):
    driving.click(section.ui.registerButton)
    driving.wait_until(lambda: section.parameters.registration is not None or not section.job.running, 100)
    driving.click(section.ui.cancelRegistrationButton)
    assert section.volume.GetParentTransformNode() is None and not section.job.running


def test_pause_holds_the_work_and_a_closed_scene_ends_it(section):
    driving.click(section.ui.registerButton)
    driving.click(section.ui.pauseRegistrationButton)
    driving.wait_until(lambda: section.ui.registrationStatusLabel.text == "paused", 100)
    assert section.ui.pauseRegistrationButton.text == "Continue"
    slicer.mrmlScene.Clear(0)
    driving.process()
    assert not section.job.running and section.ui.pauseRegistrationButton.text == "Pause" and section.ui.xrayTable.rowCount == 0


def test_xrays_that_contradict_each_other_are_refused_after_the_run_and_the_object_goes_back(section):
    wrong = section.panel.logic.createGeometry(primaryDeg=60, isocentreRas=(0, 0, 0), **DETECTOR)
    xrays.set_geometry(section.xrays[1], wrong)
    driving.type_text(section.form.control("search_count"), "16")
    moved = []
    section.volume.AddObserver(slicer.vtkMRMLTransformableNode.TransformModifiedEvent, lambda *_: moved.append(1))
    driving.click(section.ui.registerButton)
    finish(section)
    assert "contradict" in section.ui.registrationMessageLabel.text and moved
    assert section.volume.GetParentTransformNode() is None


def test_nodes_that_are_deleted_leave_the_table_and_end_the_run_in_words(section):
    slicer.mrmlScene.RemoveNode(section.xrays[0])
    finish(section)
    assert section.ui.xrayTable.rowCount == 1 and section.table.selected is section.xrays[1]
    driving.click(section.ui.registerButton)
    slicer.mrmlScene.RemoveNode(section.volume)
    finish(section)
    assert "removed meanwhile" in section.ui.registrationMessageLabel.text


def test_what_is_wrong_is_said_and_nothing_moves(section):
    slicer.util.arrayFromVolume(section.xrays[0])[:] = 1.0
    driving.click(section.ui.registerButton)
    finish(section)
    assert "nothing to register" in section.ui.registrationMessageLabel.text
    driving.choose(section.ui.registrationStartComboBox, "Landmarks")
    driving.click(section.ui.registerButton)
    assert "Landmarks are missing" in section.ui.registrationMessageLabel.text
    assert section.volume.GetParentTransformNode() is None and section.parameters.registrationReport == ""


def test_a_row_is_unchecked_removed_and_given_its_preparation(section):
    table = section.ui.xrayTable
    assert table.rowCount == 2 and table.item(1, 1).text() == "90.0° LAO, 0.0° cranial"
    table.item(0, 0).setCheckState(qt.Qt.Unchecked)
    assert xrays.used_xrays_of(section.parameters) == [section.xrays[1]]
    section.ui.preparationGroupBox.collapsed = False
    driving.type_text(section.table.form.control("border_px"), "5")
    assert [xrays.preparation_of(node)["border_px"] for node in section.xrays] == [0, 5]
    assert int(xrays.stored_xray(section.xrays[1]).prepared().mask.sum()) == 54 * 54
    driving.click(section.ui.removeXrayButton)
    assert table.rowCount == 1 and slicer.mrmlScene.IsNodePresent(section.xrays[1])


def test_a_side_image_that_is_removed_leaves_none(section):
    for name, role in xrays.SIDE_ROLES.items():
        selector, chosen = getattr(section.ui, name + "Selector"), slicer.util.addVolumeFromArray(np.ones((1, 64, 64)), name="Side image")
        driving.choose(selector, "Side image")
        assert section.table.selected.GetNodeReference(role) is chosen
        slicer.mrmlScene.RemoveNode(chosen)
        driving.process()
        assert section.table.selected.GetNodeReferenceID(role) is None and selector.currentNode() is None, name
    finish(section)


def test_it_fits_a_narrow_panel_with_all_groups_open(section):
    for group in section.widget.findChildren(ctk.ctkCollapsibleGroupBox):
        group.collapsed = False
    section.widget.resize(390, section.widget.height)
    driving.process()
    assert section.widget.layout().minimumSize().width() <= 390
    for label in section.widget.findChildren(qt.QLabel):
        if label.visible and not label.wordWrap and label.text:
            assert label.width >= label.fontMetrics().horizontalAdvance(label.text), label.text


def test_an_xray_that_cannot_be_prepared_says_so_at_the_overlay(section):
    finish(section)
    section.xrays[1].SetNodeReferenceID(xrays.SIDE_ROLES["mask"], slicer.util.addVolumeFromArray(np.zeros((1, 64, 64)), name="Nothing").GetID())
    section.panel.update()
    finish(section)
    assert "the mask leaves no pixel" in section.ui.overlayStatusLabel.text
    section.volume.SetAndObserveTransformNodeID(section.truth.GetID())
    finish(section)
    assert "the mask leaves no pixel" in section.ui.overlayStatusLabel.text
    section.xrays[1].SetNodeReferenceID(xrays.SIDE_ROLES["mask"], None)
    section.panel.update()
    finish(section)
    assert section.ui.overlayStatusLabel.text == ""


def test_an_error_of_another_xray_is_not_shown_for_the_present_one(section, monkeypatch):
    finish(section)
    follower, label = section.overlay, section.ui.overlayStatusLabel
    error, frame = ValueError("of another one"), follower._frame
    with monkeypatch.context() as patch:
        patch.setattr(follower._preparer, "take", lambda: (0, ("another X-ray", None), None, error))
        patch.setattr(follower._live, "poll", lambda: replace(frame, request=replace(frame.request, views=frame.views[:]), error=error))
        follower.follow()
        assert label.text == ""
        patch.setattr(follower._live, "poll", lambda: replace(frame, error=error))
        follower.follow()
        assert label.text == "No overlay: of another one"
    for node in section.xrays:
        xrays.remove_xray(section.parameters, node)
    driving.process()
    assert label.text == ""


def test_projected_landmarks_go_with_the_landmarks(section):
    p = section.parameters
    finish(section)
    p.landmarks = fiducials("Landmarks", POINTS)
    driving.process()
    assert p.overlayLandmarks.GetNumberOfControlPoints() == 4
    p.landmarks = None
    driving.process()
    assert p.overlayLandmarks.GetNumberOfControlPoints() == 0
    finish(section)


def test_the_slice_of_a_closed_scene_is_let_alone_in_the_next(section, monkeypatch):
    finish(section)
    released = []
    monkeypatch.setattr("XRayTomoLib.panels.overlay.release_slice", lambda *arguments: released.append(arguments))
    slicer.mrmlScene.Clear(0)
    driving.process()
    assert not released


def test_a_saved_scene_continues(section, tmp_path):
    p = section.parameters
    xrays.use(section.xrays[1], False)
    xrays.set_preparation(section.xrays[0], {"border_px": 3})
    p.registrationStart = StartFrom.ISOCENTRE
    driving.click(section.ui.handMoveCheckBox)
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear(0)
    driving.process()
    assert section.ui.xrayTable.rowCount == 0
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    driving.process()
    p, nodes = section.parameters, xrays.xrays_of(section.parameters)
    assert [xrays.is_used(node) for node in nodes] == [True, False] and xrays.preparation_of(nodes[0])["border_px"] == 3
    assert section.ui.xrayTable.rowCount == 2 and section.ui.registrationStartComboBox.currentText == "Isocentre of the X-rays"
    driving.click(section.ui.revertButton)
    assert p.inputVolume.GetParentTransformNode() is None
    finish(section)
