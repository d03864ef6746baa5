"""The check of a geometry: known points seen through it, beside where the pictures show them."""
from dataclasses import dataclass

import numpy as np

from .arrays import GeometryError, norm, to_numpy
from .triangulation import line_distances, nearest_points, pixel_rays


@dataclass(frozen=True, eq=False)
class GeometryCheck:
    """What `check_geometry` found for N views and P points; arrays are None where nothing was observed.

    points_ras [P, 3] the points: given, or triangulated from the observed pixels;  given: which of the two
    pixels [N, P, 2] (row, col) where the views show them (NaN behind the source);  on_detector [N, P];  behind_source [N, P]
    handedness [N] -1 seen from the detector, +1 seen from the source
    observed [N, P, 2];  errors_px [N, P] distances of observed from projected pixels, in pixels
    errors_mm [N, P] the same at the object: measured on the detector, demagnified to the point's depth
    ray_distances_mm [N, P] of the points from the observed pixels' rays
    triangulated [P, 3] from the observed pixels (NaN with fewer than two rays);  triangulation_mm [N, P] its rays' distances from it
    """
    points_ras: np.ndarray
    given: bool
    pixels: np.ndarray
    on_detector: np.ndarray
    behind_source: np.ndarray
    handedness: np.ndarray
    observed: np.ndarray | None = None
    errors_px: np.ndarray | None = None
    errors_mm: np.ndarray | None = None
    ray_distances_mm: np.ndarray | None = None
    triangulated: np.ndarray | None = None
    triangulation_mm: np.ndarray | None = None

    def report(self):
        """The findings as text, one line each."""
        views, points = self.on_detector.shape
        lines = [f"{views} views, {points} points" + ("" if self.given else " (triangulated: how far the views agree, not truth)"),
                 handedness_sentence(self.handedness)]
        outside = ~self.on_detector & ~self.behind_source
        lines.append(f"on the detector: {self.on_detector.sum()} of {views * points} projections; beside it: {outside.sum()}; "
                     f"behind the source: {self.behind_source.sum()}{_places(self.behind_source)}")
        if self.observed is not None:
            lines += [f"reprojection error: {summary(self.errors_px)} px; at the object {summary(self.errors_mm)} mm{_worst(self.errors_px)}",
                      f"distance from the points to the observed rays: {summary(self.ray_distances_mm)} mm",
                      f"rays through a point's pixels miss each other by: {summary(self.triangulation_mm)} mm"]
            if self.given:
                lines.append(f"triangulated minus given points: {summary(norm(self.triangulated - self.points_ras))} mm")
        return "\n".join(lines)


def check_geometry(views, points_ras=None, observed=None):
    """Projects `points_ras` [P, 3] through `views` and compares with the pixels (row, col) `observed` [N, P, 2] (NaN: not seen).

    Without points, those triangulated from the observed pixels are taken. Raises GeometryError when there is neither.
    """
    given = points_ras is not None
    if observed is not None:
        observed = _array("observed", observed, (len(views), None, 2))
        start, direction = pixel_rays(views, observed)
        triangulated, misses = nearest_points(start, direction)
    elif not given:
        raise GeometryError("there is nothing to check: give points_ras [P, 3], observed pixels [views, P, 2], or both")
    points = _array("points_ras", points_ras, (None, 3)) if given else triangulated
    pixels = to_numpy(views.project(points))
    behind = np.isnan(pixels).any(-1) & np.isfinite(points).all(-1)
    rows, cols = views.shape
    on_detector = ((pixels >= -0.5) & (pixels < [rows - 0.5, cols - 0.5])).all(-1)
    found = GeometryCheck(points, given, pixels, on_detector, behind, views.handedness)
    if observed is None:
        return found
    if observed.shape[1] != len(points):
        raise GeometryError(f"observed pixels of {observed.shape[1]} points for {len(points)} points: expected as many")
    error = observed - pixels
    return GeometryCheck(points, given, pixels, on_detector, behind, views.handedness, observed, norm(error), _at_object_mm(views, points, error),
                         line_distances(points, start, direction), triangulated, misses)


def handedness_sentence(handedness):
    """How `handedness` [N] is said to users."""
    seen = {-1: "seen from the detector, as a radiograph is displayed", 1: "seen from the source, as a camera sees",
            0: "undecided, with the source in the detector's plane"}
    parts = [f"{(handedness == sign).sum()} of {len(handedness)} views {text}" for sign, text in seen.items() if (handedness == sign).any()]
    return "handedness: " + "; ".join(parts)


def summary(values):
    """'mean, rms, max' of the finite values, or that there are none."""
    values = np.asarray(values)[np.isfinite(values)]
    if not values.size:
        return "none to measure"
    return f"mean {values.mean():.4g}, rms {np.sqrt((values ** 2).mean()):.4g}, max {values.max():.4g}"


def _at_object_mm(views, points, error):
    """Pixel errors [N, P, 2] as lengths on the detector, demagnified by the point's share of the way from source to detector's plane."""
    u, v = to_numpy(views.u)[:, None], to_numpy(views.v)[:, None]
    on_detector = norm(error[..., :1] * v + error[..., 1:] * u)
    if views.source is None:
        return on_detector
    depth = ((points - to_numpy(views.source)[:, None]) * to_numpy(views.normal)[:, None]).sum(-1)
    return on_detector * abs(depth) / to_numpy(views.sdd_mm)[:, None]


def _array(name, value, shape):
    array = np.asarray(to_numpy(value), np.float64)
    if array.ndim != len(shape) or any(n is not None and n != m for n, m in zip(shape, array.shape)):
        expected = ", ".join("P" if n is None else str(n) for n in shape)
        raise GeometryError(f"{name} has the shape {array.shape}; expected [{expected}]")
    return array


def _places(mask, most=5):
    where = [f"view {n} point {p}" for n, p in np.argwhere(mask)[:most]]
    return f" ({', '.join(where)}{', ...' if mask.sum() > most else ''})" if where else ""


def _worst(errors):
    if not np.isfinite(errors).any():
        return ""
    view, point = np.unravel_index(np.nanargmax(errors), errors.shape)
    return f"; worst in view {view}, point {point}"
