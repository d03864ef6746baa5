"""CIL and ODL parameters: their rotations written out, the examples of their documentation, round trips, broken files."""
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from Unit.geometry.importer_kit import assert_same, damaged, free_pixels, radiographs, refused, round_trip, sheared, survives

from XRayTomoLib.geometry import GeometryError, Views, carm
from XRayTomoLib.geometry.formats import read_geometry, recognise_format, write_geometry
from XRayTomoLib.geometry.trajectories import Helix

PANEL = {"num_pixels": [6, 4], "pixel_size": [0.8, 1.5]}
CONE = {"cil": "Cone3D", "source_position": [1, -500, 2], "detector_position": [3, 300, -1], "rotation_axis_position": [5, 6, 7],
        "angles": [0, 30, 100], "initial_angle": 10, **PANEL}  # fmt: skip
FLEX = {"cil": "Cone3D_Flex", "source_position_set": [[0, -500, 0]] * 2, "detector_position_set": [[0, 300, 0], [1, 300, 0]],
        "detector_direction_x_set": [[2, 0, 0]] * 2, "detector_direction_y_set": [[0, 0, 1]] * 2, "volume_centre_position": [1, 2, 3],
        **PANEL}  # fmt: skip
ODL = {"odl": "ConeBeamGeometry", "angles": [0.0, np.pi / 2, 4.0], "dpart": {"min_pt": [-1, -2], "max_pt": [2, 3], "shape": [6, 4]},
       "src_radius": 5.0, "det_radius": 10.0, "pitch": 2.0}  # fmt: skip


def rz(a):
    return np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])


def saved(path, document):
    path.write_text(json.dumps(document))
    return path


# -- CIL
def test_cil_turns_source_and_detector_against_the_object(tmp_path):
    path = saved(tmp_path / "c.json", CONE)
    assert recognise_format(path) == "cil"
    views = read_geometry(path)
    for i, angle in enumerate((10, 40, 110)):
        m = rz(-np.radians(angle))
        np.testing.assert_allclose(views.source[i], m @ [1 - 5, -500 - 6, 2 - 7], atol=1e-9)
        for r, c in ((0, 0), (3, 5)):
            np.testing.assert_allclose(views.rays()[1][i, r, c], m @ [3 - 5 + 0.8 * (c - 2.5), 300 - 6, -1 - 7 + 1.5 * (r - 1.5)], atol=1e-9)


def test_cil_radians_and_panel_origin(tmp_path):
    expected = read_geometry(saved(tmp_path / "a.json", CONE), "cil")
    radians = CONE | {"angles": np.radians(CONE["angles"]).tolist(), "initial_angle": np.radians(10), "angle_unit": "radian"}
    assert_same(read_geometry(saved(tmp_path / "b.json", radians)), expected)
    other = read_geometry(saved(tmp_path / "b.json", CONE | {"origin": "top-right"}))
    np.testing.assert_allclose(other.rays()[1], expected.rays()[1][:, ::-1, ::-1], atol=1e-9)


def test_cil_tilted_axis_becomes_z(tmp_path):
    axis = np.array([0.3, -0.2, 1.0])
    views = read_geometry(saved(tmp_path / "t.json", CONE | {"rotation_axis_direction": axis.tolist()}))
    along = np.array([[1.0, -500, 2], [3, 300, -1]]) - [5, 6, 7]
    heights = along @ axis / np.linalg.norm(axis)
    np.testing.assert_allclose(views.source[:, 2], heights[0], atol=1e-9)
    np.testing.assert_allclose(views.centre[:, 2], heights[1], atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(views.source, axis=1), np.linalg.norm(along[0]), atol=1e-9)
    turned = np.degrees(np.arctan2(views.source[:, 1], views.source[:, 0]))
    np.testing.assert_allclose(np.diff(turned) % 360, [330, 290], atol=1e-9)
    down = read_geometry(saved(tmp_path / "t.json", CONE | {"rotation_axis_direction": [0, 0, -2]}))
    np.testing.assert_allclose(down.source[:, 2], 7 - 2, atol=1e-9)


def test_cil_parallel(tmp_path):
    document = {"cil": "Parallel3D", "angles": [0, 90], **PANEL}
    views = read_geometry(saved(tmp_path / "p.json", document))
    np.testing.assert_allclose(views.direction, [[0, 1, 0], [1, 0, 0]], atol=1e-12)
    np.testing.assert_allclose(views.u, [[0.8, 0, 0], [0, -0.8, 0]], atol=1e-12)
    assert_same(round_trip(tmp_path / "again.cil.json", views), views)


def test_cil_flex_is_centred_on_the_volume(tmp_path):
    views = read_geometry(saved(tmp_path / "f.json", FLEX))
    np.testing.assert_allclose(views.source[0], [-1, -502, -3])
    np.testing.assert_allclose(views.centre[1], [0, 298, -3])
    np.testing.assert_allclose(views.u[0], [0.8, 0, 0])


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**31), camera=st.booleans())
def test_cil_round_trip(tmp_path, seed, camera):
    views = radiographs(seed, camera=camera)
    assert_same(round_trip(tmp_path / "g.cil.json", views), views)


# -- ODL
def test_odl_documented_examples(tmp_path):
    path = saved(tmp_path / "o.json", ODL)
    assert recognise_format(path) == "odl"
    views = read_geometry(path)
    middle = views.centre - 0.5 * np.array([[1, 0, 0], [0, 1, 0], [np.cos(4), np.sin(4), 0]]) - [0, 0, 0.5]       # dpart is off-centre
    np.testing.assert_allclose(middle[:2], [[0, 10, 0], [-10, 0, 0.5]], atol=1e-9)
    np.testing.assert_allclose(views.source[:2], [[0, -5, 0], [5, 0, 0.5]], atol=1e-9)
    np.testing.assert_allclose(views.origin[0], [-1 + 0.25, 10, -2 + 0.625], atol=1e-12)
    np.testing.assert_allclose(views.u[1], [0, 0.5, 0], atol=1e-12)


def test_odl_shifts_and_translation(tmp_path):
    document = ODL | {"src_shifts": [0.0, 0.1, 0.2], "det_shifts": [[1, 2, 3]] * 3, "translation": [7, 8, 9], "offset_along_axis": 4}
    views = read_geometry(saved(tmp_path / "o.json", document))
    for i, a in enumerate(ODL["angles"]):
        up = np.array([7, 8, 9 + 4 + 2 * a / (2 * np.pi)])
        np.testing.assert_allclose(views.source[i], rz(a) @ [0.1, -5, 0.2] + up, atol=1e-9)
        np.testing.assert_allclose(views.centre[i], rz(a) @ [-2 + 0.5, 11, 3 + 0.5] + up, atol=1e-9)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**31), turns=st.floats(-3, 3), parallel=st.booleans(), slant=st.floats(-40, 40))
def test_odl_round_trip(tmp_path, seed, turns, parallel, slant):
    rng = np.random.default_rng(seed)
    one = radiographs(seed, 1)
    angles = turns * 0.9 * np.arange(5)
    m = np.stack([rz(a) for a in angles])
    t = np.radians(slant)
    u, v = 0.7 * np.array([np.cos(t), 0, np.sin(t)]), 1.1 * np.array([-np.sin(t), 0, np.cos(t)])
    centre = np.array([3.0, 300, -4]) + (0 if parallel else rng.normal(0, 5, (5, 3)))
    source = np.array([0.0, -500, 2]) + rng.normal(0, 5, (5, 3))
    beam = {"direction": m @ [0, 1.0, 0]} if parallel else {"source": np.einsum("nij,nj->ni", m, source)}
    centre = np.einsum("nij,nj->ni", m, np.broadcast_to(centre, (5, 3)))
    rows, cols = one.shape
    u, v = m @ u, m @ v
    views = Views(**beam, origin=centre - (cols - 1) / 2 * u - (rows - 1) / 2 * v, u=u, v=v, shape=one.shape)
    assert_same(round_trip(tmp_path / "g.odl.json", views), views)


def test_a_helix_keeps_its_pitch_in_odl(tmp_path):
    views = replace(Helix(count=30, turns=2, pitch_mm=50).views(carm("Cios Fusion").resampled(4, 6)), times=None)
    assert_same(round_trip(tmp_path / "h.odl.json", views), views)
    document = json.loads((tmp_path / "h.odl.json").read_text())
    np.testing.assert_allclose(abs(document["pitch"]), 50, atol=1e-9)
    np.testing.assert_allclose(document["src_shifts"], 0, atol=1e-9)


@pytest.mark.parametrize("sphere", [False, True])
def test_odl_curved_detectors(tmp_path, sphere):
    """Pixels by the formulas of ODL's CylindricalDetector and SphericalDetector, for axes a = x, b = z; a x b = -y is the source's side."""
    radius = 12.0
    dpart = {"min_pt": [-0.3, -0.2 if sphere else -2], "max_pt": [0.5, 0.4 if sphere else 3], "shape": [6, 4]}
    curved = ODL | {"dpart": dpart, "det_curvature_radius": [radius, radius if sphere else None]}
    views = read_geometry(saved(tmp_path / "o.json", curved))
    low, high, shape = (np.array(dpart[name]) for name in ("min_pt", "max_pt", "shape"))
    phi, second = (low[i] + (np.arange(shape[i]) + 0.5) * (high[i] - low[i]) / shape[i] for i in (0, 1))
    c, second = np.meshgrid(phi, second)
    theta = second if sphere else 0 * second
    up = radius * np.sin(theta) if sphere else second
    local = np.stack([radius * np.sin(c) * np.cos(theta), 10 - radius * (1 - np.cos(c) * np.cos(theta)), up], -1)
    for i, angle in enumerate(ODL["angles"]):
        np.testing.assert_allclose(views.rays()[1][i], local @ rz(angle).T + [0, 0, 2 * angle / (2 * np.pi)], atol=1e-9)
    again = round_trip(tmp_path / "again.odl.json", views)
    assert_same(again, views)
    with pytest.raises(GeometryError, match="bent towards u x v"):
        write_geometry(tmp_path / "no.odl.json", views.flipped())


# -- both
@pytest.mark.parametrize("name", ["cil", "odl"])
@pytest.mark.parametrize(("views", "word"), [(sheared(0), "pitch"), (free_pixels(0), "FreePixels"),
                                             (radiographs(0, parallel=True), "parallel")])
def test_what_they_cannot_hold_is_refused(tmp_path, name, views, word):
    with pytest.raises(GeometryError, match=word):
        write_geometry(tmp_path / "g.json", views, name)


@pytest.mark.parametrize(
    ("document", "words"),
    [(CONE | {"cil": "Cone5D"}, ("Cone5D",)), (CONE | {"source_position": None}, ("source_position", "missing")),
     (CONE | {"detector_position": None}, ("detector_position", "missing")), (CONE | {"angles": []}, ("angles",)),
     (CONE | {"angles": [1, None]}, ("angles",)), (CONE | {"num_pixels": [6, 1e9]}, ("num_pixels",)),
     (CONE | {"num_pixels": [6.5, 1]}, ("num_pixels",)),
     (CONE | {"pixel_size": [0.1, float("inf")]}, ("pixel_size", "finite")), (CONE | {"rotation_axis_direction": [0, 0, 0]}, ("length 0",)),
     (CONE | {"angle_unit": "turn"}, ("angle_unit",)), (CONE | {"cil": "Cone3D_Flex"}, ("source_position_set",)),
     (CONE | {"pixel_size": [0.1, -0.2]}, ("pixel_size", "above 0")),
     (FLEX | {"detector_position_set": [[0, 300, 0]] * 3}, ("2, 3, 2 and 2 rows",)),
     (ODL | {"dpart": {"min_pt": [1, 1], "max_pt": [0, 2], "shape": [3, 4]}}, ("max_pt",)), (ODL | {"dpart": 3}, ("dpart",)),
     (ODL | {"dpart": None}, ("dpart", "missing")), (ODL | {"det_curvature_radius": 3}, ("det_curvature_radius", "[radius, null]")),
     (ODL | {"det_curvature_radius": [3, 4]}, ("a sphere",)), (ODL | {"det_curvature_radius": [None, 3]}, ("a cylinder",)),
     (ODL | {"det_curvature_radius": [-3, None]}, ("above 0",)),
     (ODL | {"det_curvature_radius": [3, None], "odl": "Parallel3dAxisGeometry"}, ("cone beam",)),
     (ODL | {"det_curvature_radius": [3, None], "det_axes_init": [[1, 0, 0], [1, 0, 1]]}, ("right angle",)),
     (ODL | {"axis": [0, 0, 0]}, ("axis",)), (ODL | {"axis": [1, 0, 0]}, ("det_axes_init",)),
     (ODL | {"src_shifts": [[1, 2, 3]] * 2}, ("src_shifts",)),
     (ODL | {"src_radius": None}, ("src_radius", "missing")), (ODL | {"angles": [[1]]}, ("angles",)), (ODL | {"odl": 3}, ("odl",))],
)  # fmt: skip
def test_broken_files(tmp_path, document, words):
    refused(tmp_path / "g.json", json.dumps(document), *words, format="cil" if "cil" in document else "odl")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), name=st.sampled_from(["cil", "odl"]))
def test_fuzzed_bytes_never_crash(tmp_path, data, name):
    good = json.dumps(CONE if name == "cil" else ODL).encode()
    survives(tmp_path / "g.json", data.draw(damaged(good)), name)
