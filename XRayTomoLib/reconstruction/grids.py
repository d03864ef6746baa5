"""Where to reconstruct: grids from the views themselves or from a box, and what a reconstruction needs."""
import math

import numpy as np

from ..geometry import Flat
from ..geometry.arrays import norm, to_numpy
from ..geometry.field_of_view import field_of_view, region_box
from ..grids import CartesianGrid
from ..tracing.backprojection import is_focused
from .algebraic import CACHE_BYTES
from .analytic import HelicalFDK, Katsevich
from .analytic.fdk import CHUNK_BYTES
from .problem import ReconstructionError
from .statistical import OSEM

SAMPLES = 24                # points along each edge of the box in which the region is looked for
MOST_VOXELS = 1 << 31


def automatic_spacing_mm(views, centre_ras):
    """Column pitch and row pitch (mm) as they are at `centre_ras`: divided by the magnification, the median over the views."""
    u, v = (norm(to_numpy(a)) for a in (views.u, views.v))
    if views.source is None:
        return float(np.median(u)), float(np.median(v))
    source = to_numpy(views.source)
    middle = to_numpy(views.surface.at(views, np.full((len(views), 1), (views.shape[0] - 1) / 2), np.full((len(views), 1), (views.shape[1] - 1) / 2)))
    share = norm(np.asarray(centre_ras) - source) / norm(middle.reshape(len(views), 3) - source)
    return float(np.median(u * share)), float(np.median(v * share))


def automatic_grid(views, spacing_mm=None):
    """Grid along R, A, S over the region that `views` can reconstruct, of cubes with the magnified pixel's size.

    A detector of one row gives one layer across its rotation. Raises ReconstructionError where no region is seen.
    """
    centre, half = (np.asarray(a, float) for a in region_box(views))
    by_cols, by_rows = automatic_spacing_mm(views, centre)
    spacing = float(spacing_mm) if spacing_mm is not None else by_cols
    low, high = _seen_bounds(views, centre, half, _flat_axis(views), by_rows)
    size = high - low
    shape = [max(1, int(math.ceil(s / spacing - 1e-6))) for s in size]
    steps = np.full(3, spacing)
    if views.shape[0] == 1:
        axis = _flat_axis(views)
        shape[axis], steps[axis] = 1, by_rows
    return _grid(shape, steps, (low + high) / 2)


def _flat_axis(views):
    """The axis of RAS along which rows follow each other."""
    return int(np.argmax(np.abs(to_numpy(views.v)).mean(0)))


def _seen_bounds(views, centre, half, flat, thickness):
    """Lowest and highest R, A, S of the points of a raster that can be reconstructed, half a raster step added."""
    half = half.copy()
    travel = np.ptp(to_numpy(views.centre)[:, flat])
    half[flat] = 0.0 if views.shape[0] == 1 else min(half[flat], views.shape[0] * thickness + travel / 2)    # the raster must not miss thin layers
    counts = [1 if h == 0 else SAMPLES for h in half]
    edges = [np.array([c]) if n == 1 else np.linspace(c - h, c + h, n) for c, h, n in zip(centre, half, counts)]
    points = np.stack(np.meshgrid(*edges, indexing="ij"), -1).reshape(-1, 3)
    inside = field_of_view(views, points) >= 0
    if not inside.any():
        raise ReconstructionError("no point is seen by enough views to be reconstructed; give a grid, or check the geometry (xraytomo geometry show)")
    step = np.array([0.0 if n == 1 else 2 * h / (n - 1) for h, n in zip(half, counts)])
    step[flat] = thickness if views.shape[0] == 1 else step[flat]
    return points[inside].min(0) - step / 2, points[inside].max(0) + step / 2


def box_grid(low_ras, high_ras, spacing_mm):
    """Grid along R, A, S that fills the box, its voxels cubes of `spacing_mm` (the last ones may reach over the box)."""
    low, high = np.asarray(low_ras, float), np.asarray(high_ras, float)
    if not (np.isfinite(low).all() and np.isfinite(high).all() and (high > low).all()):
        raise ReconstructionError(f"the region from {low.tolist()} to {high.tolist()} mm is empty; its second corner must be beyond the first")
    if not spacing_mm > 0:
        raise ReconstructionError(f"voxels of {spacing_mm} mm: expected more than 0 mm")
    return _grid([max(1, int(math.ceil(s / spacing_mm - 1e-6))) for s in high - low], np.full(3, float(spacing_mm)), (low + high) / 2)


def _grid(shape_ijk, spacing, centre):
    if math.prod(shape_ijk) > MOST_VOXELS:
        raise ReconstructionError(f"a grid of {' x '.join(map(str, shape_ijk))} voxels is too large; take larger voxels or a smaller region")
    return CartesianGrid.centred(tuple(shape_ijk[::-1]), spacing, centre)


def useful_views(views, grid):
    """Indices of the views whose detector sees any part of the grid's box."""
    points = np.concatenate([grid.corners_ras(), [grid.centre_ras], grid.corners_ras() / 2 + grid.centre_ras / 2])
    pixels = to_numpy(views.project(points))
    ahead = np.isfinite(pixels)
    low, high = np.where(ahead, pixels, np.inf).min(1), np.where(ahead, pixels, -np.inf).max(1)
    return np.flatnonzero((high >= -0.5).all(1) & (low <= np.array(views.shape) - 0.5).all(1))


def needed_bytes(method, views, grid):
    """Memory in bytes that a reconstruction needs beyond the projections: volumes and projections of float32 that the method holds."""
    volume, projections = 4 * math.prod(grid.shape), 4 * len(views) * math.prod(views.shape)
    volumes, images, chunks = (*HELD.get(type(method).__name__, (5, 3)), 0)[:3]
    held = volumes * volume + images * projections + chunks * min(projections, CHUNK_BYTES) + _column_sums(method, len(views), volume)
    flat = isinstance(views.surface, Flat)
    resampled = isinstance(method, Katsevich) and not flat or isinstance(method, HelicalFDK) and not (flat or is_focused(views))
    return int(held + (projections if resampled else 0))


def _column_sums(method, views, volume):
    """Bytes of the volumes that methods with ordered subsets hold, one for each subset."""
    if not hasattr(method, "subsets"):
        return 0
    sums = (min(method.subsets, views) or views) * volume
    return sums if isinstance(method, OSEM) or sums <= CACHE_BYTES else volume


# Volumes and stacks of projections that a method holds at once, its results and the ray tracer's copies among them; FDK: chunks of them.
# As measured at 192^3 voxels and 120 views.
HELD = {
    "FDK": (2, 0, 3), "HelicalFDK": (2, 1.5), "Katsevich": (2, 1.5), "Backprojection": (3, 2), "Landweber": (4, 4), "SIRT": (5, 4),
    "SART": (5, 4), "OSSART": (5, 4), "CGLS": (5, 4), "LSQR": (5, 4), "MLEM": (7, 4), "OSEM": (7, 4), "TransmissionML": (7, 10),
    "FISTA": (18, 4), "PDHG": (17, 5), "ASDPOCS": (20, 4), "PICCS": (26, 4),
}  # fmt: skip
