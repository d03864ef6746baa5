"""MATLAB files: what scipy writes is read back; broken bytes end in one sentence."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from XRayTomoLib.geometry.formats import FormatError
from XRayTomoLib.geometry.formats.mat5 import names_in_mat5, read_mat5

relaxed = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
CONTENT = {"geo": {"DSD": 1536.0, "nVoxel": np.array([[8], [9], [10]]), "mode": "cone", "inner": {"x": np.eye(2)}, "none": np.zeros((0, 0))},
           "angles": np.linspace(0, 1, 7), "counts": np.arange(6, dtype=np.uint16).reshape(2, 3), "text": "Müller"}


@pytest.mark.parametrize("packed", [True, False])
def test_what_scipy_writes_is_read_back(tmp_path, packed):
    savemat(tmp_path / "a.mat", CONTENT | {"cell": np.array([1, "a"], dtype=object), "z": np.array([1j])}, do_compression=packed)
    found = read_mat5(tmp_path / "a.mat")
    assert found["geo"]["DSD"] == 1536.0 and found["geo"]["mode"] == "cone" and found["text"] == "Müller"
    np.testing.assert_array_equal(found["geo"]["nVoxel"], [8, 9, 10])
    np.testing.assert_array_equal(found["geo"]["inner"]["x"], np.eye(2))
    np.testing.assert_array_equal(found["angles"], CONTENT["angles"])
    np.testing.assert_array_equal(found["counts"], CONTENT["counts"])
    assert found["counts"].dtype == np.uint16 and found["geo"]["none"].size == 0
    assert "cell" not in found and "z" not in found


@pytest.mark.parametrize("packed", [True, False])
def test_names_are_found_up_to_where_the_file_ends(tmp_path, packed):
    """A variable's name stands in its first bytes, those of a struct's fields too; what follows is not unpacked."""
    path = tmp_path / "a.mat"
    savemat(path, {"big": np.zeros(10**6), "geo": CONTENT["geo"], "last": np.random.default_rng(0).random(9000)}, do_compression=packed)
    whole, found = path.read_bytes(), {"big": [], "geo": list(CONTENT["geo"]), "last": []}
    assert names_in_mat5(path) == found
    path.write_bytes(whole[:-60000])
    assert names_in_mat5(path) == found
    for length in (0, 100, 128, 140):
        path.write_bytes(whole[:length])
        assert names_in_mat5(path) == {}
    path.write_bytes(whole[:124] + b"\0\0XX" + whole[128:])
    assert names_in_mat5(path) == {}


@pytest.mark.parametrize("packed", [True, False])
def test_truncated_and_foreign_files(tmp_path, packed):
    savemat(tmp_path / "a.mat", CONTENT, do_compression=packed)
    whole = (tmp_path / "a.mat").read_bytes()
    for length in (0, 20, 130, 140, len(whole) // 2, len(whole) - 9):
        (tmp_path / "a.mat").write_bytes(whole[:length])
        with pytest.raises(FormatError, match="a.mat"):
            read_mat5(tmp_path / "a.mat")
    with pytest.raises(FormatError, match="absent.mat: cannot be read"):
        read_mat5(tmp_path / "absent.mat")


def test_a_bomb_is_not_unpacked(tmp_path):
    savemat(tmp_path / "a.mat", {"x": np.zeros(10**6)}, do_compression=True)
    with pytest.raises(FormatError, match="at most 1000000 more fit"):
        read_mat5(tmp_path / "a.mat", most_bytes=10**6)
    savemat(tmp_path / "a.mat", {name: np.zeros(10**5) for name in "abc"}, do_compression=True)
    with pytest.raises(FormatError, match="unpacks to 8000.. bytes; at most"):      # all variables together
        read_mat5(tmp_path / "a.mat", most_bytes=2 * 10**6)
    savemat(tmp_path / "a.mat", {"x": np.zeros(10**5)})
    with pytest.raises(FormatError, match="which are read as a whole"):
        read_mat5(tmp_path / "a.mat", most_bytes=10**5)


@relaxed
@given(data=st.data())
def test_fuzzed_bytes_never_crash_the_reader(tmp_path, data):
    savemat(tmp_path / "a.mat", CONTENT, do_compression=data.draw(st.booleans()))
    content = bytearray((tmp_path / "a.mat").read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(124, 124 + 300))] = data.draw(st.integers(0, 255))
    (tmp_path / "a.mat").write_bytes(content)
    assert all(isinstance(name, str) for name in names_in_mat5(tmp_path / "a.mat"))
    try:
        read_mat5(tmp_path / "a.mat")
    except FormatError as error:
        assert "a.mat" in str(error)
