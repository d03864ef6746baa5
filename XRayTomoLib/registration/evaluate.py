"""How far a pose is from the truth: target registration error, reprojection distance at the object, and misses on the detector."""
from dataclasses import dataclass

import numpy as np

from ..geometry import transform_points
from ..geometry.arrays import norm, to_numpy, unit
from ..geometry.triangulation import line_distances
from .case import RegistrationError


def middle_half(grid):
    """Targets [9, 3] (RAS) where there are no landmarks: corners and centre of the middle half of the volume's box."""
    return np.concatenate([grid.centre_ras + (grid.corners_ras() - grid.centre_ras) / 2, [grid.centre_ras]])


def target_errors_mm(pose, truth, points):
    """Distances [..., P] between points [P, 3] of the object moved by the poses [..., 4, 4] and by the truth."""
    return norm(transform_points(np.asarray(pose)[..., None, :, :], points) - transform_points(np.asarray(truth)[..., None, :, :], points))


def mtre_mm(pose, truth, points):
    """Mean target registration error [...]."""
    return target_errors_mm(pose, truth, points).mean(-1)


def reprojection_distances_mm(pose, truth, points, views):
    """Distances at the object [N, P] between the points moved by `pose` and the rays through their true projections: what one view can tell.

    Points whose true projection misses the source's front are NaN (E. van de Kraats et al., IEEE Trans. Med. Imaging 24, 2005).
    """
    moved, true = transform_points(pose, points), transform_points(truth, points)
    rows = []
    for view in views:
        start, end = (to_numpy(a) for a in view.unproject(view.project(true)))
        rows.append(line_distances(moved, start + 0 * end, unit(end - start)))
    return np.concatenate(rows)


def mrpe_mm(pose, truth, points, views):
    """Mean reprojection distance at the object over points and views."""
    distances = reprojection_distances_mm(pose, truth, points, views)
    if not np.isfinite(distances).any():
        raise RegistrationError("no view sees any of the targets in their true places; check truth and geometry")
    return float(np.nanmean(distances))


def misses_px(pose, points, pixels, views):
    """Distances on the detectors [N, P] in pixels between landmarks moved by `pose` and where they are seen (pixels [N, P, 2], NaN: not)."""
    moved = transform_points(pose, points)
    return norm(np.concatenate([to_numpy(view.project(moved)) for view in views]) - np.asarray(pixels, np.float64))


@dataclass(frozen=True)
class Evaluation:
    """What is known of a pose: mTRE and mRPE in mm where a truth is known, rms reprojection in px where landmarks are seen."""
    mtre_mm: float | None = None
    mrpe_mm: float | None = None
    reprojection_px: float | None = None

    def __str__(self):
        parts = [(self.mtre_mm, "mTRE", "mm"), (self.mrpe_mm, "mRPE", "mm"), (self.reprojection_px, "landmarks rms", "px")]
        return ", ".join(f"{name} {value:.3f} {unit_}" for value, name, unit_ in parts if value is not None) or "neither truth nor landmarks"


def evaluate(pose, views, grid=None, truth=None, points=None, pixels=None):
    """Evaluation of a pose; targets are the landmarks `points` [P, 3], else the middle half of `grid`.

    truth: the true 4x4, or None; pixels: where the landmarks are seen [N, P, 2], or None. views: the N views, or a list of one-view Views.
    """
    views = list(views)
    if points is None and grid is None:
        raise RegistrationError("there are no targets; give landmarks or the volume's grid")
    targets = middle_half(grid) if points is None else np.asarray(points, np.float64)
    known = {}
    if truth is not None:
        known |= {"mtre_mm": float(mtre_mm(pose, truth, targets)), "mrpe_mm": mrpe_mm(pose, truth, targets, views)}
    if pixels is not None:
        if points is None:
            raise RegistrationError("pixels of landmarks need the landmarks' places on the object; give both")
        miss = misses_px(pose, targets, pixels, views)
        if not np.isfinite(miss).any():
            raise RegistrationError("no landmark is seen in any X-ray; give the pixel (row, col) of at least one")
        known["reprojection_px"] = float(np.sqrt(np.nanmean(miss ** 2)))
    return Evaluation(**known)
