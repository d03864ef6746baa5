"""MITO folders against ODL's formulas, written here."""
import json
import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from Unit.geometry.importer_kit import (
    POINTS,
    assert_damage_is_survived,
    assert_points_land,
    assert_refused,
    assert_same_views,
    assert_strange_values_are_refused,
    random_flat_cones,
    seeds,
)

from XRayTomoLib.geometry import Cylindrical, Flat, GeometryError
from XRayTomoLib.geometry.formats import mito, read_geometry, recognise_format, write_geometry

SCANNER = {"GEOMETRY_ENGINE": "ODL", "GEOMETRY_NAME": "ConeBeamGeometry", "DET_NPX_X": 1560, "DET_NPX_Z": 230, "DET_PIX_SIZE": 0.3,
           "DET_X_MIN": -234 / 503, "DET_X_MAX": 234 / 503, "DET_Z_MIN": -34.5, "DET_Z_MAX": 34.5, "SRC_RADIUS": 503.0, "DET_RADIUS": 0.0,
           "DET_CURVATURE_RADIUS": 503.0, "ROTATION_AXIS": [0, 0, 1]}
PHI = np.linspace(0, 4 * np.pi, 9) % (2 * np.pi)
AXIAL = np.linspace(-20, 20, 9)
SHIFTS = np.stack([np.zeros(9), np.zeros(9), 0.1 * np.arange(9)], 1)
Z = AXIAL + SHIFTS[:, 2]


def saved(path, phi=PHI, axial=AXIAL, shifts=SHIFTS, **changes):
    path.mkdir(exist_ok=True)
    metadata = {name: value for name, value in (SCANNER | changes).items() if value is not None}
    (path / "metadata.json").write_text(json.dumps(metadata))
    for name, values in (("angles", phi), ("axial_positions", axial), ("shifts", shifts)):
        np.save(path / f"{name}.npy", values)
    return path


def turned(phi, vector):
    c, s = np.cos(phi), np.sin(phi)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ vector


def pixels(m=SCANNER):
    """All pixel centres [N, rows, cols, 3] by the formulas of ODL's cylindrical detector."""
    theta = m["DET_X_MIN"] + (np.arange(m["DET_NPX_X"]) + 0.5) * (m["DET_X_MAX"] - m["DET_X_MIN"]) / m["DET_NPX_X"]
    h = m["DET_Z_MIN"] + (np.arange(m["DET_NPX_Z"]) + 0.5) * (m["DET_Z_MAX"] - m["DET_Z_MIN"]) / m["DET_NPX_Z"]
    rc = m["DET_CURVATURE_RADIUS"]
    across, along = (rc * np.sin(theta), rc * (np.cos(theta) - 1)) if rc else (theta, 0 * theta)
    local = np.stack(np.broadcast_arrays(across, m["DET_RADIUS"] + along, h[:, None]), -1)
    return np.stack([np.einsum("ij,rcj->rci", turned(p, np.eye(3)), local) + [0, 0, z] for p, z in zip(PHI, Z)])


def project_on_focus_centred_arc(points):
    """(row, col): the fan angle at the source, and the height where the ray is 503 mm from it."""
    out = []
    for phi, z in zip(PHI, Z):
        x, y, h = turned(-phi, (points - [0, 0, z]).T)
        fan, reach = np.arctan2(x, y + 503), np.hypot(x, y + 503)
        out.append(np.stack([(h * 503 / reach + 34.5) / 0.3 - 0.5, (fan + 234 / 503) / (468 / 503 / 1560) - 0.5], -1))
    return np.stack(out)


def test_the_scanners_helix(tmp_path):
    path = saved(tmp_path / "sample")
    assert recognise_format(path) == "mito"
    views = read_geometry(path)
    assert views.shape == (230, 1560) and (views.handedness == -1).all()
    np.testing.assert_allclose(views.source, [turned(p, [0, -503, 0]) + [0, 0, z] for p, z in zip(PHI, Z)], atol=1e-9)
    assert_points_land(views, project_on_focus_centred_arc)


@pytest.mark.parametrize("changes", [dict(DET_RADIUS=200.0, SRC_RADIUS=210.0, DET_CURVATURE_RADIUS=300.0, DET_X_MIN=-0.1, DET_X_MAX=0.13),
                                     dict(DET_RADIUS=150.0, DET_CURVATURE_RADIUS=0.0, DET_X_MIN=-30.0, DET_X_MAX=50.0)])
def test_pixels_of_curved_and_flat_detectors(tmp_path, changes):
    changes = changes | {"DET_NPX_X": 8, "DET_NPX_Z": 5}
    views = read_geometry(saved(tmp_path / "sample", **changes))
    start, end = views.rays()
    np.testing.assert_allclose(end, pixels(SCANNER | changes), atol=1e-9)


def test_moving_the_detector_out_keeps_every_ray(tmp_path, caplog):
    path = saved(tmp_path / "sample", REC_MIN_X=-80, REC_MAX_X=130, REC_MIN_Y=-200, REC_MAX_Y=20)
    with caplog.at_level(logging.WARNING):
        near = read_geometry(path)
    assert "sdd_mm" in caplog.text
    caplog.clear()
    far = read_geometry(path, sdd_mm=1006.0)
    assert not caplog.text
    np.testing.assert_allclose(far.sdd_mm, 1006)
    np.testing.assert_allclose(far.project(POINTS), near.project(POINTS), atol=1e-7)


def test_radial_shifts_are_reported(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        read_geometry(saved(tmp_path / "sample", shifts=SHIFTS + [1, 0, 0]))
    assert "shifts are not used" in caplog.text


@pytest.mark.parametrize("axis, expected", [((0, 0, 1), np.eye(3)), ((0, 0, -2), np.diag([1, -1, -1])),
                                            ((1, 0, 0), [[0, 0, 1], [0, 1, 0], [-1, 0, 0]]), ((0, 3, 0), [[1, 0, 0], [0, 0, 1], [0, -1, 0]])])
def test_other_axes(tmp_path, axis, expected):
    np.testing.assert_allclose(mito.odl_rotation(axis), expected, atol=1e-12)
    about_z, about_axis = (read_geometry(saved(tmp_path / "sample", ROTATION_AXIS=a)) for a in ([0, 0, 1], list(axis)))
    np.testing.assert_allclose(about_axis.source, about_z.source @ np.transpose(expected), atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(seeds, st.sampled_from([0.0, 300.0, 700.0]))
def test_round_trip(tmp_path_factory, seed, curvature):
    rng = np.random.default_rng(seed)
    wide = 1.0 if curvature == 0 else 0.01
    changes = {"DET_NPX_X": 7, "DET_NPX_Z": 4, "DET_CURVATURE_RADIUS": curvature, "DET_RADIUS": rng.uniform(0, 500),
               "DET_X_MIN": -rng.uniform(5, 20) * wide, "DET_X_MAX": rng.uniform(5, 20) * wide, "ROTATION_AXIS": rng.normal(size=3).tolist()}
    folder = tmp_path_factory.mktemp("mito")
    views = mito.read(saved(folder / "a", phi=rng.uniform(0, 50, 9), **changes))
    write_geometry(folder / "b.mito", views, axis=changes["ROTATION_AXIS"], reconstruction={"REC_PIC_SIZE": 0.5})
    assert recognise_format(folder / "b.mito") == "mito"
    again = read_geometry(folder / "b.mito")
    assert_same_views(again, views)
    if curvature:
        assert isinstance(again.surface, Cylindrical) and again.surface.radius_mm == views.surface.radius_mm
        np.testing.assert_allclose(again.surface.apex_col, views.surface.apex_col, atol=1e-9)
    else:
        assert again.surface == Flat()
    assert json.loads((folder / "b.mito" / "metadata.json").read_text())["REC_PIC_SIZE"] == 0.5


def test_what_cannot_be_written(tmp_path):
    with pytest.raises(GeometryError, match="one pixel pitch"):
        write_geometry(tmp_path / "a.mito", random_flat_cones(2))
    views = mito.read(saved(tmp_path / "good"))
    shift = np.eye(4)
    shift[0, 3] = 10
    with pytest.raises(GeometryError, match="a.mito.*(holds|axis)"):
        write_geometry(tmp_path / "a.mito", views.transformed(shift))
    with pytest.raises(GeometryError, match="columns run the other way"):
        write_geometry(tmp_path / "a.mito", views.flipped())
    with pytest.raises(GeometryError, match="REC_"):
        write_geometry(tmp_path / "a.mito", views, reconstruction={"DET_RADIUS": 3})
    assert not (tmp_path / "a.mito").exists()


@pytest.mark.parametrize("changes, words", [
    (dict(SRC_RADIUS=None), ["SRC_RADIUS", "missing"]), (dict(DET_NPX_X=0), ["DET_NPX_X"]), (dict(DET_NPX_X=10**12), ["DET_NPX_X"]),
    (dict(DET_X_MAX=-1), ["DET_X_MIN"]), (dict(DET_X_MIN=-234, DET_X_MAX=234), ["radians"]), (dict(DET_CURVATURE_RADIUS=-3), ["CURVATURE"]),
    (dict(DET_RADIUS="a"), ["DET_RADIUS"]), (dict(ROTATION_AXIS=[0, 0]), ["ROTATION_AXIS"]), (dict(SRC_RADIUS=float("nan")), ["SRC_RADIUS"]),
    (dict(phi=np.zeros((3, 3))), ["angles.npy"]), (dict(phi=np.zeros(0)), ["angles.npy"]), (dict(axial=AXIAL[:4]), ["axial_positions.npy"]),
    (dict(shifts=SHIFTS[:, :2]), ["shifts.npy"]), (dict(axial=np.full(9, np.inf)), ["axial_positions.npy", "finite"]),
])
def test_broken_folders(tmp_path, changes, words):
    assert_refused(mito.read, saved(tmp_path / "sample", **changes), *words)


def test_missing_files(tmp_path):
    for name in ("metadata.json", "angles.npy", "axial_positions.npy", "shifts.npy"):
        path = saved(tmp_path / "sample")
        (path / name).unlink()
        assert_refused(mito.read, path, name)


@pytest.mark.parametrize("name", ["metadata.json", "angles.npy"])
def test_damage(tmp_path, name):
    path = saved(tmp_path / "sample")
    assert_damage_is_survived(lambda file: mito.read(file.parent), path / name)
    if name == "metadata.json":
        assert_strange_values_are_refused(lambda file: mito.read(file.parent), path / name)
