"""The circle that the sources of a scan run on, found from the views themselves."""
from dataclasses import dataclass, replace

import numpy as np

from ...geometry.arrays import to_numpy
from ..problem import ReconstructionError

ROUNDNESS = 0.02        # how far, as a share of the radius, a source may leave the common circle


@dataclass(frozen=True, eq=False)
class Orbit:
    """A rotation about `axis` (unit vector) through `centre`: per view the angle (rad, counter-clockwise about the axis), the unit
    vectors `radial` (axis to source) and `tangent` (axis x radial), [N, 3] each, and `sod_mm`, the source's distance from the axis
    (infinite for parallel rays, whose `radial` points against the rays)."""
    axis: np.ndarray
    centre: np.ndarray
    angle: np.ndarray
    radial: np.ndarray
    tangent: np.ndarray
    sod_mm: np.ndarray

    def __getitem__(self, part):
        """The orbit of some of the views."""
        return replace(self, angle=self.angle[part], radial=self.radial[part], tangent=self.tangent[part], sod_mm=self.sod_mm[part])


def fit_orbit(views, axis=None):
    """The orbit of `views`; raises ReconstructionError where they do not turn about one axis.

    axis: its direction, where it is known (a helix: the sources leave the plane then).
    """
    if len(views) < 3:
        raise ReconstructionError(f"{len(views)} views do not tell an axis of rotation; analytic reconstruction needs at least 3")
    v = to_numpy(views.v).mean(0)
    if views.direction is not None:
        return _parallel_orbit(-to_numpy(views.direction), v, axis)
    sources = to_numpy(views.source)
    normal = _normal(sources - sources.mean(0), v) if axis is None else np.asarray(axis, float) / np.linalg.norm(axis)
    e1, e2 = _plane_basis(normal)
    flat = np.stack([sources @ e1, sources @ e2], 1)
    origin = flat.mean(0)
    system = np.column_stack([2 * (flat - origin), np.ones(len(flat))])
    solution = np.linalg.lstsq(system, ((flat - origin) ** 2).sum(1), rcond=None)[0]
    middle = solution[:2] + origin
    sod = np.linalg.norm(flat - middle, axis=1)
    height = (sources @ normal) - (sources @ normal).mean()
    worst = max(np.abs(sod - sod.mean()).max(), 0 if axis is not None else np.abs(height).max()) / sod.mean()
    if not worst < ROUNDNESS:
        raise ReconstructionError(f"the sources leave their common circle by {100 * worst:.1f} % of its radius; analytic reconstruction needs "
                                  "a circle: take an iterative method (CGLS, SIRT) for this trajectory")
    centre = middle[0] * e1 + middle[1] * e2 + (sources @ normal).mean() * normal
    radial = ((flat - middle) / sod[:, None]) @ np.stack([e1, e2])
    return Orbit(normal, centre, np.arctan2(radial @ e2, radial @ e1), radial, np.cross(normal, radial), sod)


def _parallel_orbit(radial, v, axis):
    normal = _normal(radial, v) if axis is None else np.asarray(axis, float) / np.linalg.norm(axis)
    if np.abs(radial @ normal).max() > ROUNDNESS:
        raise ReconstructionError("the parallel rays do not lie in one plane; take an iterative method (CGLS, SIRT) for this trajectory")
    e1, e2 = _plane_basis(normal)
    radial = radial - (radial @ normal)[:, None] * normal
    radial /= np.linalg.norm(radial, axis=1, keepdims=True)
    angle = np.arctan2(radial @ e2, radial @ e1)
    return Orbit(normal, np.zeros(3), angle, radial, np.cross(normal, radial), np.full(len(angle), np.inf))


def _normal(vectors, v):
    """Unit vector on which `vectors` have least extent, on the side of -v (detector rows run downwards)."""
    normal = np.linalg.svd(vectors, full_matrices=False)[2][-1] if len(vectors) > 2 else v
    return normal if normal @ v <= 0 else -normal


def _plane_basis(normal):
    first = np.cross(normal, np.eye(3)[np.argmin(np.abs(normal))])
    first /= np.linalg.norm(first)
    return first, np.cross(normal, first)
