"""Geometry from a ball phantom: projection matrices of single views, then one fit over all views (bundle adjustment).

Y. Cho, D. J. Moseley, J. H. Siewerdsen, D. A. Jaffray, Med. Phys. 32, 2005; F. Noo et al., Phys. Med. Biol. 45, 2000; Hartley and Zisserman,
Multiple View Geometry, 2nd ed., 2004, chapters 7 and 18.
"""
from dataclasses import replace

import numpy as np

from ..geometry import Views, pose_about, rotation_from_vector
from ..geometry.arrays import cross, to_numpy, unit
from ..jobs import Step, provenance, sha256_of
from ..options import values_of
from . import least_squares
from .balls import measured_balls
from .camera import intrinsics, views_from_balls
from .misalignment import UNITS, check_names, misaligned, rotation_axis, shift_in_pixels, shifts_in_pixels
from .options import BallOptions
from .result import CalibrationError, CalibrationResult, Parameter, checked_projections

FEWEST = 4              # balls that a view must show to take part in a fit of the whole scan
OUTLIER = 4.0           # 1 in 70,000 normal errors in two directions is farther out
STEP = 1e-4             # of central differences, mm, rad or deg
POSE = ("turn R", "turn A", "turn S", "move R", "move A", "move S")
INTRINSICS = (("sdd_mm", "mm"), ("principal_col", "px"), ("principal_row", "px"))


def calibrate_balls(projections, views, phantom, options=None, scan=("shift_u_mm", "in_plane_deg", "tilt_deg", "slant_deg")):
    """Generator of Steps that returns a CalibrationResult from projections [N, rows, cols] (line integrals) of a BallPhantom.

    views: the nominal geometry, near enough that the balls appear in the predicted pattern up to a shift. "each view" and "shared detector"
    give views in the phantom's own frame and need 6 balls in each (cone beams); "whole scan" keeps the nominal trajectory in its frame, finds
    the parameters `scan` (misalignment.UNITS but angle_deg, which the phantom's pose takes) and the pose.
    Errors are distances between measured and predicted centres of mass in pixels.
    """
    options = options or BallOptions()
    p = checked_projections(projections, views)
    places = measured_balls(p, views, phantom)
    seen = np.isfinite(places).all(-1)
    yield Step(0, None, None, f"found {seen.sum()} of {seen.size} balls")
    if options.free == "whole scan":
        start, build, shared, names, own_names = _whole_scan(places, views, phantom, tuple(scan))
    elif views.source is None:
        raise CalibrationError(f"'{options.free}' needs a cone beam, these rays are parallel; use 'whole scan'.")
    else:
        start = views_from_balls(places, phantom, views)
        build, shared, names, own_names = _each_view(start, phantom) if options.free == "each view" else _shared_detector(start, phantom)
    before = _distances(views, phantom, places)
    own = np.zeros((len(views), len(own_names)))
    rough = yield from least_squares.fit(_model(build, places), shared, own, names, own_names, options.iterations)
    places = _without_outliers(places, build, rough)
    fit = yield from least_squares.fit(_model(build, places), rough.shared, rough.own, names, own_names, options.iterations)
    used = np.isfinite(places).all(-1)
    return _result(p, views, phantom, build(fit.shared, fit.own)[0], fit, before, used, options, names)


def _whole_scan(places, views, phantom, scan):
    check_names(scan, views)
    if "angle_deg" in scan:
        raise CalibrationError("angle_deg cannot be told from a turn of the phantom, whose pose is found with it; leave it out.")
    rotation_axis(views)
    seen = np.isfinite(places).all(-1).sum(1)
    if (seen < FEWEST).all():
        raise CalibrationError(f"no view shows {FEWEST} of the {len(phantom)} balls ({seen.max()} at most): check their positions, their diameter "
                               "and the nominal geometry.")
    pivot = phantom.centres.mean(0)

    def build(shared, own):
        pose = shared[len(scan):]
        return misaligned(views, dict(zip(scan, shared))), phantom.moved(pose_about(pose[:3], pose[3:], pivot))
    return views, build, np.zeros(len(scan) + 6), (*scan, *POSE), ()


def _each_view(start, phantom):
    """Nine numbers a view: the detector's turn and move, the source's move."""
    def build(shared, own):
        return _detector_moved(replace(start, source=to_numpy(start.source) + own[:, 6:]), own[:, :3], own[:, 3:6]), phantom
    names = (*(f"detector {n}" for n in POSE), "source R", "source A", "source S")
    return build, np.zeros(0), (), names


def _shared_detector(start, phantom):
    """Six numbers a view, the pose of source and detector together, and three for all: where the source stands before the detector."""
    frame = _frame(start)
    placed = (np.swapaxes(frame, -1, -2) @ (to_numpy(start.source) - to_numpy(start.centre))[..., None])[..., 0]

    def build(shared, own):
        posed = _detector_moved(start, own[:, :3], own[:, 3:])
        return replace(posed, source=to_numpy(posed.centre) + _frame(posed) @ shared), phantom
    return build, np.median(placed, 0), ("source along u", "source along v", "source along the normal"), POSE


def _frame(views):
    eu, w = unit(to_numpy(views.u)), to_numpy(views.normal)
    return np.stack([eu, cross(w, eu), w], -1)


def _detector_moved(views, w, t):
    """The detectors turned about their centres by w [N, 3] rad and moved by t [N, 3] mm; the sources stay."""
    rotation = rotation_from_vector(w)
    u, v = ((rotation @ to_numpy(a)[..., None])[..., 0] for a in (views.u, views.v))
    rows, cols = views.shape
    centre = to_numpy(views.centre) + t
    return replace(views, origin=centre - (cols - 1) / 2 * u - (rows - 1) / 2 * v, u=u, v=v)


def _model(build, places):
    """The model of least_squares.fit: predicted minus measured pixels; own parameters of all views are varied at once."""
    def residuals(shared, own):
        views, phantom = build(shared, own)
        return phantom.centroids(views) - places

    used = np.isfinite(places).all(-1)
    used &= used.sum(1, keepdims=True) >= FEWEST

    def model(shared, own, derivatives):
        r = residuals(shared, own)
        if not derivatives:
            yield from (a[k].ravel() for a, k in zip(r, used))
            return
        by_shared = [residuals(shared + d, own) - residuals(shared - d, own) for d in STEP * np.eye(len(shared))]
        by_own = [residuals(shared, own + d) - residuals(shared, own - d) for d in STEP * np.eye(own.shape[1])]
        for i, k in enumerate(used):
            js, jb = (np.stack([s[i][k].ravel() for s in slopes], -1) / (2 * STEP) if slopes else np.empty((2 * k.sum(), 0))
                      for slopes in (by_shared, by_own))
            yield r[i][k].ravel(), js, jb
    return model


def _without_outliers(places, build, fit):
    """The places without those farther from the fit than OUTLIER times the median distance: balls before edges, wrong matches."""
    views, phantom = build(fit.shared, fit.own)
    away = np.linalg.norm(phantom.centroids(views) - places, axis=-1)
    return np.where((away > OUTLIER * np.nanmedian(away))[..., None], np.nan, places)


def _distances(views, phantom, places):
    return (phantom.centroids(views) - places)[np.isfinite(places).all(-1)]


def _counted(used):
    return f"{used.sum()} of {used.size} balls were used, {used.sum(1).min()} to {used.sum(1).max()} a view"


def _result(p, views, phantom, built, fit, before, used, options, names):
    calibrated = Views(built.source, built.direction, built.origin, built.u, built.v, built.shape, times=views.times, weights=views.weights)
    parameters, per_view, notes = [], {}, [_counted(used)]
    skipped = np.flatnonzero(used.sum(1) < FEWEST)
    if options.free == "whole scan":
        parameters = [_scan_parameter(*triple) for triple in zip(names, fit.shared, fit.shared_error)]
        parameters += shifts_in_pixels(views, parameters)
    elif options.free == "shared detector":
        values, pitch = intrinsics(calibrated)[0], [1.0, shift_in_pixels(views, 1.0), shift_in_pixels(views, 1.0, "shift_v_mm")]
        errors = np.array(pitch) * fit.shared_error[[2, 0, 1]]
        parameters = [Parameter(name, float(x), unit_, float(e)) for (name, unit_), x, e in zip(INTRINSICS, values, errors)]
    else:
        per_view = {name: values for (name, _), values in zip(INTRINSICS, intrinsics(calibrated).T)}
    if len(skipped):
        notes.append(f"views {', '.join(map(str, skipped))} show fewer than {FEWEST} balls and took no part")
    origin = provenance("calibrate balls", {"projections": sha256_of(p), "phantom": sha256_of(phantom.centres)},
                        values_of(options) | {"diameter_mm": phantom.diameter_mm})
    # residuals come in rows and columns: a distance has two of them
    return CalibrationResult(calibrated, "balls", tuple(parameters), per_view, float(np.sqrt((before ** 2).sum(-1).mean())), np.sqrt(2) * fit.rms,
                             "rms reprojection distance in px", np.sqrt(2) * fit.view_rms, tuple(notes), origin)


def _scan_parameter(name, value, error):
    if name in UNITS:
        return Parameter(name, float(value), UNITS[name], float(error))
    degrees = name.startswith("turn")
    scale = np.degrees(1.0) if degrees else 1.0
    return Parameter(f"phantom {name}", float(value * scale), "deg" if degrees else "mm", float(error * scale))
