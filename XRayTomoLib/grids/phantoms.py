"""Analytic phantoms: ellipsoids, boxes and cylinders with exact line integrals, and their voxels.

Densities (attenuation coefficients in 1/mm) of overlapping shapes add up: an organ that replaces its surroundings has the difference.
"""
from dataclasses import dataclass, field

import numpy as np

MU_WATER_70KEV = 0.01930       # 1/mm: NIST XCOM, water at 70 keV, 0.1930 cm2/g


@dataclass(frozen=True)
class Ellipsoid:
    """centre [3] RAS, semi_axes [3] mm along the columns of `rotation` (3x3), density 1/mm."""
    centre: tuple
    semi_axes: tuple
    density: float
    rotation: np.ndarray = field(default_factory=lambda: np.eye(3))

    def to_local(self, points, vectors=False):
        shifted = points if vectors else points - np.asarray(self.centre)
        return shifted @ (np.asarray(self.rotation) / np.asarray(self.semi_axes))

    def interval(self, start, direction):
        """Ray parameters [..., 2] of entry and exit of start + a direction; entry >= exit where the ray misses."""
        return _quadric_interval(self.to_local(start), self.to_local(direction, vectors=True))

    @staticmethod
    def gauge(local):
        """Norm of which the shape is the unit ball in its local coordinates [..., 3]; none is larger than the Euclidean one."""
        return np.sqrt((local ** 2).sum(-1))

    def inside(self, points):
        return self.gauge(self.to_local(points)) <= 1

    @property
    def radius(self):
        """Radius in mm of a sphere about the centre that holds the shape."""
        return float(max(self.semi_axes))


@dataclass(frozen=True)
class Box(Ellipsoid):
    """centre, half edges `semi_axes` along the columns of `rotation`, density."""

    def interval(self, start, direction):
        return _slab_interval(self.to_local(start), self.to_local(direction, vectors=True))

    @staticmethod
    def gauge(local):
        return abs(local).max(-1)

    @property
    def radius(self):
        return float(np.linalg.norm(self.semi_axes))


@dataclass(frozen=True)
class Cylinder(Ellipsoid):
    """Elliptic cylinder: semi_axes = (radius, radius, half length), axis along the third column of `rotation`."""

    def interval(self, start, direction):
        o, d = self.to_local(start), self.to_local(direction, vectors=True)
        mantle, caps = _quadric_interval(o[..., :2], d[..., :2]), _slab_interval(o[..., 2:], d[..., 2:])
        return np.stack([np.maximum(mantle[..., 0], caps[..., 0]), np.minimum(mantle[..., 1], caps[..., 1])], -1)

    @staticmethod
    def gauge(local):
        return np.maximum(np.sqrt((local[..., :2] ** 2).sum(-1)), abs(local[..., 2]))

    @property
    def radius(self):
        return float(np.hypot(max(self.semi_axes[:2]), self.semi_axes[2]))


def _quadric_interval(o, d):
    """Where |o + a d| <= 1; a ray of no direction is inside for all a or for none."""
    A, B, C = (d * d).sum(-1), (o * d).sum(-1), (o * o).sum(-1) - 1
    still = A == 0
    safe = np.where(still, 1.0, A)
    discriminant = B * B - A * C
    root = np.sqrt(np.maximum(discriminant, 0))
    low, high = (-B - root) / safe, (-B + root) / safe
    miss = np.where(still, C > 0, discriminant <= 0)
    low, high = np.where(still, -np.inf, low), np.where(still, np.inf, high)
    return np.stack([np.where(miss, np.inf, low), np.where(miss, -np.inf, high)], -1)


def _slab_interval(o, d):
    """Where |o + a d| <= 1 for every coordinate."""
    still = d == 0
    safe = np.where(still, 1.0, d)
    near, far = (-np.sign(safe) - o) / safe, (np.sign(safe) - o) / safe
    outside = abs(o) > 1
    near = np.where(still, np.where(outside, np.inf, -np.inf), near)
    far = np.where(still, np.where(outside, -np.inf, np.inf), far)
    return np.stack([near.max(-1), far.min(-1)], -1)


@dataclass(frozen=True)
class Phantom:
    """Shapes whose densities add, with named landmarks (RAS)."""
    name: str
    shapes: tuple
    landmarks: dict = field(default_factory=dict)

    def line_integrals(self, start, end, infinite=False):
        """Exact integrals [...] along the segments start -> end [..., 3] (mm); `infinite`: along the whole lines."""
        start, end = np.broadcast_arrays(np.asarray(start, np.float64), np.asarray(end, np.float64))
        direction = end - start
        length = np.linalg.norm(direction, axis=-1)
        low, high = (-np.inf, np.inf) if infinite else (0.0, 1.0)
        total = np.zeros(length.shape)
        for shape in self.shapes:
            a = shape.interval(start, direction)
            total += shape.density * np.maximum(np.minimum(a[..., 1], high) - np.maximum(a[..., 0], low), 0)
        return total * length

    def values(self, points):
        """Density (1/mm) [...] at the points [..., 3]."""
        return sum(s.density * s.inside(points) for s in self.shapes)

    def voxelise(self, grid, supersampling=2):
        """Mean density of each voxel, float32 [K, J, I] in 1/mm, from supersampling^3 points in a voxel."""
        volume = np.zeros(grid.shape, np.float32)
        offsets = (np.arange(supersampling) + 0.5) / supersampling - 0.5
        for shape in self.shapes:
            box = _voxel_box(grid, shape)
            if box is not None:
                _add_shape(volume, grid, shape, box, offsets)
        return volume

    def bounds_ras(self):
        """[3, 2] of a box round all shapes."""
        centres = np.array([s.centre for s in self.shapes])
        radii = np.array([s.radius for s in self.shapes])[:, None]
        return np.stack([(centres - radii).min(0), (centres + radii).max(0)], 1)


def _voxel_box(grid, shape):
    """First and last+1 voxel (i, j, k) that the shape may touch, or None."""
    reach = shape.radius * np.linalg.norm(grid.ras_to_ijk[:3, :3], axis=1) + 1
    centre = grid.ijk_from_ras(shape.centre)
    first = np.maximum(np.floor(centre - reach), 0).astype(int)
    last = np.minimum(np.ceil(centre + reach) + 1, grid.shape[::-1]).astype(int)
    return (first, last) if (first < last).all() else None


def _add_shape(volume, grid, shape, box, offsets):
    """Adds density x covered share of each voxel; only voxels that the surface may cut are sampled inside."""
    (i0, j0, k0), (i1, j1, k1) = box
    steps = np.stack([shape.to_local(grid.ijk_to_ras[:3, axis], vectors=True) for axis in range(3)])
    corner = shape.to_local(grid.ijk_to_ras[:3, 3])
    margin = max(np.linalg.norm(0.5 * (steps[0] + b * steps[1] + c * steps[2])) for b in (-1, 1) for c in (-1, 1))
    i, j = np.arange(i0, i1), np.arange(j0, j1)
    plane = corner + j[:, None, None] * steps[1] + i[None, :, None] * steps[0]
    a, b, c = np.meshgrid(offsets, offsets, offsets)
    samples = np.stack([a, b, c], -1).reshape(-1, 3) @ steps
    for k in range(k0, k1):
        centres = plane + k * steps[2]
        gauge = shape.gauge(centres)
        share = (gauge <= 1).astype(np.float32)
        cut = abs(gauge - 1) <= margin
        share[cut] = (shape.gauge(centres[cut][:, None] + samples) <= 1).mean(-1)
        volume[k, j0:j1, i0:i1] += np.float32(shape.density) * share


def to_hu(mu, mu_water=MU_WATER_70KEV):
    """Hounsfield units (float32) of attenuation in 1/mm."""
    return (1000.0 * (np.asarray(mu, np.float32) / np.float32(mu_water) - 1)).astype(np.float32)

