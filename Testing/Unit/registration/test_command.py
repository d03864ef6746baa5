"""`xraytomo register`: a case from files, what it writes, many starts, and what it refuses."""

import json

import numpy as np
import pytest
import SimpleITK as sitk
from Unit.registration.phantoms import CENTRE, body, pose, views, xrayed

from XRayTomoLib.cli import main
from XRayTomoLib.geometry import Views
from XRayTomoLib.io import write_volume
from XRayTomoLib.io.projections import write_stack
from XRayTomoLib.registration.case import compose
from XRayTomoLib.workflows.registration import write_transform

TRUTH = pose(turn=(0.02, -0.03, 0.02), shift_mm=(2.0, -3.0, 1.0))
QUICK = {"search_count": 8, "search_rotation_deg": 3.0, "search_shift_mm": 4.0, "refined_starts": 2}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("case")
    grid, mu = body(size=32, spacing_mm=4.5)
    xrays = xrayed(grid, mu, views(), TRUTH)
    write_volume(path / "ct.nrrd", mu.numpy(), grid)
    write_stack(path / "xrays.nrrd", np.stack([x.image.numpy() for x in xrays]), Views.concatenate([x.views for x in xrays]))
    write_case(path / "case.json")
    return path


def write_case(path, **changes):
    case = {"ct": "ct.nrrd", "attenuation": {"kind": "linear"}, "truth": TRUTH.tolist(), "options": QUICK,
            "xrays": [{"image": "xrays.nrrd", "view": 0, "name": "AP"}, {"image": "xrays.nrrd", "view": 1, "name": "lateral"}]}
    path.write_text(json.dumps({**case, **changes}))


def test_pose_transform_and_overlay(folder, capsys):
    outputs = {"-o": folder / "pose.json", "--transform": folder / "pose.tfm", "--overlay": folder / "overlay.png"}
    assert main(["register", str(folder / "case.json"), *(str(x) for pair in outputs.items() for x in pair)]) == 0
    assert "95 % ellipsoid" in capsys.readouterr().out
    written = json.loads(outputs["-o"].read_text())
    assert written["mtre_mm"] < 0.1 and set(written["local_ncc"]) == {"AP", "lateral"} and written["provenance"]["operation"] == "register"
    assert sitk.ReadImage(str(outputs["--overlay"])).GetSize() == (3 * 64, 2 * 64)
    assert sitk.ReadTransform(str(outputs["--transform"])).GetDimension() == 3


def test_bones_together(folder):
    """The upper and the lower half of the body, each with a start of its own: their radiographs together are the X-ray."""
    grid, mu = body(size=32, spacing_mm=4.5)
    for name, part in (("upper", np.s_[16:]), ("lower", np.s_[:16])):
        half = np.zeros(grid.shape, np.float32)
        half[part] = mu[part]
        write_volume(folder / f"{name}.nrrd", half, grid)
    bones = [{"ct": f"{name}.nrrd", "name": name, "attenuation": {"kind": "linear"}, "truth": TRUTH.tolist(), "start": start.tolist()}
             for name, start in (("upper", TRUTH), ("lower", compose(np.r_[0, 0.02, 0, 1.5, 0, -1.0], TRUTH, CENTRE)))]
    case = json.loads((folder / "case.json").read_text()) | {"bones": bones, "options": QUICK | {"search_count": 1, "footprint_mm": 6.0}}
    (folder / "bones.json").write_text(json.dumps({key: case[key] for key in ("bones", "options", "xrays")}))
    outputs = {"-o": folder / "bones-out.json", "--transform": folder / "halves.tfm", "--overlay": folder / "halves.png"}
    assert main(["register", str(folder / "bones.json"), *(str(x) for pair in outputs.items() for x in pair)]) == 0
    written = json.loads(outputs["-o"].read_text())
    assert list(written["bones"]) == ["upper", "lower"] and all(bone["mtre_mm"] < 0.2 for bone in written["bones"].values())
    assert written["provenance"]["inputs"]["ct"] == ["upper.nrrd", "lower.nrrd"] and min(written["local_ncc"].values()) > 0.99
    assert (folder / "halves-upper.tfm").exists() and (folder / "halves-lower.tfm").exists() and not (folder / "halves.tfm").exists()
    assert sitk.ReadImage(str(outputs["--overlay"])).GetSize() == (3 * 64, 2 * 64)


def test_many_starts(folder, capsys):
    arguments = ["--starts", "2", "--starts-rotation-deg", "2", "--starts-shift-mm", "2", "-o", str(folder / "rows.json")]
    assert main(["register", str(folder / "case.json"), "--set", "refined_starts=1", *arguments]) == 0
    rows = json.loads((folder / "rows.json").read_text())
    assert len(rows) == 2 and all(row["mtre_mm"] < 0.2 and row["from_best_mm"] < 0.2 for row in rows)


def test_slicer_reads_the_transform_as_the_pose(tmp_path):
    """The file maps moved places (LPS) back to the object's, as ITK's resampling transforms do; Slicer inverts that."""
    write_transform(tmp_path / "t.tfm", TRUTH)
    transform = sitk.ReadTransform(str(tmp_path / "t.tfm"))
    x = np.array([12.0, -30.0, 55.0])
    moved = TRUTH[:3, :3] @ x + TRUTH[:3, 3]
    np.testing.assert_allclose(np.array(transform.TransformPoint(tuple(moved * [-1, -1, 1]))) * [-1, -1, 1], x, atol=1e-9)


@pytest.mark.parametrize("changes, words", [({"xrays": []}, "at least one X-ray"), ({"surprise": 1}, "surprise"), ({"start": [[1]]}, "4x4"),
                                             ({"xrays": [{"image": "xrays.nrrd", "view": 5}]}, "view 5 of 2"), ({"options": {"speed": 1}}, "speed"),
                                             ({"bones": [{"ct": "ct.nrrd"}]}, "attenuation")])
def test_refusals(folder, capsys, changes, words):
    write_case(folder / "bad.json", **changes)
    assert main(["register", str(folder / "bad.json")]) == 2
    assert words in capsys.readouterr().err
