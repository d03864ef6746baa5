"""Conjugate rays: the same line, measured from its two ends by two views of a circular scan, must give the same line integral.

Parallel rays: each ray has its conjugate in the opposite view. Cone beam: in the plane through the sources, at angle beta + 180 + 2 gamma
(D. L. Parker, Med. Phys. 9, 1982, for fans; for calibration V. Patel et al., Med. Phys. 36, 2009, and D. Panetta et al., Phys. Med. Biol. 53,
2008). A ray is named by its point nearest to the rotation axis; where the detector is not where it is thought to be, the two measurements
of that point differ.
"""
from dataclasses import dataclass

import numpy as np

from ..geometry.arrays import cross, norm, to_numpy, unit
from .misalignment import misaligned
from .result import CalibrationError

MAX_SAMPLES = 100_000       # pairs of rays; views are left out evenly above it
BORDER_PX = 4.0
PAD = 4
SMOOTH_PX = 1.5             # both measurements are smoothed, so that interpolation does not favour half pixels where there is noise


@dataclass(frozen=True, eq=False)
class Pairs:
    """Rays and their conjugates, a line of them a view: `first` [n] views, `points` [n, P, 3] RAS named by signed distance and height,
    `second` [n, P, 2] the neighbouring views between which the conjugate lies, `share` [n, P] of the latter."""
    first: np.ndarray
    points: np.ndarray
    second: np.ndarray
    share: np.ndarray


def find_pairs(views, axis, heights_mm):
    """Pairs of `views` at `heights_mm` above axis.point, a ray a column; CalibrationError where no view has an opposite one."""
    cols = views.shape[1]
    distance = (np.arange(cols) - (cols - 1) / 2) * pitch_at_axis(views, axis)
    first = np.arange(len(views))[:: max(1, int(len(views) * cols * len(heights_mm) / MAX_SAMPLES))]
    ahead, turned = _ray_frames(views, axis, distance)
    points = axis.point + distance[None, :, None] * ahead
    points = (points[:, :, None] + np.asarray(heights_mm)[:, None] * axis.direction).reshape(len(views), -1, 3)
    wanted = np.repeat((axis.angles_deg[:, None] + 180 + turned)[:, :, None], len(heights_mm), 2).reshape(len(views), -1)
    second, share, found = _neighbours(axis.angles_deg, wanted)
    keep = first[found[first].any(1)]
    if not len(keep):
        raise CalibrationError("no view has an opposite one: conjugate rays need views over 180 degrees (parallel) or 360 degrees (cone); "
                               "calibrate by sharpness or with a volume instead.")
    share = np.where(found, share, np.nan)
    return Pairs(keep, points[keep], second[keep], share[keep])


def pitch_at_axis(views, axis):
    """Mean column pitch in mm, scaled to the rotation axis."""
    pitch = float(norm(to_numpy(views.u)).mean())
    return pitch if views.source is None else pitch * source_radius(views, axis) / float(views.sdd_mm.mean())


def source_radius(views, axis):
    """Mean distance of the sources from the axis in mm."""
    source = to_numpy(views.source)
    return float(norm(source - axis.foot_of(source)).mean())


def _ray_frames(views, axis, distance):
    """Unit vectors [N, P, 3] from the axis to each ray's nearest point, and by how many degrees the ray's view is turned to be its
    opposite, beyond 180: 2 gamma [N, P]."""
    ahead = to_numpy(views.direction) if views.source is None else axis.foot_of(to_numpy(views.source)) - to_numpy(views.source)
    ahead = unit(ahead - (ahead @ axis.direction)[:, None] * axis.direction)
    across = cross(axis.direction, ahead)
    if views.source is None and abs(views.direction @ axis.direction).max() > 1e-3:
        raise CalibrationError("parallel rays that do not cross the rotation axis at right angles have no conjugates; "
                               "calibrate by sharpness or with a volume instead.")
    if views.source is None:
        return np.repeat(across[:, None], len(distance), 1), np.zeros((len(views), len(distance)))
    gamma = np.arcsin(np.clip(distance / source_radius(views, axis), -0.99, 0.99))
    leaning = np.cos(gamma)[:, None] * across[:, None] - np.sin(gamma)[:, None] * ahead[:, None]
    return leaning, np.broadcast_to(np.degrees(2 * gamma), (len(views), len(distance)))


def _neighbours(angles, wanted):
    """The views on both sides of the `wanted` angles [n, P]: numbers [n, P, 2], share of the second [n, P], and whether both are there.

    Half a step beyond the last view of a partial scan still counts as that view itself.
    """
    order = np.argsort(angles % 360)
    sorted_angles = (angles % 360)[order]
    step = np.median(np.diff(np.append(sorted_angles, sorted_angles[0] + 360)))
    after = np.searchsorted(sorted_angles, wanted % 360)
    low, high = order[(after - 1) % len(order)], order[after % len(order)]
    ahead_of_low = (wanted - angles[low]) % 360
    gap = (angles[high] - angles[low]) % 360
    gap = np.where(gap == 0, 360.0, gap)
    close = gap <= 2.5 * step
    near = np.minimum(ahead_of_low, gap - ahead_of_low) <= 1.01 * step
    share = np.where(close, ahead_of_low / gap, ahead_of_low > gap / 2)
    return np.stack([low, high], -1), share, close | near


class Conjugates:
    """The differences between rays and their conjugates as a function of the detector's misalignment."""

    def __init__(self, projections, views, axis, heights_mm):
        self.views, self.axis = views, axis
        self.pairs = find_pairs(views, axis, heights_mm)
        self.sigma = (min(SMOOTH_PX, (views.shape[0] - 1) / 8), SMOOTH_PX)
        self.coefficients, self.scale = _spline_sheet(projections, self.sigma)

    def both(self, changes, every=1, margin=0.0):
        """Values [n, P] of every `every`-th view's rays and of their conjugates; NaN where one of the two is off the detector, or nearer
        than `margin` pixels to its border."""
        matrices = _pixel_matrices(misaligned(self.views, changes, self.axis))
        first, points = self.pairs.first[::every], self.pairs.points[::every]
        second, share = self.pairs.second[::every], self.pairs.share[::every]
        here = self._sampled(matrices, np.broadcast_to(first[:, None], share.shape), points, margin)
        low, high = (self._sampled(matrices, second[..., side], points, margin) for side in (0, 1))
        there = np.where(share > 0, np.where(share < 1, low + share * (high - low), high), low)
        return np.where(np.isnan(there + share), np.nan, here), np.where(np.isnan(here + share), np.nan, there)

    def _sampled(self, matrices, view, points, margin):
        """Smoothed projections of the views [n, P] at the pixels of `points` [n, P, 3]; NaN off the detector."""
        from scipy.ndimage import map_coordinates
        homogeneous = (matrices[view, :, :3] @ points[..., None])[..., 0] + matrices[view, :, 3]
        col, row = homogeneous[..., 0] / homogeneous[..., 2], homogeneous[..., 1] / homogeneous[..., 2]
        rows, cols = self.views.shape
        edge = margin if rows > 4 * margin else 0.0
        inside = (row > edge - 0.5) & (row < rows - 0.5 - edge) & (col > margin - 0.5) & (col < cols - 0.5 - margin)
        sheet_row = np.where(inside, row, 0) + PAD + view * (rows + 2 * PAD)
        values = map_coordinates(self.coefficients, (sheet_row, np.where(inside, col, 0)), order=3, mode="mirror", prefilter=False)
        return np.where(inside, values, np.nan)


def _spline_sheet(projections, sigma):
    """Cubic spline coefficients of the smoothed projections, one below the other with PAD mirrored rows round each, and their spread."""
    from scipy.ndimage import gaussian_filter, spline_filter
    smooth = gaussian_filter(projections, (0, *sigma), mode="nearest", output=np.float64)
    planes = [spline_filter(np.pad(p, ((PAD, PAD), (0, 0)), "edge"), 3, np.float64, "mirror") for p in smooth]
    return np.concatenate(planes), float(smooth.std())


def _pixel_matrices(views):
    """[N, 3, 4] (x, 1) -> (col w, row w, w) of cone beams and of parallel rays (w = 1)."""
    if views.source is not None:
        return to_numpy(views.projection_matrices())
    inverse = np.linalg.inv(np.stack([views.u, views.v, views.direction], -1))
    matrices = np.concatenate([inverse, -(inverse @ views.origin[..., None])], -1)
    matrices[:, 2] = (0, 0, 0, 1)
    return matrices


def differences(conjugates, names, start):
    """The model of least_squares.fit: residuals of each view's pairs and their derivatives by central differences.

    The pairs are those that keep a margin to the detector's border at the values `start`; they stay the same ones.
    """
    steps = [0.05 * float(norm(to_numpy(conjugates.views.u)).mean()) if name.endswith("_mm") else 0.02 for name in names]

    def residuals(values, margin=0.0):
        here, there = conjugates.both(dict(zip(names, values)), margin=margin)
        return here - there

    used = np.isfinite(residuals(start, BORDER_PX))
    place = {int(view): n for n, view in enumerate(conjugates.pairs.first)}

    def model(shared, own, derivatives):
        r = np.nan_to_num(residuals(shared))
        slopes = [np.nan_to_num(residuals(shared + step) - residuals(shared - step)) / (2 * step.max())
                  for step in (np.diag(steps) if derivatives else ())]
        for i in range(len(conjugates.views)):
            chosen = (place[i], used[place[i]]) if i in place else (0, np.zeros(r.shape[1], bool))
            if derivatives:
                yield r[chosen], np.stack([s[chosen] for s in slopes], 1), np.empty((chosen[1].sum(), 0))
            else:
                yield r[chosen]
    return model


def correlated_samples(conjugates):
    """How many pairs count as one measurement: smoothing joins neighbouring pixels, and where both views have their pair it comes twice."""
    sigma_v, sigma_u = conjugates.sigma
    rows_apart = len(np.unique(np.round(conjugates.pairs.points[0] @ conjugates.axis.direction, 6)))
    joined_rows = max(1.0, 2 * np.sqrt(np.pi) * sigma_v * min(1.0, rows_apart / conjugates.views.shape[0]))
    return 2 * max(1.0, 2 * np.sqrt(np.pi) * sigma_u) * joined_rows


def scan_shift(conjugates, shifts_mm, minimum_overlap=0.3):
    """Correlation [n] of rays and conjugates for detector shifts along u; NaN where fewer than `minimum_overlap` of the pairs overlap."""
    every = max(1, len(conjugates.pairs.first) // 12)
    result = []
    for shift in shifts_mm:
        a, b = conjugates.both({"shift_u_mm": shift}, every)
        used = np.isfinite(a)
        a, b = a[used], b[used]
        enough = used.mean() >= minimum_overlap and min(np.ptp(a), np.ptp(b)) > 1e-3 * conjugates.scale
        result.append(np.corrcoef(a, b)[0, 1] if enough else np.nan)
    return np.array(result)
