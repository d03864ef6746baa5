"""xraytomo calibrate: from a stack on disk to a calibrated geometry and its report."""

import json
import subprocess
import sys

import numpy as np
import pytest
from Unit.calibration.scans import OBJECT, cone_scan, measured, parallel_scan

from XRayTomoLib.calibration import misaligned
from XRayTomoLib.cli import main
from XRayTomoLib.geometry.formats import read_geometry, write_geometry
from XRayTomoLib.grids import CartesianGrid
from XRayTomoLib.io import write_volume
from XRayTomoLib.io.projections.stacks import write_stack


@pytest.fixture
def stack(tmp_path):
    nominal = parallel_scan(24, 12, 64)
    write_stack(tmp_path / "scan.nrrd", measured(misaligned(nominal, {"shift_u_mm": 3.0})), nominal)
    return tmp_path / "scan.nrrd"


def test_centre_of_rotation(stack, tmp_path, capsys):
    nominal = parallel_scan(24, 12, 64)
    output, report = tmp_path / "calibrated.json", tmp_path / "report.json"
    assert main(["calibrate", str(stack), "--no-centre-in-plane", "-o", str(output), "--report", str(report)]) == 0
    assert "shift_u_px = 3" in capsys.readouterr().out
    found = {p["name"]: p for p in json.loads(report.read_text())["parameters"]}
    assert abs(found["shift_u_mm"]["value"] - 3.0) < 0.1 and found["shift_u_mm"]["standard_error"] > 0
    assert np.allclose(read_geometry(output).origin, misaligned(nominal, {"shift_u_mm": found["shift_u_mm"]["value"]}).origin)


def test_with_a_volume_and_another_geometry(tmp_path):
    nominal, grid = cone_scan(6, 40, 48), CartesianGrid.centred((48, 48, 48), 1.4)
    write_stack(tmp_path / "scan.nrrd", measured(misaligned(nominal, {"shift_v_mm": 2.0})), nominal)
    write_geometry(tmp_path / "g.json", misaligned(nominal, {"shift_v_mm": 1.0}))
    write_volume(tmp_path / "mu.nrrd", OBJECT.voxelise(grid), grid)
    arguments = ["--method", "refine", "--volume", "mu.nrrd", "--geometry", "g.json", "--scan", "shift_v_mm", "--refine-levels", "1"]
    arguments = [str(tmp_path / a) if (tmp_path / a).is_file() else a for a in arguments]
    assert main(["calibrate", str(tmp_path / "scan.nrrd"), *arguments, "--report", str(tmp_path / "r.json")]) == 0
    assert abs(json.loads((tmp_path / "r.json").read_text())["parameters"][0]["value"] - 1.0) < 0.05


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["--method", "balls"], "needs --balls FILE"),
        (["--method", "refine"], "needs --volume FILE"),
        (["--method", "balls", "--balls", "{tmp}/broken.json"], "no layout of balls"),
        (["-o", "{tmp}/views.txt"], "cannot be written"),
        (["--centre-search-share", "7"], "search_share"),
    ],
)
def test_bad_input_is_one_sentence(stack, tmp_path, capsys, arguments, sentence):
    (tmp_path / "broken.json").write_text('{"diameter_mm": 3}')
    assert main(["calibrate", str(stack), *(a.format(tmp=tmp_path) for a in arguments)]) == 2
    error = capsys.readouterr().err.strip()
    assert sentence in error and "Traceback" not in error


def test_the_parser_loads_no_torch():
    code = "import sys, XRayTomoLib.cli as c; c._parser('calibrate'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
