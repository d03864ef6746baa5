"""DXchange HDF5: pixels, mean dark and flat images, angles and units, and broken files."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from Unit.io.projections import stack_kit as kit

from XRayTomoLib.files import FileError
from XRayTomoLib.io.projections import ProjectionError, open_projections, recognise

TOOTH = Path(__file__).resolve().parents[5] / "shared/data/tooth/tooth.h5"
relaxed = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def write(path, theta=(0, 30, 60), units=None, **datasets):
    with h5py.File(path, "w") as file:
        contents = {"data": kit.counts(), "data_white": np.stack([np.full((4, 5), v, np.uint16) for v in (99, 101)]),
                    "data_dark": np.full((1, 4, 5), 3, np.uint16), "theta": np.array(theta, float), **datasets}
        for name, values in contents.items():
            if values is not None:
                file[f"exchange/{name}"] = values
        if units:
            file["exchange/theta"].attrs["units"] = units
    return path


def test_everything_is_read(tmp_path):
    path = write(tmp_path / "s.h5")
    stack = open_projections(path, pitch_mm=(0.5, 0.75))
    assert recognise(path) == "dxchange" and stack.kind == "counts"
    np.testing.assert_array_equal(stack.to_array(), kit.counts())
    assert (stack.flat == 100).all() and (stack.dark == 3).all()
    np.testing.assert_allclose(stack.views.direction[1], [np.sin(np.pi / 6), np.cos(np.pi / 6), 0], atol=1e-12)
    assert open_projections(path).views is None


def test_radians_pixel_size_and_axis(tmp_path):
    path = write(tmp_path / "s.h5", np.deg2rad([0, 30, 60]), b"rad")
    with h5py.File(path, "a") as file:
        for axis, size in (("x", 650.0), ("y", 700.0)):
            data = file.create_dataset(f"measurement/instrument/detector/pixel_size_{axis}", data=[size])
            data.attrs["units"] = "um"
    views = open_projections(path, axis_col=1.25).views
    np.testing.assert_allclose([p[0] for p in views.pitch_mm], [0.65, 0.7])
    np.testing.assert_allclose(views.project([[0, 0, 0]])[:, 0], [[1.5, 1.25]] * 3, atol=1e-9)
    np.testing.assert_allclose(views.direction[2], [np.sin(np.pi / 3), 0.5, 0], atol=1e-12)


@pytest.mark.parametrize("change, message", [
    ({"data": None}, "no dataset /exchange/data"),
    ({"data": np.zeros((4, 5))}, "/exchange/data is no table of numbers with 3 axes"),
    ({"data": np.zeros((3, 4, 5), complex)}, "/exchange/data is no table"),
    ({"theta": np.array([1.0, 2.0])}, "2 angles for 3 projections"),
    ({"theta": np.array([1.0, np.nan, 2.0])}, "angle 1 is not a finite number"),
    ({"data_white": np.zeros((2, 5, 4))}, "the flat image has 5 x 4 pixels"),
])  # fmt: skip
def test_broken_contents(tmp_path, change, message):
    write(tmp_path / "s.h5", **{"theta": np.array([0.0, 1, 2])} | change)
    with pytest.raises(ProjectionError, match=message):
        open_projections(tmp_path / "s.h5", "dxchange", pitch_mm=1.0)


def test_sizes_beyond_memory_are_refused_before_they_are_read(tmp_path):
    """10^9 views (or dark images, which would be read for days) are a number in a file of some kilobytes; 10^12 pixels a view, too."""
    for name, shape in (("data", (10**9, 4, 5)), ("data_dark", (10**9, 4, 5)), ("data", (10**5, 100, 100)), ("data", (2, 10**6, 10**6))):
        write(tmp_path / "s.h5", **{name: None})
        with h5py.File(tmp_path / "s.h5", "a") as file:
            file.create_dataset(f"exchange/{name}", shape, "u2", chunks=(1, *shape[1:]) if shape[1] < 1000 else (1, 100, 100))
        with pytest.raises(ProjectionError, match=f"s.h5: /exchange/{name} promises {shape[0]} x {shape[1]}"):
            open_projections(tmp_path / "s.h5", angles="0:360", pitch_mm=1.0)


def test_images_beyond_memory_are_refused_before_they_are_read(tmp_path, monkeypatch):
    with h5py.File(tmp_path / "s.h5", "w") as file:
        file["exchange/data"] = np.zeros((1, 2000, 2000), np.uint16)
    monkeypatch.setenv("XRAYTOMO_MEMORY_MB", "1")
    with pytest.raises(ProjectionError, match="would have to be held in memory"):
        open_projections(tmp_path / "s.h5")


def test_truncated_and_foreign_files(tmp_path):
    whole = write(tmp_path / "s.h5").read_bytes()
    (tmp_path / "s.h5").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ProjectionError, match="s.h5: the HDF5 file is broken"):
        open_projections(tmp_path / "s.h5", "dxchange")
    (tmp_path / "s.h5").write_bytes(b"no HDF5")
    with pytest.raises(ProjectionError, match="s.h5: not an HDF5 file"):
        open_projections(tmp_path / "s.h5", "dxchange")
    with pytest.raises(ProjectionError, match="no projections were recognised"):
        recognise(tmp_path / "s.h5")


@relaxed
@given(data=st.data())
def test_fuzzed_bytes_never_crash_the_reader(tmp_path, data):
    content = bytearray(write(tmp_path / "s.h5").read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(8, len(content) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "s.h5").write_bytes(content)
    try:
        open_projections(tmp_path / "s.h5", "dxchange")[0]
    except FileError as error:
        assert "s.h5" in str(error)


@pytest.mark.skipif(not TOOTH.exists(), reason="shared/data/tooth is not there")
def test_tooth():
    stack = open_projections(TOOTH, pitch_mm=1.0, axis_col=295.5)
    assert (len(stack), stack.shape, stack.kind) == (181, (2, 640), "counts")
    assert stack.flat.mean() > 5 * stack.dark.mean()
    first, last = ((stack[i] - stack.dark) / (stack.flat - stack.dark) for i in (0, 180))
    mirrored = np.arange(60, 520)
    opposite = np.rint(2 * 295.5 - mirrored).astype(int)
    assert np.corrcoef(first[0, mirrored], last[0, opposite])[0, 1] > 0.99
