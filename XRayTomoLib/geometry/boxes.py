"""Boxes in the world (an object, a patient, a table), and what meets them."""
from dataclasses import dataclass

import numpy as np

from .arrays import GeometryError, cross, norm


@dataclass(frozen=True, eq=False)
class OrientedBox:
    """A box with perpendicular sides: `centre_ras` [3], unit directions `axes` [3, 3] (rows), half the lengths `half_mm` [3]."""
    centre_ras: np.ndarray
    axes: np.ndarray
    half_mm: np.ndarray

    def __post_init__(self):
        for name, shape in (("centre_ras", (3,)), ("axes", (3, 3)), ("half_mm", (3,))):
            a = np.array(getattr(self, name), np.float64)
            if a.shape != shape or not np.isfinite(a).all():
                raise GeometryError(f"box.{name} has shape {a.shape}: expected {shape} finite numbers")
            object.__setattr__(self, name, a)
        if not np.allclose(self.axes @ self.axes.T, np.eye(3), atol=1e-6):
            raise GeometryError("the axes of a box must be perpendicular unit vectors")
        if not (self.half_mm >= 0).all():
            raise GeometryError(f"half lengths {self.half_mm.tolist()} mm of a box: expected at least 0 mm")

    @staticmethod
    def of_bounds(bounds_ras):
        """The box of [3, 2] lowest and highest R, A, S."""
        bounds = np.asarray(bounds_ras, np.float64)
        return OrientedBox(bounds.mean(1), np.eye(3), (bounds[:, 1] - bounds[:, 0]) / 2)

    @staticmethod
    def of_points(points_ras, directions=None):
        """The smallest box along `directions` (columns, as a grid has them; default R, A, S) that holds the points [P, 3].

        Directions that are not perpendicular are made so, in their order.
        """
        axes = np.eye(3) if directions is None else np.linalg.qr(np.asarray(directions, np.float64))[0].T
        along = np.asarray(points_ras, np.float64) @ axes.T
        low, high = along.min(0), along.max(0)
        return OrientedBox((low + high) / 2 @ axes, axes, (high - low) / 2)

    @staticmethod
    def of_grid(grid):
        """The box that holds all voxels of a grid (anything with corners_ras() and directions)."""
        return OrientedBox.of_points(grid.corners_ras(), grid.directions)

    def corners_ras(self):
        """The eight corners [8, 3]."""
        signs = np.array([[i, j, k] for k in (-1, 1) for j in (-1, 1) for i in (-1, 1)])
        return self.centre_ras + signs * self.half_mm @ self.axes

    def local(self, points_ras):
        """Coordinates [..., 3] of world points along the box's axes, from its centre."""
        return (np.asarray(points_ras, np.float64) - self.centre_ras) @ self.axes.T

    def contains(self, points_ras):
        """Whether the points [..., 3] lie in the box or on its sides."""
        return (abs(self.local(points_ras)) <= self.half_mm).all(-1)

    def distance_mm(self, points_ras):
        """Distance [...] of the points [..., 3] from the box; 0 inside."""
        return norm(np.maximum(abs(self.local(points_ras)) - self.half_mm, 0))

    def meets(self, corners):
        """Whether convex bodies touch the box: bool [...] of parallelepipeds or parallelograms `corners` [..., 8 or 4, 3].

        Corners count as bits: corner i lies at the first corner + the sides 1, 2 and 4 whose bits i has. Separating axes (Gottschalk, Lin
        and Manocha, SIGGRAPH 1996): normals of all sides, and cross products of all edges.
        """
        corners = self.local(corners)
        middle = corners.mean(-2)
        near = norm(np.maximum(abs(middle) - self.half_mm, 0)) <= (1 + 1e-9) * norm(corners - middle[..., None, :]).max(-1)
        met = np.zeros(near.shape, bool)
        met[near] = self._meets_near(corners[near])
        return met

    def _meets_near(self, corners):
        """meets() of bodies [P, 8 or 4, 3] in the box's own coordinates."""
        sides = [corners[..., i, :] - corners[..., 0, :] for i in (1, 2, 4) if i < corners.shape[-2]]
        own = [np.broadcast_to(e, sides[0].shape) for e in np.eye(3)]
        pairs = [(sides[i], sides[j]) for i in range(len(sides)) for j in range(i)]
        axes = own + [cross(a, b) for a, b in pairs] + [cross(a, e) for a in sides for e in own]
        if len(sides) == 2:
            plane = cross(*sides)
            axes += [cross(plane, a) for a in sides]
        apart = np.zeros(corners.shape[:-2], bool)
        for axis in axes:
            along = (corners * axis[..., None, :]).sum(-1)
            reach = (abs(axis) * self.half_mm).sum(-1)
            apart |= (along.min(-1) > reach) | (along.max(-1) < -reach)
        return ~apart
