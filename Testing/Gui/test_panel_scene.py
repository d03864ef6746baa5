"""What the panel does when scenes are saved, opened and closed, nodes vanish, and input is bad."""

import sys
import threading

import numpy as np
import pytest
import slicer
import vtk
from SlicerHost import driving

from XRayTomoLib.mrml import scene_objects
from XRayTomoLib.mrml.choices import AttenuationKind, Method
from XRayTomoLib.panels import dependencies

from .panel_kit import Panel, phantom, spin_box


@pytest.fixture
def panel():
    return Panel()


def settings(p):
    """Every parameter that is not a node."""
    return {name: getattr(p, name) for name in p.allParameters if not isinstance(getattr(p, name), slicer.vtkMRMLNode)}


def test_a_saved_scene_continues_where_it_was(panel, tmp_path):
    panel.ready()
    p = panel.p
    p.primaryDeg, p.secondaryDeg, p.inPlaneDeg, p.flipped, p.method = 31.0, -12.0, 5.0, True, Method.SIDDON
    p.landmarks = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "Marks")
    p.landmarks.AddControlPointWorld(vtk.vtkVector3d(5, 5, 5))
    p.cone.GetDisplayNode().SetVisibility(False)
    p.source.GetDisplayNode().SetColor(0, 0, 1)
    panel.wait()
    before, picture, gantry = settings(p), panel.image(), panel.gantry()
    names = {role: getattr(p, role).GetName() for role in (*scene_objects.NAMES, "gantry", "geometry", "radiograph", "projectedLandmarks")}
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear(0)
    panel.wait()
    assert panel.p.gantry is None
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    panel.wait()
    p = panel.p
    assert settings(p) == before
    assert {role: getattr(p, role).GetName() for role in names} == names
    np.testing.assert_allclose(panel.gantry(), gantry, atol=1e-9)
    np.testing.assert_allclose(panel.image(), picture, atol=1e-5)
    assert not panel.coneCheckBox.checked
    assert panel.sourceColorButton.color.name() == "#0000ff"
    assert panel.primarySlider.value == 31
    assert p.detector.GetDisplayNode().GetTextureImageDataConnection() is not None
    count, node = slicer.mrmlScene.GetNumberOfNodes(), p.radiograph
    driving.type_text(spin_box(panel.primarySlider), "60")
    panel.wait()
    assert panel.p.radiograph is node
    assert slicer.mrmlScene.GetNumberOfNodes() == count
    assert np.abs(panel.image() - picture).max() > 0.1


def test_closing_the_scene_leaves_a_working_panel(panel):
    panel.ready()
    slicer.mrmlScene.Clear(0)
    driving.process()
    assert panel.p.inputVolume is None
    assert panel.p.primaryDeg == 0
    panel.ready(phantom("Another"))
    assert panel.p.radiograph.GetName() == "Another radiograph"


def test_closing_the_scene_while_a_picture_is_under_way_drops_it(panel):
    panel.ready(pixels=1500)
    panel.primarySlider.setValue(30)
    driving.process()
    assert panel.picture.live.busy
    slicer.mrmlScene.Clear(0)
    driving.process(1.0)
    assert slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") == []
    assert not panel.picture.timer.isActive()


def test_a_volume_deleted_while_its_picture_is_under_way(panel):
    volume = panel.ready(pixels=1200)
    node = panel.p.radiograph
    panel.primarySlider.setValue(30)
    driving.process()
    assert panel.picture.live.busy
    picture = panel.image()
    slicer.mrmlScene.RemoveNode(volume)
    panel.wait()
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(node)[0], picture)


@pytest.mark.parametrize("role", ["inputVolume", "radiograph", "gantry", "geometry", "source", "cone", "detector", "axis", "landmarks"])
def test_a_selected_node_is_deleted(panel, role):
    panel.ready()
    panel.p.landmarks = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "Marks")
    panel.p.landmarks.AddControlPointWorld(vtk.vtkVector3d(5, 5, 5))
    driving.process()
    slicer.mrmlScene.RemoveNode(getattr(panel.p, role))
    driving.process()
    if role == "inputVolume":
        slicer.mrmlScene.RemoveNode(panel.p.radiograph)
        panel.ready(phantom("Next"))
    driving.type_text(spin_box(panel.primarySlider), "20")
    panel.wait()
    assert panel.p.radiograph is not None
    assert panel.image().max() > 1
    assert getattr(panel.p, role) is not None or role == "landmarks"
    assert panel.geometryMessageLabel.text == ""
    assert panel.radiographMessageLabel.text == ""


def test_deleting_the_radiograph_never_makes_a_ct_the_output(panel):
    volume = panel.ready()
    other = phantom("Other")
    values = slicer.util.arrayFromVolume(other).copy()
    slicer.mrmlScene.RemoveNode(panel.p.radiograph)
    driving.type_text(spin_box(panel.primarySlider), "20")
    panel.wait()
    assert panel.p.radiograph not in (volume, other)
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(other), values)


def test_numbers_that_cannot_be_say_so_and_change_nothing(panel):
    panel.ready()
    picture, gantry = panel.image(), panel.gantry()
    for widget, text, named in ((panel.sddSpinBox, "400", "400"), (panel.rowsSpinBox, "0", "0 rows"), (panel.colPitchSpinBox, "0", "0")):
        before = widget.text
        driving.type_text(widget, text)
        panel.wait()
        assert named in panel.geometryMessageLabel.text
        assert panel.geometryMessageLabel.visible
        assert not panel.renderButton.enabled
        np.testing.assert_array_equal(panel.image(), picture)
        np.testing.assert_array_equal(panel.gantry(), gantry)
        driving.type_text(widget, before.split()[0])
        panel.wait()
        assert panel.geometryMessageLabel.text == ""
        assert panel.renderButton.enabled


def test_a_source_inside_and_a_detector_beside_the_volume(panel):
    panel.ready()
    picture = panel.image()
    driving.type_text(panel.sodSpinBox, "20")
    panel.wait()
    assert "inside the volume 'Block'" in panel.radiographMessageLabel.text
    np.testing.assert_array_equal(panel.image(), picture)
    driving.type_text(panel.sodSpinBox, "530")
    driving.type_text(panel.offsetUSpinBox, "4000")
    panel.wait()
    assert "does not see the volume 'Block'" in panel.radiographMessageLabel.text
    driving.type_text(panel.offsetUSpinBox, "0")
    panel.wait()
    assert panel.radiographMessageLabel.text == ""


def bad_volume(kind):
    if kind == "empty":
        return slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Bad"), "empty"
    if kind == "one slice":
        return slicer.util.addVolumeFromArray(np.zeros((1, 20, 20), np.int16), name="Bad"), "20 x 20 x 1"
    if kind == "NaN":
        values = np.zeros((10, 10, 10), np.float32)
        values[0, 0, 0] = np.nan
        return slicer.util.addVolumeFromArray(values, name="Bad"), "NaN"
    node = phantom("Bad")
    warp = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode", "Warp")
    warp.SetAndObserveTransformToParent(vtk.vtkThinPlateSplineTransform())
    node.SetAndObserveTransformNodeID(warp.GetID())
    return node, "non-rigid transform 'Warp'"


@pytest.mark.parametrize("kind", ["empty", "one slice", "NaN", "non-rigid"])
def test_a_bad_volume_says_so_at_its_place(panel, kind):
    good = panel.ready()
    picture = panel.image()
    node, sentence = bad_volume(kind)
    driving.choose(panel.inputVolumeSelector, node.GetName())
    panel.wait()
    assert sentence in panel.volumeMessageLabel.text
    assert "'Bad'" in panel.volumeMessageLabel.text
    assert not panel.renderButton.enabled
    np.testing.assert_array_equal(panel.image(), picture)
    driving.choose(panel.inputVolumeSelector, good.GetName())
    panel.wait()
    assert panel.volumeMessageLabel.text == ""
    assert panel.renderButton.enabled


def test_a_transform_that_becomes_non_rigid_is_noticed(panel):
    volume = panel.ready()
    moved = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode", "Moved")
    volume.SetAndObserveTransformNodeID(moved.GetID())
    driving.process()
    assert panel.volumeMessageLabel.text == ""
    moved.SetAndObserveTransformToParent(vtk.vtkThinPlateSplineTransform())
    driving.process()
    assert "non-rigid" in panel.volumeMessageLabel.text


def test_a_scaled_gantry_says_so_and_an_angle_puts_it_right(panel):
    panel.ready()
    scaled = panel.gantry()
    scaled[:3, 0] *= 2
    panel.p.gantry.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(scaled))
    driving.process()
    assert "scales" in panel.geometryMessageLabel.text
    driving.type_text(spin_box(panel.primarySlider), "15")
    panel.wait()
    assert panel.geometryMessageLabel.text == ""
    np.testing.assert_allclose(np.linalg.det(panel.gantry()[:3, :3]), 1)


def test_values_that_are_not_hu_are_warned_of(panel):
    mu = np.full((12, 12, 12), 0.02, np.float32)
    mu[0] = 0
    panel.ready(slicer.util.addVolumeFromArray(mu, ijkToRAS=slicer.util.vtkMatrixFromArray(np.diag([5.0, 5, 5, 1])), name="mu"))
    assert "1/mm" in panel.volumeMessageLabel.text
    assert panel.renderButton.enabled
    panel.p.attenuationKind = AttenuationKind.LINEAR
    panel.wait()
    assert panel.volumeMessageLabel.text == ""
    assert panel.image().max() == pytest.approx(0.02 * 55, rel=0.1)


def test_missing_torch_is_said_with_the_remedy(panel, monkeypatch):
    panel.ready()
    picture = panel.image()
    monkeypatch.setitem(sys.modules, "torch", None)
    assert not dependencies.isPresent("torch")
    driving.type_text(spin_box(panel.primarySlider), "50")
    panel.wait()
    assert "PyTorch" in panel.radiographMessageLabel.text
    assert "install" in panel.radiographMessageLabel.text
    np.testing.assert_array_equal(panel.image(), picture)
    monkeypatch.undo()
    driving.click(panel.renderButton)
    panel.wait()
    assert panel.radiographMessageLabel.text == ""
    assert np.abs(panel.image() - picture).max() > 0.1


def test_missing_numba_is_no_obstacle(panel, monkeypatch):
    monkeypatch.setattr(dependencies, "isPresent", lambda package: package != "numba")
    panel.ready()
    assert panel.radiographMessageLabel.text == ""
    assert panel.image().max() > 1


def test_voxels_that_change_make_a_new_picture(panel):
    volume = panel.ready()
    picture = panel.image()
    slicer.util.arrayFromVolume(volume)[:] = -1000
    slicer.util.arrayFromVolumeModified(volume)
    panel.wait()
    assert panel.image().max() == 0
    assert picture.max() > 1


def test_a_second_panel_goes_without_a_trace(panel):
    """As on Reload: no thread, no timer and no observer of the old panel stays."""
    panel.ready()
    workers = [t for t in threading.enumerate() if t.name == "xraytomo-worker"]
    representation = slicer.modules.xraytomo.createNewWidgetRepresentation()
    second = representation.self()
    driving.process(0.2)
    second.cleanup()
    picture = second.sections[2]
    assert not picture.timer.isActive()
    assert [t for t in threading.enumerate() if t.name == "xraytomo-worker"] == workers
    assert second.Observations == []
    driving.type_text(spin_box(panel.primarySlider), "20")
    panel.wait()
    assert panel.image().max() > 1
    assert not picture.live.busy
