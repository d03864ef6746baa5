"""Volumes on another grid."""

import numpy as np


def resampled(values, grid, onto, outside=0.0):
    """Values [K, J, I] of the voxels of `onto`, linearly interpolated between those of `grid`; `outside` beyond its box.

    On the same grid they are returned as they are. A much coarser grid takes samples, not means.
    """
    if tuple(values.shape) != grid.shape:
        raise ValueError(f"values of shape {tuple(values.shape)} do not lie on {grid}: expected {grid.shape}")
    if grid.shape == onto.shape and np.allclose(grid.ijk_to_ras, onto.ijk_to_ras, rtol=0, atol=1e-6 * grid.spacing_mm.min()):
        return values
    from scipy.ndimage import affine_transform

    matrix = grid.ras_to_ijk @ onto.ijk_to_ras
    kji = np.eye(4)
    kji[:3, :3], kji[:3, 3] = matrix[2::-1, 2::-1], matrix[2::-1, 3]
    return affine_transform(np.asarray(values, np.float32), kji, output_shape=onto.shape, order=1, mode="grid-constant", cval=outside)
