"""Whether a view can make a picture of a volume at all."""

import numpy as np

from ..geometry import GeometryError

_SAMPLES = 48  # rays in each direction of the detector; together with the box's corners and centre


def check_sight(grid, views, name):
    """Raises GeometryError when the source of the one view is inside the volume's box, or none of its rays meets it."""
    shape = np.array(grid.shape[::-1])
    source = views.source[0]
    ijk = grid.ijk_from_ras(source)
    if (np.abs(ijk - (shape - 1) / 2) <= shape / 2).all():
        place = ", ".join(f"{x:.0f}" for x in source)
        raise GeometryError(
            f"The source at RAS ({place}) mm lies inside the volume '{name}': raise the source-isocentre distance or move the isocentre."
        )
    if not _sees_corner(grid, views) and not _sees_side(grid, views, shape):
        raise GeometryError(
            f"The detector does not see the volume '{name}': no ray from the source to it meets the volume. "
            "Set the isocentre to the volume's centre, or check principal point and distances."
        )


def _sees_corner(grid, views):
    points = np.vstack([grid.corners_ras(), grid.centre_ras])
    start = views.source[0]
    pixels = views.project(points)[0]
    inside = ((pixels > -0.5) & (pixels < np.array(views.shape) - 0.5)).all(axis=1)
    before = ((views.origin[0] - start) @ views.normal[0]) * ((views.origin[0] - points) @ views.normal[0]) > 0
    return bool((inside & before).any())


def _sees_side(grid, views, shape):
    """Slab test of a raster of rays, clipped to source and detector, against the box in voxel coordinates."""
    rows, cols = (min(n, _SAMPLES) for n in views.shape)
    start, end = views.resampled((rows, cols)).rays()
    a = grid.ijk_from_ras(start.reshape(-1, 3))
    d = grid.ijk_from_ras(end.reshape(-1, 3)) - a
    d[d == 0] = 1e-300
    crossings = np.stack([(-0.5 - a) / d, (shape - 0.5 - a) / d])
    enters, leaves = crossings.min(axis=0).max(axis=1), crossings.max(axis=0).min(axis=1)
    return bool((np.maximum(enters, 0) < np.minimum(leaves, 1)).any())
