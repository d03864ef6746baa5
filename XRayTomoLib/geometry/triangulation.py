"""Points from their pixels in several views."""
import numpy as np

from .arrays import GeometryError, norm, to_numpy, unit


def triangulate(views, pixels):
    """World points [P, 3] nearest to the rays through their pixels (row, col) [N, P, 2], and the distances [N, P] of those rays in mm.

    NaN pixels are not seen. Least squares: X minimises sum |(I - d d^T)(X - s)|^2 over the rays s + a d (Hartley and Zisserman, 2004,
    section 12.2, with distances in space). A point that fewer than two different rays see is NaN.
    """
    pixels = np.asarray(pixels, np.float64)
    if pixels.ndim != 3 or pixels.shape[0] != len(views) or pixels.shape[2] != 2:
        raise GeometryError(f"pixels of shape {pixels.shape}: expected [views, points, 2] = ({len(views)}, P, 2), (row, col) each")
    return nearest_points(*pixel_rays(views, pixels))


def pixel_rays(views, pixels):
    """Starts and unit directions [N, P, 3] of the rays through the pixels (row, col) [N, P, 2]."""
    start, end = (to_numpy(a) for a in views.unproject(pixels))
    start = start + 0 * end
    return start, unit(end - start)


def nearest_points(start, direction):
    """Points [P, 3] nearest to the lines start + a direction ([N, P, 3], unit directions, NaN where there is none), and the lines'
    distances from them [N, P]."""
    seen = np.isfinite(start + direction).all(-1)
    s, d = np.where(seen[..., None], start, 0.0), np.where(seen[..., None], direction, 0.0)
    across = seen[..., None, None] * np.eye(3) - d[..., :, None] * d[..., None, :]
    reference = s.sum(0) / seen.sum(0).clip(1)[:, None]          # keeps the sums small where the scene is far from the world's origin
    normal = across.sum(0)
    right = (across @ (s - reference)[..., None]).sum(0)[..., 0]
    solvable = np.linalg.eigvalsh(normal)[:, 0] > 1e-10
    points = np.full(reference.shape, np.nan)
    points[solvable] = reference[solvable] + np.linalg.solve(normal[solvable], right[solvable][..., None])[..., 0]
    return points, line_distances(points, start, direction)


def line_distances(points, start, direction):
    """Distances [N, P] of the points [P, 3] from the lines start + a direction, [N, P, 3] (unit directions)."""
    offset = points - start
    return norm(offset - (offset * direction).sum(-1)[..., None] * direction)
