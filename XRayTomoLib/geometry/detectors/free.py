"""Freely placed pixels: any rays at all."""
from dataclasses import dataclass

import numpy as np

from ..arrays import GeometryError, float64, namespace, to_numpy
from .base import Surface


@dataclass(frozen=True, eq=False)
class FreePixels(Surface):
    """Arbitrary rays: the end point of every pixel, `targets` [N, rows, cols, 3] in RAS, and, where it differs from the view's
    source, its start, `sources` [N, rows, cols, 3]."""
    kind = "free_pixels"
    targets: object
    sources: object = None

    def arrays(self):
        return (self.targets,) if self.sources is None else (self.targets, self.sources)

    def converted(self, xp):
        return FreePixels(*(float64(a, xp) for a in self.arrays()))

    def points(self, views):
        return self.targets

    def starts(self, views, r=None, c=None):
        return self.sources if self.sources is None or r is None else _picked_pixels(self.sources, r, c)

    def at(self, views, r, c):
        """Whole pixels only: freely placed pixels have nothing between them."""
        return _picked_pixels(self.targets, r, c)

    def check(self, views):
        expected = (len(views), *views.shape, 3)
        for a in self.arrays():
            if tuple(a.shape) != expected:
                raise GeometryError(f"free pixels of shape {tuple(a.shape)}: expected [views, rows, cols, 3] = {expected}")

    def locate(self, views, start, direction):
        raise GeometryError("points cannot be projected onto freely placed pixels: they span no surface")

    def binned(self, factor):
        raise GeometryError("a detector of freely placed pixels cannot be binned")

    def cropped(self, row, col, rows, cols):
        return FreePixels(*(a[:, row:row + rows, col:col + cols] for a in self.arrays()))

    def moved(self, matrix):
        return FreePixels(*(_move_pixels(matrix, a) for a in self.arrays()))

    def flipped(self, cols):
        return FreePixels(*(namespace(a).flip(a, (2,)) for a in self.arrays()))

    def picked(self, index):
        return FreePixels(*(a[index] for a in self.arrays()))


def _move_pixels(matrix, points):
    xp = namespace(matrix, points)
    matrix = float64(matrix, xp)
    if matrix.ndim == 3:
        matrix = matrix[:, None, None]
    return (matrix[..., :3, :3] @ float64(points, xp)[..., None])[..., 0] + matrix[..., :3, 3]


def _picked_pixels(points, r, c):
    """points [N, rows, cols, 3] at the whole pixels r, c [N or 1, ...]."""
    r, c = np.broadcast_arrays(to_numpy(r), to_numpy(c))
    rows, cols = np.rint(r).astype(np.int64), np.rint(c).astype(np.int64)
    inside = (rows >= 0) & (rows < points.shape[1]) & (cols >= 0) & (cols < points.shape[2])
    if not (inside & (abs(r - rows) < 1e-9) & (abs(c - cols) < 1e-9)).all():
        raise GeometryError("freely placed pixels have nothing between or beside them; give whole pixels of the detector")
    view = np.arange(points.shape[0]).reshape(-1, *[1] * (r.ndim - 1))
    return points[view, rows, cols]
