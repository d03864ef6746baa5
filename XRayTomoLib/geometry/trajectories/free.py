"""A free way: the source follows a smooth curve through given points and looks at the isocentre."""
from dataclasses import dataclass, replace

import numpy as np

from ...options import option
from ..arrays import GeometryError, norm
from .base import AXES, Trajectory, looking_at

FINENESS = 64          # pieces of the curve between two control points; its length is then exact to about 1e-6


@dataclass(frozen=True)
class Free(Trajectory):
    """The source on a cubic spline through `points_ras` ([P, 3] in mm, the source's places in RAS), in steps of equal length of arc.

    The central ray runs through the isocentre; the picture's up is the axis.
    """
    TITLE = "Free curve"
    closed: bool = option(False, "Closed", "the curve runs back to its first point")
    points_ras: object = ()

    def views(self, carm, isocentre_ras=(0.0, 0.0, 0.0)):
        isocentre, axes = np.asarray(isocentre_ras, np.float64), AXES[self.axis]
        sources = sampled_curve(self.points_ras, self.count, self.closed)
        about = looking_at(carm, (sources - isocentre) @ axes)
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = axes, isocentre
        return replace(about.transformed(matrix), times=np.arange(self.count) / self.frame_rate_hz)


def sampled_curve(points, count, closed=False):
    """`count` points [count, 3] at equal distances along the spline through `points` [P, 3].

    A cubic spline over the chords' lengths (not-a-knot, periodic when closed); a closed one does not repeat its first point.
    """
    from scipy.interpolate import CubicSpline

    points = np.asarray(points, np.float64)
    if points.ndim != 2 or points.shape[-1] != 3 or len(points) < 2 or not np.isfinite(points).all():
        raise GeometryError(f"control points of shape {points.shape}: expected [P, 3] finite numbers in mm, at least 2 points")
    if closed:
        points = np.concatenate([points, points[:1]])
    chords = norm(np.diff(points, axis=0))
    if not (chords > 0).all():
        raise GeometryError(f"control points {int(np.argmin(chords))} and the next lie at the same place; remove one of them")
    knots = np.concatenate([[0.0], np.cumsum(chords)])
    spline = CubicSpline(knots, points, bc_type="periodic" if closed else "not-a-knot")
    fine = np.interp(np.arange(FINENESS * (len(knots) - 1) + 1) / FINENESS, np.arange(len(knots)), knots)
    lengths = np.concatenate([[0.0], np.cumsum(arc_lengths(spline.derivative(), fine))])
    wanted = lengths[-1] * np.arange(count) / (count if closed else max(count - 1, 1))
    return spline(CubicSpline(lengths, fine)(wanted))


def arc_lengths(velocity, parameters):
    """Lengths of the curve between successive `parameters`, by Gauss-Legendre quadrature with five points."""
    nodes, weights = np.polynomial.legendre.leggauss(5)
    half, middle = np.diff(parameters) / 2, (parameters[1:] + parameters[:-1]) / 2
    speed = norm(velocity(middle[:, None] + half[:, None] * nodes))
    return half * (speed @ weights)
