"""TIGRE's geometry (Python order) with its angles: JSON, or MATLAB files of version 5.

Frame: TIGRE's x, y, z are R, A, S with the volume's centre at the origin. Vectors stand in Python order, (z, y, x) and (v, u); those of
MATLAB files in MATLAB's, (x, y, z) and (u, v). Lengths in mm, angles in rad. In the gantry's frame
    source = (DSO, 0, 0),  pixel = (DSO - DSD, 0, 0) + Rz(r2) Ry(r1) Rx(r0) (0, dU (col - middle), dV (row - middle)) + (0, offU, offV)
with rotDetector = (r0, r1, r2); the gantry is turned by Rz(a) Ry(b) Rz(c) (angles [N] are a, [N, 3] are a, b, c), then everything is
shifted by -offOrigin and COR (-sin a, cos a, 0). Parallel rays run along -x of the gantry. Row 0 is the lowest.
DSD, DSO, offOrigin, offDetector, rotDetector and COR are one value or one for each view; nDetector and dDetector one for all.
Formulas: TIGRE's Siddon_projection.cu (computeDeltas_Siddon, rollPitchYaw, eulerZYZ).
"""
import json

import numpy as np

from ..arrays import norm, to_numpy, unit
from ..detectors import Flat
from ..views import Views
from . import FormatError
from .fields import Fields, finite, keys_of, read_object
from .mat5 import MAGIC, names_in_mat5, read_mat5

TITLE = "TIGRE geometry"
SUFFIXES = (".tigre.json",)
_ORDERED = ("nDetector", "dDetector", "sDetector", "offDetector", "offOrigin")


def recognise(path, head):
    """JSON by its names, a MATLAB file by those of its variables, which may be cut short: reading them says so."""
    if not head.startswith(MAGIC):
        return {"DSD", "DSO"} <= keys_of(head)
    names = names_in_mat5(path)
    return {"DSD", "DSO"} <= set(names.get("geo") or names)


def read(path, angles=None):
    """Views of the geometry; angles (rad, [N] or [N, 3]) where the file does not hold them ('angles')."""
    with open(path, "rb") as file:
        matlab = file.read(len(MAGIC)) == MAGIC
    fields = _matlab(path) if matlab else read_object(path)
    mode = fields.choice("mode", ("cone", "parallel"), "cone")
    shape = tuple(_whole(fields, "nDetector"))
    pitch = fields.array("dDetector", (2,), None)
    pitch = fields.array("sDetector", (2,)) / shape if pitch is None else pitch
    if not (pitch > 0).all():
        raise FormatError(f"{fields.where}: 'dDetector' (or 'sDetector' / 'nDetector') is {pitch.tolist()}; expected lengths above 0 mm")
    turns = _angles(fields, angles)
    dsd, dso = (_spread(fields, name, 1, len(turns)) for name in ("DSD", "DSO"))
    detector, origin, turned, cor = (_spread(fields, name, size, len(turns), [0.0] * size) for name, size in
                                     (("offDetector", 2), ("offOrigin", 3), ("rotDetector", 3), ("COR", 1)))
    own = _about(2, turned[:, 2]) @ _about(1, turned[:, 1]) @ _about(0, turned[:, 0])
    gantry = _about(2, turns[:, 0]) @ _about(1, turns[:, 1]) @ _about(2, turns[:, 2])
    u, v = (np.einsum("nij,nj->ni", gantry, step * own[:, :, axis]) for step, axis in ((pitch[1], 1), (pitch[0], 2)))
    shift = cor * np.stack([-np.sin(turns[:, 0]), np.cos(turns[:, 0]), 0 * turns[:, 0]], -1) - origin[:, ::-1]
    centre = np.einsum("nij,nj->ni", gantry, np.concatenate([dso - dsd, detector[:, ::-1]], 1)) + shift
    beam = {"direction": -gantry[:, :, 0]} if mode == "parallel" else {"source": dso * gantry[:, :, 0] + shift}
    return Views(**beam, origin=centre - (shape[1] - 1) / 2 * u - (shape[0] - 1) / 2 * v, u=u, v=v, shape=shape)


def write(path, views):
    """Writes flat cone or parallel views with perpendicular u and v and one pixel pitch, as JSON. Times and weights are lost.

    The source of each view may lie anywhere: DSO and the first two angles lead to it, the rest is in rotDetector and offDetector.
    """
    if not isinstance(views.surface, Flat):
        raise FormatError(f"TIGRE's detectors are flat, this one is a {type(views.surface).__name__}")
    u, v, centre = (to_numpy(a) for a in (views.u, views.v, views.centre))
    pitch = norm(v)[0], norm(u)[0]
    if max(abs(norm(v) / pitch[0] - 1).max(), abs(norm(u) / pitch[1] - 1).max()) > 1e-9 or abs((unit(u) * unit(v)).sum(-1)).max() > 1e-9:
        raise FormatError("TIGRE's detectors have one pixel pitch, and u perpendicular to v; these views do not")
    towards = unit(to_numpy(views.source)) if views.source is not None else -to_numpy(views.direction)
    a, b = np.arctan2(towards[:, 1], towards[:, 0]), -np.arctan2(towards[:, 2], np.hypot(towards[:, 0], towards[:, 1]))
    gantry = _about(2, a) @ _about(1, b)
    local = np.einsum("nji,nj->ni", gantry, centre)
    own = np.einsum("nji,njk->nik", gantry, np.stack([np.cross(unit(u), unit(v)), unit(u), unit(v)], -1))
    dso = norm(to_numpy(views.source)) if views.source is not None else np.maximum(local[:, 0] + 1.0, 1.0)
    document = {"mode": "cone" if views.source is not None else "parallel", "DSD": dso - local[:, 0], "DSO": dso,
                "nDetector": list(views.shape), "dDetector": list(pitch), "sDetector": [n * p for n, p in zip(views.shape, pitch)],
                "offOrigin": [0.0, 0.0, 0.0], "offDetector": local[:, :0:-1], "rotDetector": _roll_pitch_yaw(own),
                "COR": 0.0, "angles": np.stack([a, b, 0 * a], -1)}
    path.write_text(json.dumps({name: np.asarray(value).tolist() for name, value in document.items()}, indent=1, default=float), encoding="utf-8")


def _about(axis, angle):
    """Rotations [N, 3, 3] about an axis of the frame (right hand), angle [N] in rad."""
    c, s = np.cos(angle), np.sin(angle)
    turned = np.zeros((len(c), 3, 3))
    i, j = (axis + 1) % 3, (axis + 2) % 3
    turned[:, axis, axis], turned[:, i, i], turned[:, j, j], turned[:, i, j], turned[:, j, i] = 1, c, c, -s, s
    return turned


def _roll_pitch_yaw(m):
    """(r0, r1, r2) [N, 3] of m = Rz(r2) Ry(r1) Rx(r0); each from what the others leave, so that m is exact everywhere."""
    r2 = np.arctan2(m[:, 1, 0], m[:, 0, 0])
    rest = _about(2, -r2) @ m
    r1 = np.arctan2(-rest[:, 2, 0], rest[:, 0, 0])
    rest = _about(1, -r1) @ rest
    return np.stack([np.arctan2(rest[:, 2, 1], rest[:, 1, 1]), r1, r2], -1)


def _angles(fields, angles):
    if angles is None:
        if "angles" not in fields:
            raise FormatError(f"{fields.where}: 'angles' is missing; give them as the hint 'angles', in rad")
        angles = fields.get("angles")
    turns = finite(f"{fields.where}: 'angles'", angles)
    turns = turns.reshape(-1, 1) if turns.ndim < 2 or turns.shape[0] == 1 and turns.shape[1] != 3 else turns
    if turns.ndim != 2 or turns.shape[1] not in (1, 3) or not len(turns):
        raise FormatError(f"{fields.where}: 'angles' has the shape {turns.shape}; expected [N] or [N, 3]")
    return np.pad(turns, ((0, 0), (0, 3 - turns.shape[1])))


def _spread(fields, name, size, count, default=None):
    """[count, size] of a value that may be one for all views."""
    value = fields.per_view(name, size) if default is None else fields.per_view(name, size, np.array([default]))
    if len(value) not in (1, count):
        raise FormatError(f"{fields.where}: '{name}' has {len(value)} rows for {count} angles")
    return np.broadcast_to(value, (count, size))


def _whole(fields, name):
    values = fields.array(name, (2,))
    return [Fields(fields.where, {name: value}).count(name) for value in values.tolist()]


def _matlab(path):
    """A MATLAB file's structure `geo` (or its variables) in Python's order; one column a view becomes one row."""
    found = read_mat5(path)
    values = dict(found["geo"]) if isinstance(found.get("geo"), dict) else dict(found)
    values |= {"angles": found["angles"]} if "angles" in found else {}
    for name, value in values.items():
        if isinstance(value, np.ndarray):
            value = value.T
            values[name] = value[..., ::-1] if name in _ORDERED else value
    return Fields(str(path), values)
