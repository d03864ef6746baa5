"""DeepDRR's devices as JSON dictionaries.

Camera: z from the source to the detector, y down the picture; pixel (r, c) has the index (c + 0.5, r + 0.5), (index, 1) ~ K x_camera.
Three forms, all with sensor_height and sensor_width (pixels):
  MobileCArm          alpha, beta, gamma (one or one a view; radians where "degrees" is false), isocenter [3], source_to_detector_distance,
                      source_to_isocenter_vertical_distance, source_to_isocenter_horizontal_offset, pixel_size, rotate_camera_left,
                      world_from_device [4, 4]: what its to_config() gives
  SimpleDevice        source_to_detector_distance, pixel_size, world_from_device and device_from_camera3d [4, 4] or [N, 4, 4]
  camera projection   intrinsic K [3, 3] or [N, 3, 3], extrinsic [N, 4, 4] (camera from world), and source_to_detector_distance or pixel_size
The world is what the user made it with the volume's pose: RAS, or LPS with the hint `world`. Written is the camera projection, in RAS;
views seen from the detector get a negative K[0, 0]. Of the C-arm (DeepDRR 1.2): camera_from_world = Rz(gamma) Rz(90 deg, where
rotate_camera_left) T(0, -offset, vertical distance) (Ry(beta) Rx(alpha), isocentre)^-1 world_from_device^-1.
"""
import json

import numpy as np

from ..pose import rigid, rotation_from_vector
from . import FormatError
from .cameras import check_rotations, per_view_or_one, pinholes, views_from_rays
from .fields import keys_of, read_object

TITLE = "DeepDRR device"
SUFFIXES = (".deepdrr.json",)
C_ARM = {"source_to_detector_distance": 1020.0, "source_to_isocenter_vertical_distance": 530.0, "source_to_isocenter_horizontal_offset": 0.0,
         "pixel_size": 0.194}       # DeepDRR's defaults
RAS_FROM = {"RAS": np.eye(4), "LPS": np.diag([-1.0, -1, 1, 1])}


def recognise(path, head):
    keys = keys_of(head)
    return "sensor_height" in keys and bool({"alpha", "extrinsic", "device_from_camera3d"} & keys)


def read(path, world="RAS"):
    """Views of a device; world: RAS or LPS, the anatomical axes of its world."""
    document = read_object(path)
    if world not in RAS_FROM:
        raise FormatError(f"{path}: world = {world!r}; expected RAS or LPS")
    shape = document.count("sensor_height"), document.count("sensor_width")
    if "extrinsic" in document or "intrinsic" in document:
        k, camera_from_world = _stack(document, "intrinsic", 3), _stack(document, "extrinsic", 4)
        sdd, pitch = document.per_view("source_to_detector_distance", 1, None), document.number("pixel_size", None, positive=True)
        pitch = pitch if sdd is None else None
    else:
        simple = "device_from_camera3d" in document
        if not simple and "alpha" not in document:
            raise FormatError(f"{path}: neither 'alpha' (a MobileCArm) nor 'device_from_camera3d' nor 'extrinsic' says where the camera is")
        sdd = document.number("source_to_detector_distance", *[] if simple else [C_ARM["source_to_detector_distance"]], positive=True)
        pixel, pitch = document.number("pixel_size", *[] if simple else [C_ARM["pixel_size"]], positive=True), None
        k = np.array([[[sdd / pixel, 0, shape[1] / 2], [0, sdd / pixel, shape[0] / 2], [0, 0, 1]]])
        camera_from_device = np.linalg.inv(_stack(document, "device_from_camera3d", 4)) if simple else _c_arm(document)
        camera_from_world = camera_from_device @ np.linalg.inv(_stack(document, "world_from_device", 4, np.eye(4)))
    if len({len(k), len(camera_from_world)} - {1}) > 1:
        raise FormatError(f"{path}: 'intrinsic' is given for {len(k)} views, 'extrinsic' for {len(camera_from_world)}; expected as many, or one")
    if not (np.linalg.matrix_rank(k) == 3).all():
        raise FormatError(f"{path}: 'intrinsic' is singular; expected focal lengths other than 0")
    ras_from_camera = RAS_FROM[world] @ np.linalg.inv(camera_from_world)
    rays = ras_from_camera[:, :3, :3] @ np.linalg.inv(k)
    first = rays @ [0.5, 0.5, 1.0]
    return views_from_rays(path, ras_from_camera[:, :3, 3], first, rays[..., 0], rays[..., 1], shape, sdd, pitch)


def write(path, views):
    """Writes the views as camera projections."""
    k, rotation, t = pinholes(views, TITLE)
    k[:, :2, 2] += 0.5
    document = {"device": "CameraProjectionDevice", "sensor_height": views.shape[0], "sensor_width": views.shape[1],
                "source_to_detector_distance": per_view_or_one(views.sdd_mm), "intrinsic": k.tolist(), "extrinsic": rigid(rotation, t).tolist()}
    path.write_text(json.dumps(document, indent=1), encoding="utf-8")


def _c_arm(document):
    """camera_from_device [N, 4, 4] of a MobileCArm."""
    unit_rad = np.pi / 180 if document.flag("degrees", True) else 1.0
    angles = [unit_rad * document.per_view(name, 1, np.zeros((1, 1)))[:, 0] for name in ("alpha", "beta", "gamma")]
    isocentre = document.per_view("isocenter", 3, np.zeros((1, 3)))
    counts = {len(a) for a in (*angles, isocentre)} - {1}
    if len(counts) > 1:
        raise FormatError(f"{document.where}: alpha, beta, gamma and isocenter are given for {sorted(counts)} views; expected as many, or one")
    alpha, beta, gamma = (np.broadcast_to(a, max(counts, default=1)) for a in angles)
    device_from_arm = rigid(_about(1, beta) @ _about(0, alpha), np.broadcast_to(isocentre, (len(alpha), 3)))
    offset, height = (document.number(f"source_to_isocenter_{name}", C_ARM[f"source_to_isocenter_{name}"])
                      for name in ("horizontal_offset", "vertical_distance"))
    roll = gamma + (np.pi / 2 if document.flag("rotate_camera_left", True) else 0.0)
    camera_from_arm = rigid(_about(2, roll), (_about(2, roll) @ np.array([0, -offset, height])))
    return camera_from_arm @ np.linalg.inv(device_from_arm)


def _about(axis, angles):
    return rotation_from_vector(angles[:, None] * np.eye(3)[axis])


def _stack(document, name, size, default=None):
    """[N or 1, size, size]; of 4x4 matrices the rotation is checked."""
    value = document.get(name, *[] if default is None else [default])
    deep = isinstance(value, list) and value and isinstance(value[0], list) and value[0] and isinstance(value[0][0], list)
    matrices = document.array(name, (None, size, size) if deep else (size, size), *[] if default is None else [default])
    matrices = matrices.reshape(-1, size, size)
    if size == 4:
        check_rotations(document.where, matrices[:, :3, :3], name)
        if abs(matrices[:, 3] - [0, 0, 0, 1]).max() > 1e-9:
            raise FormatError(f"{document.where}: '{name}' has a last row other than 0 0 0 1")
    return matrices
