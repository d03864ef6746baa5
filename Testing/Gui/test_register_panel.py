"""Register in the panel: the volume moves to where two X-rays show it, is reverted, cancelled, and stays where it was on bad input."""

import numpy as np
import pytest
import slicer
from SlicerHost import driving

from XRayTomoLib.geometry import pose_about
from XRayTomoLib.mrml.transforms import matrix_from_array, world_from_local

from .panel_kit import Panel, phantom

DETECTOR = {"rows": 64, "cols": 64, "row_pitch_mm": 6.0, "col_pitch_mm": 6.0, "sdd_mm": 1000.0, "sod_mm": 600.0}
MOVED = pose_about(np.radians([3.0, -4.0, 5.0]), (6.0, -5.0, 4.0), (0.0, 0.0, 0.0))


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
    above = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "True place")
    above.SetMatrixTransformToParent(matrix_from_array(MOVED))
    volume.SetAndObserveTransformNodeID(above.GetID())
    p = section.parameters
    p.xray1, p.xray2 = (logic.radiograph(volume, primaryDeg=angle, isocentreRas=(0, 0, 0), **DETECTOR) for angle in (0, 90))
    volume.SetAndObserveTransformNodeID(None)
    p.live = False
    p.inputVolume = volume
    driving.process()
    driving.type_text(section.form.control("search_count"), "64")
    section.volume = volume
    return section


def finish(section, seconds=200):
    driving.wait_until(lambda: not section.job.running, seconds)
    driving.process()


def error_mm(volume):
    points = np.array([[x, y, z, 1] for x in (-40, 40) for y in (-40, 40) for z in (-40, 40)], float)
    return np.linalg.norm((points @ (world_from_local(volume) - MOVED).T)[:, :3], axis=1).mean()


def test_the_volume_moves_to_where_the_xrays_show_it_and_back(section):
    assert error_mm(section.volume) > 8
    driving.click(section.ui.registerButton)
    finish(section)
    p = section.parameters
    assert section.ui.registrationMessageLabel.text == ""
    assert error_mm(section.volume) < 0.5
    assert "95 % ellipsoid" in section.ui.registrationReportLabel.text
    assert p.registrationEllipsoid.GetPolyData().GetNumberOfPoints() > 100
    assert slicer.util.arrayFromVolume(p.registeredRadiograph).shape == (1, 64, 64)
    driving.click(section.ui.revertButton)
    assert section.volume.GetParentTransformNode() is None and not section.ui.revertButton.enabled


def test_cancel_moves_nothing(section):
    driving.click(section.ui.registerButton)
    driving.wait_until(lambda: section.parameters.registration is not None or not section.job.running, 100)
    driving.click(section.ui.cancelRegistrationButton)
    assert section.volume.GetParentTransformNode() is None and not section.job.running


def test_what_is_wrong_is_said_and_nothing_moves(section):
    p = section.parameters
    slicer.util.arrayFromVolume(p.xray1)[:] = 1.0
    driving.click(section.ui.registerButton)
    finish(section)
    assert "same value" in section.ui.registrationMessageLabel.text or "nothing to register" in section.ui.registrationMessageLabel.text
    assert section.volume.GetParentTransformNode() is None
    p.xray1 = section.volume
    driving.click(section.ui.registerButton)
    assert "has no geometry" in section.ui.registrationMessageLabel.text


def test_the_console_registers(section):
    p = section.parameters
    node, result = slicer.util.getModuleLogic("XRayTomo").register(section.volume, [p.xray1, p.xray2], search_count=64)
    assert error_mm(section.volume) < 0.5 and section.volume.GetParentTransformNode() is node
    assert result.scores.min() > 0.98 and (result.scores > result.scores_start + 0.05).all()
