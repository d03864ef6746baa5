"""The object of the measured cases: ellipsoids in Gaussians, with exact line integrals.

The Gaussians leave no voxel at zero, so no side gains by skipping air; without the ellipsoids ("smooth") the gradient by the pose is
that of the continuous object, which edges would spoil for every method.
"""
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from XRayTomoLib.geometry.pose import rotation_about_axis
from XRayTomoLib.grids import Ellipsoid, Phantom

DATA = Path(__file__).with_name("phantom.json")


@dataclass(frozen=True)
class Gaussians:
    """Sum of amplitude exp(-|x - centre|^2 / 2 sigma^2); rows of (centre RAS, sigma, amplitude), mm and 1/mm."""
    rows: np.ndarray

    def line_integrals(self, start, end):
        """Integrals [...] along the whole lines through start and end [..., 3]; both must lie outside the object."""
        along = end - start
        along = along / np.linalg.norm(along, axis=-1, keepdims=True)
        total = 0.0
        for *centre, sigma, amplitude in self.rows:
            to_centre = np.array(centre) - start
            distance2 = np.maximum((to_centre ** 2).sum(-1) - (to_centre * along).sum(-1) ** 2, 0)
            total = total + amplitude * sigma * np.sqrt(2 * np.pi) * np.exp(-0.5 * distance2 / sigma ** 2)
        return total

    def voxelise(self, grid):
        """Means over the voxels of a grid along R, A, S, float64 [K, J, I]: products of 4-point means along each axis."""
        points = (np.arange(4) + 0.5) / 4 - 0.5
        first, step = grid.ijk_to_ras[:3, 3], np.diag(grid.ijk_to_ras)
        axes = [first[a] + step[a] * (np.arange(grid.shape[2 - a])[:, None] + points) for a in range(3)]
        volume = np.zeros(grid.shape)
        for *centre, sigma, amplitude in self.rows:
            r, a, s = (np.exp(-0.5 * ((x - c) / sigma) ** 2).mean(1) for x, c in zip(axes, centre))
            volume += amplitude * s[:, None, None] * a[:, None] * r
        return volume


@dataclass(frozen=True)
class Mixture:
    """An analytic phantom and Gaussians, added."""
    solid: Phantom
    soft: Gaussians

    def line_integrals(self, start, end):
        return self.solid.line_integrals(start, end) + self.soft.line_integrals(start, end)

    def voxelise(self, grid):
        """float32 [K, J, I] in 1/mm."""
        return (self.solid.voxelise(grid, supersampling=4) + self.soft.voxelise(grid)).astype(np.float32)


def mixture(kind, size_mm):
    """The "structured" or "smooth" object that fits a cube of edge `size_mm` round the origin."""
    data, scale = json.loads(DATA.read_text(encoding="utf-8")), 0.5 * size_mm
    rows = np.array(data["gaussians"][kind]) * [scale, scale, scale, scale, 1.0]
    ellipsoids = data["ellipsoids"]["rows"] if kind == "structured" else []
    shapes = [Ellipsoid(tuple(scale * x for x in row[:3]), tuple(scale * x for x in row[3:6]), row[7],
                        rotation_about_axis((0, 0, 1), np.degrees(row[6]))) for row in ellipsoids]
    return Mixture(Phantom(kind, tuple(shapes)), Gaussians(rows))
