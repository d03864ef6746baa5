"""ODL's cone-beam and parallel geometries about an axis as JSON of the parameters that they are created with.

{"odl": "ConeBeamGeometry", "angles": [rad, ...], "dpart": {"min_pt": [u, v], "max_pt": [u, v], "shape": [columns, rows]},
 "src_radius": 500, "det_radius": 300, "pitch": 0, "axis": [0, 0, 1], "src_to_det_init": [0, 1, 0],
 "det_axes_init": [[1, 0, 0], [0, 0, 1]], "det_curvature_radius": null, "offset_along_axis": 0, "translation": [0, 0, 0],
 "src_shifts": [[s1, s2, s3], ...], "det_shifts": [...]}; shifts are the values of src_shift_func and det_shift_func, one row for all
views or one for each.
"Parallel3dAxisGeometry" has det_pos_init (also the direction of its rays) in place of the radii and src_to_det_init.

Frame: ODL's x, y, z are R, A, S in mm. With e = src_to_det_init and R the rotation by the angle about the axis (right hand):
    source = translation + R (-src_radius e + s1 (-e) + s2 e x axis) + (s3 + offset_along_axis + pitch angle / (2 pi)) axis
    detector = translation + R (det_radius e + s1 e + s2 (-e) x axis) + (s3 + offset_along_axis + pitch angle / (2 pi)) axis
and column and row run along R det_axes_init = (a, b). Pixels are the cells of dpart. det_curvature_radius [r, null] is a cylinder, on
which dpart counts radians and mm, [r, r] a sphere, on which it counts radians; cone beams alone have them. Both touch the plane in
dpart's zero and are bent towards a x b: the cylinder's point is r sin(phi) a + h b + r (1 - cos phi) a x b, the sphere's
r sin(phi) cos(theta) a + r sin(theta) b + r (1 - cos(phi) cos(theta)) a x b.
Formulas: ODL's documentation of ConeBeamGeometry, Parallel3dAxisGeometry, CylindricalDetector and SphericalDetector.
"""
import json

import numpy as np

from ..arrays import norm, to_numpy, unit
from ..detectors import Cylindrical, Flat, Spherical
from ..pose import rotation_from_vector
from ..views import Views
from . import FormatError
from .comparing import same_views
from .fields import Fields, keys_of, read_object, shown

TITLE = "ODL parameters"
SUFFIXES = (".odl.json",)
_STEEPEST = 1e9          # mm in a radian; a steeper rise between views is no helix
KINDS = ("ConeBeamGeometry", "Parallel3dAxisGeometry")
_AXIS, _AHEAD, _DETECTOR = np.array([0.0, 0.0, 1.0]), np.array([0.0, 1.0, 0.0]), np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])


def recognise(path, head):
    return "odl" in keys_of(head)


def read(path):
    return _views(read_object(path))


def write(path, views):
    """Writes views whose detector keeps its direction but for a rotation about S; sources and detectors may be anywhere (shifts).

    One pixel pitch is needed; times and weights are lost, and the depth of a parallel beam's detector before the axis.
    """
    curved = isinstance(views.surface, (Cylindrical, Spherical)) and views.source is not None
    if not curved and not isinstance(views.surface, Flat):
        raise FormatError(f"ODL has flat detectors, and cylinders and spheres of cone beams; not a {type(views.surface).__name__} of "
                          f"{'parallel rays' if views.source is None else 'a cone beam'}")
    if curved and (views.surface.radius_mm * views.handedness >= 0).any():
        raise FormatError("ODL's curved detectors are bent towards u x v, these are bent the other way in some view; write views.flipped(), and "
                          "mirror the pictures left to right")
    document = _parallel_document(views) if views.source is None else _cone_document(views)
    document = {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in document.items()}
    if not same_views(_views(Fields("ODL", document)), views):
        raise FormatError("ODL's detectors turn about the axis S with the angle and keep one pixel pitch, its parallel rays run along det_pos_init; "
                          "these views do not")
    path.write_text(json.dumps(document, indent=1, default=float), encoding="utf-8")


def _views(fields):
    kind = fields.choice("odl", KINDS)
    angles = fields.array("angles", (None,))
    if not len(angles):
        raise FormatError(f"{fields.where}: 'angles' is empty")
    axis = _direction(fields, "axis", _AXIS)
    if abs(axis - _AXIS).max() > 1e-12:
        for name in ("det_axes_init", "src_to_det_init" if kind == KINDS[0] else "det_pos_init"):
            if name not in fields:
                raise FormatError(f"{fields.where}: '{name}' is missing; it is needed where the axis is not (0, 0, 1)")
    turn = rotation_from_vector(angles[:, None] * axis)
    u, v = np.einsum("nij,kj->kni", turn, unit(fields.array("det_axes_init", (2, 3), _DETECTOR)))
    radii = _radii(fields, kind, u, v)
    low, cell, (cols, rows) = _cells(fields, np.where(radii > 0, radii, 1.0))
    origin_of = low[0] * u + low[1] * v
    translation = fields.array("translation", (3,), np.zeros(3))
    if kind == "Parallel3dAxisGeometry":
        ahead = fields.array("det_pos_init", (3,), _AHEAD)
        beam = {"direction": np.einsum("nij,j->ni", turn, _direction(fields, "det_pos_init", _AHEAD))}
        centre = np.einsum("nij,j->ni", turn, ahead) + translation
    else:
        beam, centre = _cone(fields, angles, turn, axis, translation)
    views = Views(**beam, origin=centre + origin_of, u=cell[0] * u, v=cell[1] * v, shape=(rows, cols))
    return views.with_surface(_surface(fields, radii, -low / cell, views)) if radii.any() else views


def _cone(fields, angles, turn, axis, translation):
    e = _direction(fields, "src_to_det_init", _AHEAD)
    aside = np.cross(e, axis)
    along = fields.number("offset_along_axis", 0.0) + fields.number("pitch", 0.0) * angles / (2 * np.pi)
    places = []
    for sign, radius, name in ((-1, "src_radius", "src_shifts"), (1, "det_radius", "det_shifts")):
        shift = fields.per_view(name, 3, np.zeros((1, 3)))
        if len(shift) not in (1, len(angles)):
            raise FormatError(f"{fields.where}: '{name}' has {len(shift)} rows for {len(angles)} angles")
        local = (sign * (fields.number(radius) + shift[:, :1])) * e - sign * shift[:, 1:2] * aside
        places.append(translation + np.einsum("nij,nj->ni", turn, np.broadcast_to(local, (len(angles), 3)))
                      + (shift[:, 2] + along)[:, None] * axis)
    return {"source": places[0]}, places[1]


def _radii(fields, kind, u, v):
    """Radii [2] of the detector's curvature along columns and rows; 0 is straight."""
    value = fields.get("det_curvature_radius", None)
    if value is None:
        return np.zeros(2)
    if kind != "ConeBeamGeometry" or not isinstance(value, list) or len(value) != 2:
        raise FormatError(f"{fields.where}: 'det_curvature_radius' = {shown(value)}; expected [radius, null] or [radius, radius] of a cone beam")
    radii = np.array([Fields(fields.where, {"det_curvature_radius": r}).number("det_curvature_radius", 0.0, positive=True) for r in value])
    if radii[1] not in (0, radii[0]) or not radii[0]:
        raise FormatError(f"{fields.where}: 'det_curvature_radius' = {value}; expected [radius, null] (a cylinder) or twice the same (a sphere)")
    if abs((u * v).sum(-1)).max() > 1e-9:
        raise FormatError(f"{fields.where}: 'det_axes_init' are not at a right angle, as a curved detector needs them")
    return radii


def _surface(fields, radii, apex, views):
    """The surface that touches the plane in the pixel `apex` (column, row); ODL bends it towards u x v, be the source there or not."""
    if (views.handedness != views.handedness[0]).any() or not views.handedness[0]:
        raise FormatError(f"{fields.where}: the source changes sides of the curved detector; split the geometry")
    radius = -views.handedness[0] * radii[0]
    return Spherical(radius, (apex[1], apex[0])) if radii[1] else Cylindrical(radius, apex[0])


def _cells(fields, unit_mm):
    """(centre of the first cell, cell sides, (columns, rows)) of dpart, whose numbers count `unit_mm` [2]; u comes first."""
    part = Fields(f"{fields.where}: dpart", fields.get("dpart"))
    low, high = part.array("min_pt", (2,)), part.array("max_pt", (2,))
    shape = [Fields(part.where, {"shape": n}).count("shape") for n in part.array("shape", (2,)).tolist()]
    cell = (high - low) / shape
    if not (cell > 0).all():
        raise FormatError(f"{part.where}: 'max_pt' {high.tolist()} must lie above 'min_pt' {low.tolist()}")
    return unit_mm * (low + cell / 2), unit_mm * cell, shape


def _direction(fields, name, default):
    vector = fields.array(name, (3,), default)
    if not norm(vector) > 0:
        raise FormatError(f"{fields.where}: '{name}' has the length 0; expected a direction")
    return vector / norm(vector)


def _common(views, kind):
    u, v = to_numpy(views.u), to_numpy(views.v)
    curvature, apex = _curvature(views), _apex(views)
    cell = np.array([norm(u)[0], norm(v)[0]]) / [radius or 1.0 for radius in curvature]
    flat = u if norm(u[0, :2]) > norm(v[0, :2]) else v
    angles = np.unwrap(np.arctan2(flat[:, 1], flat[:, 0]))
    return {"odl": kind, "angles": angles - angles[0], "axis": _AXIS, "det_axes_init": np.stack([unit(u)[0], unit(v)[0]]),
            "det_curvature_radius": curvature if any(curvature) else None,
            "dpart": {"min_pt": (cell * (-0.5 - apex)).tolist(), "max_pt": (cell * (np.array(views.shape[::-1]) - 0.5 - apex)).tolist(),
                      "shape": list(views.shape[::-1])}}


def _curvature(views):
    """ODL's radii along columns and rows; None is straight."""
    radius = abs(getattr(views.surface, "radius_mm", 0.0)) or None
    return [radius, radius if isinstance(views.surface, Spherical) else None]


def _apex(views):
    """Pixel (column, row) that lies in dpart's zero: where a curved detector touches its plane, else the middle."""
    surface, (rows, cols) = views.surface, views.shape
    if isinstance(surface, Spherical):
        return np.array(surface.apex[::-1])
    return np.array([surface.apex_col if isinstance(surface, Cylindrical) else (cols - 1) / 2, (rows - 1) / 2])


def _cone_document(views):
    document = _common(views, "ConeBeamGeometry")
    back = rotation_from_vector(-document["angles"][:, None] * _AXIS)
    touched = views.origin + _apex(views)[0] * views.u + _apex(views)[1] * views.v
    source, centre = (np.einsum("nij,nj->ni", back, to_numpy(a)) for a in (views.source, touched))
    e = np.append((centre - source)[0, :2], 0.0)
    e = e / norm(e) if norm(e) > 0 else _AHEAD
    radii = max(-source[0] @ e, 0.0), max(centre[0] @ e, 0.0)
    span = document["angles"][-1]
    rise = source[-1, 2] - source[0, 2]
    pitch = rise / span * 2 * np.pi if abs(rise) < _STEEPEST * abs(span) else 0.0
    along = source[0, 2] + pitch * document["angles"] / (2 * np.pi)
    document |= {"src_to_det_init": e, "src_radius": radii[0], "det_radius": radii[1], "pitch": pitch, "offset_along_axis": source[0, 2]}
    for sign, place, radius, name in ((-1, source, radii[0], "src_shifts"), (1, centre, radii[1], "det_shifts")):
        document[name] = np.stack([sign * (place @ e) - radius, -sign * (place @ np.cross(e, _AXIS)), place[:, 2] - along], -1)
    return document


def _parallel_document(views):
    document = _common(views, "Parallel3dAxisGeometry")
    direction, centre = to_numpy(views.direction)[0], to_numpy(views.centre)[0]
    part, offset = document["dpart"], document["det_axes_init"] @ centre
    part["min_pt"], part["max_pt"] = (offset + part["min_pt"]).tolist(), (offset + part["max_pt"]).tolist()
    return document | {"det_pos_init": max(centre @ direction, 1.0) * direction}
