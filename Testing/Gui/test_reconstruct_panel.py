"""Reconstruct in the panel: methods and their options, a volume in its place, pause, cancel, resume, what is wrong."""

import json

import numpy as np
import pytest
import slicer
import vtk
from SlicerHost import driving

from XRayTomoLib.geometry import CArm, circle
from XRayTomoLib.mrml import stack
from XRayTomoLib.mrml.geometry_node import new_geometry_node, write_geometry

from .panel_kit import Panel, phantom

ARM = CArm(600, 350, 40, 48, 7.0, 7.0)


@pytest.fixture
def section():
    panel = Panel()
    section = panel.section("ReconstructSection")
    geometry = new_geometry_node("Circle")
    write_geometry(geometry, circle(ARM, 36))
    volume = phantom(shape=(30, 34, 38), spacing=4.0)
    section.parameters.projectionStack = slicer.util.getModuleLogic("XRayTomo").simulateScan(volume, geometry)
    section.volume = volume
    driving.process()
    return section


def finish(section, seconds=120):
    driving.wait_until(lambda: not section.job.running, seconds)
    driving.process()


def centre_of_mass(node):
    values = slicer.util.arrayFromVolume(node)
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    matrix = slicer.util.arrayFromVTKMatrix(matrix)
    k, j, i = np.nonzero(values > 0.5 * values.max())
    return (np.stack([i, j, k], -1) @ matrix[:3, :3].T + matrix[:3, 3]).mean(0)


def test_a_volume_stands_where_the_object_was(section):
    driving.click(section.ui.reconstructButton)
    finish(section)
    node = section.parameters.reconstruction
    assert section.ui.reconstructionMessageLabel.text == ""
    bone = np.argwhere(slicer.util.arrayFromVolume(section.volume) > 1000).mean(0)[::-1]
    expected = 4.0 * (bone - (np.array([38, 34, 30]) - 1) / 2)
    assert np.allclose(centre_of_mass(node), expected, atol=8)
    assert node.GetAttribute("XRayTomo.Provenance") and node.GetSpacing()[0] == pytest.approx(7 * 350 / 600, rel=1e-3)


def test_methods_show_their_options_and_keep_their_values(section):
    driving.choose(section.ui.methodComboBox, "SIRT")
    driving.type_text(section.form.control("iterations"), "4")
    driving.choose(section.ui.methodComboBox, "CGLS")
    driving.choose(section.ui.methodComboBox, "SIRT")
    assert section.form.values["iterations"] == 4
    section.parameters.reconstructionSpacingMm = 8.0
    driving.click(section.ui.reconstructButton)
    finish(section)
    table = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLTableNode")
    assert table.GetNumberOfRows() == 4 and table.GetNodeReference("XRayTomo.Chart") is not None


def test_pause_cancel_and_resume(section, tmp_path):
    p = section.parameters
    p.reconstructionMethod, p.reconstructionSpacingMm, p.checkpointFile = "cgls", 8.0, str(tmp_path / "state.pt")
    driving.process()
    driving.type_text(section.form.control("iterations"), "2000")
    driving.click(section.ui.reconstructButton)
    driving.wait_until(lambda: "residual" in section.ui.reconstructionStatusLabel.text, 60)
    section.ui.pauseButton.setChecked(True)
    driving.wait_until(lambda: "paused" in section.ui.reconstructionStatusLabel.text, 60)
    section.ui.pauseButton.setChecked(False)
    driving.click(section.ui.cancelReconstructionButton)
    finish(section)
    assert "Cancelled" in section.ui.reconstructionStatusLabel.text
    made = json.loads(p.reconstruction.GetAttribute("XRayTomo.Provenance"))
    assert 0 < made["parameters"]["ended_after"] < 2000
    assert (tmp_path / "state.pt").is_file()
    driving.type_text(section.form.control("iterations"), "1")
    driving.click(section.ui.resumeButton)
    finish(section)
    assert section.ui.reconstructionMessageLabel.text == "" and p.reconstruction is not None


def test_what_is_wrong_is_said_and_nothing_is_made(section):
    section.parameters.reconstructionMethod = "katsevich"
    driving.process()
    driving.click(section.ui.reconstructButton)
    finish(section)
    assert "helix" in section.ui.reconstructionMessageLabel.text
    assert section.parameters.reconstruction is None


def test_the_console_reconstructs_in_hounsfield_units(section):
    node = slicer.util.getModuleLogic("XRayTomo").reconstruct(section.parameters.projectionStack, method="cgls", spacingMm=8,
                                                              waterPerMm=0.0192, iterations=8)
    values = slicer.util.arrayFromVolume(node)
    assert abs(np.median(values[values > -300])) < 150
    assert stack.STACK_ATTRIBUTE not in [node.GetAttributeNames()]
