"""Cartesian voxel grids: array [k, j, i] and its 4x4 ijk_to_ras."""
from dataclasses import dataclass

import numpy as np


class GridError(ValueError):
    """A volume grid that cannot be."""


@dataclass(frozen=True, eq=False)
class CartesianGrid:
    """Voxels `shape` = (K, J, I) with centres at integer (i, j, k); the volume fills [-0.5, n - 0.5] on each axis.

    ijk_to_ras: 4x4, mm; oblique, anisotropic, sheared and left-handed matrices are legal, singular ones raise GridError.
    """
    shape: tuple
    ijk_to_ras: np.ndarray

    def __post_init__(self):
        shape = tuple(int(n) for n in self.shape)
        if len(shape) != 3 or min(shape) < 1:
            raise GridError(f"grid shape {tuple(self.shape)}: expected (K, J, I), each at least 1 voxel")
        matrix = np.array(self.ijk_to_ras, np.float64)
        if matrix.shape != (4, 4) or not np.isfinite(matrix).all() or not np.allclose(matrix[3], [0, 0, 0, 1]):
            raise GridError(f"ijk_to_ras is no affine 4x4 matrix of finite numbers: {matrix.tolist()}")
        lengths = np.linalg.norm(matrix[:3, :3], axis=0)
        if not (lengths > 0).all() or abs(np.linalg.det(matrix[:3, :3] / lengths)) < 1e-6:
            raise GridError(f"ijk_to_ras is singular (voxel steps {lengths} mm): the axes must have lengths and differ in direction")
        matrix.setflags(write=False)
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "ijk_to_ras", matrix)

    @staticmethod
    def centred(shape, spacing_mm, centre_ras=(0.0, 0.0, 0.0)):
        """Grid along R, A, S (i, j, k) whose box is centred at `centre_ras`; spacing_mm: a number or (i, j, k)."""
        spacing = np.broadcast_to(np.asarray(spacing_mm, np.float64), (3,))
        matrix = np.diag([*spacing, 1.0])
        matrix[:3, 3] = np.asarray(centre_ras) - spacing * (np.array(shape[::-1]) - 1) / 2
        return CartesianGrid(shape, matrix)

    def __eq__(self, other):
        return isinstance(other, CartesianGrid) and self.shape == other.shape and np.array_equal(self.ijk_to_ras, other.ijk_to_ras)

    def __hash__(self):
        return hash((self.shape, self.ijk_to_ras.tobytes()))

    def __repr__(self):
        size = " x ".join(map(str, self.shape[::-1]))
        spacing = " x ".join(f"{s:.4g}" for s in self.spacing_mm)
        return f"CartesianGrid({size} voxels (i x j x k) of {spacing} mm, centre RAS {np.round(self.centre_ras, 2).tolist()})"

    @property
    def ras_to_ijk(self):
        return np.linalg.inv(self.ijk_to_ras)

    @property
    def spacing_mm(self):
        """Voxel steps (i, j, k) in mm."""
        return np.linalg.norm(self.ijk_to_ras[:3, :3], axis=0)

    @property
    def directions(self):
        """3x3 unit directions of i, j, k in RAS (columns)."""
        return self.ijk_to_ras[:3, :3] / self.spacing_mm

    @property
    def is_left_handed(self):
        return bool(np.linalg.det(self.ijk_to_ras[:3, :3]) < 0)

    @property
    def metric(self):
        """3x3 G with |step in mm|^2 = d' G d for a step d in voxels."""
        return self.ijk_to_ras[:3, :3].T @ self.ijk_to_ras[:3, :3]

    @property
    def centre_ras(self):
        return self.ras_from_ijk((np.array(self.shape[::-1]) - 1) / 2)

    def ras_from_ijk(self, ijk):
        """World points [..., 3] of voxel coordinates (i, j, k) [..., 3]."""
        return np.asarray(ijk, np.float64) @ self.ijk_to_ras[:3, :3].T + self.ijk_to_ras[:3, 3]

    def ijk_from_ras(self, ras):
        """Voxel coordinates (i, j, k) [..., 3] of world points [..., 3]."""
        inverse = self.ras_to_ijk
        return np.asarray(ras, np.float64) @ inverse[:3, :3].T + inverse[:3, 3]

    def corners_ras(self):
        """The box's corners [8, 3]."""
        ends = np.stack([np.full(3, -0.5), np.array(self.shape[::-1]) - 0.5])
        ijk = np.array([[ends[a, 0], ends[b, 1], ends[c, 2]] for c in (0, 1) for b in (0, 1) for a in (0, 1)])
        return self.ras_from_ijk(ijk)

    def bounds_ras(self):
        """[3, 2] lowest and highest R, A, S of the box."""
        corners = self.corners_ras()
        return np.stack([corners.min(0), corners.max(0)], 1)

    def slice_centres(self, k):
        """World points [J, I, 3] of the voxel centres of slice k."""
        _, rows, cols = self.shape
        j, i = np.mgrid[:rows, :cols].astype(np.float64)
        return self.ras_from_ijk(np.stack([i, j, np.full_like(i, k)], -1))

    def cropped(self, start_ijk, stop_ijk):
        """The part of voxels start <= (i, j, k) < stop."""
        start, stop = np.asarray(start_ijk), np.asarray(stop_ijk)
        if (start < 0).any() or (stop > self.shape[::-1]).any() or (stop <= start).any():
            raise GridError(f"crop from {start.tolist()} to {stop.tolist()} leaves the grid of {self.shape[::-1]} voxels")
        matrix = self.ijk_to_ras.copy()
        matrix[:3, 3] = self.ras_from_ijk(start)
        return CartesianGrid(tuple(int(n) for n in (stop - start)[::-1]), matrix)

    def transformed(self, matrix):
        """The grid moved by a 4x4 in the world."""
        return CartesianGrid(self.shape, np.asarray(matrix, np.float64) @ self.ijk_to_ras)
