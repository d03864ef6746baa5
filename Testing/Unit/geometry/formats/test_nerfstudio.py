"""transforms.json against nerfstudio's ray formula, written here."""
import json

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

from XRayTomoLib.geometry import GeometryError, Views, rotation_from_vector
from XRayTomoLib.geometry.formats import nerfstudio, read_geometry, recognise_format, write_geometry

POSES = np.stack([np.block([[rotation_from_vector(np.array(w)), np.array([t]).T], [np.zeros((1, 3)), 1]])
                  for w, t in [([0, 0, 0], [0.1, -0.2, 4]), ([0, 1.2, 0], [4, 0.3, 1.5]), ([0.05, 1.3, 0.2], [4.1, 0.3, 1.4])]])
INNER = {"fl_x": 500.0, "fl_y": 520.0, "cx": 60.0, "cy": 47.0}
UNIT = 50.0


def document(**changes):
    frames = [{"file_path": "images_00/train_0000.png", "transform_matrix": POSES[0].tolist(), "time": 0.0, "camera_weights": 1.0},
              {"file_path": "images_00/eval_0001.png", "transform_matrix": POSES[1:].tolist(), "time": [0.25, 0.5], "camera_weights": [0.4, 0.6]}]
    found = {"camera_angle_x": 0.3, "w": 128, "h": 96, **INNER, "flat_field": 0.9, "frames": frames}
    found.update(changes)
    return {name: value for name, value in found.items() if value is not None}


def saved(path, frame=None, **changes):
    content = document(**changes)
    if frame:
        content["frames"][0].update(frame)
    path.write_text(json.dumps(content))
    return path


def project(points, inner=INNER):
    """Inverse of d = ((c + 0.5 - cx) / fl_x, -(r + 0.5 - cy) / fl_y, -1)."""
    out = []
    for pose in POSES:
        x, y, z = np.linalg.inv(pose[:3, :3]) @ (points.T / UNIT - pose[:3, 3:])
        assert (z < 0).all()
        out.append(np.stack([inner["cy"] - 0.5 + inner["fl_y"] * y / z, inner["cx"] - 0.5 - inner["fl_x"] * x / z], -1))
    return np.stack(out)


def test_read_says_what_only_read_frames_tells(tmp_path, caplog):
    nerfstudio.read(saved(tmp_path / "transforms.json"), sdd_mm=400.0)
    assert "2 pictures" in caplog.text and "as 3 views" in caplog.text and "0.9" in caplog.text


def test_rays_times_weights_and_pictures(tmp_path):
    path = saved(tmp_path / "transforms_00_to_05.json")
    assert recognise_format(path) == "nerfstudio"
    found = nerfstudio.read_frames(path, unit_mm=UNIT, sdd_mm=400.0)
    assert_points_land(found.views, project)
    assert found.views.shape == (96, 128) and (found.views.handedness == 1).all()
    np.testing.assert_allclose(found.views.source, UNIT * POSES[:, :3, 3])
    np.testing.assert_array_equal(found.views.times, [0, 0.25, 0.5])
    np.testing.assert_array_equal(found.views.weights, [1, 0.4, 0.6])
    assert found.frame.tolist() == [0, 1, 1] and found.flat_field == 0.9
    assert found.files == ("images_00/train_0000.png", "images_00/eval_0001.png")


def test_the_beam_from_its_angle(tmp_path):
    path = saved(tmp_path / "t.json", fl_x=None, fl_y=None, cx=None, cy=None)
    f = 64 / np.tan(0.15)
    assert_points_land(read_geometry(path, unit_mm=UNIT, pitch_mm=1.0), lambda p: project(p, dict(fl_x=f, fl_y=f, cx=64, cy=48)))


def test_intrinsics_of_a_frame_come_first(tmp_path):
    path = saved(tmp_path / "t.json", frame={"fl_x": 700.0, "cy": 40.0})
    views = read_geometry(path, unit_mm=UNIT, sdd_mm=300.0)
    own = dict(INNER, fl_x=700.0, cy=40.0)
    np.testing.assert_allclose(views.project(POINTS)[0], project(POINTS, own)[0], atol=1e-9)
    np.testing.assert_allclose(views.project(POINTS)[1:], project(POINTS)[1:], atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(seeds, st.booleans(), st.booleans(), st.sampled_from([1.0, 37.5]))
def test_round_trip(tmp_path_factory, seed, one_camera, timed, unit):
    path = tmp_path_factory.mktemp("nerfstudio") / "transforms.json"
    v = random_flat_cones(seed, count=4, handedness=1, one_camera=one_camera)
    times = np.random.default_rng(seed).uniform(size=(2, 4)) if timed else (None, None)
    v = Views(v.source, None, v.origin, v.u, v.v, v.shape, times=times[0], weights=times[1])
    frame = [0, 1, 1, 2] if one_camera else None
    write_geometry(path, v, unit_mm=unit, frame=frame, flat_field=0.75)
    assert_same_views(read_geometry(path, unit_mm=unit), v)
    found = nerfstudio.read_frames(path, unit_mm=unit)
    assert found.flat_field == 0.75 and found.frame.tolist() == (frame or [0, 1, 2, 3])
    content = json.loads(path.read_text())
    assert ("fl_x" in content) == ("camera_angle_x" in content) == one_camera


def test_what_cannot_be_written(tmp_path):
    views = random_flat_cones(1, handedness=-1)
    for bad, hints, words in [(views, {}, "flipped"), (random_flat_cones(1, handedness=1, sheared=True), {}, "skew"),
                              (views.flipped(), {"frame": [0, 0, 1]}, "poses of one frame"),
                              (views.flipped(), {"frame": [0, 1, 0]}, "one after the other"),
                              (views.flipped(), {"frame": [0]}, "one for each"), (views.flipped(), {"files": ["a"]}, "1 files for 3 frames")]:
        with pytest.raises(GeometryError, match=words):
            write_geometry(tmp_path / "transforms.json", bad, **hints)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("changes, words", [
    (dict(frames=None), ["'frames'", "missing"]), (dict(frames=[]), ["'frames'"]), (dict(frames=[3]), ["frames[0]"]),
    (dict(frame={"transform_matrix": [[1, 2], [3, 4]]}), ["frames[0]", "transform_matrix"]), (dict(frame={"transform_matrix": None}), ["missing"]),
    (dict(frame={"transform_matrix": np.diag([1, 1, -1, 1]).tolist()}), ["reflection"]), (dict(frame={"transform_matrix": []}), ["transform_matrix"]),
    (dict(frame={"time": [0, 1]}), ["'time'"]), (dict(frame={"time": None}), ["no time"]), (dict(frame={"camera_weights": "a"}), ["camera_weights"]),
    (dict(frame={"w": 10}), ["equal sizes"]), (dict(fl_x=0.0), ["'fl_x'"]), (dict(frame={"fl_x": 0}), ["frames[0]", "'fl_x'"]),
    (dict(fl_x=None, camera_angle_x=None), ["fl_x"]),
    (dict(k1=0.1), ["undistort"]),
    (dict(camera_model="EQUIRECTANGULAR"), ["camera_model"]), (dict(w=None), ["shape"]), (dict(w=10**9), ["'w'"]),
    (dict(frame={"transform_matrix": [[[1, 2], [3]]]}), ["transform_matrix"]), (dict(cx=float("inf")), ["'cx'"]),
])
def test_broken_files(tmp_path, changes, words):
    assert_refused(lambda path: nerfstudio.read(path, sdd_mm=300.0), saved(tmp_path / "t.json", **changes), *words)


def test_the_detector_must_lie_somewhere(tmp_path):
    assert_refused(nerfstudio.read, saved(tmp_path / "t.json"), "sdd_mm")


def test_damage(tmp_path):
    assert_damage_is_survived(lambda path: nerfstudio.read(path, sdd_mm=300.0), saved(tmp_path / "t.json"))
    assert_strange_values_are_refused(nerfstudio.read, tmp_path / "t.json")
