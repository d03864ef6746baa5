"""Flat cone-beam views as the pinhole cameras of computer vision (Hartley and Zisserman, 2004, chapter 6), and back.

A camera fixes the source and the ray of every pixel. Where on its rays the detector lies it does not say: that is `sdd_mm` (from the
source to the detector's plane, one number or one a view) or `pitch_mm` (from column to column on the detector, or the pair of that and
the pitch from row to row, which must then fit the rays).
"""
import numpy as np

from ..arrays import cross, norm, to_numpy, unit
from ..detectors import Flat
from ..views import Views
from . import FormatError
from .hints import lengths_hint, shape_hint


def views_from_rays(where, source, first, per_col, per_row, shape, sdd_mm=None, pitch_mm=None, times=None, weights=None):
    """Views whose pixel (r, c) lies on the ray from `source` along first + c per_col + r per_row (each [N, 3], any length).

    Raises FormatError, beginning with `where`, unless exactly one of sdd_mm and pitch_mm says where the detector lies.
    """
    if (sdd_mm is None) == (pitch_mm is None):
        raise FormatError(f"{where}: a camera gives the source and the rays, not where the detector lies on them; "
                          "give either sdd_mm (source to detector) or pitch_mm (from column to column), exactly one of them")
    shape = shape_hint(where, shape)
    source, first, per_col, per_row = np.broadcast_arrays(*(np.atleast_2d(a) for a in (source, first, per_col, per_row)))
    height = abs((unit(cross(per_col, per_row)) * first).sum(-1))
    if not (height > 0).all():
        raise FormatError(f"{where}: view {int(np.argmin(height))}: its rays do not leave the source towards a detector")
    if pitch_mm is None:
        length, per_length = lengths_hint(where, "sdd_mm", sdd_mm, (1, len(source))), height
    else:
        length, per_length = lengths_hint(where, "pitch_mm", pitch_mm, (1, 2)), norm(per_col)
        implied = norm(per_row) / norm(per_col) * length[0]
        if abs(length[-1] / implied - 1).max() > 0.01 and len(length) == 2:
            raise FormatError(f"{where}: pitch_mm = {pitch_mm} does not fit the rays; with that column pitch rows are {implied[0]:.5g} mm apart")
        length = length[:1]
    scale = (length / per_length)[:, None]
    return Views(source, None, source + scale * first, scale * per_col, scale * per_row, shape, times=times, weights=weights)


def require_flat_cone(views, title):
    """FormatError unless `views` have a source each and flat detectors."""
    if views.source is None or not isinstance(views.surface, Flat):
        kind = "parallel rays" if views.source is None else f"a {type(views.surface).__name__} detector"
        raise FormatError(f"{title} cannot hold {kind}; expected flat detectors and cone beams")


def camera_axes(views):
    """World axes [N, 3, 3] of flat views' cameras, as rows: x along +-u, y near v, z ahead; a rotation, never a reflection.

    Of views seen from the detector (handedness -1), x is against u: the picture's columns run against the camera's x.
    """
    u, v, ahead = to_numpy(views.u), to_numpy(views.v), to_numpy(views.normal) * views.handedness[:, None]
    x = unit(u) * np.sign((cross(ahead, unit(u)) * v).sum(-1))[:, None]
    return np.stack([x, cross(ahead, x), ahead], 1)


def pinholes(views, title):
    """(K [N, 3, 3], R [N, 3, 3], t [N, 3]): x_camera = R x + t in mm, (col, row, 1) ~ K x_camera, first pixel's centre at (0, 0).

    Views seen from the detector get a negative K[0, 0], sheared detectors a skew K[0, 1].
    """
    require_flat_cone(views, title)
    rotation = camera_axes(views)
    source = to_numpy(views.source)
    plane = np.stack([to_numpy(views.u), to_numpy(views.v), to_numpy(views.origin) - source], -1)
    k = np.linalg.inv(np.triu(rotation @ plane))
    return k / k[:, 2:, 2:], rotation, -(rotation @ source[..., None])[..., 0]


def check_rotations(where, rotation, what="R"):
    """FormatError unless the matrices [..., 3, 3] are rotations to the digits that files carry."""
    off = abs(rotation @ np.swapaxes(rotation, -1, -2) - np.eye(3)).max()
    if off > 1e-4:
        raise FormatError(f"{where}: '{what}' is no rotation (its rows are off unit length or right angles by {off:.2g})")
    if (np.linalg.det(rotation) < 0).any():
        raise FormatError(f"{where}: '{what}' is a reflection (determinant -1), not a rotation; put the flip into the pixel axes")


def equal_over_views(values, title, what, scale=0.0):
    """The one value (or vector) of `values` [N, ...]; FormatError when the views differ in it by 1e-9 of it, or of `scale`."""
    values = np.asarray(values)
    if abs(values - values[0]).max() > 1e-9 * max(abs(values).max(), scale):
        raise FormatError(f"{title} holds one {what} for all views; here it changes from view to view: write them in several files")
    return values.mean(0)


def per_view_or_one(values):
    """A JSON number when all of `values` [N] are the same, else a list."""
    values = np.asarray(to_numpy(values), np.float64)
    return float(values[0]) if (abs(values - values[0]) <= 1e-12 * abs(values[0])).all() else values.tolist()
