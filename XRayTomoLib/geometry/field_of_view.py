"""The region that a scan can reconstruct, as a smooth function that is positive inside, for drawing it.

Where the views turn about an axis, a point is inside when the rays through it that meet the detector come from all directions across the
axis, opposite ones counted as one: this covers full turns, short scans, half-fan detectors (the other half comes half a turn later) and
helices. Without an axis all views must see the point. Views between those that are given are taken as given, so the directions are
looked at in sectors.
"""

import numpy as np

from .arrays import norm, to_numpy, unit
from .coverage import margins
from .rotation_axis import rotation_axis
from .triangulation import nearest_points

_STEP_RAD = np.radians(7.5)  # between the views that are looked at
_FEWEST_VIEWS, _MOST_VIEWS = 48, 240
_MOST_SECTORS = 18


def field_of_view(views, points_ras):
    """Pixels [P] by which the points [P, 3] are within the region that can be reconstructed; negative outside."""
    axis = rotation_axis(views)
    turned = _turned(views, axis[1]) if axis is not None else np.zeros(1)
    wanted = int(np.clip(abs(turned).sum() / _STEP_RAD, _FEWEST_VIEWS, _MOST_VIEWS))
    views = views[np.unique(np.linspace(0, len(views) - 1, min(len(views), wanted)).astype(int))]
    points = np.asarray(points_ras, np.float64)
    within = margins(views, points)
    if axis is None:
        return within.min(0)
    sectors = _sectors(views, points, axis[1])
    result = np.full(len(points), np.inf)
    for sector in range(sectors.max() + 1):
        result = np.minimum(result, np.where(sectors == sector, within, -np.inf).max(0))
    return result


def region_box(views):
    """Centre [3] and half edges [3] in mm of a box in RAS that holds the region."""
    start = to_numpy(views.source) if views.source is not None else to_numpy(views.centre) - views.sdd_scale() * to_numpy(views.direction)
    along = to_numpy(views.centre) - start
    meet = nearest_points(start[:, None], unit(along)[:, None])[0][0]
    centre = meet if np.isfinite(meet).all() else (start + along / 2).mean(0)
    share = norm(centre - start) / norm(along) if views.source is not None else np.ones(len(views))
    size = max(float(p.max()) * n for p, n in zip(views.pitch_mm, views.shape[::-1], strict=True))
    return centre, float(np.clip(share, 0, 1).max()) * size + (np.ptp(start, axis=0) / 2 if rotation_axis(views) is None else _advance(views, start))


def _sectors(views, points, direction):
    """Sector [N, P] of the ray's direction across the axis, modulo half a turn; wide enough for two neighbouring views."""
    step = np.median(abs(_turned(views, direction)))
    count = int(np.clip(np.pi / (2 * step) + 1e-6 if step < np.pi / 4 else len(views) / 4, 1, _MOST_SECTORS))
    x, y = _across(direction)
    towards = points[None] - to_numpy(views.source)[:, None] if views.source is not None else to_numpy(views.direction)[:, None] + 0 * points[None]
    turn = np.arctan2(towards @ y, towards @ x) % np.pi
    return np.minimum((turn / np.pi * count).astype(int), count - 1)


def _turned(views, direction):
    """Angles [N - 1] from view to view about the axis, rad."""
    x, y = _across(direction)
    ahead = to_numpy(views.centre - views.source if views.source is not None else views.direction)
    return np.diff(np.unwrap(np.arctan2(ahead @ y, ahead @ x)))


def _across(direction):
    """Two unit vectors perpendicular to the unit vector `direction` and to each other."""
    x = unit(np.cross(direction, np.eye(3)[np.argmin(np.abs(direction))]))
    return x, np.cross(direction, x)


def _advance(views, start):
    """Half the way of the source along the axis, as half edges of a box."""
    _point, direction = rotation_axis(views)
    return np.abs(direction) * np.ptp(start @ direction) / 2
