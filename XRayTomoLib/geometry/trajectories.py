"""Trajectories: many views of one device."""
import numpy as np

from .arrays import GeometryError


def circle(carm, count, start_deg=0.0, range_deg=360.0, isocentre_ras=(0.0, 0.0, 0.0)):
    """`count` views of `carm` on a circle about the S axis, from primary angle `start_deg` on in equal steps over `range_deg`.

    A full turn does not repeat its first view; a partial one has views at both ends.
    """
    if count < 1:
        raise GeometryError(f"a circle of {count} views: expected at least 1")
    full = abs(abs(range_deg) - 360.0) < 1e-9
    steps = count if full else max(count - 1, 1)
    return carm.views(primary_deg=start_deg + range_deg / steps * np.arange(count), isocentre_ras=isocentre_ras)
