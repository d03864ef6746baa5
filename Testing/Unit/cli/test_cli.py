"""The command line: right pictures in the right place, one sentence and exit code 2 for everything else."""

import json
import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk

import XRayTomoLib
from XRayTomoLib.cli import main
from XRayTomoLib.geometry import carm
from XRayTomoLib.grids import CartesianGrid
from XRayTomoLib.io import read_image, write_volume
from XRayTomoLib.physics.attenuation import AttenuationModel

SMALL = ["--rows", "61", "--cols", "81"]


def block(path):
    """40 mm of water in air about the origin, and a dense bead; the grid is oblique and left-handed."""
    turn = np.deg2rad(20)
    matrix = np.eye(4)
    matrix[:2, :2] = 2 * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    matrix[2, 2] = -2
    matrix[:3, 3] = -matrix[:3, :3] @ np.full(3, 24.5)
    grid = CartesianGrid((50, 50, 50), matrix)
    values = np.full(grid.shape, -1000, np.int16)
    values[15:35, 15:35, 15:35] = 0
    bead = np.rint(grid.ijk_from_ras((-25, 5, 30))).astype(int)
    values[tuple(slice(n - 1, n + 2) for n in bead[::-1])] = 30000
    write_volume(path, values, grid)
    return grid.ras_from_ijk(bead)


@pytest.fixture
def ct(tmp_path):
    block(tmp_path / "ct.nrrd")
    return tmp_path / "ct.nrrd"


def run(*arguments):
    return main([str(argument) for argument in arguments])


@pytest.mark.parametrize(("primary", "secondary"), [(0, 0), (90, 0), (-35, 20)])
def test_radiograph_lies_where_the_beam_meets_the_detector(tmp_path, primary, secondary):
    bead = block(tmp_path / "ct.nrrd")
    pose = ["--primary-deg", primary, "--secondary-deg", secondary, "--isocentre", 3, -4, 5]
    assert run("drr", tmp_path / "ct.nrrd", *pose, *SMALL, "-o", tmp_path / "drr.nrrd") == 0
    image = read_image(tmp_path / "drr.nrrd")
    views = carm("Cios Fusion").resampled(61, 81).views(primary, secondary, (3, -4, 5))
    expected = views.project(bead[None])[0, 0]
    row, col = np.unravel_index(image.array[0].argmax(), image.array[0].shape)
    np.testing.assert_allclose((row, col), expected, atol=0.75)
    along = image.grid.ras_from_ijk((col, row, 0)) - views.source[0]
    to_bead = bead - views.source[0]
    assert along @ to_bead / np.linalg.norm(along) / np.linalg.norm(to_bead) > 0.9999


def test_line_integral_through_water(ct, tmp_path):
    assert run("drr", ct, *SMALL, "--energy-kev", 60, "-o", tmp_path / "drr.nrrd", "--primary-deg", 20, "--isocentre", 0, 0, 0) == 0
    centre = read_image(tmp_path / "drr.nrrd").array[0, 30, 40]
    assert centre == pytest.approx(40 * AttenuationModel(energy_kev=60).mu_water, rel=0.02)


def test_what_the_pixels_hold(ct, tmp_path):
    images = {}
    for show in ("line-integral", "intensity", "inverted"):
        assert run("drr", ct, *SMALL, "--show", show, "-o", tmp_path / f"{show}.nrrd") == 0
        images[show] = read_image(tmp_path / f"{show}.nrrd").array
    np.testing.assert_allclose(images["intensity"], np.exp(-images["line-integral"]), rtol=1e-5)
    np.testing.assert_allclose(images["inverted"], 1 - images["intensity"], atol=1e-6)


def test_picture_is_what_a_reader_expects(ct, tmp_path):
    """Frontal view: the head's side on top, the patient's left at the picture's right."""
    assert run("drr", ct, *SMALL, "--png", tmp_path / "drr.png") == 0
    picture = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "drr.png")))
    row, col = np.unravel_index(picture.argmax(), picture.shape)
    assert row < 30
    assert col > 40


def test_flip_mirrors_the_columns(ct, tmp_path):
    for name, options in (("plain", []), ("flipped", ["--flip"])):
        assert run("drr", ct, *SMALL, *options, "-o", tmp_path / f"{name}.nrrd") == 0
    plain, flipped = (read_image(tmp_path / f"{name}.nrrd") for name in ("plain", "flipped"))
    np.testing.assert_allclose(flipped.array, plain.array[..., ::-1], atol=1e-4)
    np.testing.assert_allclose(flipped.grid.ras_from_ijk((80, 0, 0)), plain.grid.ras_from_ijk((0, 0, 0)), atol=1e-6)


def test_provenance_is_enough_to_do_it_again(ct, tmp_path):
    assert run("drr", ct, *SMALL, "--secondary-deg", -7, "-o", tmp_path / "drr.nrrd") == 0
    origin = json.loads(read_image(tmp_path / "drr.nrrd").fields["provenance"])
    assert origin["operation"] == "drr"
    assert origin["inputs"]["ct"] == str(ct)
    assert origin["parameters"]["secondary_deg"] == -7
    assert origin["parameters"]["device"] == "Cios Fusion"
    assert len(origin["parameters"]["isocentre"]) == 3


def test_detector_keeps_its_size_unless_a_pitch_is_given(ct, tmp_path):
    device = carm("Cios Fusion")
    for pitch, expected in (([], device.cols * device.col_pitch_mm / 81), (["--pitch-mm", 3, 4], 3)):
        assert run("drr", ct, *SMALL, *pitch, "-o", tmp_path / "drr.nrrd") == 0
        assert read_image(tmp_path / "drr.nrrd").grid.spacing_mm[0] == pytest.approx(expected)


def test_values_that_are_no_hu_are_pointed_out(tmp_path, caplog):
    write_volume(tmp_path / "mu.nrrd", np.full((9, 9, 9), 0.02, np.float32), CartesianGrid.centred((9, 9, 9), 5))
    assert run("drr", tmp_path / "mu.nrrd", *SMALL, "-o", tmp_path / "drr.nrrd") == 0
    assert "not HU" in caplog.text
    caplog.clear()
    assert run("drr", tmp_path / "mu.nrrd", *SMALL, "--raw-per-mm", "-o", tmp_path / "drr.nrrd") == 0
    assert caplog.text == ""
    assert read_image(tmp_path / "drr.nrrd").array.max() == pytest.approx(0.02 * 45, rel=0.02)


BAD = {
    "no outputs": (["CT"], "nothing would be written"),
    "no file": (["absent.nrrd", "-o", "OUT.nrrd"], "no such file"),
    "no image": (["text.nrrd", "-o", "OUT.nrrd"], "content is not that"),
    "NaN": (["nan.nrrd", "-o", "OUT.nrrd"], "1 voxels are not finite"),
    "one slice": (["slice.nrrd", "-o", "OUT.nrrd"], "not a volume"),
    "output format": (["CT", "-o", "OUT.jpg"], "let the name end with"),
    "picture format": (["CT", "-o", "OUT.nrrd", "--png", "OUT.bmp"], "let the name end with .png"),
    "output folder": (["CT", "-o", "absent/OUT.nrrd"], "folder"),
    "device": (["CT", "-o", "OUT.nrrd", "--device", "Toaster"], "'Toaster' is not known"),
    "zero rows": (["CT", "-o", "OUT.nrrd", "--rows", "0"], "0 rows"),
    "SDD": (["CT", "-o", "OUT.nrrd", "--sdd-mm", "500"], "500.0 mm is not larger"),
    "pitch": (["CT", "-o", "OUT.nrrd", "--pitch-mm", "-1"], "pitch"),
    "three pitches": (["CT", "-o", "OUT.nrrd", "--pitch-mm", "1", "2", "3"], "one or two numbers"),
    "energy": (["CT", "-o", "OUT.nrrd", "--energy-kev", "1e9"], "energy"),
    "source inside": (["CT", "-o", "OUT.nrrd", "--sod-mm", "10"], "lies inside the volume"),
    "out of sight": (["CT", "-o", "OUT.nrrd", "--isocentre", "0", "0", "900"], "does not see the volume"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(ct, tmp_path, monkeypatch, capfd, case):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.nrrd").write_text("this is no image")
    values = np.zeros((3, 3, 3), np.float32)
    write_volume(tmp_path / "slice.nrrd", values[:1], CartesianGrid.centred((1, 3, 3), 1))
    values[1, 1, 1] = np.nan
    write_volume(tmp_path / "nan.nrrd", values, CartesianGrid.centred((3, 3, 3), 1))
    before = sorted(tmp_path.iterdir())
    arguments, message = BAD[case]
    assert run("drr", *[ct if a == "CT" else a for a in arguments], *([] if "--rows" in arguments else SMALL)) == 2
    captured = capfd.readouterr()
    assert captured.out == ""
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


def test_info(ct, capsys):
    assert run("info", ct) == 0
    text = capsys.readouterr().out
    for part in ("50 x 50 x 50", "2 x 2 x 2 mm", "left-handed", "RAI", "-1000 to 3e+04"):
        assert part in text


def test_info_of_a_radiograph_says_how_it_was_made(ct, tmp_path, capsys):
    run("drr", ct, *SMALL, "-o", tmp_path / "drr.nrrd")
    assert run("info", tmp_path / "drr.nrrd") == 0
    text = capsys.readouterr().out
    assert "81 x 61 x 1" in text
    assert '"operation": "drr"' in text


def test_sample(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XRAYTOMO_CACHE", str(tmp_path / "cache"))
    assert run("sample") == 0
    assert "phantom-chest" in capsys.readouterr().out.splitlines()
    assert run("sample", "phantom-chest", "-o", tmp_path / "mine.nrrd") == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "mine.nrrd")
    assert read_image(tmp_path / "mine.nrrd").array.min() == -1000
    assert run("sample", "phantom-chest", "-o", tmp_path / "mine.nii.gz") == 2
    assert run("sample", "liver") == 2


def test_version_and_help_come_at_once():
    code = "import sys, XRayTomoLib.cli as c\ntry: c.main(sys.argv[1:])\nfinally: print('numpy' in sys.modules)"
    for argument, expected in (("--version", f"XRayTomo {XRayTomoLib.__version__}"), ("--help", "drr")):
        process = subprocess.run([sys.executable, "-c", code, argument], capture_output=True, text=True, check=True)
        assert expected in process.stdout
        assert process.stdout.endswith("False\n")


def test_missing_torch_is_named_with_its_remedy(ct, tmp_path):
    code = "import sys; sys.modules['torch'] = None; from XRayTomoLib.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "drr", str(ct), "-o", str(tmp_path / "drr.nrrd")]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode == 2
    assert process.stderr == "xraytomo drr: the Python package 'torch' is missing; install it with: pip install torch.\n"
    assert not (tmp_path / "drr.nrrd").exists()


def test_wrong_usage_ends_with_code_2(capsys):
    with pytest.raises(SystemExit) as end:
        run("drr")
    assert end.value.code == 2
    assert "CT" in capsys.readouterr().err
