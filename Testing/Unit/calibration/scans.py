"""Small scans with known faults, as exact line integrals of an object that has no symmetry."""

import numpy as np

from XRayTomoLib.geometry import CArm, Views, circle, rotation_from_vector
from XRayTomoLib.grids import Box, Ellipsoid, Phantom

TURN = rotation_from_vector([0.4, -0.3, 0.8])
OBJECT = Phantom(
    "crooked",
    (
        Ellipsoid((2, -3, 1), (27, 21, 24), 0.010),
        Ellipsoid((9, 6, -5), (9, 5, 7), 0.012, TURN),
        Ellipsoid((-10, 4, 8), (4, 6, 3), 0.02, TURN.T),
        Box((-4, -11, -9), (5, 3, 4), 0.015, TURN),
        Ellipsoid((11, -8, 10), (2.5, 2.5, 2.5), 0.05),
        Ellipsoid((-14, -5, -3), (1.5, 2.5, 4), 0.05),
        Ellipsoid((3, 13, -12), (3, 2, 1.5), 0.04),
    ),
)
PITCH_MM = 1.25


def cone_scan(count=60, rows=64, cols=96, range_deg=360.0, **faults):
    """A full turn of a C-arm, 300 mm from the axis, 400 mm to the detector; `faults` are fields of CArm."""
    return circle(CArm(400.0, 300.0, rows, cols, PITCH_MM, PITCH_MM, **faults), count, range_deg=range_deg)


def parallel_scan(count=60, rows=48, cols=80, range_deg=360.0, pitch_mm=1.0):
    """Parallel views in equal steps from the first angle on, the last one excluded."""
    angle = np.radians(range_deg / count * np.arange(count))
    ahead = np.stack([-np.sin(angle), np.cos(angle), 0 * angle], -1)
    u = -pitch_mm * np.stack([np.cos(angle), np.sin(angle), 0 * angle], -1)
    v = np.array([0.0, 0.0, -pitch_mm])
    origin = 100 * ahead - (cols - 1) / 2 * u - (rows - 1) / 2 * v
    return Views(direction=ahead, origin=origin, u=u, v=v, shape=(rows, cols))


def measured(views, noise=0.0, seed=0, phantom=OBJECT):
    """Exact projections [N, rows, cols] of the object, with normal noise."""
    start, end = views.rays(None if views.direction is None else 500.0)
    p = phantom.line_integrals(start, end)
    return (p + np.random.default_rng(seed).normal(0, noise, p.shape)).astype(np.float32)
