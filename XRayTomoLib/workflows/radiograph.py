"""The radiograph of a volume: from voxel values to the picture of one view."""

import numpy as np

from ..geometry import Flat, FreePixels, GeometryError
from ..geometry.detectors import Panels

QUANTITIES = {"line integral": lambda p: p, "intensity": lambda p: np.exp(-p), "inverted": lambda p: -np.expm1(-p)}
_RASTER = 48  # rays in each direction of the detector that look for the volume, with the box's corners and centre


def radiograph(values, grid, views, attenuation, method="joseph", shows="line integral", name="volume"):
    """(picture [row, col] float32, name of the tracing target) of the one view in `views`.

    Args:
        values: voxels [k, j, i] on `grid`, of which `attenuation` (an AttenuationModel) makes 1/mm.
        method: joseph, siddon or trilinear.
        shows: see `quantity`.

    Raises:
        GeometryError: see `check_sight`.
    """
    from ..tracing import Projector

    check_sight(grid, views, name)
    projector = Projector(grid, views, method=method)
    line_integral = np.asarray(projector(attenuation.mu(values)))[0]
    return quantity(line_integral, shows), projector.target


def quantity(line_integral, shows):
    """What a pixel shows: 'line integral' p, 'intensity' exp(-p) or 'inverted' 1 - exp(-p), all dimensionless."""
    if shows not in QUANTITIES:
        raise ValueError(f"a radiograph cannot show '{shows}'; expected one of: {', '.join(QUANTITIES)}.")
    return QUANTITIES[shows](line_integral)


def coarser(views, factor):
    """The views with about `factor` times fewer rows and columns on the same area; free pixels stay as they are."""
    if factor <= 1 or isinstance(views.surface, FreePixels):
        return views
    if isinstance(views.surface, Flat):
        return views.resampled([max(1, n // factor) for n in views.shape])
    return _binned(views, factor, factor)


def _binned(views, row_factor, col_factor):
    """Binned by about these factors: no more than there are pixels, and never across the edge between two panels."""
    rows, cols = views.shape
    widths = views.surface.cols if isinstance(views.surface, Panels) else ()
    col_factor = min(cols, col_factor)
    while any(width % col_factor for width in widths):
        col_factor -= 1
    return views.binned((min(rows, row_factor), col_factor))


def check_sight(grid, views, name):
    """Raises GeometryError when the source of the one view is inside the volume's box, or none of its rays meets it."""
    shape = np.array(grid.shape[::-1])
    if views.source is not None and (np.abs(grid.ijk_from_ras(views.source[0]) - (shape - 1) / 2) <= shape / 2).all():
        place = ", ".join(f"{x:.0f}" for x in views.source[0])
        raise GeometryError(
            f"the source at RAS ({place}) mm lies inside the volume '{name}'; raise the source-isocentre distance or move the isocentre."
        )
    if not _sees_corner(grid, views) and not _sees_side(grid, views, shape):
        raise GeometryError(
            f"the detector does not see the volume '{name}': no ray from the source to it meets the volume; "
            "set the isocentre to the volume's centre, or check principal point and distances."
        )


def _sees_corner(grid, views):
    if not isinstance(views.surface, Flat) or views.source is None:
        return False
    points = np.vstack([grid.corners_ras(), grid.centre_ras])
    pixels = views.project(points)[0]
    inside = ((pixels > -0.5) & (pixels < np.array(views.shape) - 0.5)).all(axis=1)
    to_source, to_points = ((views.origin[0] - p) @ views.normal[0] for p in (views.source[0], points))
    return bool((inside & (to_source * to_points > 0)).any())


def _raster(views):
    """The views with a few rays all over the detector."""
    if isinstance(views.surface, Flat):
        return views.resampled([min(n, _RASTER) for n in views.shape])
    return views if isinstance(views.surface, FreePixels) else _binned(views, *(max(1, n // _RASTER) for n in views.shape))


def _sees_side(grid, views, shape):
    """Slab test of a raster of rays, clipped to source and detector, against the box in voxel coordinates."""
    start, end = _raster(views).rays(None if views.source is not None else views.sdd_scale())
    a = grid.ijk_from_ras(start.reshape(-1, 3))
    d = grid.ijk_from_ras(end.reshape(-1, 3)) - a
    d[d == 0] = 1e-300
    crossings = np.stack([(-0.5 - a) / d, (shape - 0.5 - a) / d])
    enters, leaves = crossings.min(axis=0).max(axis=1), crossings.max(axis=0).min(axis=1)
    return bool((np.maximum(enters, 0) < np.minimum(leaves, 1)).any())
