"""The panel in the application, as a user meets it: select, type, click, drag."""

import numpy as np
import pytest
import qt
import slicer
import vtk
from SlicerHost import driving

from XRayTomoLib.mrml import acquisition, scene_objects
from XRayTomoLib.mrml.choices import IsocentreFrom
from XRayTomoLib.mrml.gantry import GantryPose

from .panel_kit import Panel, spin_box


@pytest.fixture
def panel():
    return Panel()


def test_an_empty_scene_stays_empty_and_says_what_to_do(panel):
    assert "Sample Data" in panel.volumeSummaryLabel.text
    assert panel.p.gantry is None
    assert not panel.renderButton.enabled
    assert "volume" in panel.renderButton.toolTip


def test_selecting_a_volume_makes_scene_and_picture(panel):
    panel.ready()
    assert "48 x 44 x 40" in panel.volumeSummaryLabel.text
    assert panel.volumeSummaryLabel.text.endswith("HU")
    assert panel.p.radiograph.GetName() == "Block radiograph"
    assert panel.image().shape == (96, 96)
    assert panel.image().max() > 1
    assert "96 x 96 pixels" in panel.radiographStatusLabel.text
    assert panel.targetLabel.text not in ("", "-")
    for kind in scene_objects.NAMES:
        assert getattr(panel.p, kind).GetDisplayNode().GetVisibility()


def test_typing_an_angle_moves_gantry_and_picture(panel):
    panel.ready()
    before, picture = panel.gantry(), panel.image()
    driving.type_text(spin_box(panel.primarySlider), "40")
    panel.wait()
    assert panel.p.primaryDeg == 40
    np.testing.assert_allclose(panel.gantry(), GantryPose(40, 0, 0, tuple(before[:3, 3])).matrix(), atol=1e-9)
    assert np.abs(panel.image() - picture).max() > 0.1


def test_every_number_of_the_geometry_can_be_typed(panel):
    panel.ready()
    typed = {"sddSpinBox": ("sddMm", 900.0), "sodSpinBox": ("sodMm", 450.0), "rowsSpinBox": ("rows", 64), "colsSpinBox": ("cols", 72),
             "rowPitchSpinBox": ("rowPitchMm", 2.5), "colPitchSpinBox": ("colPitchMm", 3.5), "offsetUSpinBox": ("offsetUMm", 4.0),
             "offsetVSpinBox": ("offsetVMm", -6.0), "energySpinBox": ("energyKev", 60.0), "airSpinBox": ("airHu", -800.0)}  # fmt: skip
    for widget, (name, value) in typed.items():
        driving.type_text(getattr(panel, widget), f"{value:g}")
        assert getattr(panel.p, name) == value
    driving.click(panel.flippedCheckBox)
    panel.wait()
    assert panel.p.flipped
    assert panel.image().shape == (64, 72)


def test_a_preset_fills_the_fields_and_a_change_is_said(panel):
    panel.ready()
    driving.choose(panel.deviceComboBox, "Chest stand")
    assert panel.p.sddMm == panel.sddSpinBox.value == 1800
    assert panel.p.cols == 3072
    assert "changed" not in panel.deviceNoteLabel.text
    driving.type_text(panel.sddSpinBox, "1700")
    assert panel.deviceNoteLabel.text.endswith("changed below")
    assert panel.p.device == "Chest stand"


def test_a_moved_gantry_takes_the_sliders_along_without_a_loop(panel):
    panel.ready()
    centre = panel.gantry()[:3, 3]
    changes = []
    tag = panel.p.parameterNode.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *a: changes.append(a))
    moved = GantryPose(-33.25, 12.5, 7.75, tuple(centre)).matrix()
    panel.p.gantry.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(moved))
    panel.wait()
    panel.p.parameterNode.RemoveObserver(tag)
    assert [panel.primarySlider.value, panel.secondarySlider.value, panel.inPlaneSlider.value] == pytest.approx([-33.25, 12.5, 7.75])
    np.testing.assert_allclose(panel.gantry(), moved, atol=1e-9)
    assert len(changes) <= 2
    assert panel.p.isocentreFrom == IsocentreFrom.VOLUME


def test_an_angle_between_the_sliders_steps_is_kept(panel):
    panel.ready()
    moved = GantryPose(10.123456, 0, 0, tuple(panel.gantry()[:3, 3])).matrix()
    panel.p.gantry.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(moved))
    panel.wait()
    np.testing.assert_allclose(panel.gantry(), moved, atol=1e-9)


def test_a_gantry_moved_off_the_centre_makes_the_isocentre_free(panel):
    panel.ready()
    assert not panel.isocentreRSpinBox.enabled
    moved = panel.gantry()
    moved[:3, 3] += (11, 0, 0)
    panel.p.gantry.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(moved))
    panel.wait()
    assert panel.isocentreComboBox.currentText == "Free position"
    assert panel.isocentreRSpinBox.enabled
    assert panel.isocentreRSpinBox.value == pytest.approx(11)
    driving.type_text(panel.isocentreRSpinBox, "0")
    panel.wait()
    assert panel.gantry()[0, 3] == pytest.approx(0)


def test_handles_in_3d_are_dragged_and_the_panel_follows(panel):
    panel.ready()
    driving.click(panel.handlesCheckBox)
    assert panel.p.gantry.GetDisplayNode().GetEditorVisibility()
    driving.click(panel.showAllButton)
    view = slicer.app.layoutManager().threeDWidget(0).threeDView()
    driving.process(0.3)
    before = panel.gantry()
    x, y = driving.position_of(view, before[:3, 3])
    driving.drag(view, (x, y), (x + 40, y + 15))
    panel.wait()
    after = panel.gantry()
    assert np.abs(after - before).max() > 1
    shown = [getattr(panel, f"isocentre{axis}SpinBox").value for axis in "RAS"]
    np.testing.assert_allclose(shown, after[:3, 3], atol=0.06)
    np.testing.assert_allclose(after[:3, :3] @ after[:3, :3].T, np.eye(3), atol=1e-9)


def test_isocentre_at_a_markups_point_follows_the_point(panel):
    panel.ready()
    points = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "Target")
    points.AddControlPointWorld(vtk.vtkVector3d(10, 20, 30))
    driving.choose(panel.isocentreComboBox, "Markups point")
    assert "point" in panel.geometryMessageLabel.text
    driving.choose(panel.isocentrePointSelector, "Target")
    assert panel.geometryMessageLabel.text == ""
    np.testing.assert_allclose(panel.gantry()[:3, 3], (10, 20, 30))
    points.SetNthControlPointPositionWorld(0, vtk.vtkVector3d(1, 2, 3))
    driving.process()
    np.testing.assert_allclose(panel.gantry()[:3, 3], (1, 2, 3))


def test_live_frames_never_go_back(panel, monkeypatch):
    panel.ready(pixels=512)
    shown = []
    show = acquisition.show_frame

    def watch(p, frame):
        shown.append((float(np.degrees(np.arctan2(*(frame.views.normal[0][:2] * (1, -1))))), frame.is_full))
        show(p, frame)

    monkeypatch.setattr(acquisition, "show_frame", watch)
    for angle in range(1, 41):
        panel.primarySlider.setValue(angle)
        driving.process()
    panel.wait()
    angles = [angle for angle, _ in shown]
    steps = np.diff(np.unwrap(np.radians(angles)))
    assert len(shown) >= 3
    assert (steps >= -1e-9).all() or (steps <= 1e-9).all()
    assert shown[-1][1]
    assert panel.image().shape == (512, 512)
    assert not panel.picture.timer.isActive()


def test_without_live_update_only_render_makes_a_picture(panel):
    panel.ready()
    driving.click(panel.liveCheckBox)
    before = panel.image()
    driving.type_text(spin_box(panel.primarySlider), "60")
    panel.wait()
    np.testing.assert_array_equal(panel.image(), before)
    driving.click(panel.renderButton)
    panel.wait()
    assert np.abs(panel.image() - before).max() > 0.1


@pytest.mark.parametrize("method", ["Siddon", "Trilinear"])
def test_methods_can_be_chosen(panel, method):
    panel.ready()
    before = panel.image()
    driving.choose(panel.methodComboBox, method)
    panel.wait()
    after = panel.image()
    assert np.abs(after - before).max() > 1e-6
    np.testing.assert_allclose(after.mean(), before.mean(), rtol=0.02)


def test_what_the_picture_shows_can_be_chosen(panel):
    panel.ready()
    p = panel.image()
    driving.choose(panel.showsComboBox, "Intensity I/I0")
    panel.wait()
    np.testing.assert_allclose(panel.image(), np.exp(-p), atol=1e-5)


def test_attenuation_models(panel):
    panel.ready()
    p = panel.image()
    assert not panel.thresholdSpinBox.enabled
    driving.choose(panel.attenuationKindComboBox, "Linear in HU above a threshold")
    panel.wait()
    assert panel.thresholdSpinBox.enabled
    bones = panel.image()
    assert (bones <= p + 1e-4).all()
    assert 0 < np.count_nonzero(bones) < np.count_nonzero(p)
    driving.choose(panel.attenuationKindComboBox, "Values are 1/mm")
    assert "HU" in panel.volumeMessageLabel.text


def test_objects_are_shown_hidden_and_coloured(panel):
    panel.ready()
    for kind in scene_objects.NAMES:
        box, button = getattr(panel, kind + "CheckBox"), getattr(panel, kind + "ColorButton")
        display = getattr(panel.p, kind).GetDisplayNode()
        driving.click(box)
        assert not display.GetVisibility()
        display.SetVisibility(True)
        assert box.checked
        button.setColor(qt.QColor(10, 200, 30))
        np.testing.assert_allclose(display.GetColor(), np.array([10, 200, 30]) / 255, atol=2e-3)
        display.SetColor(1, 0, 0)
        assert button.color.name() == "#ff0000"


def test_the_slice_view_looks_at_the_radiograph(panel):
    panel.ready()
    panel.p.sliceNode = slicer.mrmlScene.GetNodeByID("vtkMRMLSliceNodeRed")
    driving.type_text(spin_box(panel.primarySlider), "25")
    panel.wait()
    slice_to_ras = slicer.util.arrayFromVTKMatrix(panel.p.sliceNode.GetSliceToRAS())
    u = np.array([-np.cos(np.radians(25)), -np.sin(np.radians(25)), 0])
    np.testing.assert_allclose(slice_to_ras[:3, 0], u, atol=1e-9)
    np.testing.assert_allclose(slice_to_ras[:3, 1], (0, 0, 1), atol=1e-9)
    view = slicer.app.layoutManager().sliceWidget("Red").sliceView()
    driving.process(0.2)
    middle = driving.pixels(view)[view.height // 2 - 5 : view.height // 2 + 5, view.width // 2 - 5 : view.width // 2 + 5]
    assert middle.mean() > 20
    panel.p.sliceNode = None
    assert slicer.mrmlScene.GetNodeByID("vtkMRMLSliceNodeRed").GetOrientation() == "Axial"


def test_a_landmark_clicked_in_the_ct_appears_in_the_radiograph(panel):
    volume = panel.ready()
    slicer.util.setSliceViewerLayers(background=volume, fit=True)
    driving.click(panel.placeLandmarkButton)
    view = slicer.app.layoutManager().sliceWidget("Red").sliceView()
    driving.process(0.2)
    x, y = driving.position_of(view, (12.0, 20.0, view.mrmlSliceNode().GetSliceOffset()))
    driving.move(view, (x, y))
    driving.click(view, (int(x), int(y)))
    panel.wait()
    assert panel.p.landmarks.GetName() == "Landmarks"
    assert panel.p.landmarks.GetNumberOfDefinedControlPoints() == 1
    assert panel.p.projectedLandmarks.GetNumberOfControlPoints() == 1


def test_the_detector_in_3d_shows_the_picture_unmirrored(panel):
    """The picture has one bright corner; the colour at each corner of the detector in the 3D view tells it."""
    panel.ready()
    panel.p.live = False
    for kind in ("source", "cone", "axis"):
        getattr(panel.p, kind).GetDisplayNode().SetVisibility(False)
    image = slicer.util.arrayFromVolume(panel.p.radiograph)
    image[:] = 0
    image[0, :48, 48:] = 1
    slicer.util.arrayFromVolumeModified(panel.p.radiograph)
    panel.p.radiograph.GetDisplayNode().SetWindowLevelMinMax(0, 1)
    driving.click(panel.showAllButton)
    view = slicer.app.layoutManager().threeDWidget(0).threeDView()
    driving.process(0.3)
    corners, centre = acquisition.views_from_parameters(panel.p).corners()[0], acquisition.views_from_parameters(panel.p).centre[0]
    seen = driving.pixels(view)
    brightness = []
    for corner in corners:
        x, y = driving.position_of(view, centre + 0.5 * (corner - centre))
        brightness.append(int(seen[int(round(y)), int(round(x))].max()))
    top_left, top_right, bottom_right, bottom_left = brightness
    assert top_right > 200
    assert max(top_left, bottom_right, bottom_left) < 60


def test_everything_has_a_tooltip(panel):
    kinds = (qt.QAbstractSpinBox, qt.QComboBox, qt.QCheckBox, qt.QPushButton, slicer.qMRMLNodeComboBox)
    bare = []
    for section in panel.widget.sections:
        for name, widget in vars(section.ui).items():
            if isinstance(widget, kinds) and not name.startswith("qt_") and not widget.toolTip:
                bare.append(name)
    assert bare == []


def test_the_panel_fits_420_pixels_and_no_label_is_cut(panel):
    panel.ready()
    for section in panel.widget.sections:
        assert section.widget.layout().minimumSize().width() <= 390
        section.widget.resize(390, section.widget.height)
        driving.process()
        for label in section.widget.findChildren(qt.QLabel):
            if label.visible and not label.wordWrap and label.text:
                assert label.width >= label.fontMetrics().horizontalAdvance(label.text), label.text


def test_the_slice_view_is_fitted_again_to_a_detector_of_another_size(panel):
    panel.ready()
    node = slicer.mrmlScene.GetNodeByID("vtkMRMLSliceNodeRed")
    panel.p.sliceNode = node
    panel.wait()
    assert min(node.GetFieldOfView()[:2]) == pytest.approx(300)
    node.SetFieldOfView(100, 100, 1)
    driving.type_text(spin_box(panel.primarySlider), "10")
    panel.wait()
    assert node.GetFieldOfView()[0] == 100
    driving.type_text(panel.colPitchSpinBox, "6.25")
    panel.wait()
    assert node.GetFieldOfView()[0] >= 600


def test_a_point_clicked_in_the_radiograph_shows_its_ray(panel):
    panel.ready()
    panel.p.sliceNode = slicer.mrmlScene.GetNodeByID("vtkMRMLSliceNodeRed")
    panel.wait()
    view = slicer.app.layoutManager().sliceWidget("Red").sliceView()
    driving.click(panel.placePointButton)
    views = acquisition.views_from_parameters(panel.p)
    pixel = views.origin[0] + 30 * views.u[0] + 20 * views.v[0]
    x, y = driving.position_of(view, pixel)
    driving.move(view, (x, y))
    driving.click(view, (int(x), int(y)))
    panel.wait()
    assert panel.p.radiographPoints.GetNumberOfDefinedControlPoints() == 1
    gantry = panel.gantry()
    start, end = ((gantry @ [*panel.p.rays.GetPolyData().GetPoint(n), 1])[:3] for n in range(2))
    np.testing.assert_allclose(start, views.source[0], atol=1e-3)
    np.testing.assert_allclose(end, pixel, atol=2 * 300 / min(view.width, view.height))
