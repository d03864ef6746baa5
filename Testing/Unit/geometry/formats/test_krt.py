"""K, R, t calibrations against OpenCV's formula written here, and the real calibration of two X-ray cameras."""
import json
from pathlib import Path

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

from XRayTomoLib.geometry import GeometryError, rotation_from_vector
from XRayTomoLib.geometry.formats import krt, read_geometry, recognise_format, write_geometry

WRIST = Path(__file__).resolve().parents[5] / "shared" / "data" / "wrist"
real = pytest.mark.skipif(not WRIST.is_dir(), reason=f"the wrist data set is not at {WRIST}")
SHAPE = (480, 640)
K = np.array([[5000.0, 3.0, 310], [0, 4900, 250], [0, 0, 1]])
R = np.stack([rotation_from_vector(np.array(w)) for w in ([0.3, -0.2, 0.5], [2.0, 1.0, -0.4])])
T = np.array([[10.0, -20, 900], [-30, 5, 1100]])


def opencv(points, k=K, r=R, t=T):
    """(row, col) [N, P, 2]: x = fx x/z + skew y/z + cx, y = fy y/z + cy."""
    out = []
    for rotation, shift in zip(r, t):
        x, y, z = (points @ rotation.T + shift).T
        assert (z > 0).all()
        out.append(np.stack([k[1, 1] * y / z + k[1, 2], k[0, 0] * x / z + k[0, 1] * y / z + k[0, 2]], -1))
    return np.stack(out)


def document(**changes):
    cameras = [{"K": K.tolist(), "R": R[i].tolist(), "t": T[i].tolist(), "image_size": [640, 480], "sdd_mm": 1500.0} for i in (0, 1)]
    cameras[1].update(changes)
    return {"cameras": [{k: v for k, v in c.items() if v is not None} for c in cameras]}


def saved(path, **changes):
    path.write_text(json.dumps(document(**changes)))
    return path


def mayacam(path, k=K, r=R[0], t=T[0]):
    def rows(a):
        return "\r\n".join(",".join(f"{x:.12f}" for x in row) for row in np.atleast_2d(a))
    blocks = {"image size": "640,480", "camera matrix": rows(k), "rotation": rows(r), "translation": rows(t[:, None])}
    path.write_text("\r\n".join(f"{name}\r\n{text}\r\n" for name, text in blocks.items()), newline="")
    return path


def test_json_is_opencv(tmp_path):
    path = saved(tmp_path / "calibration.json")
    assert recognise_format(path) == "krt"
    views = read_geometry(path)
    assert_points_land(views, opencv)
    assert views.shape == SHAPE and (views.handedness == 1).all()
    np.testing.assert_allclose(views.sdd_mm, 1500)
    np.testing.assert_allclose(views.source, [-r.T @ t for r, t in zip(R, T)], atol=1e-9)


def test_the_detector_lies_where_it_is_told(tmp_path):
    path = saved(tmp_path / "a.json", sdd_mm=None)
    (tmp_path / "a.json").write_text(json.dumps(document(sdd_mm=None)["cameras"][1]))
    assert_refused(read_geometry, path, "sdd_mm", "pitch_mm")
    near, far = read_geometry(path, sdd_mm=1200.0), read_geometry(path, pitch_mm=0.4)
    np.testing.assert_allclose([near.sdd_mm[0], far.pitch_mm[0][0], far.sdd_mm[0]], [1200, 0.4, 0.4 * 5000])
    np.testing.assert_allclose(near.project(POINTS), far.project(POINTS), atol=1e-8)
    skewed_row = np.hypot(0.4, 0.4 * 3 / 5000) * 5000 / 4900
    np.testing.assert_allclose(read_geometry(path, pitch_mm=(0.4, skewed_row)).sdd_mm, 2000)
    assert_refused(lambda p: read_geometry(p, pitch_mm=(0.4, 0.8)), path, "does not fit the rays")
    assert_refused(lambda p: read_geometry(p, sdd_mm=-1.0), path, "sdd_mm")


def test_mayacam_text(tmp_path):
    path = mayacam(tmp_path / "cam1.txt")
    assert recognise_format(path) == "krt"
    views = read_geometry(path, sdd_mm=1300.0)
    assert_points_land(views, lambda points: opencv(points)[:1])
    centimetres = read_geometry(mayacam(tmp_path / "cm.txt", t=T[0] / 10), sdd_mm=1300.0, unit_mm=10.0)
    assert_same_views(centimetres, views)


def test_a_folder_of_cameras(tmp_path):
    mayacam(tmp_path / "cam1.txt")
    mayacam(tmp_path / "cam2.txt", r=R[1], t=T[1])
    (tmp_path / "LICENSE.txt").write_text("Some words")
    assert recognise_format(tmp_path) == "krt"
    assert_points_land(read_geometry(tmp_path, sdd_mm=1300.0), opencv)


@real
def test_wrist_sources_and_the_angle_between_the_axes():
    """Two X-ray cameras of a wrist: facts found by matching beads in the pictures (reprojection 0.3 to 0.65 px)."""
    views = read_geometry(WRIST, sdd_mm=1300.0)
    assert views.shape == (1760, 1760)
    np.testing.assert_allclose(views.source, [[-530, 88, -728], [1143, 74, -206]], atol=0.6)
    axes = views.normal * views.handedness[:, None]
    assert abs(np.degrees(np.arccos(axes[0] @ axes[1])) - 110) < 0.5
    # the centre of the radius, registered to these pictures, lies before both cameras and on both detectors
    centre = json.loads((WRIST / "radius_pose_0099.json").read_text())["center_world_mm"]
    assert ((views.project([centre]) > 0) & (views.project([centre]) < 1760)).all()


@settings(max_examples=40, deadline=None)
@given(seeds, st.booleans())
def test_json_round_trip(tmp_path_factory, seed, sheared):
    path = tmp_path_factory.mktemp("krt") / "g.krt.json"
    views = random_flat_cones(seed, sheared=sheared)
    write_geometry(path, views)
    found = read_geometry(path)
    assert_same_views(found, views)
    assert (found.handedness == views.handedness).all()
    for camera in json.loads(path.read_text())["cameras"]:
        assert np.linalg.det(camera["R"]) == pytest.approx(1)
        assert np.sign(camera["K"][0][0]) == views.handedness[0] and camera["K"][1][1] > 0


def test_text_round_trip(tmp_path):
    views = random_flat_cones(3, count=1)
    write_geometry(tmp_path / "a.krt.txt", views)
    assert_same_views(read_geometry(tmp_path / "a.krt.txt", sdd_mm=views.sdd_mm[0]), views)
    with pytest.raises(GeometryError, match="one camera"):
        write_geometry(tmp_path / "b.krt.txt", random_flat_cones(3, count=2))
    assert not (tmp_path / "b.krt.txt").exists()


@pytest.mark.parametrize("changes, words", [
    ({"K": None}, ["cameras[1]", "'K'", "missing"]), ({"K": [[1, 2], [3, 4]]}, ["'K'"]), ({"K": [[0, 0, 0], [0, 1, 0], [0, 0, 1]]}, ["focal"]),
    ({"K": [[600, 1e59, 0], [0, 500, 0], [0, 0, 1]]}, ["focal"]),
    ({"R": (-np.eye(3)).tolist()}, ["reflection"]), ({"R": (2 * np.eye(3)).tolist()}, ["no rotation"]), ({"t": [1, 2]}, ["'t'"]),
    ({"t": [1, 2, float("nan")]}, ["'t'", "finite"]), ({"t": ["1", "2", "3"]}, ["'t'", "numbers"]), ({"distortion": [0.1, 0]}, ["undistort"]),
    ({"image_size": [0, 5]}, ["shape"]), ({"image_size": [1e12, 5]}, ["shape"]), ({"image_size": None}, ["shape"]), ({"sdd_mm": -4}, ["sdd_mm"]),
])
def test_broken_json(tmp_path, changes, words):
    assert_refused(krt.read, saved(tmp_path / "g.json", **changes), *words)


def test_broken_text(tmp_path):
    good = mayacam(tmp_path / "g.txt").read_text()
    for old, new, words in [("rotation", "", ["'rotation' is missing"]), ("translation", "trans", ["line", "trans"]),
                            ("640,480", "640", ["image size"]), ("image size", "", ["heading"]),
                            ("310.0", "3l0.0", ["3l0.0"]), ("310.000000000000", "nan", ["camera matrix", "finite"])]:
        (tmp_path / "g.txt").write_text(good.replace(old, new, 1))
        assert_refused(lambda p: krt.read(p, sdd_mm=1000), tmp_path / "g.txt", *words)
    (tmp_path / "sub").mkdir()
    assert_refused(krt.read, tmp_path / "sub", "no camera file")


@pytest.mark.parametrize("suffix", ["json", "txt"])
def test_damage(tmp_path, suffix):
    path = saved(tmp_path / "g.json") if suffix == "json" else mayacam(tmp_path / "g.txt")
    assert_damage_is_survived(lambda p: krt.read(p, sdd_mm=1000.0), path)
    if suffix == "json":
        assert_strange_values_are_refused(krt.read, path)
