"""LEAP configurations: rays by the library's own formulas written out view by view, round trips, old names, broken files."""
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from Unit.geometry.importer_kit import assert_same, damaged, radiographs, refused, round_trip, sheared, survives

from XRayTomoLib.geometry import Cylindrical, GeometryError, Spherical, Views
from XRayTomoLib.geometry.formats import read_geometry, recognise_format, write_geometry

CONE = """# a cone beam
geometry = cone
numAngles = 5
numRows = 4
numCols = 6
pixelHeight = 1.5
pixelWidth = 1.25
centerRow = 1.2
centerCol = 3.1
angularRange = 200
sod = 500
sdd = 800
tau = 3
tiltAngle = 2
helicalPitch = 7
numX = 100
voxelWidth = 0.5
"""
PHIS = np.arange(5) * 40.0


def rays_of_the_cone(phi, row, col, curved=False):
    """Source and pixel as LEAP computes them, with phi shifted by a quarter turn."""
    f, t = np.radians(phi - 90), np.radians(2)
    z = 7 * (f - np.radians(80 - 90))
    source = np.array([500 * np.cos(f) + 3 * np.sin(f), 500 * np.sin(f) - 3 * np.cos(f), z])
    detector = np.array([-300 * np.cos(f) + 3 * np.sin(f), -300 * np.sin(f) - 3 * np.cos(f), z])
    u = np.array([-np.sin(f) * np.cos(t), np.cos(f) * np.cos(t), np.sin(t)])
    v = np.array([np.sin(f) * np.sin(t), -np.cos(f) * np.sin(t), np.cos(t)])
    down = 1.5 * (row - 1.2) * v
    if curved:
        a = (col - 3.1) * np.arctan(1.25 / 800)
        return source, source + 800 * (-np.cos(a) * np.array([np.cos(f), np.sin(f), 0]) + np.sin(a) * u) + down
    return source, detector + 1.25 * (col - 3.1) * u + down


@pytest.mark.parametrize("curved", [False, True])
def test_cone(tmp_path, curved):
    path = tmp_path / "scan.cfg"
    path.write_text(CONE + ("detectorType = curved\n" if curved else ""))
    assert recognise_format(path) == "leap"
    views = read_geometry(path)
    for i, phi in enumerate(PHIS):
        for r, c in ((0, 0), (3, 5), (2, 1)):
            source, pixel = rays_of_the_cone(phi, r, c, curved)
            np.testing.assert_allclose(views.source[i], source, atol=1e-9)
            np.testing.assert_allclose(views.rays()[1][i, r, c], pixel, atol=1e-9)
    assert_same(round_trip(tmp_path / "again.cfg", views, "leap"), views)
    assert "geometry = cone" in (tmp_path / "again.cfg").read_text()


def test_at_angle_zero_the_source_is_at_minus_y():
    """As LEAP's documentation draws it."""
    np.testing.assert_allclose(rays_of_the_cone(0.0, 0, 0)[0][:2], [-3, -500], atol=1e-9)


def test_parallel_and_fan(tmp_path):
    path = tmp_path / "scan.txt"
    path.write_text(CONE.replace("= cone", "= parallel"))
    views = read_geometry(path)
    point = np.array([10.0, 20, 3])
    f = np.radians(PHIS - 90)
    expected = np.stack([0 * f + 3 / 1.5 + 1.2, (-np.sin(f) * 10 + np.cos(f) * 20) / 1.25 + 3.1], -1)
    np.testing.assert_allclose(views.project(point[None])[:, 0], expected, atol=1e-9)
    assert_same(round_trip(tmp_path / "p.cfg", views, "leap"), views)
    path.write_text(CONE.replace("= cone", "= fan"))
    start, end = read_geometry(path).rays()
    np.testing.assert_allclose(start[..., 2], end[..., 2], atol=1e-9)
    np.testing.assert_allclose(end[:, 3, 0, 2], 1.5 * 1.8, atol=1e-9)
    path.write_text(CONE.replace("= cone", "= fan").replace("numRows = 4", "numRows = 1"))
    start, end = read_geometry(path).rays()
    np.testing.assert_allclose(start[..., 2], end[..., 2], atol=1e-9)


def test_modular(tmp_path):
    path = tmp_path / "m.cfg"
    path.write_text("geometry = modular\nnumAngles = 2\nnumRows = 3\nnumCols = 5\npixelHeight = 2\npixelWidth = 1\n"
                    "sourcePositions = 0,-500,0, 10,-500,1\nmoduleCenters = 0,300,0, 1,300,2\n"
                    "rowVectors = 0,0,1, 0,0,-1\ncolVectors = 1,0,0, 1,0,0\n")
    views = read_geometry(path)
    np.testing.assert_allclose(views.source, [[0, -500, 0], [10, -500, 1]])
    np.testing.assert_allclose(views.rays()[1][:, 0, 0], [[-2, 300, -2], [-1, 300, 4]])


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**31), camera=st.booleans())
def test_any_flat_cone_beam_as_modular(tmp_path, seed, camera):
    views = radiographs(seed, camera=camera)
    assert_same(round_trip(tmp_path / "m.cfg", views, "leap"), views)
    assert "modular" in (tmp_path / "m.cfg").read_text()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**31), pitch=st.floats(-30, 30), tilt=st.floats(-20, 20), curved=st.booleans(), turns=st.floats(-3, 3))
def test_helices_are_cones(tmp_path, seed, pitch, tilt, curved, turns):
    rng = np.random.default_rng(seed)
    phis = rng.uniform(-180, 180) + turns * 40 * np.arange(7)
    values = {"phis": ",".join(map(repr, phis.tolist())), "sod": rng.uniform(300, 600), "sdd": rng.uniform(700, 1200), "tau": rng.uniform(-9, 9)}
    values |= {"tiltAngle": tilt, "helicalPitch": pitch, "detectorType": "curved" if curved else "flat", "centerCol": rng.uniform(-3, 9)}
    path = tmp_path / "c.cfg"
    path.write_text("geometry=cone\nnumRows=3\nnumCols=5\npixelHeight=2\npixelWidth=1\n" + "".join(f"{n} = {v}\n" for n, v in values.items()))
    views = read_geometry(path, "leap")
    assert_same(round_trip(tmp_path / "again.cfg", views, "leap"), views)
    assert ("cone" in (tmp_path / "again.cfg").read_text()) or not curved


def test_old_names(tmp_path):
    path = tmp_path / "new.cfg"
    path.write_text(CONE)
    expected = read_geometry(path)
    names = {"geometry": "proj_geometry", "numAngles": "proj_nangles", "numRows": "proj_nrows", "numCols": "proj_ncols",
             "pixelHeight": "proj_pheight", "pixelWidth": "proj_pwidth", "centerRow": "proj_crow",
             "centerCol": "proj_ccol", "angularRange": "proj_arange", "sod =": "proj_sod =",
             "sdd =": "proj_sdd =", "tau": "proj_tau", "helicalPitch": "proj_helicalpitch"}
    text = CONE
    for new, old in names.items():
        text = text.replace(new, old)
    path.write_text(text)
    assert_same(read_geometry(path), expected, atol=0)


@pytest.mark.parametrize(
    ("views", "word"),
    [(sheared(0), "pitch"), (radiographs(0, parallel=True), "parallel"), (replace(radiographs(0), surface=Spherical(900.0, (2.0, 3.0))), "Spherical"),
     (replace(radiographs(0), surface=Cylindrical(900.0, 3.0)), "cylinders")],
)  # fmt: skip
def test_what_leap_cannot_hold_is_refused(tmp_path, views, word):
    with pytest.raises(GeometryError, match=word):
        write_geometry(tmp_path / "g.cfg", views, "leap")


def test_the_depth_of_parallel_detectors_is_lost(tmp_path):
    views = Views(direction=(0, 1, 0), origin=(-2, 50, -1), u=(1, 0, 0), v=(0, 0, 1), shape=(3, 5))
    again = round_trip(tmp_path / "g.cfg", views, "leap")
    np.testing.assert_allclose(again.origin, [[-2, 0, -1]], atol=1e-9)
    np.testing.assert_allclose(again.direction, [[0, 1, 0]], atol=1e-12)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [("sod = 500", "", ("sod", "missing")), ("sod = 500", "sod = nan", ("sod", "finite")), ("sod = 500", "sod = far", ("sod", "numbers")),
     ("sod = 500", "sod = 1, 2", ("sod",)), ("sod = 500", "sod = -5", ("sod", "above 0")), ("= cone", "= spiral", ("geometry", "spiral")),
     ("numAngles = 5", "numAngles = 1000000000", ("numAngles",)), ("numRows = 4", "numRows = 4.5", ("numRows",)),
     ("numAngles = 5", "numAngles = 5\nphis = 1, 2", ("phis", "numAngles")), ("= cone", "= modular", ("sourcePositions", "missing")),
     ("= cone", "= modular\nsourcePositions = 1,2", ("sourcePositions", "three")), ("angularRange = 200", "", ("angularRange",)),
     ("tau = 3", "tau = 3\ndetectorType = round", ("detectorType", "round"))],
)  # fmt: skip
def test_broken_files(tmp_path, old, new, words):
    refused(tmp_path / "g.cfg", CONE.replace(old, new), *words, format="leap")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=damaged(CONE.encode()))
def test_fuzzed_bytes_never_crash(tmp_path, content):
    survives(tmp_path / "g.cfg", content, "leap")
