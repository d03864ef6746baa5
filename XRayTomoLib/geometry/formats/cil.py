"""CIL's acquisition geometries as JSON of the parameters that they are created with.

{"cil": "Cone3D", "source_position": [0, -500, 0], "detector_position": [0, 300, 0], "detector_direction_x": [1, 0, 0],
 "detector_direction_y": [0, 0, 1], "rotation_axis_position": [0, 0, 0], "rotation_axis_direction": [0, 0, 1],
 "angles": [...], "initial_angle": 0, "angle_unit": "degree", "num_pixels": [horizontal, vertical], "pixel_size": [horizontal, vertical],
 "origin": "bottom-left"}; "Parallel3D" with ray_direction in place of source_position; "Cone3D_Flex" with source_position_set,
detector_position_set, detector_direction_x_set, detector_direction_y_set (one row a view) and volume_centre_position.

Frame: CIL's x, y, z after its alignment are R, A, S in mm: the rotation axis is z through the origin (Flex: the volume's centre is the
origin). The object turns by +angle, so source and detector turn by -(initial_angle + angle).
Formulas: CIL's convert_geometry_to_astra_vec_3D and SystemConfiguration.rotation_vec_to_z.
"""
import json

import numpy as np

from ..arrays import norm, to_numpy, unit
from ..detectors import Flat
from ..pose import rotation_about_axis
from ..views import Views
from . import FormatError
from .comparing import same_views
from .fields import Fields, keys_of, read_object

TITLE = "CIL parameters"
SUFFIXES = (".cil.json",)
KINDS = ("Cone3D", "Parallel3D", "Cone3D_Flex")
_ORIGINS = ("bottom-left", "bottom-right", "top-left", "top-right")


def recognise(path, head):
    return "cil" in keys_of(head)


def read(path):
    return _views(read_object(path))


def write(path, views):
    """Writes flat cone beams as Cone3D_Flex, parallel beams that turn about S as Parallel3D; both need u perpendicular to v and one pitch.

    Times and weights are lost.
    """
    if not isinstance(views.surface, Flat):
        raise FormatError(f"CIL's panels are flat, this one is a {type(views.surface).__name__}")
    u, v = to_numpy(views.u), to_numpy(views.v)
    pitch = norm(u)[0], norm(v)[0]
    document = _parallel(views) if views.source is None else {
        "cil": "Cone3D_Flex", "source_position_set": to_numpy(views.source), "detector_position_set": to_numpy(views.centre),
        "detector_direction_x_set": unit(u), "detector_direction_y_set": unit(v), "volume_centre_position": [0.0, 0.0, 0.0]}
    document |= {"num_pixels": list(views.shape[::-1]), "pixel_size": list(pitch), "origin": "bottom-left"}
    document = {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in document.items()}
    if abs((unit(u) * unit(v)).sum(-1)).max() > 1e-9 or not same_views(_views(Fields("CIL", document)), views):
        raise FormatError("CIL's panels have one pixel pitch and u perpendicular to v, its parallel beams turn about S; these views do not")
    path.write_text(json.dumps(document, indent=1, default=float), encoding="utf-8")


def _views(fields):
    kind = fields.choice("cil", KINDS)
    cols, rows = (Fields(fields.where, {"num_pixels": n}).count("num_pixels") for n in fields.array("num_pixels", (2,)).tolist())
    size = fields.array("pixel_size", (2,))
    if not (size > 0).all():
        raise FormatError(f"{fields.where}: 'pixel_size' = {size.tolist()}; expected lengths above 0 mm")
    origin = fields.choice("origin", _ORIGINS, "bottom-left")
    signs = (-1 if "right" in origin else 1), (-1 if "top" in origin else 1)
    first, centre, x, y = _flex(fields) if kind == "Cone3D_Flex" else _turned(fields, kind)
    u, v = signs[0] * size[0] * x, signs[1] * size[1] * y
    beam = {"direction" if kind == "Parallel3D" else "source": first}
    return Views(**beam, origin=centre - (cols - 1) / 2 * u - (rows - 1) / 2 * v, u=u, v=v, shape=(rows, cols))


def _flex(fields):
    first, centre, x, y = (fields.array(f"{name}_set", (None, 3)) for name in
                           ("source_position", "detector_position", "detector_direction_x", "detector_direction_y"))
    if not len(first) == len(centre) == len(x) == len(y):
        raise FormatError(f"{fields.where}: the four '..._set' have {len(first)}, {len(centre)}, {len(x)} and {len(y)} rows; "
                          "expected one row a view in each")
    volume = fields.array("volume_centre_position", (3,), np.zeros(3))
    return first - volume, centre - volume, _units(fields, "detector_direction_x_set", x), _units(fields, "detector_direction_y_set", y)


def _turned(fields, kind):
    """Source (or direction), detector's centre, x and y [N, 3] each, of a system that turns about its axis."""
    axis = _units(fields, "rotation_axis_direction", fields.array("rotation_axis_direction", (3,), np.array([0.0, 0.0, 1.0])))
    position = fields.array("rotation_axis_position", (3,), np.zeros(3))
    first = fields.array("ray_direction", (3,), np.array([0.0, 1.0, 0.0])) if kind == "Parallel3D" else \
        fields.array("source_position", (3,)) - position
    centre = fields.array("detector_position", (3,), np.zeros(3) if kind == "Parallel3D" else None)
    if centre is None:
        raise FormatError(f"{fields.where}: 'detector_position' is missing")
    x, y = (_units(fields, name, fields.array(name, (3,), np.array(default))) for name, default in
            (("detector_direction_x", [1.0, 0, 0]), ("detector_direction_y", [0.0, 0, 1])))
    angles = fields.array("angles", (None,)) + fields.number("initial_angle", 0.0)
    if not len(angles):
        raise FormatError(f"{fields.where}: 'angles' is empty")
    turns = -angles if fields.choice("angle_unit", ("degree", "radian"), "degree") == "degree" else -np.degrees(angles)
    aligned = _rotation_to_z(axis)
    rotations = np.stack([rotation_about_axis((0, 0, 1), turn) for turn in turns])
    return [np.einsum("nij,j->ni", rotations, aligned @ a) for a in (first, centre - position, x, y)]


def _rotation_to_z(axis):
    """The shortest rotation of the unit vector `axis` to z; of -z it is the half turn about x."""
    x, y, z = axis
    if z <= -1 + 1e-12:
        return np.diag([1.0, -1.0, -1.0])
    k = np.array([[0, 0, -x], [0, 0, -y], [x, y, 0]])
    return np.eye(3) + k + k @ k / (1 + z)


def _units(fields, name, vectors):
    if not (norm(vectors) > 0).all():
        raise FormatError(f"{fields.where}: '{name}' has a vector of length 0; expected directions")
    return vectors / norm(vectors)[..., None]


def _parallel(views):
    u, v = to_numpy(views.u), to_numpy(views.v)
    flat = u if norm(u[:1, :2])[0] > norm(v[:1, :2])[0] else v
    turns = np.degrees(np.arctan2(flat[:, 1], flat[:, 0]))
    return {"cil": "Parallel3D", "ray_direction": to_numpy(views.direction)[0], "detector_position": to_numpy(views.centre)[0],
            "detector_direction_x": unit(u)[0], "detector_direction_y": unit(v)[0], "rotation_axis_position": [0.0, 0.0, 0.0],
            "rotation_axis_direction": [0.0, 0.0, 1.0], "angles": turns[0] - turns, "initial_angle": 0.0, "angle_unit": "degree"}
