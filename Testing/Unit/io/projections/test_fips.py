"""CtData structs of the University of Helsinki: geometry against the published convention, and broken files."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from XRayTomoLib.files import FileError
from XRayTomoLib.geometry.formats.mat5 import read_mat5
from XRayTomoLib.io.projections import ProjectionError, open_projections, recognise

DISC = Path(__file__).resolve().parents[5] / "shared/data/htc2022/htc2022_solid_disc_full.mat"
POINTS = np.array([[3.0, -4.0, 0.0], [0.0, 12.0, 0.0]])
relaxed = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def write(path, sinogram=None, compressed=True, **changes):
    parameters = {"angles": np.array([0.0, 30.0, 70.0]), "distanceSourceOrigin": 410.66, "distanceSourceDetector": 553.74,
                  "pixelSize": 0.05, "pixelSizePost": 0.2, "scanner": "S"} | changes
    sinogram = np.arange(24.0).reshape(3, 8) if sinogram is None else sinogram
    savemat(path, {"CtDataFull": {"type": "2d", "sinogram": sinogram, "parameters": parameters}}, do_compression=compressed)
    return path


@pytest.mark.parametrize("compressed", [True, False])
def test_columns_fall_where_the_convention_says(tmp_path, compressed):
    path = write(tmp_path / "s.mat", compressed=compressed)
    stack = open_projections(path)
    assert recognise(path) == "fips" and (len(stack), stack.shape, stack.kind) == (3, (1, 8), "line integral")
    np.testing.assert_array_equal(stack.to_array()[:, 0], np.arange(24.0).reshape(3, 8))
    for index, angle in enumerate(np.deg2rad([0, 30, 70])):
        c, s = np.cos(angle), np.sin(angle)
        along, depth = POINTS[:, :2] @ [c, s], POINTS[:, :2] @ [-s, c]
        expected = 3.5 + 553.74 / (410.66 + depth) * along / 0.2
        np.testing.assert_allclose(stack.views.project(POINTS)[index, :, 1], expected, atol=1e-9)


@pytest.mark.parametrize("changes, message", [
    ({"angles": np.array([0.0, 1.0])}, "2 angles for 3"),
    ({"angles": np.array([0.0, np.inf, 1.0])}, "angle 1 is not a finite number"),
    ({"distanceSourceOrigin": np.nan}, "parameters.distanceSourceOrigin = nan"),
    ({"distanceSourceDetector": "far"}, "parameters.distanceSourceDetector = far"),
    ({"distanceSourceOrigin": 600.0}, "is not larger than"),
    ({"sinogram": np.array(["a", "b"])}, "no struct CtData"),
])  # fmt: skip
def test_broken_contents(tmp_path, changes, message):
    with pytest.raises(ProjectionError, match=f"s.mat.*{message}"):
        open_projections(write(tmp_path / "s.mat", **changes))


def test_foreign_and_truncated_files(tmp_path):
    savemat(tmp_path / "s.mat", {"other": np.zeros(3)})
    with pytest.raises(ProjectionError, match="no struct CtData"):
        open_projections(tmp_path / "s.mat", "fips")
    whole = write(tmp_path / "s.mat").read_bytes()
    for length in (0, 100, 140, len(whole) - 5):
        (tmp_path / "s.mat").write_bytes(whole[:length])
        with pytest.raises(ProjectionError, match="s.mat"):
            open_projections(tmp_path / "s.mat", "fips")
    with pytest.raises(ProjectionError, match="s.mat: the MATLAB file is cut short, damaged"):
        open_projections(tmp_path / "s.mat")


@relaxed
@given(data=st.data())
def test_fuzzed_bytes_never_crash_the_reader(tmp_path, data):
    content = bytearray(write(tmp_path / "s.mat", compressed=False).read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(128, len(content) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "s.mat").write_bytes(content)
    try:
        open_projections(tmp_path / "s.mat", "fips")
    except FileError as error:
        assert "s.mat" in str(error)


@pytest.mark.skipif(not DISC.exists(), reason="shared/data/htc2022 is not there")
def test_solid_disc():
    """The disc's shadow has the same width and sum in all views."""
    stack = open_projections(DISC)
    p = stack.to_array()[:, 0]
    assert p.shape == (721, 560) and stack.views.sdd_mm[0] == pytest.approx(553.74)
    assert p.sum(1).std() / p.sum(1).mean() < 0.01


@pytest.mark.skipif(not DISC.exists(), reason="shared/data/htc2022 is not there")
def test_geometry_reproduces_the_published_reconstruction():
    """Every fourth view, filtered and backprojected along Views.project, against the challenge's own reconstruction (rows are -y)."""
    stack = open_projections(DISC.with_name("htc2022_ta_full.mat")).picked(slice(0, 720, 4))
    reference = read_mat5(DISC.with_name("htc2022_ta_full_recon_fbp.mat"))["reconFullFbp"]
    x = (np.arange(0, 512, 4) - 255.5) * 0.14832
    points = np.stack(np.broadcast_arrays(x, -x[:, None], 0.0), -1).reshape(-1, 3)
    frequencies = np.abs(np.fft.rfftfreq(2048))
    volume = np.zeros(len(points))
    for index in range(len(stack)):
        view = stack.views[index]
        filtered = np.fft.irfft(np.fft.rfft(stack[index][0], 2048) * frequencies)[:560]
        depth = (points - view.source[0]) @ (-view.source[0] / np.linalg.norm(view.source[0])) / 410.66
        volume += np.interp(view.project(points)[0, :, 1], np.arange(560), filtered, 0, 0) / depth**2
    inside = np.hypot(points[:, 0], points[:, 1]) < 34
    assert np.corrcoef(volume[inside], reference[::4, ::4].ravel()[inside])[0, 1] > 0.97
