"""A region of interest in an object that reaches beyond it, without the rings that cut-off projections make.

The whole object is reconstructed on coarse voxels; what lies outside the region is projected and taken off the projections, and the rest
belongs to the region alone (A. Ziegler, T. Nielsen, M. Grass, Med. Phys. 35, 1317, 2008).
"""
import math

import numpy as np

from ..grids import CartesianGrid
from .methods import is_iterative, reconstruct
from .problem import ReconstructionError

COARSE = 4          # edges of a coarse voxel in the region's voxels


def without_surroundings(method, views, p, grid, surround_mm, projector):
    """Generator of Steps that returns (projections of the region alone, the grid on which to reconstruct them, slices [k, j, i] of `grid` in it).

    surround_mm: how far the object reaches beyond the grid's box on each side. The returned grid is up to two coarse voxels larger on each
    side: its edge belongs to both grids and is cut off. Raises ReconstructionError for methods without iterations, which filter rows as a whole.
    """
    if not is_iterative(method):
        raise ReconstructionError(f"{method.TITLE} cannot leave surroundings out; take an iterative method, or FDK's option 'extend'")
    if not surround_mm > 0:
        raise ReconstructionError(f"surroundings of {surround_mm} mm: expected more than 0 mm")
    inner, kept = _padded(grid)
    outer, place = _coarse_around(inner, surround_mm)
    x = yield from reconstruct(method, views, p, outer, projector=projector)
    x = x.clone()
    x[place] = 0
    return p - projector(outer, views)(x), inner, kept


def _padded(grid):
    """The grid with at least one coarse voxel more on each side, a whole number of them in all, and where `grid` lies in it (k, j, i)."""
    before = np.array([0 if n == 1 else COARSE for n in grid.shape])
    size = np.array([1 if n == 1 else COARSE * (math.ceil(n / COARSE) + 2) for n in grid.shape])
    matrix = grid.ijk_to_ras.copy()
    matrix[:3, 3] = grid.ras_from_ijk(-before[::-1])
    return CartesianGrid(tuple(size), matrix), tuple(slice(b, b + n) for b, n in zip(before, grid.shape))


def _coarse_around(inner, surround_mm):
    """Coarse grid that reaches `surround_mm` over `inner`, and where `inner` lies in it (k, j, i)."""
    factor = np.array([1 if n == 1 else COARSE for n in inner.shape])
    more = np.where(factor == 1, 0, np.ceil(surround_mm / (factor * inner.spacing_mm[::-1])).astype(int))
    size = np.array(inner.shape) // factor
    matrix = inner.ijk_to_ras @ np.diag([*factor[::-1], 1.0])
    matrix[:3, 3] = inner.ras_from_ijk(((0.5 - more) * factor - 0.5)[::-1])
    return CartesianGrid(tuple(size + 2 * more), matrix), tuple(slice(m, m + n) for m, n in zip(more, size))
