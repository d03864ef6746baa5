"""ASTRA vectors: its own definition of the circular geometry, the cylinder by angles, round trips, broken files."""
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from Unit.geometry.importer_kit import assert_same, damaged, radiographs, refused, round_trip, sheared, survives

from XRayTomoLib.geometry import Cylindrical, GeometryError, Spherical
from XRayTomoLib.geometry.formats import read_geometry, recognise_format, write_geometry

ROWS, COLS, DX, DY, SO, OD = 4, 6, 1.5, 2.0, 500.0, 300.0
TURNS = np.array([0.0, 0.4, 2.1, -1.0])


def circular(t):
    """ASTRA's documentation: a circular cone beam of angle t as a cone_vec (source, centre, u, v)."""
    s, c = np.sin(t), np.cos(t)
    return SO * np.array([s, -c, 0]), OD * np.array([-s, c, 0]), DX * np.array([c, s, 0]), DY * np.array([0, 0, 1])


def npy(path, array):
    np.save(path, array)
    return path


def pinhole(t, point):
    """(row, col) of a point in ASTRA's circular geometry, by similar triangles in the turned frame."""
    x, y = np.cos(t) * point[0] + np.sin(t) * point[1], -np.sin(t) * point[0] + np.cos(t) * point[1]
    m = (SO + OD) / (SO + y)
    return m * point[2] / DY + (ROWS - 1) / 2, m * x / DX + (COLS - 1) / 2


def test_circular_cone(tmp_path):
    path = npy(tmp_path / "v.npy", [np.concatenate(circular(t)) for t in TURNS])
    assert recognise_format(path) == "astra"
    views = read_geometry(path, shape=(ROWS, COLS), kind="cone_vec")
    points = np.random.default_rng(0).normal(0, 60, (7, 3))
    expected = [[pinhole(t, p) for p in points] for t in TURNS]
    np.testing.assert_allclose(views.project(points), expected, atol=1e-9)


def test_parallel(tmp_path):
    path = npy(tmp_path / "v.npy", [[np.sin(t), -np.cos(t), 0, 0, 0, 7, DX * np.cos(t), DX * np.sin(t), 0, 0, 0, DY] for t in TURNS])
    views = read_geometry(path, "astra", shape=(ROWS, COLS), kind="parallel3d_vec")
    point = np.array([10.0, -20, 30])
    expected = [(23 / DY + 1.5, (10 * np.cos(t) - 20 * np.sin(t)) / DX + 2.5) for t in TURNS]
    np.testing.assert_allclose(views.project(point[None])[:, 0], expected, atol=1e-9)


def test_cylinder_bends_towards_the_source(tmp_path):
    radius = 640.0
    path = npy(tmp_path / "v.npy", [np.concatenate([*circular(t), [radius]]) for t in TURNS])
    views = read_geometry(path, shape=(ROWS, COLS))
    for i, t in enumerate(TURNS):
        turn = np.array([[np.cos(t), -np.sin(t), 0], [np.sin(t), np.cos(t), 0], [0, 0, 1]])
        for r, c in ((0, 0), (3, 5), (2, 1)):
            a = (c - 2.5) * DX / radius
            pixel = turn @ [radius * np.sin(a), OD - radius + radius * np.cos(a), (r - 1.5) * DY]
            np.testing.assert_allclose(views.rays()[1][i, r, c], pixel, atol=1e-9)


@pytest.mark.parametrize(("kind", "first"), [("fanflat_vec", (3, -500)), ("parallel_vec", (0.6, 0.8))])
def test_planar(tmp_path, kind, first):
    row = [*first, 1, 300, 1.2, 0.5]
    path = npy(tmp_path / "v.npy", np.array([row], ">f4"))
    views = read_geometry(path, shape=(1, COLS), kind=kind)
    np.testing.assert_allclose((views.direction if kind == "parallel_vec" else views.source)[0], [*first, 0], atol=1e-6)
    np.testing.assert_allclose(views.rays(1.0)[1][0, 0, 4] - views.rays(1.0)[1][0, 0, 3], [1.2, 0.5, 0], atol=1e-6)
    np.testing.assert_allclose(views.centre[0], [1, 300, 0], atol=1e-6)
    assert_same(round_trip(path, views, "astra", {"kind": kind}, shape=(1, COLS), kind=kind), views)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**31), kind=st.sampled_from(["cone_vec", "parallel3d_vec", "cyl_cone_vec"]), camera=st.booleans())
def test_round_trip(tmp_path, seed, kind, camera):
    views = sheared(seed, camera=camera, parallel=kind == "parallel3d_vec")
    if kind == "cyl_cone_vec":
        views = replace(radiographs(seed, camera=camera), surface=Cylindrical(800.0, 3.0))
    assert_same(round_trip(tmp_path / "v.npy", views, "astra", shape=views.shape, kind=kind), views)


@pytest.mark.parametrize(
    ("views", "kind", "word"),
    [(replace(radiographs(0), surface=Spherical(900.0, (2.0, 3.0))), None, "Spherical"), (radiographs(0), "parallel3d_vec", "cone"),
     (replace(radiographs(0), surface=Cylindrical(-900.0, 3.0)), None, "radius"), (radiographs(0), "fanflat_vec", "planar"),
     (replace(radiographs(0), surface=Cylindrical(900.0, 2.0)), None, "apex"), (radiographs(0), "helix", "helix")],
)  # fmt: skip
def test_what_astra_cannot_hold_is_refused(tmp_path, views, kind, word):
    with pytest.raises(GeometryError, match=word):
        write_geometry(tmp_path / "v.npy", views, "astra", kind=kind)


def test_broken_files(tmp_path):
    path, good = npy(tmp_path / "v.npy", [np.concatenate(circular(t)) for t in TURNS]), {"shape": (4, 6), "kind": "cone_vec", "format": "astra"}
    data = path.read_bytes()
    refused(path, data, "kind", format="astra", shape=(4, 6))
    refused(path, data, "shape", **(good | {"shape": None}))
    refused(path, data, "needs 13", **(good | {"kind": "cyl_cone_vec"}))
    refused(path, data[:-1], "cut off", **good)
    refused(path, data[:30], "damaged", **good)
    refused(path, b"PK" + data[2:], "damaged", **good)
    refused(path, data.replace(b"(4, 12), }           ", b"(1000000000, 12), }  "), **good)
    for array, word in ((np.full((2, 12), np.nan), "finite"), (np.zeros((2, 5)), "(2, 5)"), (np.zeros((0, 12)), "(0, 12)")):
        refused(path, npy(path, array).read_bytes(), word, **good)
    np.save(path, np.array([{"a": 1}], object), allow_pickle=True)
    refused(path, path.read_bytes(), "numbers", **good)
    radii = npy(path, [np.concatenate([*circular(t), [600 + t]]) for t in TURNS]).read_bytes()
    refused(path, radii, "radius", format="astra", shape=(4, 6))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_fuzzed_bytes_never_crash(tmp_path, data):
    good = npy(tmp_path / "v.npy", [np.concatenate(circular(t)) for t in TURNS]).read_bytes()
    survives(tmp_path / "v.npy", data.draw(damaged(good)), "astra", shape=(4, 6), kind="cone_vec")
