"""xraytomo scan and reconstruct: a ball there and back."""
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from XRayTomoLib.cli import main
from XRayTomoLib.geometry import CArm, circle
from XRayTomoLib.geometry.formats import write_geometry
from XRayTomoLib.grids import CartesianGrid
from XRayTomoLib.io import read_volume, write_volume

ROOT = Path(__file__).resolve().parents[3]
GRID = CartesianGrid.centred((24, 32, 40), 2.0, (10, -5, 3))


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    """Folder with ball.nrrd (0.02 1/mm), g.json and its stack."""
    folder = tmp_path_factory.mktemp("scan")
    k, j, i = np.indices(GRID.shape)
    points = np.stack([i, j, k], -1) @ GRID.ijk_to_ras[:3, :3].T + GRID.ijk_to_ras[:3, 3]
    write_volume(folder / "ball.nrrd", (0.02 * (np.linalg.norm(points - (16, -9, 5), axis=-1) < 12)).astype(np.float32), GRID)
    write_geometry(folder / "g.json", circle(CArm(500, 300, 48, 56, 3.0, 3.0), 60, isocentre_ras=(10, -5, 3)))
    command = ["scan", str(folder / "ball.nrrd"), "--geometry", str(folder / "g.json"), "--model", "linear", "-o", str(folder / "stack.nrrd")]
    assert main(command) == 0
    return folder


def centre_of_mass(volume):
    weights = np.where(volume.array > 0.01, volume.array, 0)
    k, j, i = np.indices(volume.grid.shape)
    points = np.stack([i, j, k], -1) @ volume.grid.ijk_to_ras[:3, :3].T + volume.grid.ijk_to_ras[:3, 3]
    return (points * weights[..., None]).sum((0, 1, 2)) / weights.sum()


@pytest.mark.parametrize("arguments", [[], ["--method", "sirt", "--set", "iterations=15", "--levels", "1"],
                                       ["--method", "cgls", "--set", "iterations=6", "--spacing-mm", "2.5"]], ids=["fdk", "sirt", "cgls"])
def test_the_ball_comes_back_where_it_was(scan, tmp_path, arguments):
    assert main(["reconstruct", str(scan / "stack.nrrd"), *arguments, "-o", str(tmp_path / "out.nrrd")]) == 0
    found = read_volume(tmp_path / "out.nrrd")
    assert np.allclose(centre_of_mass(found), (16, -9, 5), atol=0.4)
    assert found.array.max() == pytest.approx(0.02, rel=0.4)
    origin = json.loads(found.fields["provenance"]) if isinstance(found.fields["provenance"], str) else found.fields["provenance"]
    assert origin["operation"] == "reconstruct" and origin["parameters"]["views"] == 60


def test_hounsfield_units_and_a_given_grid(scan, tmp_path):
    arguments = ["--like", str(scan / "ball.nrrd"), "--water-per-mm", "0.02", "-o", str(tmp_path / "hu.nrrd")]
    assert main(["reconstruct", str(scan / "stack.nrrd"), *arguments]) == 0
    found = read_volume(tmp_path / "hu.nrrd")
    assert found.grid.shape == GRID.shape and np.allclose(found.grid.ijk_to_ras, GRID.ijk_to_ras)
    inside = read_volume(scan / "ball.nrrd").array > 0
    assert abs(np.median(found.array[inside])) < 60 and abs(np.median(found.array[~inside]) + 1000) < 60


def test_work_is_resumed(scan, tmp_path):
    base = ["reconstruct", str(scan / "stack.nrrd"), "--method", "cgls", "--spacing-mm", "4"]
    state = str(tmp_path / "s.pt")
    assert main([*base, "--set", "iterations=3", "--checkpoint", state, "-o", str(tmp_path / "a.nrrd")]) == 0
    assert main([*base, "--set", "iterations=6", "--resume", state, "-o", str(tmp_path / "b.nrrd")]) == 0
    assert main([*base, "--set", "iterations=6", "-o", str(tmp_path / "c.nrrd")]) == 0
    b, c = (read_volume(tmp_path / name).array for name in ("b.nrrd", "c.nrrd"))
    assert np.allclose(b, c, atol=1e-6)


def test_the_result_stays_zero_outside_the_support(scan, tmp_path):
    mask = np.zeros(GRID.shape, np.int16)
    mask[:, 4:20, 10:] = 1
    write_volume(tmp_path / "mask.nrrd", mask, GRID)
    arguments = ["--method", "cgls", "--set", "iterations=4", "--like", str(scan / "ball.nrrd"), "--support", str(tmp_path / "mask.nrrd")]
    assert main(["reconstruct", str(scan / "stack.nrrd"), *arguments, "-o", str(tmp_path / "x.nrrd")]) == 0
    x = read_volume(tmp_path / "x.nrrd").array
    assert not x[mask == 0].any() and x.max() > 0.015


@pytest.mark.parametrize(("arguments", "message"), [
    (["--method", "fkd"], "method 'fkd' is not known"), (["--set", "filtre=hann"], "expected NAME=VALUE with one of filter"),
    (["--set", "filter=hahn"], "expected one of ram-lak"), (["--box", "0", "0", "0", "0", "1", "1"], "is empty"),
    (["--resume", "absent.pt"], "no state to save"), (["--method", "sirt", "--resume", "absent.pt"], "no such checkpoint"),
    (["--correct", "ring"], "correction 'ring' is not known"), (["--correct", "rings:breadth=3"], "expected NAME=VALUE with one of method"),
    (["--surround-mm", "50"], "take an iterative method"), (["--devices", "cpu", "cpu"], "2 devices for 1 process"),
    (["--devices", "abacus"], "'abacus'"),
    (["--box", "900", "900", "900", "950", "950", "950"], "no view sees the grid"), (["--spacing-mm", "0.01"], "too large"),
])  # fmt: skip
def test_bad_input_ends_in_one_sentence(scan, tmp_path, capsys, arguments, message):
    assert main(["reconstruct", str(scan / "stack.nrrd"), *arguments, "-o", str(tmp_path / "out.nrrd")]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_methods_are_listed(capsys):
    assert main(["reconstruct", "--list"]) == 0
    listed = capsys.readouterr().out
    assert "katsevich: Katsevich (helix, exact)" in listed and "iterations = 20" in listed


def test_corrections_change_the_volume_and_are_written_down(scan, tmp_path):
    arguments = ["--spacing-mm", "4", "--correct", "bad-pixels", "--correct", "hardening:linear=2",
                 "--correct", "metal:method=linear,threshold_per_mm=1"]
    assert main(["reconstruct", str(scan / "stack.nrrd"), "--spacing-mm", "4", "-o", str(tmp_path / "a.nrrd")]) == 0
    assert main(["reconstruct", str(scan / "stack.nrrd"), *arguments, "-o", str(tmp_path / "b.nrrd")]) == 0
    a, b = (read_volume(tmp_path / name) for name in ("a.nrrd", "b.nrrd"))
    assert np.allclose(b.array, 2 * a.array, atol=1e-4)
    origin = json.loads(b.fields["provenance"]) if isinstance(b.fields["provenance"], str) else b.fields["provenance"]
    assert [c["correction"] for c in origin["parameters"]["corrections"]] == ["BadPixels", "WaterHardening", "Metal"]


def test_the_shape_and_the_estimate(scan, tmp_path, capsys):
    arguments = ["reconstruct", str(scan / "stack.nrrd"), "--method", "sirt", "--spacing-mm", "4", "--shape", "12", "10", "8"]
    assert main([*arguments, "--estimate"]) == 0
    assert "12 x 10 x 8 voxels" in (printed := capsys.readouterr().out) and " s, " in printed
    assert main([*arguments, "--set", "iterations=2", "-o", str(tmp_path / "a.nrrd")]) == 0
    assert read_volume(tmp_path / "a.nrrd").grid.shape == (8, 10, 12)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def test_two_processes_write_what_one_writes(scan, tmp_path):
    arguments = ["reconstruct", str(scan / "stack.nrrd"), "--method", "cgls", "--set", "iterations=4", "--spacing-mm", "4"]
    assert main([*arguments, "-o", str(tmp_path / "one.nrrd")]) == 0
    two = [*arguments, "-o", str(tmp_path / "two.nrrd"), "--checkpoint", str(tmp_path / "state.pt")]
    as_torchrun = {"OMP_NUM_THREADS": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    started = [subprocess.Popen([sys.executable, "-m", "XRayTomoLib.cli", *two], cwd=ROOT,
                                env=os.environ | as_torchrun | {"RANK": rank, "LOCAL_RANK": rank}) for rank in "01"]
    assert [process.wait(120) for process in started] == [0, 0]
    one, both = (read_volume(tmp_path / name).array for name in ("one.nrrd", "two.nrrd"))
    assert np.abs(one - both).max() < 1e-5 * np.abs(one).max()
    assert sorted(path.name for path in tmp_path.glob("state*")) == ["state.pt.0", "state.pt.1"]
