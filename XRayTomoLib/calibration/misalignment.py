"""How a scanner departs from its nominal geometry, in named numbers, and the axis about which its views turn.

Names and pivot after F. Yang et al., Phys. Med. Biol. 51, 2006, and M. Ferrucci et al., Meas. Sci. Technol. 26, 2015: the detector turns
about its centre, in its own nominal frame (u, v, w = u x v), by R = R_w(in_plane) R_u(tilt) R_v(slant), then it is shifted.
"""
from dataclasses import dataclass, replace

import numpy as np

from ..geometry import rotation_about_axis, rotation_from_vector
from ..geometry.arrays import cross, norm, to_numpy, unit
from .result import CalibrationError, Parameter

UNITS = {
    "shift_u_mm": "mm",         # detector along +u
    "shift_v_mm": "mm",         # detector along +v
    "in_plane_deg": "deg",      # detector about its normal, from u towards v
    "tilt_deg": "deg",          # detector about u
    "slant_deg": "deg",         # detector about v
    "sdd_change_mm": "mm",      # detector farther from the source along its normal; the source stays
    "sod_change_mm": "mm",      # source and detector moved back together: the source farther from the axis, SDD unchanged
    "angle_deg": "deg",         # source and detector turned about the rotation axis
}
DIFFERENCE = 1e-4               # step of central differences, mm or deg


def check_names(names, views=None):
    """CalibrationError for a name that is none of UNITS, or means nothing for the beam of `views`."""
    for name in names:
        if views is not None and views.source is None and name in ("sdd_change_mm", "sod_change_mm"):
            raise CalibrationError(f"{name} changes nothing in projections of parallel rays; leave it out.")
        if name not in UNITS:
            raise CalibrationError(f"'{name}' is no parameter of a scan; expected some of: {', '.join(UNITS)}.")


def misaligned(views, changes, axis=None):
    """Flat `views` whose geometry is changed by `changes`: name -> number, or one number per view [N].

    `axis` (RotationAxis) is needed for angle_deg alone.
    """
    check_names(changes)
    c = {name: np.broadcast_to(np.asarray(changes.get(name, 0.0), np.float64), (len(views),)) for name in UNITS}
    u, v, centre = (to_numpy(a) for a in (views.u, views.v, views.centre))
    eu, w = unit(u), unit(cross(u, v))
    frame = np.stack([eu, cross(w, eu), w], -1)
    turn = frame @ _detector_rotation(c) @ np.swapaxes(frame, -1, -2)
    away = w * views.handedness[:, None]
    moves = ((c["shift_u_mm"], eu), (c["shift_v_mm"], frame[..., 1]), (c["sdd_change_mm"] - c["sod_change_mm"], away))
    centre = centre + sum(length[:, None] * along for length, along in moves)
    u, v = ((turn @ a[..., None])[..., 0] for a in (u, v))
    rows, cols = views.shape
    source = None if views.source is None else to_numpy(views.source) - c["sod_change_mm"][:, None] * away
    moved = replace(views, source=source, origin=centre - (cols - 1) / 2 * u - (rows - 1) / 2 * v, u=u, v=v)
    return moved if not c["angle_deg"].any() else moved.transformed(axis.turns(c["angle_deg"]))


def _detector_rotation(c):
    """R_w(in_plane) R_u(tilt) R_v(slant) [N, 3, 3] in the detector's frame (u, v, w)."""
    zero = np.zeros_like(c["tilt_deg"])
    about_w, about_u, about_v = (rotation_from_vector(np.radians(np.stack(a, -1))) for a in (
        (zero, zero, c["in_plane_deg"]), (c["tilt_deg"], zero, zero), (zero, c["slant_deg"], zero)))
    return about_w @ about_u @ about_v


@dataclass(frozen=True, eq=False)
class RotationAxis:
    """The axis of a circular scan.

    point  [3] RAS, at the height of the sources' (parallel rays: the detectors' centres') mean;  direction [3] unit
    angles_deg [N] of the views about it, counted from the first view, in -180..180
    """
    point: np.ndarray
    direction: np.ndarray
    angles_deg: np.ndarray

    def turns(self, angle_deg):
        """4x4 matrices [N, 4, 4] that turn the world by the angles [N] about the axis."""
        rotation = np.stack([rotation_about_axis(self.direction, a) for a in np.atleast_1d(angle_deg)])
        matrix = np.tile(np.eye(4), (len(rotation), 1, 1))
        matrix[:, :3, :3], matrix[:, :3, 3] = rotation, self.point - rotation @ self.point
        return matrix

    def height_of(self, points):
        return (np.asarray(points) - self.point) @ self.direction

    def foot_of(self, points):
        """The points' nearest points of the axis."""
        return self.point + self.height_of(points)[..., None] * self.direction


def rotation_axis(views, tolerance=1e-3):
    """RotationAxis about which all `views` turn (rigidly, source with detector); CalibrationError when there is none.

    View i's frame moves by x' = R_i x + t_i from that of view 0. The axis' direction is the common eigenvector of the R_i, its point
    solves (R_i - I) c = -t_i, both by least squares. tolerance: largest departure in parts of the scanner's size.
    """
    if len(views) < 3:
        raise CalibrationError(f"{len(views)} views are too few to tell the rotation axis; expected at least 3.")
    eu, w = to_numpy(unit(views.u)), to_numpy(views.normal)
    frames = np.stack([eu, cross(w, eu), w], -1)
    places = to_numpy(views.centre if views.source is None else views.source)
    rotations = frames @ frames[0].T
    shifts = places - rotations @ places[0]
    away = (rotations - np.eye(3)).reshape(-1, 3)
    _, size, rows = np.linalg.svd(away, full_matrices=False)
    if size[1] < 1e-6:
        raise CalibrationError("the views do not turn: all look the same way; a calibration of the axis needs views from all round.")
    direction = rows[2] * np.sign(rows[2][np.argmax(abs(rows[2]))])
    point = np.linalg.lstsq(np.concatenate([away, size[1] * direction[None]]), np.append(-shifts.ravel(), size[1] * direction @ places.mean(0)),
                            rcond=None)[0]
    departure = np.abs(np.append(away @ point + shifts.ravel(), (away @ direction) * views.sdd_scale())).max() / views.sdd_scale()
    if departure > tolerance:
        raise CalibrationError(f"the views do not turn about one axis (departure {departure * views.sdd_scale():.3g} mm); "
                               "this calibration needs a circular scan.")
    return RotationAxis(point, direction, _angles_about(direction, rotations))


def _angles_about(direction, rotations):
    across = unit(cross(direction, np.eye(3)[np.argmin(abs(direction))]))
    turned = rotations @ across
    return np.degrees(np.arctan2(turned @ cross(direction, across), turned @ across))


def axis_column(views, axis):
    """Column (fractional) at which the rotation axis lies, on average over the views, in the row that it crosses at the height of
    axis.point: the "centre of rotation"."""
    return float(views.project(axis.point[None])[:, 0, 1].mean())


def shift_in_pixels(views, shift_mm, name="shift_u_mm"):
    """A shift along u or v in columns or rows."""
    step = views.v if name == "shift_v_mm" else views.u
    return float(shift_mm) / float(norm(to_numpy(step)).mean())


def shifts_in_pixels(views, parameters):
    """The Parameters among `parameters` that are shifts, again in pixels."""
    def converted(q):
        error = None if q.standard_error is None else shift_in_pixels(views, q.standard_error, q.name)
        return Parameter(q.name.replace("_mm", "_px"), shift_in_pixels(views, q.value, q.name), "px", error)
    return [converted(q) for q in parameters if q.name in ("shift_u_mm", "shift_v_mm")]
