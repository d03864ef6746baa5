"""What a trajectory measures: how many views see a place, how complete the data are there, and the region that all views see.

Maps are arrays [k, j, i] on a grid, which is anything with `shape` and `slice_centres(k)` as the Cartesian grid has them; geometry stands
below the grids and needs no more of them.
"""
import numpy as np

from .arrays import GeometryError, cross, norm, to_numpy, unit
from .detectors import Flat

CHUNK = 2_000_000          # numbers of one intermediate array


def sees(views, points_ras):
    """Whether each view sees each of the points [P, 3]: bool [N, P], true where the point's ray meets a pixel of the detector."""
    if _has_matrices(views):
        return _on_flat(views, points_ras)
    pixels = to_numpy(views.project(points_ras))
    edges = np.array(views.shape) - 0.5
    with np.errstate(invalid="ignore"):
        return ((pixels >= -0.5) & (pixels < edges)).all(-1)


def margins(views, points_ras):
    """How many pixels each view sees a point within its detector's edge: [N, P], negative outside, -inf behind the source."""
    if _has_matrices(views):
        col, row, w = _homogeneous(views, points_ras)
        w = np.where(w > 0, w, np.nan)
        pixels = np.stack([row / w, col / w], -1)
    else:
        pixels = to_numpy(views.project(points_ras))
    inside = np.minimum(pixels + 0.5, np.array(views.shape) - 0.5 - pixels).min(-1)
    return np.where(np.isnan(inside), -np.inf, inside)


def _has_matrices(views):
    return isinstance(views.surface, Flat) and views.source is not None


def _homogeneous(views, points_ras):
    """(col w, row w, w) [N, P] each, by the projection matrices: 10 times as fast as solving for each ray."""
    matrices = to_numpy(views.projection_matrices())
    return np.moveaxis(matrices[..., :3] @ np.asarray(points_ras, np.float64).T + matrices[..., 3:], 1, 0)


def _on_flat(views, points_ras):
    """Inside all four edges and before the source, without a division."""
    col, row, w = _homogeneous(views, points_ras)
    inside = w > 0
    for value, count in ((col, views.shape[1]), (row, views.shape[0])):
        inside &= (value >= -0.5 * w) & (value < (count - 0.5) * w)
    return inside


def coverage(views, points_ras):
    """How many views see each of the points [P, 3]; integers [P]."""
    points = np.asarray(points_ras, np.float64).reshape(-1, 3)
    return np.concatenate([np.zeros(0, np.int64), *(_count(views, part) for part in _parts(points, len(views)))])


def _count(views, points):
    return sees(views, points).sum(0)


def coverage_map(views, grid):
    """How many views see the centre of each voxel; int32 [K, J, I]."""
    return _over(grid, np.int32, lambda points: coverage(views, points))


def incompleteness_deg(views, points_ras, directions=400, seen_only=True):
    """How far the data of a cone beam are from complete at the points [P, 3]; degrees [P], 0 to 90.

    Tuy's condition (SIAM J. Appl. Math. 43, 1983), at a point (Smith, IEEE Trans. Med. Imaging 4, 1985): every plane through it meets the
    way of the source. For single views a plane counts with the angle between it and the nearest direction to a source,
    asin |n.(a - x)| / |a - x|, and the point with the worst of its planes (Clackdoyle and Noo, IEEE Trans. Radiat. Plasma Med. Sci. 4,
    2020). Views in steps of d degrees along a complete way leave about d / 2 and less. 90: no view at all.
    `directions` planes are tried, spread evenly, and others about the worst of them; a gap smaller than 120 / sqrt(directions) degrees may
    be missed. seen_only: views whose detector misses the point do not count for it.
    """
    return _of_parts(views, points_ras, directions, seen_only, _worst_deg)


def complete_share(views, points_ras, within_deg=2.0, directions=400, seen_only=True):
    """Share [P] (0 to 1) of the planes through each point that have a source within `within_deg` of them; see incompleteness_deg."""
    limit = np.sin(np.radians(within_deg))
    return _of_parts(views, points_ras, directions, seen_only, lambda towards, normals: (_nearest(towards, normals) <= limit).mean(-1))


def incompleteness_map(views, grid, directions=400, seen_only=True):
    """incompleteness_deg at the centre of each voxel; float32 [K, J, I]. Take a coarse grid: the time is voxels x views x directions."""
    return _over(grid, np.float32, lambda points: incompleteness_deg(views, points, directions, seen_only))


def completeness_map(views, grid, within_deg=2.0, directions=400, seen_only=True):
    """complete_share at the centre of each voxel; float32 [K, J, I]."""
    return _over(grid, np.float32, lambda points: complete_share(views, points, within_deg, directions, seen_only))


def _of_parts(views, points_ras, directions, seen_only, judged):
    """judged(towards [P, N, 3], normals [M, 3]) for the points in parts; the unit vectors towards sources that do not count are NaN."""
    if views.source is None:
        raise GeometryError("Tuy's condition is one of cone beams; parallel rays have no source")
    normals, sources = even_directions(directions).astype(np.float32), to_numpy(views.source)
    points = np.asarray(points_ras, np.float64).reshape(-1, 3)
    results = [np.zeros(0)]
    for part in _parts(points, len(views) * directions):
        towards = unit(sources - part[:, None]).astype(np.float32)
        if seen_only:
            towards[~sees(views, part).T] = np.nan
        results.append(judged(towards, normals))
    return np.concatenate(results)


def _nearest(towards, normals):
    """|n . towards the source| [P, M] of the view nearest to each plane ([M, 3] or [P, M, 3]); 1 where there is none."""
    off = np.fmin.reduce(abs(towards @ normals.swapaxes(-1, -2)), 1)
    return np.where(np.isnan(off), 1, off)


def _worst_deg(towards, normals):
    """Angle [P] of the worst plane: the worst of `normals`, then a search about it in ever smaller rings."""
    nearest = _nearest(towards, normals)
    best, worst = normals[nearest.argmax(-1)], nearest.max(-1)
    radius = np.radians(120 / np.sqrt(len(normals)))
    turns = 2 * np.pi * np.arange(8) / 8
    for _ in range(8):
        side = unit(cross(best, np.eye(3, dtype=np.float32)[abs(best).argmin(-1)]))
        ring = np.cos(turns)[:, None] * side[:, None] + np.sin(turns)[:, None] * cross(best, side)[:, None]
        tried = unit(best[:, None] + radius * ring).astype(np.float32)
        nearest = _nearest(towards, tried)
        at = nearest.argmax(-1)[:, None]
        found = np.take_along_axis(nearest, at, -1)[:, 0]
        best = np.where((found > worst)[:, None], np.take_along_axis(tried, at[..., None], 1)[:, 0], best)
        worst = np.maximum(worst, found)
        radius = 0.6 * radius
    return np.degrees(np.arcsin(np.clip(worst, 0, 1)))


def even_directions(count):
    """`count` unit vectors [count, 3] spread evenly over the half sphere S >= 0 (Fibonacci's lattice)."""
    height = (np.arange(count) + 0.5) / count
    turn = np.pi * (1 + 5 ** 0.5) * np.arange(count)
    across = np.sqrt(1 - height * height)
    return np.stack([across * np.cos(turn), across * np.sin(turn), height], -1)


def _parts(points, per_point):
    step = max(1, CHUNK // max(per_point, 1))
    return (points[i:i + step] for i in range(0, len(points), step))


def _over(grid, dtype, of_points):
    result = np.empty(grid.shape, dtype)
    for k in range(grid.shape[0]):
        result[k] = of_points(grid.slice_centres(k).reshape(-1, 3)).reshape(grid.shape[1:])
    return result


def field_of_view_radius_mm(views, isocentre_ras=(0.0, 0.0, 0.0)):
    """Radius of the largest sphere about the isocentre that every view sees whole; 0 where a view misses the isocentre.

    A ray to the detector's edge may not enter the sphere, so it is the smallest distance of the isocentre from the rays to the detector's
    rim, taken between pixel centres too.
    """
    isocentre = np.asarray(isocentre_ras, np.float64)
    if not sees(views, isocentre[None]).all():
        return 0.0
    start, end = (to_numpy(a) for a in views.unproject(_rim(views.shape)))
    along = unit(end - start)
    away = isocentre - start
    return float(norm(away - (away * along).sum(-1, keepdims=True) * along).min())


def _rim(shape, most=256):
    """Pixels (row, col) [P, 2] along the detector's outer edge."""
    rows, cols = shape
    r, c = (np.linspace(-0.5, n - 0.5, min(n, most) + 1) for n in (rows, cols))
    top, left = np.stack([np.full_like(c, -0.5), c], -1), np.stack([r, np.full_like(r, -0.5)], -1)
    return np.concatenate([top, top + [rows, 0], left, left + [0, cols]])


def reconstructable_map(views, grid, share=1.0):
    """Voxels whose centre at least `share` of the views see; bool [K, J, I]."""
    return coverage_map(views, grid) >= share * len(views)
