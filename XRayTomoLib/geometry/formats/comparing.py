"""Whether two geometries are the same to rounding: a writer reads back what it would write, and refuses what its format cannot hold."""
import numpy as np

from ..arrays import norm, to_numpy

ROUNDING = 1e-12


def same_views(found, views):
    """Equal to rounding, relative to the scene's size; the detector's depth along parallel rays, times and weights do not count."""
    if found.shape != views.shape or type(found.surface) is not type(views.surface) or (found.source is None) != (views.source is None):
        return False
    if len(found) != len(views):
        return False
    scale, shift = views.sdd_scale(), found.origin - to_numpy(views.origin)
    if views.source is None:
        shift = shift - (shift * found.direction).sum(-1)[:, None] * found.direction
        off = [shift / scale, found.direction - to_numpy(views.direction)]
    else:
        off = [shift / scale, (found.source - to_numpy(views.source)) / scale]
    off += [(a - b) / norm(b)[:, None] for a, b in ((found.u, to_numpy(views.u)), (found.v, to_numpy(views.v)))]
    surfaces = [s.as_dict() for s in (found.surface, views.surface)]
    off += [np.subtract(value, surfaces[1][name]) / scale for name, value in surfaces[0].items() if name != "kind"]
    return all(np.abs(a).max() < ROUNDING for a in off)
