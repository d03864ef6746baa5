"""Geometry from projections of a known volume: Gauss-Newton through the derivatives of the ray tracer."""
from dataclasses import replace

import numpy as np

from ..geometry import FreePixels
from ..geometry.arrays import norm, to_numpy
from ..jobs import Step, provenance, sha256_of
from ..options import values_of
from . import least_squares
from .misalignment import DIFFERENCE, UNITS, check_names, misaligned, rotation_axis, shifts_in_pixels
from .options import RefineOptions
from .result import CalibrationError, CalibrationResult, Parameter, checked_projections

RAYS_AT_ONCE = 1 << 18


def calibrate_refine(projections, views, mu, grid, scan=("shift_u_mm", "in_plane_deg"), view=(), options=None):
    """Generator of Steps that returns a CalibrationResult: the misalignment with the least squared difference to the projections.

    projections [N, rows, cols] line integrals; mu [K, J, I] in 1/mm on `grid`: the object as it stands in the scanner.
    scan: parameters (misalignment.UNITS) that all views share; view: those that each view has of its own. Standard errors are those of
    independent noise in the pixels; what the volume lacks (resolution, truncation) comes on top.
    Raises CalibrationError where the data cannot tell the parameters.
    """
    options = options or RefineOptions()
    scan, view = tuple(scan), tuple(view)
    p = checked_projections(projections, views)
    _check_parameters(scan, view, views)
    axis = rotation_axis(views) if "angle_deg" in (*scan, *view) else None
    import torch
    volume = torch.as_tensor(mu, dtype=torch.float32)
    if tuple(volume.shape) != tuple(grid.shape):
        raise CalibrationError(f"the volume has {tuple(volume.shape)} voxels (k, j, i), its grid {tuple(grid.shape)}; give the volume's own grid.")
    shared, own = np.zeros(len(scan)), np.zeros((len(views), len(view)))
    for level in range(min(options.levels, _most_levels(views.shape)), -1, -1):
        model = _model(_binned(p, 1 << level), views.binned(1 << level), volume, grid, scan, view, axis, options.method)
        fit = yield from least_squares.fit(model, shared, own, scan, view, options.iterations)
        shared, own = fit.shared, fit.own
    before = list(model(np.zeros(len(scan)), np.zeros((len(views), len(view))), False))
    yield Step(0, None, fit.rms, "comparing with the nominal geometry")
    return _result(p, views, volume, scan, view, axis, options, fit, float(np.sqrt(np.mean(np.square(np.concatenate(before))))))


def _check_parameters(scan, view, views):
    check_names((*scan, *view), views)
    if not scan and not view:
        raise CalibrationError("no parameter was chosen; give some that all views share, or that each view has of its own.")
    twice = sorted(set(scan) & set(view))
    if twice:
        raise CalibrationError(f"{', '.join(twice)} is asked for the whole scan and for each view; choose one of the two.")


def _most_levels(shape):
    """Binnings that leave at least 12 pixels across."""
    return max(0, int(np.log2(max(min(shape) / 12, 1))))


def _binned(p, factor):
    rows, cols = p.shape[1] // factor, p.shape[2] // factor
    return p[:, :rows * factor, :cols * factor].reshape(len(p), rows, factor, cols, factor).mean((2, 4))


def _model(p, views, volume, grid, scan, own_names, axis, method):
    """The model of least_squares.fit: traced minus measured pixels, some views at a time."""
    at_once = max(1, RAYS_AT_ONCE // (views.shape[0] * views.shape[1]))
    names = (*scan, *own_names)
    reach = None if views.source is not None else _reach(views, grid)

    def changes(shared, own, part):
        return dict(zip(scan, shared)) | dict(zip(own_names, own[part].T))

    def model(shared, own, derivatives):
        for first in range(0, len(views), at_once):
            part = slice(first, min(first + at_once, len(views)))
            chosen = changes(shared, own, part)
            traced, by_ends = _traced(misaligned(views[part], chosen, axis), volume, grid, method, derivatives, reach)
            residuals = (traced - p[part]).reshape(len(traced), -1)
            if not derivatives:
                yield from residuals
                continue
            slopes = np.stack([_slope(by_ends, views[part], chosen, name, axis, reach) for name in names], -1)
            yield from zip(residuals, slopes[..., :len(scan)], slopes[..., len(scan):])
    return model


def _traced(views, volume, grid, method, derivatives, reach):
    """Line integrals [n, rows, cols] in float64 and their derivatives by the rays' ends [n, rows, cols, 2, 3], or None.

    Parallel rays are given ends of their own, so that the derivatives have a fixed meaning.
    """
    import torch

    from ..tracing import Projector
    if reach is not None:
        start, end = views.rays(reach)
        views = replace(views, direction=None, source=np.zeros(3), surface=FreePixels(end, start))
    projector = Projector(grid, views, method)
    if not derivatives:
        with torch.no_grad():
            return projector(volume).double().numpy(), None
    traced, by_ends = projector.jacobian(volume)
    return traced.double().numpy(), by_ends.double().numpy()


def _slope(by_ends, views, changes, name, axis, reach):
    """Derivative [n, pixels] by the parameter `name`: by the rays' ends, and these by central differences."""
    def ends(step):
        moved = misaligned(views, {**changes, name: changes[name] + step}, axis)
        return np.stack(np.broadcast_arrays(*moved.rays(reach)), -2)
    by_name = (ends(DIFFERENCE) - ends(-DIFFERENCE)) / (2 * DIFFERENCE)
    return (by_ends * by_name).sum((-2, -1)).reshape(len(by_ends), -1)


def _reach(views, grid):
    """How far parallel rays run to both sides of the detector so that they cross the whole grid (mm), with room for what moves."""
    away = norm(to_numpy(views.centre) - grid.centre_ras).max() + norm(grid.corners_ras() - grid.centre_ras).max()
    return float(1.5 * away + views.sdd_scale())


def _result(p, views, volume, scan, view, axis, options, fit, before):
    changes = dict(zip(scan, fit.shared)) | dict(zip(view, fit.own.T))
    parameters = [Parameter(name, float(value), UNITS[name], float(error)) for name, value, error in zip(scan, fit.shared, fit.shared_error)]
    parameters += shifts_in_pixels(views, parameters)
    notes = [f"{name}: standard error {np.mean(error):.2g} {UNITS[name]} on average" for name, error in zip(view, fit.own_error.T)]
    origin = provenance("calibrate refine", {"projections": sha256_of(p), "volume": sha256_of(volume.numpy())},
                        values_of(options) | {"scan": list(scan), "view": list(view)})
    return CalibrationResult(misaligned(views, changes, axis), "refine", tuple(parameters), dict(zip(view, fit.own.T)), before, fit.rms,
                             "rms difference of line integrals", fit.view_rms, tuple(notes), origin)
