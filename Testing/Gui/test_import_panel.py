"""Import projections in the panel: recognised, shown, corrected, drawn, loaded as line integrals."""

import threading

import numpy as np
import pytest
import slicer
from SlicerHost import driving

from XRayTomoLib.geometry import carm, circle
from XRayTomoLib.io.projections import open_projections
from XRayTomoLib.io.projections.stacks import write_stack
from XRayTomoLib.mrml import projection_import, stack
from XRayTomoLib.mrml.geometry_node import views_from_node

from .panel_kit import Panel

VIEWS = circle(carm("Cios Fusion").resampled(6, 8), 5)
LINE_INTEGRALS = np.random.default_rng(3).random((5, 6, 8)).astype(np.float32)


@pytest.fixture
def panel():
    return Panel()


@pytest.fixture
def section(panel):
    return panel.section("ImportProjectionsSection")


def counts_without_geometry(folder):
    """A stack of counts with an open beam of 50000, and nothing about its geometry."""
    np.save(folder / "counts.npy", np.round(50000 * np.exp(-LINE_INTEGRALS)).astype(np.uint16))
    return folder / "counts.npy"


def choose(section, path):
    section.ui.projectionsPath.setCurrentPath(str(path))
    finish(section)


def finish(section):
    driving.wait_until(lambda: not section.job.running, 30)


def draw(section):
    driving.click(section.ui.drawImportButton)
    finish(section)


def load(section):
    driving.click(section.ui.loadButton)
    finish(section)
    return section.parameters.projectionStack


def correct(section, **values):
    section.ui.correctionsGroupBox.collapsed = False
    driving.process()
    for name, value in values.items():
        driving.type_text(section.correctionsForm.control(name), str(value))


def test_a_stack_with_its_geometry_is_drawn_at_once_and_loaded(section, tmp_path):
    write_stack(tmp_path / "scan.nrrd", LINE_INTEGRALS, VIEWS)
    assert not section.ui.importProgressBar.isVisible()
    assert not section.ui.importMessageLabel.isVisible()
    choose(section, tmp_path / "scan.nrrd")
    assert "5 of 6 x 8 pixels" in section.ui.foundLabel.text
    p = section.parameters
    np.testing.assert_array_equal(views_from_node(p.scanGeometry).source, VIEWS.source)
    assert p.scanGeometry.GetName() == "scan geometry"
    node = load(section)
    np.testing.assert_allclose(slicer.util.arrayFromVolume(node), LINE_INTEGRALS, atol=1e-6)
    assert stack.stack_geometry(node) is p.scanGeometry
    assert slicer.util.arrayFromVolume(p.projection).shape == (1, 6, 8)


def test_what_the_files_do_not_say_is_asked_for_and_counts_become_line_integrals(section, tmp_path):
    choose(section, counts_without_geometry(tmp_path))
    assert "geometry: not known" in section.ui.foundLabel.text
    assert section.parameters.scanGeometry is None
    draw(section)
    assert "give angles and pitch_mm" in section.ui.importMessageLabel.text
    correct(section, angles="0:360", col_pitch_mm=48, sdd_mm=1020, sod_mm=530)
    draw(section)
    assert section.ui.importMessageLabel.text == ""
    np.testing.assert_allclose(views_from_node(section.parameters.scanGeometry).source, VIEWS.source, atol=1e-9)
    section.ui.normaliseGroupBox.collapsed = False
    driving.process()
    driving.type_text(section.normalisationForm.control("i0"), "50000")
    node = load(section)
    np.testing.assert_allclose(slicer.util.arrayFromVolume(node), LINE_INTEGRALS, atol=1e-4)
    assert "open beam: number" in section.ui.importStatusLabel.text


def test_a_selected_geometry_may_take_the_place_of_the_files(section, tmp_path):
    choose(section, counts_without_geometry(tmp_path))
    p = section.parameters
    p.scanGeometry = section.panel.logic.createTrajectory("circle", count=5, rows=6, cols=8)
    section.ui.correctionsGroupBox.collapsed = False
    driving.process()
    driving.click(section.correctionsForm.control("use_selected"))
    node = load(section)
    assert stack.stack_geometry(node) is p.scanGeometry
    assert stack.stack_shape(node) == (5, 6, 8)


def test_a_file_keeps_a_large_stack(section, tmp_path):
    write_stack(tmp_path / "scan.nrrd", LINE_INTEGRALS, VIEWS)
    choose(section, tmp_path / "scan.nrrd")
    section.ui.importStackPath.setCurrentPath(str(tmp_path / "loaded.nrrd"))
    node = load(section)
    assert node.GetImageData() is None
    np.testing.assert_allclose(stack.projection_of(node, 4), LINE_INTEGRALS[4], atol=1e-6)


def test_corrections_are_given_to_the_readers_that_take_them():
    corrections = projection_import.Corrections(turn_centre=True, series="1.2.3", col_pitch_mm=0.5)
    assert {name: value for name, value in corrections.hints("nikon").items() if value} == {"centre_of_rotation_sign": -1}
    assert {name: value for name, value in corrections.hints("dicom_xa").items() if value} == {"series": "1.2.3", "pitch_mm": (0.5, 0.5)}


def test_a_slow_folder_does_not_hold_up_the_panel(section, tmp_path, monkeypatch):
    """Files are opened in a thread; another path, or Cancel, leaves what is under way alone and takes nothing of it."""
    write_stack(tmp_path / "scan.nrrd", LINE_INTEGRALS, VIEWS)
    may_end, opened = threading.Event(), []

    def slowly(path, *rest, **more):
        opened.append(threading.current_thread())
        if len(opened) != 2:
            may_end.wait(20)
        return open_projections(path, *rest, **more)

    monkeypatch.setattr(projection_import, "open_projections", slowly)
    section.ui.projectionsPath.setCurrentPath(str(counts_without_geometry(tmp_path)))
    driving.wait_until(lambda: "counts.npy" in section.ui.importStatusLabel.text)
    driving.wait_until(lambda: opened)
    assert opened[0] is not threading.main_thread() and section.ui.importProgressBar.isVisible()
    assert not section.ui.loadButton.isEnabled()
    choose(section, tmp_path / "scan.nrrd")
    assert "5 of 6 x 8 pixels" in section.ui.foundLabel.text
    driving.click(section.ui.drawImportButton)
    driving.wait_until(lambda: len(opened) == 3)
    driving.click(section.ui.cancelImportButton)
    assert not section.job.running and "Cancelled" in section.ui.importStatusLabel.text
    may_end.set()
    driving.wait_until(lambda: not any(thread.is_alive() for thread in opened))
    driving.process()
    assert section.parameters.scanGeometry.GetName() == "scan geometry"
    assert section.ui.loadButton.isEnabled()


def test_what_cannot_be_read_is_one_sentence(section, tmp_path):
    (tmp_path / "notes.txt").write_text("nothing here")
    choose(section, tmp_path / "notes.txt")
    assert "no projections were recognised" in section.ui.importMessageLabel.text
    assert section.parameters.projectionStack is None


def test_the_logic_imports_without_the_panel(panel, tmp_path):
    logic = panel.widget.logic
    node, geometry = logic.importProjections(counts_without_geometry(tmp_path), angles="0:360", pitch_mm=48.0, sdd_mm=1020.0, sod_mm=530.0,
                                             normalisation={"i0": 50000.0})  # fmt: skip
    np.testing.assert_allclose(slicer.util.arrayFromVolume(node), LINE_INTEGRALS, atol=1e-4)
    np.testing.assert_allclose(views_from_node(geometry).source, VIEWS.source, atol=1e-9)
    assert node.GetName() == "counts"
    with pytest.raises(ValueError, match="more than a node holds"):
        from XRayTomoLib.mrml.projection_import import load_steps

        next(load_steps(open_projections(tmp_path / "counts.npy"), limit_bytes=10))
