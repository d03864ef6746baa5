"""Centre of rotation and in-plane rotation of the detector from the projections themselves."""
from dataclasses import dataclass

import numpy as np

from ..geometry.arrays import norm, to_numpy
from ..jobs import Step, provenance, sha256_of
from ..options import values_of
from . import least_squares
from .conjugate import Conjugates, correlated_samples, differences, pitch_at_axis, scan_shift, source_radius
from .misalignment import UNITS, axis_column, misaligned, rotation_axis, shifts_in_pixels
from .options import CentreOptions
from .result import CalibrationError, CalibrationResult, Parameter, checked_projections
from .sharpness import Sharpness, sharpest

MOST_HEIGHTS = 24
SEARCH_VOXELS = 96
LEAST_GAP_DEG = 60.0
FEWEST_ROWS = 8         # below it the detector's in-plane rotation is not looked for


def calibrate_centre(projections, views, options=None):
    """Generator of Steps that returns a CalibrationResult: shift_u_mm and in_plane_deg (misalignment.py) of a circular scan.

    projections [N, rows, cols] line integrals, views: the nominal flat, circular geometry.
    Conjugate rays need opposite views: a full turn, or of parallel rays a half turn (whose first and last view alone are opposites).
    Sharpness finds shift_u_mm alone, from a half turn of parallel rays. Neither observes shift_v_mm, tilt_deg, slant_deg, SDD or SOD.
    """
    options = options or CentreOptions()
    p = checked_projections(projections, views)
    axis = rotation_axis(views)
    names, notes = ["shift_u_mm"], []
    if options.by == "sharpness":
        _check_half_turn(views, axis)
    elif options.in_plane and views.shape[0] >= FEWEST_ROWS:
        names.append("in_plane_deg")
    elif options.in_plane:
        notes.append(f"{views.shape[0]} rows are too few to tell the in-plane rotation; it was left alone.")
    if options.by == "sharpness":
        found = yield from _by_sharpness(p, views, axis, options)
    else:
        found = yield from _by_conjugates(p, views, axis, names, options, notes)
    return _result(p, views, axis, options, found, notes)


@dataclass
class _Found:
    """What a criterion found: values and standard errors by name, rms before and after and what it is, errors of the views."""
    values: dict
    errors: dict
    before: float
    after: float
    unit: str
    view_errors: np.ndarray


def _by_conjugates(p, views, axis, names, options, notes):
    conjugates = Conjugates(p, views, axis, _heights(views, axis))
    pitch = float(norm(to_numpy(views.u)).mean())
    reach = max(1, int(options.search_share * views.shape[1]))
    shifts = pitch * np.arange(-reach, reach + 1)
    correlation = scan_shift(conjugates, shifts)
    if not np.isfinite(correlation).any():
        raise CalibrationError(f"conjugate rays do not overlap for any shift up to {reach} pixels, or show no object; "
                               "expected an object seen whole by all views.")
    start = np.zeros(len(names))
    start[0] = shifts[int(np.nanargmax(correlation))]
    if abs(start[0]) == shifts[-1]:
        notes.append(f"The best shift lies at the end of the search range ({reach} pixels): widen it.")
    yield Step(1, None, float(np.nanmax(correlation)), "searching the shift")
    model = differences(conjugates, names, start)
    before = least_squares.normal_equations(model(np.zeros(len(names)), np.zeros((len(views), 0)), True), np.zeros(len(names)),
                                            np.zeros((len(views), 0)))
    fit = yield from least_squares.fit(model, start, np.zeros((len(views), 0)), names, ())
    errors = fit.shared_error * np.sqrt(correlated_samples(conjugates))
    return _Found(dict(zip(names, fit.shared)), dict(zip(names, errors)), float(np.sqrt(before.cost / before.view_count.sum())), fit.rms,
                  "rms difference of conjugate line integrals", fit.view_rms)


def _heights(views, axis):
    """Heights in mm above axis.point at which rays are compared; in a cone beam only where the two cones' slopes part by less than
    half a pixel over the object."""
    rows, cols = views.shape
    ratio = float(norm(to_numpy(views.v)).mean() / norm(to_numpy(views.u)).mean())
    pitch = pitch_at_axis(views, axis) * ratio
    most = (rows - 1) / 2 * pitch
    if views.source is not None:
        most = min(most, 0.5 * source_radius(views, axis) / cols)
    count = min(MOST_HEIGHTS, int(2 * most / pitch) + 1)
    offset = float((to_numpy(views.centre).mean(0) - axis.point) @ axis.direction) if views.source is None else 0.0
    return offset + np.linspace(-most, most, count) if count > 1 else np.array([offset])


def _check_half_turn(views, axis):
    if views.source is not None:
        raise CalibrationError("the criterion of sharpness is written for parallel rays; use conjugate rays, a ball phantom or a known volume.")
    angles = np.sort(axis.angles_deg % 360)
    if np.diff(np.append(angles, angles[0] + 360)).max() < LEAST_GAP_DEG:
        raise CalibrationError("the views go round a full turn, where a wrong shift makes circles of points and leaves no negative values that "
                               "the criterion of sharpness could see; use conjugate rays.")


def _by_sharpness(p, views, axis, options):
    pitch = float(norm(to_numpy(views.u)).mean())
    slices = 1 if views.shape[0] < FEWEST_ROWS else 5
    coarse = Sharpness(p, views, axis, slices, SEARCH_VOXELS)
    step = max(1, views.shape[1] // SEARCH_VOXELS)
    reach = max(1, int(options.search_share * views.shape[1]) // step)
    shifts, values = pitch * step * np.arange(-reach, reach + 1), []
    for i, shift in enumerate(shifts):
        values.append(coarse({"shift_u_mm": shift}))
        yield Step(i + 1, None, values[-1], "searching the sharpest shift")
    start = {"shift_u_mm": float(shifts[int(np.argmax(values))])}
    fine = sharpest(Sharpness(p, views, axis, slices), start, {"shift_u_mm": step * pitch})
    best, value = yield from _watched(fine, len(shifts))
    return _Found(best, {"shift_u_mm": None}, 1 - 1 / value, 0.0, "share of the sharpness lost", np.full(len(views), np.nan))


def _watched(rounds, index):
    """Hands on the last of `rounds`, each of which is a Step."""
    for last in rounds:
        index += 1
        yield Step(index, None, last[1], "sharpening")
    return last


def _result(p, views, axis, options, found, notes):
    calibrated = misaligned(views, found.values, axis)
    parameters = [Parameter(name, value, UNITS[name], found.errors[name]) for name, value in found.values.items()]
    parameters += shifts_in_pixels(views, parameters)
    parameters.append(Parameter("axis_column", axis_column(calibrated, axis), "px (centre of rotation; 0 is the first column's centre)"))
    origin = provenance("calibrate centre", {"projections": sha256_of(p)}, values_of(options))
    return CalibrationResult(calibrated, "centre", tuple(parameters), {}, found.before, found.after, found.unit, found.view_errors,
                             tuple(notes), origin)
