"""Calibrate in the panel: a shifted detector is found from conjugate rays and with the known volume; what is wrong is said."""

from dataclasses import replace

import numpy as np
import pytest
import slicer
from SlicerHost import driving

from XRayTomoLib.geometry import CArm, circle
from XRayTomoLib.mrml.geometry_node import new_geometry_node, views_from_node, write_geometry

from .panel_kit import Panel, phantom

ARM = CArm(600, 350, 48, 64, 6.0, 6.0)
SHIFT_PX = 2.5


@pytest.fixture
def section():
    """A scan whose detector stands 2.5 columns beside where its geometry says."""
    panel = Panel()
    section = panel.section("CalibrateSection")
    true, nominal = new_geometry_node("True"), new_geometry_node("Nominal")
    views = circle(ARM, 36)
    write_geometry(true, replace(views, origin=views.origin + SHIFT_PX * views.u))
    write_geometry(nominal, views)
    volume = phantom(shape=(30, 34, 38), spacing=4.0)
    stack = slicer.util.getModuleLogic("XRayTomo").simulateScan(volume, true)
    stack.SetNodeReferenceID("XRayTomo.Geometry", nominal.GetID())
    p = section.parameters
    p.inputVolume, p.projectionStack = volume, stack
    section.true = views_from_node(true)
    driving.process()
    return section


def calibrate(section, title):
    driving.choose(section.ui.calibrationMethodComboBox, title)
    driving.click(section.ui.calibrateButton)
    driving.wait_until(lambda: not section.job.running, 200)
    driving.process()


@pytest.mark.parametrize("title", ["Centre of rotation", "Known volume"])
def test_the_shift_is_found_and_a_new_geometry_made(section, title):
    calibrate(section, title)
    p = section.parameters
    assert section.ui.calibrationMessageLabel.text == ""
    found = views_from_node(p.scanGeometry)
    assert np.abs(found.origin - section.true.origin).max() / 6.0 < 0.1
    assert "calibrated" in p.scanGeometry.GetName() and "px" in section.ui.calibrationReportLabel.text.replace("mm", "px")
    assert p.projectionStack.GetNodeReference("XRayTomo.Geometry") is p.scanGeometry


def test_what_is_wrong_is_said_and_nothing_is_made(section):
    before = section.parameters.scanGeometry
    calibrate(section, "Ball phantom")
    assert "No ball centres are selected" in section.ui.calibrationMessageLabel.text
    assert section.parameters.scanGeometry is before
    slicer.util.arrayFromVolume(section.parameters.projectionStack)[:] = 1.0
    calibrate(section, "Centre of rotation")
    assert "Not calibrated" in section.ui.calibrationMessageLabel.text
    assert section.parameters.scanGeometry is before
