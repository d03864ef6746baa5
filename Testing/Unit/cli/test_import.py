"""`xraytomo import`: what it finds, the stack and geometry that it writes, and one sentence for what is wrong."""

import argparse
import inspect
import json

import numpy as np
import pytest
import SimpleITK as sitk
from Unit.io.projections import dicom_kit as dicom
from Unit.io.projections import stack_kit as kit

from XRayTomoLib.cli import main
from XRayTomoLib.commands import import_
from XRayTomoLib.geometry.formats import read_geometry
from XRayTomoLib.io.projections import READERS, load_reader, open_stack
from XRayTomoLib.io.projections.normalise import Normalisation
from XRayTomoLib.options import make, options_of


def run(*arguments):
    return main([str(argument) for argument in arguments])


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "scan"
    folder.mkdir()
    for index in range(4):
        sitk.WriteImage(sitk.GetImageFromArray(np.full((4, 5), 400 + 100 * index, np.uint16)), str(folder / f"p{index}.tif"))
    return folder


CONE = ("--angles", "0:360", "--pitch-mm", 0.5, 0.75, "--sdd-mm", 800, "--sod-mm", 500)


def test_folder_becomes_a_stack_of_line_integrals_with_its_geometry(pictures, tmp_path, capsys):
    assert run("import", pictures, "-o", tmp_path / "s.nrrd", "--geometry", tmp_path / "g.json", *CONE, "--i0", 800) == 0
    stack, out = open_stack(tmp_path / "s.nrrd"), capsys.readouterr()
    for index in range(4):
        np.testing.assert_allclose(stack[index], np.log(800 / (400 + 100 * index)), rtol=1e-6)
    np.testing.assert_allclose(read_geometry(tmp_path / "g.json").source[1], [500, 0, 0], atol=1e-9)
    np.testing.assert_array_equal(stack.views.source, read_geometry(tmp_path / "g.json").source)
    assert "4 of 4 x 5 pixels" in out.out and "0 values (0.00%) clipped" in out.err
    parameters = json.loads(stack.found["provenance"])["parameters"]
    assert (parameters["angles"], parameters["pitch_mm"], parameters["i0"]) == ("0:360", [0.5, 0.75], 800)
    assert run("info", tmp_path / "s.nrrd") == 0
    assert "line integral" in capsys.readouterr().out


def test_raw_keeps_the_counts(pictures, tmp_path):
    assert run("import", pictures, "-o", tmp_path / "s.nrrd", "--raw", *CONE) == 0
    stack = open_stack(tmp_path / "s.nrrd")
    assert stack.kind == "counts" and stack.dtype == np.uint16 and stack[3][0, 0] == 700
    assert (tmp_path / "s.geometry.json").is_file()


def test_without_output_it_says_what_it_found(pictures, capsys):
    assert run("import", pictures) == 0 == run("info", pictures)
    assert capsys.readouterr().out.count("4 of 4 x 5 pixels, uint16") == 2


def test_dark_and_flat_are_averaged_and_used(pictures, tmp_path):
    for name, value in (("dark", 100), ("white", 900)):
        (tmp_path / name).mkdir()
        for index in (-10, 10):
            sitk.WriteImage(sitk.GetImageFromArray(np.full((4, 5), value + index, np.uint16)), str(tmp_path / name / f"i{index}.tif"))
    assert run("import", pictures, "-o", tmp_path / "s.nrrd", "--dark", tmp_path / "dark", "--flat", tmp_path / "white", *CONE) == 0
    np.testing.assert_allclose(open_stack(tmp_path / "s.nrrd")[1], np.log(800 / 400), rtol=1e-6)


def test_enhanced_xa(tmp_path):
    dicom.save(tmp_path / "a.dcm", dicom.enhanced(kit.counts() + np.uint16(1000), [0, 30, 60]))
    assert run("import", tmp_path / "a.dcm", "-o", tmp_path / "s.nrrd", "--i0", 4000) == 0
    stack = open_stack(tmp_path / "s.nrrd")
    np.testing.assert_allclose(stack[1], np.log(4000 / (1000.0 + kit.counts()[1])), rtol=1e-5)
    np.testing.assert_allclose(stack.views.sdd_mm, 1000)


@pytest.mark.parametrize("arguments, message", [
    (("--geometry", "g.json"), "give -o stack.nrrd"),
    (("-o", "s.mha"), "'.mha' files cannot be written here"),
    (("-o", "s.nrrd", "--geometry", "g.json"), "there is no geometry to write; not known; give angles and pitch_mm"),
    (("-o", "s.nrrd", "--series", "1.2"), "reader 'images' does not use 'series'"),
    (("-o", "s.nrrd", "--angles", "0:90"), None),
    (("--angles", "absent.txt", "--pitch-mm", "1"), "absent.txt: the list of angles cannot be read"),
    (("--reader", "philips"), "reader 'philips' is not known; expected one of"),
    (("--use-geometry", "absent.json"), "absent.json"),
    (("-o", "s.nrrd", "--open-beam", "sky"), "expected one of automatic, flat"),
    (("-o", "s.nrrd", "--open-beam", "flat"), "needs a flat image"),
])  # fmt: skip
def test_bad_input_is_one_sentence(pictures, tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    code, error = run("import", pictures, *arguments), capsys.readouterr().err
    if message is None:
        assert code == 0
        return
    assert code == 2 and message in error and len(error.strip().splitlines()) == 1
    assert not (tmp_path / "s.nrrd").exists()


def test_every_option_of_the_normalisation_has_an_argument():
    parser = argparse.ArgumentParser()
    import_.add_arguments(parser)
    everything = ["x", "--air", "1", "2", "3", "4", "--i0", "5", "--open-beam", "number", "--bad-sigma", "6", "--least-transmission", "0.1"]
    values = import_._values(parser.parse_args(everything))
    assert set(values) == {o.name for o in options_of(Normalisation)}
    assert make(Normalisation, values).region_cols == 4


def test_every_hint_of_every_reader_is_an_argument():
    taken = {name for reader in READERS for name in list(inspect.signature(load_reader(reader).open_projections).parameters)[1:]}
    assert taken == set(import_.HINTS)
