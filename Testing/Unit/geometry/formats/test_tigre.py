"""TIGRE geometries: pixels by its own steps written out point by point, MATLAB order, round trips, broken files."""
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from Unit.geometry.importer_kit import assert_same, damaged, radiographs, refused, round_trip, sheared, survives

from XRayTomoLib.geometry import GeometryError, Spherical
from XRayTomoLib.geometry.formats import read_geometry, recognise_format, write_geometry

N = 3
GEO = {
    "DSD": [1536.0, 1500.0, 1480.0], "DSO": 1000.0, "nDetector": [4, 6], "dDetector": [1.5, 0.8], "sDetector": [6.0, 4.8],
    "offOrigin": [[1.0, 2.0, 3.0], [4.0, -2.0, 0.5], [0.0, 1.0, 7.0]], "offDetector": [-5.0, 9.0],
    "rotDetector": [0.1, -0.2, 0.3], "COR": [0.5, -0.4, 2.0], "mode": "cone", "accuracy": 0.5, "nVoxel": [64, 64, 64],
    "angles": [[0.3, 0.1, -0.2], [1.5, -0.3, 0.4], [-2.0, 0.0, 0.0]],
}  # fmt: skip


def turn(axis, a):
    c, s = np.cos(a), np.sin(a)
    return np.array({"x": [[1, 0, 0], [0, c, -s], [0, s, c]], "y": [[c, 0, s], [0, 1, 0], [-s, 0, c]], "z": [[c, -s, 0], [s, c, 0], [0, 0, 1]]}[axis])


def point_by_point(i, row, col):
    """Source and pixel as the projector moves them: own rotation, offset, gantry, volume's offset, centre of rotation."""
    a, b, c = GEO["angles"][i]
    p = np.array([0, 0.8 * (col - 6 / 2 + 0.5), 1.5 * (row - 4 / 2 + 0.5)])
    p = turn("z", 0.3) @ turn("y", -0.2) @ turn("x", 0.1) @ p
    p = p + [-(GEO["DSD"][i] - 1000.0), 9.0, -5.0]
    moved = []
    for q in (np.array([1000.0, 0, 0]), p):
        q = turn("z", a) @ turn("y", b) @ turn("z", c) @ q
        z, y, x = GEO["offOrigin"][i]
        moved.append(q - [x, y, z] + GEO["COR"][i] * np.array([-np.sin(a), np.cos(a), 0]))
    return moved


def test_every_value_per_view(tmp_path):
    path = tmp_path / "geo.json"
    path.write_text(json.dumps(GEO))
    assert recognise_format(path) == "tigre"
    views = read_geometry(path)
    for i in range(N):
        for r, c in ((0, 0), (3, 5), (2, 1)):
            source, pixel = point_by_point(i, r, c)
            np.testing.assert_allclose(views.source[i], source, atol=1e-9)
            np.testing.assert_allclose(views.rays()[1][i, r, c], pixel, atol=1e-9)


def test_angle_zero_by_hand(tmp_path):
    path = tmp_path / "geo.json"
    path.write_text(json.dumps({"DSD": 1500, "DSO": 1000, "nDetector": [3, 5], "sDetector": [6, 5], "angles": [0, np.pi / 2]}))
    views = read_geometry(path)
    np.testing.assert_allclose(views.source, [[1000, 0, 0], [0, 1000, 0]], atol=1e-9)
    np.testing.assert_allclose(views.origin[0], [-500, -2, -2], atol=1e-12)        # row 0 lowest, u along +y
    assert (views.handedness == -1).all()


def test_parallel_and_angles_as_a_hint(tmp_path):
    path = tmp_path / "geo.json"
    geo = {k: v for k, v in GEO.items() if k != "angles"}
    path.write_text(json.dumps(geo | {"mode": "parallel", "DSD": 1536.0, "offOrigin": [0, 0, 0], "COR": 0}))
    views = read_geometry(path, angles=[0.0, np.pi / 2])
    np.testing.assert_allclose(views.direction, [[-1, 0, 0], [0, -1, 0]], atol=1e-12)
    with pytest.raises(GeometryError, match="angles"):
        read_geometry(path)


@pytest.mark.parametrize("per_view", [False, True])
def test_matlab_files(tmp_path, per_view):
    scipy_io = pytest.importorskip("scipy.io")
    geo = {k: v for k, v in GEO.items() if k not in ("angles", "mode")}
    if not per_view:
        geo |= {"DSD": 1536.0, "offOrigin": [1.0, 2.0, 3.0], "COR": 0.5}
    (tmp_path / "geo.json").write_text(json.dumps(geo | {"angles": GEO["angles"]}))
    expected = read_geometry(tmp_path / "geo.json")
    ordered = ("nDetector", "dDetector", "sDetector", "offDetector", "offOrigin")
    matlab = {k: np.atleast_2d(np.asarray(v, float)[..., ::-1] if k in ordered else np.asarray(v, float)) for k, v in geo.items()}
    matlab = {k: v if k == "DSD" else v if k == "COR" else v.T for k, v in matlab.items()}
    for compress in (False, True):
        scipy_io.savemat(tmp_path / "geo.mat", {"geo": matlab, "angles": np.array(GEO["angles"]).T}, do_compression=compress)
        assert recognise_format(tmp_path / "geo.mat") == "tigre"
        assert_same(read_geometry(tmp_path / "geo.mat"), expected, atol=1e-12)
        refused(tmp_path / "geo.mat", (tmp_path / "geo.mat").read_bytes()[:-9], "cut short, damaged")      # recognised nevertheless
    scipy_io.savemat(tmp_path / "other.mat", {"CtDataFull": {"sinogram": np.zeros((2, 3))}})
    with pytest.raises(GeometryError, match="not recognised"):
        recognise_format(tmp_path / "other.mat")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**31), camera=st.booleans(), parallel=st.booleans())
def test_round_trip(tmp_path, seed, camera, parallel):
    views = radiographs(seed, camera=camera, parallel=parallel)
    assert_same(round_trip(tmp_path / "g.tigre.json", views), views)


def test_sources_on_the_axis_are_exact(tmp_path):
    views = radiographs(3, 1)
    for toward in ([0, 0, 1.0], [1e-9, 0, -1.0]):
        # the shortest rotation of the source's direction to `toward` (Rodrigues, by its matrix)
        a, b = views.source[0] / np.linalg.norm(views.source[0]), np.array(toward) / np.linalg.norm(toward)
        k = np.cross(a, b)
        skew = np.array([[0, -k[2], k[1]], [k[2], 0, -k[0]], [-k[1], k[0], 0]])
        matrix = np.eye(4)
        matrix[:3, :3] = np.eye(3) + skew + skew @ skew / (1 + a @ b)
        moved = views.transformed(matrix)
        assert_same(round_trip(tmp_path / "g.tigre.json", moved), moved)


@pytest.mark.parametrize(("views", "word"), [(sheared(0), "pitch"), (replace(radiographs(0), surface=Spherical(900.0, (2.0, 3.0))), "Spherical")])
def test_what_tigre_cannot_hold_is_refused(tmp_path, views, word):
    with pytest.raises(GeometryError, match=word):
        write_geometry(tmp_path / "g.tigre.json", views)


@pytest.mark.parametrize(
    ("change", "words"),
    [({"DSD": None}, ("DSD", "missing")), ({"DSO": "far"}, ("DSO", "numbers")), ({"DSO": float("nan")}, ("DSO", "finite")),
     ({"DSD": [1, 2]}, ("DSD", "2 rows for 3 angles")), ({"offOrigin": [1, 2]}, ("offOrigin",)), ({"nDetector": [4, 1e9]}, ("nDetector",)),
     ({"nDetector": [4.5, 6]}, ("nDetector",)), ({"mode": "fan"}, ("mode", "fan")), ({"angles": [[1, 2]] * 3}, ("angles",)),
     ({"angles": []}, ("angles",)), ({"dDetector": None, "sDetector": None}, ("sDetector",)), ({"rotDetector": [[0, 0, 0]] * 2}, ("rotDetector",)),
     ({"dDetector": [0, 1]}, ("dDetector", "above 0"))],
)  # fmt: skip
def test_broken_files(tmp_path, change, words):
    refused(tmp_path / "geo.json", json.dumps(GEO | change), *words, format="tigre")


def test_broken_containers(tmp_path):
    refused(tmp_path / "geo.json", json.dumps(GEO)[:-9], "JSON", format="tigre")
    refused(tmp_path / "geo.json", b"\x89{}", "geo.json: not a text file", format="tigre")
    refused(tmp_path / "geo.mat", b"MATLAB 5.0 MAT-file" + bytes(20), format="tigre")
    refused(tmp_path / "geo.mat", b"", "JSON", format="tigre")


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=damaged(json.dumps(GEO).encode()))
def test_fuzzed_bytes_never_crash(tmp_path, content):
    survives(tmp_path / "geo.json", content, "tigre")
