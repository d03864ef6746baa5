"""Volumes on another grid and along lines: linear between voxel centres, constant over the outer half of the outer voxels."""

import numpy as np

_EDGE = 0.5 + 1e-6  # a grid fills [-0.5, n - 0.5]; points on its faces belong to it


def resampled(values, grid, onto, outside=0.0):
    """Values [K, J, I] (float32) of the voxels of `onto` from those of `grid`; `outside` beyond its box.

    On the same grid they are returned as they are. A much coarser grid takes samples, not means.
    """
    if tuple(values.shape) != grid.shape:
        raise ValueError(f"values of shape {tuple(values.shape)} do not lie on {grid}: expected {grid.shape}")
    if grid.shape == onto.shape and np.allclose(grid.ijk_to_ras, onto.ijk_to_ras, rtol=0, atol=1e-6 * grid.spacing_mm.min()):
        return values
    from scipy.ndimage import affine_transform

    matrix = grid.ras_to_ijk @ onto.ijk_to_ras
    kji, shift = matrix[2::-1, 2::-1], matrix[2::-1, 3]
    result = affine_transform(np.asarray(values, np.float32), kji, shift, output_shape=onto.shape, order=1, mode="nearest")
    j, i = np.arange(onto.shape[1])[:, None], np.arange(onto.shape[2])
    for k in range(onto.shape[0]):
        place = [row[0] * k + row[1] * j + row[2] * i + start for row, start in zip(kji, shift, strict=True)]
        result[k][~_inside(place, grid)] = outside
    return result


def sampled(values, grid, points_ras, outside=0.0):
    """Values at points [N, 3] (RAS, mm); `outside` beyond the grid's box."""
    from scipy.ndimage import map_coordinates

    kji = grid.ijk_from_ras(np.asarray(points_ras, float))[:, ::-1].T
    result = map_coordinates(np.asarray(values, np.float32), kji, order=1, mode="nearest")
    result[~_inside(kji, grid)] = outside
    return result


def _inside(kji, grid):
    inside = True
    for place, count in zip(kji, grid.shape, strict=True):
        inside = inside & (place >= -_EDGE) & (place <= count - 1 + _EDGE)
    return inside
