"""nanodrr's cameras as JSON: k_inv [N or 1, 3, 3], rt_inv [N, 4, 4] (camera to world), sdd, height, width.

Pixel (r, c) lies at rt_inv (sdd k_inv (c + 0.5, r + 0.5, 1)), the source at rt_inv's translation; RAS, mm (nanodrr 0.1.7, drr and camera).
In place of k_inv: delx, dely, x0, y0 (fx = sdd / delx, cx = x0 / delx + width / 2, and so on). In place of rt_inv: what make_rt_inv
takes, rotation [N, 3] (ZXY Euler angles, degrees), translation [N, 3], orientation (AP, PA, null), isocenter [3].
nanodrr's PA is a reflection; read, it is kept in the pixel axes. Written, rt_inv is always a rotation, and views that are seen from the
detector have a negative k_inv[0][0].
"""
import json

import numpy as np

from ..arrays import to_numpy
from ..parametrisations import from_euler_angles
from ..pose import rigid
from ..views import Views
from . import FormatError
from .cameras import check_rotations, per_view_or_one, pinholes
from .fields import keys_of, read_object

TITLE = "nanodrr camera"
SUFFIXES = (".nanodrr.json",)
ORIENTATIONS = {"AP": [[-1, 0, 0], [0, 0, -1], [0, -1, 0]], "PA": [[-1, 0, 0], [0, 0, 1], [0, -1, 0]], None: [[-1, 0, 0], [0, -1, 0], [0, 0, 1]]}


def recognise(path, head):
    return bool({"k_inv", "rt_inv"} & keys_of(head))


def read(path):
    """Views of the cameras in a file."""
    document = read_object(path)
    shape = document.count("height"), document.count("width")
    rt_inv = _camera_to_world(document)
    sdd = document.per_view("sdd", 1)
    if not (sdd > 0).all():
        raise FormatError(f"{path}: 'sdd' has a value that is not above 0")
    k_inv = document.array("k_inv", (None, 3, 3)) if "k_inv" in document else _k_inv(document, shape, sdd[:, 0])
    count = max(len(a) for a in (rt_inv, sdd, k_inv))
    for name, a in (("rt_inv", rt_inv), ("sdd", sdd), ("k_inv", k_inv)):
        if len(a) not in (1, count):
            raise FormatError(f"{path}: '{name}' is given for {len(a)} views; expected {count} or 1")
    plane = sdd[:, :, None] * (rt_inv[:, :3, :3] @ k_inv)
    u, v, source = plane[..., 0], plane[..., 1], np.broadcast_to(rt_inv[:, :3, 3], (count, 3))
    return Views(source=source, origin=source + plane[..., 2] + 0.5 * (u + v), u=u, v=v, shape=shape)


def write(path, views):
    """Writes k_inv, rt_inv and sdd of each view."""
    k, rotation, _ = pinholes(views, TITLE)
    k[:, :2, 2] += 0.5
    rt_inv = rigid(np.swapaxes(rotation, 1, 2), to_numpy(views.source))
    document = {"height": views.shape[0], "width": views.shape[1], "sdd": per_view_or_one(views.sdd_mm),
                "k_inv": np.linalg.inv(k).tolist(), "rt_inv": rt_inv.tolist()}
    path.write_text(json.dumps(document, indent=1), encoding="utf-8")


def _camera_to_world(document):
    if "rt_inv" in document:
        rt_inv = document.array("rt_inv", (None, 4, 4))
        turn = rt_inv[:, :3, :3]
        check_rotations(document.where, turn * np.sign(np.linalg.det(turn))[:, None, None], "rt_inv")
        return rt_inv
    angles, translation = document.per_view("rotation", 3), document.per_view("translation", 3)
    if len({len(angles), len(translation)} - {1}) > 1:
        raise FormatError(f"{document.where}: 'rotation' has {len(angles)} rows, 'translation' {len(translation)}; expected as many, or one")
    turn = from_euler_angles(np.deg2rad(angles), "ZXY")
    centre = (turn @ translation[..., None])[..., 0] + document.array("isocenter", (3,), np.zeros(3))
    axes = np.array(ORIENTATIONS[document.choice("orientation", list(ORIENTATIONS), "AP")], float)
    return rigid(np.broadcast_to(turn @ axes, (len(centre), 3, 3)), centre)


def _k_inv(document, shape, sdd):
    delx, dely = (document.number(name, positive=True) for name in ("delx", "dely"))
    k = np.zeros((len(sdd), 3, 3))
    k[:, 0, 0], k[:, 1, 1], k[:, 2, 2] = sdd / delx, sdd / dely, 1.0
    k[:, 0, 2] = document.number("x0", 0.0) / delx + shape[1] / 2
    k[:, 1, 2] = document.number("y0", 0.0) / dely + shape[0] / 2
    return np.linalg.inv(k)
