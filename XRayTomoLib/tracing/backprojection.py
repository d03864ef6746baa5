"""Voxel-driven backprojection, the last step of filtered backprojection (FDK): unmatched to the projectors, and fast.

L. A. Feldkamp, L. C. Davis, J. W. Kress, J. Opt. Soc. Am. A 1(6), 1984, eq. 26: each voxel sums its filtered projections, weighted by
the inverse square of its depth below the source.
"""
import numpy as np
import torch

from ..geometry import Flat
from ..geometry.arrays import to_numpy
from .cpu import in_parallel
from .projector import ProjectionError
from .separable import COPY_BYTES, MARGIN, turned_order, turned_volume
from .targets import backprojection_kernels

LEAST_LINE = 16         # voxels along the detector's columns: shorter lines do not repay the separable kernel


def backproject_voxels(projections, grid, views, power=2):
    """Volume [..., K, J, I] (float32): sum over the views of p(col, row) / depth_mm^power at each voxel's pixel; parallel rays: of p alone.

    projections [..., N, rows, cols], interpolated bilinearly; a voxel seen less than half a pixel outside the outer pixels' centres takes
    their value, farther out nothing. depth is measured along the detector's normal; power 0, 1 (helical inversion) or 2. Flat detectors only.
    """
    p = torch.as_tensor(projections)
    expected = (len(views), *views.shape)
    if tuple(p.shape[-3:]) != expected:
        raise ProjectionError(f"projections of shape {tuple(p.shape)}: expected [..., {', '.join(map(str, expected))}], as the views have")
    if not isinstance(views.surface, Flat):
        raise ProjectionError(f"voxel-driven backprojection is written for flat detectors, not {type(views.surface).__name__}; use Projector.T")
    matrices = voxel_matrices(grid, views)
    power = power if views.direction is None else 0
    if p.device.type == "cuda":
        from . import cuda
        volumes = [cuda.backproject_voxels(q, grid.shape, matrices, power) for q in p.reshape(-1, *expected).float()]
    else:
        volumes = [torch.from_numpy(on_cpu(q.detach().numpy(), grid.shape, matrices, power)) for q in p.reshape(-1, *expected).float()]
    return torch.stack(volumes).reshape(*p.shape[:-3], *grid.shape)


def voxel_matrices(grid, views):
    """[N, 3, 4] voxel (i, j, k, 1) -> (col w, row w, w), w the depth in mm below the source along the detector's normal (parallel: 1)."""
    u, v, origin = (to_numpy(a) for a in (views.u, views.v, views.origin))
    if views.direction is None:
        matrices = to_numpy(views.projection_matrices()) * to_numpy(views.sdd_mm)[:, None, None]
    else:
        inverse = np.linalg.inv(np.stack([u, v, to_numpy(views.direction)], -1))
        matrices = np.concatenate([inverse, -(inverse @ origin[..., None])], -1)
        matrices[:, 2] = (0, 0, 0, 1)
    return matrices @ grid.ijk_to_ras


def on_cpu(p, shape, matrices, power):
    """One volume on the CPU, some views at a time; the separable kernel where columns are parallel to a voxel axis in every view."""
    matrices = matrices.copy()
    matrices[:, :2] += matrices[:, 2:]            # the pad of one pixel shifts rows and columns
    axis = _column_axis(matrices, shape)
    volume = np.zeros(shape, np.float32)
    at_once = max(1, COPY_BYTES // (4 * p.shape[1] * p.shape[2]))
    for i in range(0, len(p), at_once):
        padded = np.pad(p[i:i + at_once], ((0, 0), (1, 1), (1, 1)), mode="edge")
        if axis is None:
            _add_slabs(volume, padded, matrices[i:i + at_once], power)
        else:
            _add_lines(volume, padded, matrices[i:i + at_once], power, axis)
    return volume


def _add_slabs(volume, padded, matrices, power):
    kernel, layers = backprojection_kernels()["backproject_slab"], len(volume)
    in_parallel(kernel, ((padded, matrices, volume, z, min(z + 4, layers), power) for z in range(0, layers, 4)))


def _add_lines(volume, padded, matrices, power, axis):
    kernels, order = backprojection_kernels(), turned_order(axis)
    columns = np.ascontiguousarray(padded.transpose(0, 2, 1))
    turned = np.ascontiguousarray(matrices[:, :, [*order, 3]])
    view, group = turned_volume(volume, order), kernels["GROUP"]
    nz, ny, nx = view.shape
    in_parallel(kernels["backproject_block"], (
        (columns, turned, view, y, x, power, np.empty((group ** 2, nz + MARGIN), np.float32), np.zeros(columns.shape[2] + 4 * MARGIN, np.float32))
        for y in range(0, ny, group) for x in range(0, nx, group)))


def _column_axis(matrices, shape):
    """The voxel axis along which neither column nor depth changes in any view, or None; an axis of few voxels does not repay it."""
    steps = np.abs(matrices[:, :, :3]).max(0)
    for axis in (2, 1, 0):
        if shape[2 - axis] >= LEAST_LINE and max(steps[0, axis], steps[2, axis]) <= 1e-9 * steps.max() and (np.abs(matrices[:, 1, axis]) > 0).all():
            return axis
    return None
