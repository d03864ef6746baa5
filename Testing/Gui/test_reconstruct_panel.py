"""Reconstruct in the panel: methods and their options, a volume in its place, pause, cancel, resume, what is wrong."""

import json
import re
from pathlib import Path

import ctk
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


def test_corrections_are_switched_on_and_applied_in_their_order(section):
    group = section.ui.reconstructionCorrectionsGroupBox
    group.collapsed = False
    driving.process()
    for name in ("hardening", "bad-pixels"):
        driving.click(section.corrections.switch(name))
    driving.type_text(section.corrections.form("hardening").control("linear"), "2")
    driving.click(section.corrections.switch("rings"))
    driving.click(section.corrections.switch("rings"))
    assert group.title == "Corrections (2 on)"
    section.parameters.reconstructionSpacingMm = 8.0
    plain = slicer.util.getModuleLogic("XRayTomo").reconstruct(section.parameters.projectionStack, spacingMm=8)
    driving.click(section.ui.reconstructButton)
    finish(section)
    node = section.parameters.reconstruction
    made = json.loads(node.GetAttribute("XRayTomo.Provenance"))["parameters"]["corrections"]
    assert [each["correction"] for each in made] == ["BadPixels", "WaterHardening"] and made[1]["options"]["linear"] == 2
    before, after = (slicer.util.arrayFromVolume(each) for each in (plain, node))
    assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > 0.95 and after.max() == pytest.approx(2 * before.max(), rel=0.1)


def test_coarse_starts_and_surroundings_belong_to_iterative_methods(section):
    p = section.parameters
    assert not section.ui.approachGroupBox.isVisible()
    p.reconstructionMethod, p.reconstructionRegion, p.reconstructionSpacingMm = "sirt", section.volume, 0.0
    driving.process()
    section.ui.approachGroupBox.collapsed = False
    driving.process()
    driving.type_text(section.form.control("iterations"), "3")
    driving.type_text(section.approach.control("levels"), "1")
    driving.type_text(section.approach.control("surround_mm"), "16")
    driving.click(section.ui.reconstructButton)
    finish(section)
    assert section.ui.reconstructionMessageLabel.text == ""
    assert slicer.util.arrayFromVolume(p.reconstruction).shape == (30, 34, 38)
    made = json.loads(p.reconstruction.GetAttribute("XRayTomo.Provenance"))["parameters"]
    assert made["levels"] == 1 and made["surround_mm"] == 16
    table = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLTableNode")
    assert table.GetNumberOfRows() == 3, "the steps of the preparations are no steps of the volume"


def test_the_time_is_estimated_on_request(section):
    section.parameters.reconstructionMethod, section.parameters.reconstructionSpacingMm = "sirt", 8.0
    driving.wait_until(lambda: "voxels of 8 mm" in section.ui.planLabel.text and "about" not in section.ui.planLabel.text, 30)
    driving.click(section.ui.estimateButton)
    driving.wait_until(lambda: re.search(r"about [\d.]+ s$", section.ui.planLabel.text), 60)


def test_resume_takes_up_what_a_crash_has_left(section):
    """A new panel knows no checkpoint's name; the file where the panel keeps one by default is there."""
    Path(section._checkpointPath()).unlink(missing_ok=True)
    section.parameters.reconstructionMethod, section.parameters.reconstructionSpacingMm = "sirt", 8.0
    driving.process()
    assert not section.ui.resumeButton.enabled
    driving.type_text(section.form.control("iterations"), "2")
    driving.click(section.ui.reconstructButton)
    finish(section)
    section.parameters.checkpointFile, section.parameters.reconstruction = "", None
    driving.type_text(section.form.control("iterations"), "3")
    driving.click(section.ui.resumeButton)
    finish(section)
    assert section.ui.reconstructionMessageLabel.text == ""
    table = section.parameters.reconstruction.GetNodeReference("XRayTomo.Convergence")
    assert table.GetNumberOfRows() == 1 and table.GetTable().GetColumnByName("iteration").GetValue(0) == 3
    Path(section.parameters.checkpointFile).unlink()


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


def test_cancelled_work_is_taken_back_when_it_is_not_wanted(section):
    p = section.parameters
    p.reconstructionMethod, p.reconstructionSpacingMm, p.keepCancelled = "sirt", 8.0, False
    driving.process()
    driving.type_text(section.form.control("iterations"), "2000")
    volumes = len(slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"))
    driving.click(section.ui.reconstructButton)
    driving.wait_until(lambda: p.reconstruction is not None and p.reconstruction.GetImageData() is not None, 60)
    driving.click(section.ui.cancelReconstructionButton)
    finish(section)
    assert p.reconstruction is None and len(slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")) == volumes
    assert Path(p.checkpointFile).is_file(), "the state is kept where no file was chosen, too"
    assert "no volume" in section.ui.reconstructionStatusLabel.text and section.ui.reconstructionMessageLabel.text == ""


def test_the_plan_follows_region_and_voxel(section):
    driving.wait_until(lambda: "voxels of" in section.ui.planLabel.text, 30)
    automatic = section.ui.planLabel.text
    section.parameters.reconstructionRegion = section.volume
    driving.wait_until(lambda: section.ui.planLabel.text.startswith("38 x 34 x 30 voxels of 4 mm from 36 views"), 30)
    section.parameters.reconstructionSpacingMm = 8.0
    driving.wait_until(lambda: section.ui.planLabel.text.startswith("19 x 17 x 15 voxels of 8 mm"), 30)
    section.parameters.reconstructionRegion, section.parameters.reconstructionSpacingMm = None, 0.0
    driving.wait_until(lambda: section.ui.planLabel.text == automatic, 30)


def test_a_scene_that_closes_ends_the_work(section):
    section.parameters.reconstructionMethod, section.parameters.reconstructionSpacingMm = "sirt", 8.0
    driving.process()
    driving.type_text(section.form.control("iterations"), "2000")
    driving.click(section.ui.reconstructButton)
    driving.wait_until(lambda: "residual" in section.ui.reconstructionStatusLabel.text, 60)
    slicer.mrmlScene.Clear(0)
    driving.process(0.2)
    assert not section.job.running and not slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    assert section.ui.reconstructionMessageLabel.text == ""


def test_compare_shows_figures_and_the_difference(section):
    panel, p = section.panel, section.parameters
    section.parameters.reconstructionRegion = section.volume
    driving.click(section.ui.reconstructButton)
    finish(section)
    compare = next(s for s in panel.sections if type(s).__name__ == "CompareSection")
    compare.widget.findChild(ctk.ctkCollapsibleButton, "compareCollapsibleButton").collapsed = False
    p.comparedVolume, p.referenceVolume = p.reconstruction, section.volume
    driving.process()
    driving.click(compare.ui.compareButton)
    driving.wait_until(lambda: not compare.job.running, 60)
    driving.process()
    assert compare.ui.compareMessageLabel.text == "" and "SSIM 0." in compare.ui.compareResultLabel.text
    assert "1/mm" in compare.ui.compareResultLabel.text and p.differenceVolume.GetImageData().GetDimensions() == (38, 34, 30)
    assert compare.ui.profileButton.enabled


def test_sharpness_and_noise_are_measured_in_a_region():
    panel = Panel()
    compare, p = panel.section("CompareSection"), panel.p
    blurred = np.random.default_rng(0).normal(0, 20, (24, 30, 32)).astype(np.float32) - 1000
    blurred += 1000 / (1 + np.exp(-(np.arange(32) - 15.3) / 0.8))
    matrix = np.diag([2.0, 2.0, 2.0, 1.0])
    p.comparedVolume = slicer.util.addVolumeFromArray(blurred, ijkToRAS=slicer.util.vtkMatrixFromArray(matrix), name="Edge")
    p.qualityRegion = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "Region")
    compare.ui.qualityGroupBox.collapsed = False
    driving.process()

    def measure(centre, size):
        p.qualityRegion.SetCenter(*centre)
        p.qualityRegion.SetSize(*size)
        driving.click(compare.ui.measureRegionButton)
        return compare.ui.qualityResultLabel.text

    text = measure((30, 30, 24), (30, 24, 20))
    assert float(re.search(r"Edge: ([\d.]+) mm", text).group(1)) == pytest.approx(4.394 * 0.8 * 2, rel=0.1) and "MTF of 50 %" in text
    assert p.spectrumTable.GetTable().GetColumnName(1) == "MTF" and compare.ui.spectrumButton.enabled
    text = measure((10, 30, 24), (16, 24, 20))
    assert float(re.search(r"± ([\d.]+) HU", text).group(1)) == pytest.approx(20, rel=0.15)
    assert p.spectrumTable.GetTable().GetColumnName(1) == "noise power"
    quality = slicer.util.getModuleLogic("XRayTomo").measureRegion(p.comparedVolume, p.qualityRegion)
    assert quality.edge is None and quality.deviation == pytest.approx(20, rel=0.15) and quality.voxels == 9 * 13 * 11
    assert len(slicer.util.getNodesByClass("vtkMRMLPlotChartNode")) == 1
    assert measure((500, 30, 24), (16, 24, 20)) == "" and "enlarge it" in compare.ui.compareMessageLabel.text
