"""Projections on the upright panels that filtered backprojection wants: flat with columns along the rotation, or a cylinder about the source,
and rows along the axis."""
from dataclasses import replace

import numpy as np
import torch

from ...geometry import Flat
from ...geometry.arrays import to_numpy
from ...tracing.backprojection import is_focused

ALIGNED = 1e-6      # sine of the angle up to which a panel counts as upright


def is_upright(views, orbit):
    """Whether in every view rows run along the orbit's axis, and columns along its tangent or on an arc about the source."""
    u, v = (to_numpy(a) / np.linalg.norm(to_numpy(a), axis=1, keepdims=True) for a in (views.u, views.v))
    if not (np.abs(np.abs(v @ orbit.axis) - 1) < ALIGNED ** 2).all():
        return False
    return is_focused(views) or isinstance(views.surface, Flat) and bool((np.abs(np.abs((u * orbit.tangent).sum(1)) - 1) < ALIGNED ** 2).all())


def upright_panel(views, orbit):
    """Flat views with the same sources whose panels stand upright and cover, from the source, the detector of `views`.

    The pitch at the detector's middle is kept; the number of pixels grows where a tilted or curved detector needs it.
    """
    rows, cols = views.shape
    u, v = to_numpy(views.u), to_numpy(views.v)
    across = np.sign((u * orbit.tangent).sum(1, keepdims=True)) * orbit.tangent
    along = np.sign(v @ orbit.axis)[:, None] * orbit.axis
    ring = np.array([(r, c) for r in range(rows) for c in range(cols) if r in (0, rows - 1) or c in (0, cols - 1)])
    points = to_numpy(views.surface.points(views))[:, ring[:, 0], ring[:, 1]]
    middle = to_numpy(views.surface.points(views))[:, rows // 2, cols // 2]
    if views.source is None:
        x, y = ((points * e[:, None]).sum(-1) for e in (across, along))
        plane = (middle * orbit.radial).sum(1, keepdims=True) * orbit.radial
        base = plane
    else:
        source = to_numpy(views.source)
        depth = ((source - middle) * orbit.radial).sum(1)
        below = ((source[:, None] - points) * orbit.radial[:, None]).sum(-1)
        scale = depth[:, None] / below
        x, y = (((points - source[:, None]) * e[:, None]).sum(-1) * scale for e in (across, along))
        base = source - depth[:, None] * orbit.radial
    pitch_u, pitch_v = (np.linalg.norm(a, axis=1).mean() for a in (u, v))
    wide, high = (int(np.ceil((a.max() - a.min()) / pitch - 1e-6)) + 1 for a, pitch in ((x, pitch_u), (y, pitch_v)))
    left, top = (x.max() + x.min()) / 2 - (wide - 1) / 2 * pitch_u, (y.max() + y.min()) / 2 - (high - 1) / 2 * pitch_v
    origin = base + left * across + top * along
    return replace(views, origin=origin, u=pitch_u * across, v=pitch_v * along, shape=(high, wide), surface=Flat())


def resampled(p, views, panel):
    """Projections [N, rows, cols] of `views` at the rays through the pixels of `panel`; 0 where there is none.

    Cubic convolution: linear interpolation would smooth, and the ramp filter with it.
    """
    points = to_numpy(panel.surface.points(panel)).reshape(len(panel), -1, 3)
    pixels = torch.as_tensor(to_numpy(views.project(points))).to(p)
    size = torch.tensor([views.shape[0], views.shape[1]], dtype=p.dtype)
    place = (2 * pixels + 1) / size - 1
    seen = (place.abs() <= 1).all(-1).reshape(len(panel), *panel.shape)
    place = torch.where(torch.isfinite(place), place, torch.zeros_like(place)).flip(-1).reshape(len(panel), *panel.shape, 2)
    return seen * torch.nn.functional.grid_sample(p[:, None], place, mode="bicubic", padding_mode="border", align_corners=False)[:, 0]


def column_positions(panel, orbit):
    """Per view and column of an upright panel [N, cols] the distance (mm) from the orbit's radial plane, along the tangent, and the depth
    below the source (infinite for parallel rays)."""
    columns = np.broadcast_to(np.arange(panel.shape[1], dtype=float), (len(panel), panel.shape[1]))
    points = to_numpy(panel.surface.at(panel, np.zeros(columns.shape), columns))
    if panel.source is None:
        return ((points - orbit.centre) * orbit.tangent[:, None]).sum(-1), np.full(columns.shape, np.inf)
    from_source = points - to_numpy(panel.source)[:, None]
    return (from_source * orbit.tangent[:, None]).sum(-1), -(from_source * orbit.radial[:, None]).sum(-1)


def fan_angles(panel, orbit):
    """Per view the angle (rad) [N, cols] of each column's rays from the central one, counter-clockwise about the orbit's axis; parallel rays:
    the columns' distance from the axis (mm)."""
    across, depth = column_positions(panel, orbit)
    return across if panel.source is None else -np.arctan2(across, depth)


def symmetric(panel, orbit):
    """(the upright panel with columns added on its shorter side until both reach equally far from the axis, how many left and right).

    The ramp filter carries what a shifted panel measures beyond its short edge, where half of all voxels want it
    (G. Wang, Med. Phys. 29, 2002, pads with zeros for this).
    """
    across = column_positions(panel, orbit)[0] if isinstance(panel.surface, Flat) else fan_angles(panel, orbit)
    pitch = np.abs(np.diff(across, axis=1)).mean() if panel.shape[1] > 1 else 1.0
    first, last = (np.abs(across[:, c]).max() for c in (0, -1))
    left, right = (int(np.ceil(max(0.0, a - b) / pitch - 1e-6)) for a, b in ((last, first), (first, last)))
    origin = to_numpy(panel.origin) - left * to_numpy(panel.u)
    surface = panel.surface.cropped(0, -left, panel.shape[0], panel.shape[1] + left + right)
    return replace(panel, origin=origin, surface=surface, shape=(panel.shape[0], panel.shape[1] + left + right)), (left, right)


def row_positions(panel, orbit):
    """Per view the height (mm) [N, rows] of each row of an upright panel above the source, along the axis."""
    base = to_numpy(panel.origin) - (0 if panel.source is None else to_numpy(panel.source))
    return (base @ orbit.axis)[:, None] + np.arange(panel.shape[0]) * (to_numpy(panel.v) @ orbit.axis)[:, None]

