"""nerfstudio's transforms.json, as static and dynamic neural X-ray tomography use it.

Camera to world, OpenGL's axes (docs.nerf.studio, "Data conventions"): x right, y up, the camera looks along -z; the translation is the
X-ray source. The ray of pixel (row r, col c) is ((c + 0.5 - cx) / fl_x, -(r + 0.5 - cy) / fl_y, -1) in the camera; so views are seen from
the source (handedness +1). Lengths are scene units, often half the scanned volume's size: `unit_mm` is one of them in mm. Times and
weights are kept as they stand. Intrinsics stand at the top or in a frame; of camera_angle_x alone, fl_x = w / 2 / tan(camera_angle_x / 2).

A frame may have K poses (a picture blurred by motion during its exposure, I = sum of camera_weights I(pose)): they become K views.
`read_frames` tells which view belongs to which picture. `flat_field` is the transmission of the empty beam.
Written files have the further key `sdd`, the distance from source to detector in scene units, which rays alone do not tell.
"""
import json
import logging
from dataclasses import dataclass

import numpy as np

from ..arrays import to_numpy
from ..views import Views
from . import FormatError
from .cameras import check_rotations, per_view_or_one, pinholes, views_from_rays
from .fields import keys_of, read_object

TITLE = "nerfstudio transforms.json"
SUFFIXES = ("transforms.json",)
KEEPS = ("times", "weights")
LOG = logging.getLogger(__name__)
PINHOLES = ("OPENCV", "PINHOLE", "SIMPLE_PINHOLE", "PERSPECTIVE")
DISTORTION = ("k1", "k2", "k3", "k4", "p1", "p2")
_OPENGL = np.array([1.0, -1.0, -1.0])        # OpenCV's camera axes in OpenGL's


@dataclass(frozen=True, eq=False)
class Frames:
    """views; `frame` [N], the picture that each view belongs to; `files`, the pictures' paths as written; the flat field's transmission."""
    views: Views
    frame: np.ndarray
    files: tuple
    flat_field: float | None


def recognise(path, head):
    return "transform_matrix" in keys_of(head) or {"frames", "fl_x"} <= keys_of(head) or {"frames", "camera_angle_x"} <= keys_of(head)


def read(path, unit_mm=1.0, sdd_mm=None, pitch_mm=None, shape=None):
    """Views, one a pose. unit_mm: mm in a scene unit; sdd_mm or pitch_mm: where the detector lies (see cameras.py; default: the file's
    `sdd`); shape = (rows, cols) where the file has no w and h. What `read_frames` tells beyond the views is logged."""
    frames = read_frames(path, unit_mm, sdd_mm, pitch_mm, shape)
    if len(frames.files) < len(frames.views):
        LOG.warning("%s: %d pictures of several poses each are read as %d views; read_frames tells which belong together",
                    path, len(frames.files), len(frames.views))
    if frames.flat_field is not None:
        LOG.warning("%s: the flat field's transmission, %g, is no part of the geometry; read_frames gives it", path, frames.flat_field)
    return frames.views


def read_frames(path, unit_mm=1.0, sdd_mm=None, pitch_mm=None, shape=None):
    """`Frames` of the file; hints as in `read`."""
    document = read_object(path)
    frames = document.objects("frames")
    _check_camera_model(document)
    parts = [_poses(document, frame, unit_mm, sdd_mm, pitch_mm, shape) for frame in frames]
    counts = [len(part) for part in parts]
    for name in ("times", "weights"):
        known = [getattr(part, name) is not None for part in parts]
        if any(known) and not all(known):
            raise FormatError(f"{frames[known.index(False)].where}: has no {name[:-1]}, other frames have; expected all or none")
    views = Views.concatenate(_same_shape(frames, parts))
    files = tuple(str(frame.get("file_path", "")) for frame in frames)
    return Frames(views, np.repeat(np.arange(len(frames)), counts), files, document.number("flat_field", None, positive=True))


def write(path, views, unit_mm=1.0, frame=None, files=None, flat_field=None):
    """Writes the views; those with equal numbers in `frame` [N] (default: each its own) as the poses of one frame.

    files: a picture's path for each frame (default: images/train_0000.png and so on); flat_field: transmission of the empty beam.
    """
    k, rotation, _ = pinholes(views, TITLE)
    if (views.handedness < 0).any():
        raise FormatError("nerfstudio's cameras see from the source, these views are seen from the detector; write views.flipped(), "
                          "and mirror the pictures left to right")
    if abs(k[:, 0, 1]).max() > 1e-9 * abs(k[:, 0, 0]).max():
        raise FormatError("nerfstudio's cameras have no skew; u and v of these views are not at a right angle")
    pose = np.zeros((len(views), 4, 4))
    pose[:, :3, :3], pose[:, :3, 3], pose[:, 3, 3] = np.swapaxes(rotation, 1, 2) * _OPENGL, to_numpy(views.source) / unit_mm, 1.0
    groups = _groups(np.arange(len(views)) if frame is None else np.asarray(frame), len(views))
    files = [f"images/train_{i:04d}.png" for i in range(len(groups))] if files is None else list(files)
    if len(files) != len(groups):
        raise FormatError(f"{len(files)} files for {len(groups)} frames; expected as many")
    inner = np.stack([k[:, 0, 0], k[:, 1, 1], k[:, 0, 2] + 0.5, k[:, 1, 2] + 0.5, to_numpy(views.sdd_mm) / unit_mm], 1)
    names = ("fl_x", "fl_y", "cx", "cy", "sdd")
    rows, cols = views.shape
    document = {"w": cols, "h": rows} | ({} if flat_field is None else {"flat_field": float(flat_field)})
    shared = {name: value for name, value in zip(names, map(per_view_or_one, inner.T)) if not isinstance(value, list)}
    document |= shared | ({"camera_angle_x": 2 * float(np.arctan(cols / 2 / shared["fl_x"]))} if "fl_x" in shared else {})
    document["frames"] = [{"file_path": str(file)} | _frame(views, pose, inner, [n for n in names if n not in shared], names, group)
                          for file, group in zip(files, groups)]
    path.write_text(json.dumps(document, indent=1), encoding="utf-8")


def _poses(document, frame, unit_mm, sdd_mm, pitch_mm, shape):
    """Views of one frame."""
    def inner(name, default=None):
        positive = name not in ("cx", "cy")
        return frame.number(name, document.number(name, default, positive), positive)
    several = _depth(frame.get("transform_matrix")) == 3
    pose = frame.array("transform_matrix", (None, 4, 4) if several else (4, 4)).reshape(-1, 4, 4)
    check_rotations(frame.where, pose[:, :3, :3], "transform_matrix")
    w, h = (frame.count(name, document.count(name, None)) for name in ("w", "h"))
    if shape is None and w and h:
        shape = (h, w)
    if shape is None:
        raise FormatError(f"{frame.where}: the picture's size is missing ('w' and 'h'); give shape = (rows, cols)")
    fl_x, fl_y, cx, cy = _intrinsics(frame, inner, w or shape[1], h or shape[0])
    camera = pose[:, :3, :3] * _OPENGL @ np.array([[1 / fl_x, 0, (0.5 - cx) / fl_x], [0, 1 / fl_y, (0.5 - cy) / fl_y], [0, 0, 1]])
    if sdd_mm is None and pitch_mm is None and inner("sdd") is not None:
        sdd_mm = inner("sdd") * unit_mm
    count = len(pose)
    times, weights = (None if frame.get(name, None) is None else _per_pose(frame, name, count) for name in ("time", "camera_weights"))
    return views_from_rays(frame.where, unit_mm * pose[:, :3, 3], camera[..., 2], camera[..., 0], camera[..., 1], shape, sdd_mm, pitch_mm,
                           times, weights)


def _intrinsics(frame, inner, w, h):
    fl_x, angle = inner("fl_x"), inner("camera_angle_x")
    if fl_x is None:
        if angle is None or not angle < np.pi:
            raise FormatError(f"{frame.where}: neither 'fl_x' nor a 'camera_angle_x' below pi says how wide the beam is")
        fl_x = w / 2 / np.tan(angle / 2)
    return fl_x, inner("fl_y", fl_x), inner("cx", w / 2), inner("cy", h / 2)


def _check_camera_model(document):
    document.choice("camera_model", PINHOLES, "OPENCV")
    for name in DISTORTION:
        if document.number(name, 0.0):
            raise FormatError(f"{document.where}: '{name}' is not zero; a pinhole camera has no distortion: undistort the pictures first")


def _per_pose(frame, name, count):
    several = _depth(frame.get(name)) == 1
    return frame.array(name, (count,)) if several else np.full(count, frame.number(name))


def _depth(value):
    """How deep the list `value` is, along its first entries."""
    depth = 0
    while isinstance(value, list):
        value, depth = value[0] if value else None, depth + 1
    return depth


def _same_shape(frames, parts):
    for frame, part in zip(frames, parts):
        if part.shape != parts[0].shape:
            raise FormatError(f"{frame.where}: a picture of {part.shape} pixels (rows, cols), the first has {parts[0].shape}; expected equal sizes")
    return parts


def _groups(frame, count):
    if frame.shape != (count,):
        raise FormatError(f"frame numbers of shape {frame.shape}; expected one for each of {count} views")
    starts = [0, *(np.flatnonzero(np.diff(frame)) + 1), count]
    if len(starts) - 1 != len(np.unique(frame)):
        raise FormatError("the views of a frame must stand one after the other")
    return [range(a, b) for a, b in zip(starts, starts[1:])]


def _frame(views, pose, inner, own, names, group):
    """What one frame says: poses, times, weights, and the intrinsics that are not shared by all."""
    first = group[0]
    if abs(inner[group] - inner[first]).max() > 1e-9 * abs(inner[first]).max():
        raise FormatError(f"views {first} to {group[-1]} are poses of one frame but differ in focal length, centre or distance")
    one = len(group) == 1
    entry = {"transform_matrix": pose[first].tolist() if one else pose[group].tolist()}
    entry |= {name: float(inner[first, names.index(name)]) for name in own}
    for name, values in (("time", views.times), ("camera_weights", views.weights)):
        if values is not None:
            entry[name] = float(to_numpy(values)[first]) if one else to_numpy(values)[group].tolist()
    return entry
