"""Voxel-driven backprojection, the last step of filtered backprojection (FDK): unmatched to the projectors, and fast.

L. A. Feldkamp, L. C. Davis, J. W. Kress, J. Opt. Soc. Am. A 1(6), 1984, eq. 26: each voxel sums its filtered projections, weighted by
the inverse square of its depth below the source.
"""
from dataclasses import replace

import numpy as np
import torch

from ..geometry import Cylindrical, Flat
from ..geometry.arrays import norm, to_numpy
from .cpu import in_parallel
from .projector import ProjectionError
from .separable import COPY_BYTES, MARGIN, turned_order, turned_volume
from .targets import backprojection_kernels

FOCUSED = 1e-6          # how far, as a share of its radius, a cylinder's axis may miss the source
FLAT = np.zeros((0, 3))     # the arcs of flat detectors
LEAST_LINE = 16         # voxels along the detector's columns: shorter lines do not repay the separable kernel


def backproject_voxels(projections, grid, views, power=2):
    """Volume [..., K, J, I] (float32): sum over the views of p(col, row) / depth_mm^power at each voxel's pixel; parallel rays: of p alone.

    projections [..., N, rows, cols], interpolated bilinearly; a voxel seen less than half a pixel outside the outer pixels' centres takes
    their value, farther out nothing. depth is measured along the normal of a flat detector, and from the axis of a cylindrical one about the
    source (`is_focused`); other surfaces are refused. power: 0, 1 (helical inversion) or 2. Gradients reach the projections, through
    `spread_voxels`.
    """
    p = torch.as_tensor(projections)
    expected = (len(views), *views.shape)
    if tuple(p.shape[-3:]) != expected:
        raise ProjectionError(f"projections of shape {tuple(p.shape)}: expected [..., {', '.join(map(str, expected))}], as the views have")
    return _Backprojection.apply(p, grid.shape, *_placement(grid, views, power), views.shape)


def spread_voxels(volume, grid, views, power=2):
    """Projections [..., N, rows, cols] (float32): the exact transpose of `backproject_voxels`, by which each voxel's value is dealt out to
    the four pixels round its projection. No line integrals: use Projector for these."""
    x = torch.as_tensor(volume)
    if tuple(x.shape[-3:]) != grid.shape:
        raise ProjectionError(f"volume of shape {tuple(x.shape)}: expected [..., {', '.join(map(str, grid.shape))}], as the grid has")
    return _Spreading.apply(x, grid.shape, *_placement(grid, views, power), views.shape)


class _Backprojection(torch.autograd.Function):
    @staticmethod
    def forward(ctx, p, *geometry):
        ctx.geometry = geometry
        return _backprojected(p.detach(), *geometry[:-1])

    @staticmethod
    def backward(ctx, gradient):
        return _Spreading.apply(gradient, *ctx.geometry), None, None, None, None, None


class _Spreading(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, *geometry):
        ctx.geometry = geometry
        return _spread(x.detach(), *geometry)

    @staticmethod
    def backward(ctx, gradient):
        return _Backprojection.apply(gradient, *ctx.geometry), None, None, None, None, None


def is_focused(views):
    """Whether the detector is a cylinder whose axis runs through the source in every view: its columns are equal steps of angle."""
    if not isinstance(views.surface, Cylindrical) or views.source is None:
        return False
    apex = to_numpy(views.origin) + views.surface.apex_col * to_numpy(views.u)
    below, radius = apex - to_numpy(views.source), views.surface.radius_mm
    across = np.abs((below * to_numpy(views.u)).sum(1)) / norm(to_numpy(views.u))
    return bool((across < FOCUSED * abs(radius)).all() and (np.abs(to_numpy(views.sdd_mm) - radius) < FOCUSED * abs(radius)).all())


def _placement(grid, views, power):
    """(matrices, arcs, power) that say where the voxels are seen and how they are weighted."""
    if not isinstance(views.surface, Flat) and not is_focused(views):
        raise ProjectionError(f"voxel-driven backprojection is written for detectors that are flat or cylinders about the source, not "
                              f"{type(views.surface).__name__}; use Projector.T")
    return voxel_matrices(grid, views), _arcs(views), power if views.direction is None else 0


def _arcs(views):
    """[N, 3] (the column that touches the plane, radius in columns, row at the source's height) of cylinders about the source; flat: [0, 3]."""
    if isinstance(views.surface, Flat):
        return FLAT
    v = to_numpy(views.v)
    foot = ((to_numpy(views.source) - to_numpy(views.origin)) * v).sum(1) / (v * v).sum(1)
    return np.stack([np.full(len(views), views.surface.apex_col), views.surface.radius_mm / norm(to_numpy(views.u)), foot], 1)


def _backprojected(p, shape, matrices, arcs, power):
    flat = p.reshape(-1, *p.shape[-3:]).float()
    if p.device.type == "cuda":
        from . import cuda
        if len(arcs):
            raise ProjectionError("voxel-driven backprojection from cylindrical detectors runs on the CPU only; move the projections there")
        volumes = [cuda.backproject_voxels(q, shape, matrices, power) for q in flat]
    else:
        volumes = [torch.from_numpy(on_cpu(q.numpy(), shape, matrices, power, arcs)) for q in flat]
    return (volumes[0] if len(volumes) == 1 else torch.stack(volumes)).reshape(*p.shape[:-3], *shape)       # a stack is a copy


def _spread(x, shape, matrices, arcs, power, size):
    matrices, arcs = _padded(matrices, arcs)
    way = _spread_on_cpu if x.device.type == "cpu" else _spread_by_torch
    padded = torch.stack([way(v, matrices, arcs, power, size) for v in x.reshape(-1, *shape).float()])
    for axis in (-2, -1):                         # what fell on the pad belongs to the border that it repeats
        n = padded.shape[axis]
        padded.narrow(axis, 1, 1).add_(padded.narrow(axis, 0, 1))
        padded.narrow(axis, n - 2, 1).add_(padded.narrow(axis, n - 1, 1))
        padded = padded.narrow(axis, 1, n - 2)
    return padded.reshape(*x.shape[:-3], len(matrices), *size).contiguous()


def _padded(matrices, arcs):
    """Both for projections with a pad of one pixel, which shifts rows and columns."""
    matrices = matrices.copy()
    matrices[:, :2] += matrices[:, 2:]
    return matrices, arcs + np.array([1, 0, 1])


def _spread_on_cpu(x, matrices, arcs, power, size):
    """[N, rows + 2, cols + 2]; each task owns a view: no races, and the same bits every time."""
    out, volume = np.zeros((len(matrices), size[0] + 2, size[1] + 2), np.float32), x.contiguous().numpy()
    in_parallel(backprojection_kernels()["spread_view"], ((p, matrices[i], arcs[i:i + 1], volume, power) for i, p in enumerate(out)))
    return torch.from_numpy(out)


def _spread_by_torch(x, matrices, arcs, power, size):
    """The same on any device, view by view."""
    ijk = torch.stack(torch.meshgrid(*(torch.arange(n, dtype=torch.float64, device=x.device) for n in x.shape), indexing="ij")[::-1])
    rows, cols = (n + 2 for n in size)
    out = x.new_zeros(len(matrices), rows * cols)
    for i, (matrix, p) in enumerate(zip(torch.as_tensor(matrices, device=x.device), out)):
        u, v, w = torch.tensordot(matrix[:, :3], ijk, 1) + matrix[:, 3, None, None, None]
        u, v = u / w, v / w
        if len(arcs):
            u, v, w = _on_arc(u, v, w, *arcs[i].tolist())
        seen = (w > 1e-9) & (u >= 0.5) & (u <= cols - 1.5) & (v >= 0.5) & (v <= rows - 1.5)
        u, v, value = u[seen], v[seen], x[seen] / w[seen] ** power
        iu, iv = u.long(), v.long()
        for right in (0, 1):
            for below in (0, 1):
                share = (u - iu if right else 1 - u + iu) * (v - iv if below else 1 - v + iv)
                p.index_add_(0, (iv + below) * cols + iu + right, (share * value).to(p))
    return out.reshape(-1, rows, cols)


def _on_arc(u, v, w, column, radius, row):
    """Column, row and distance from the axis on a cylinder, of pixels (u, v) of the plane that touches it, at depth w."""
    slope = (u - column) / radius
    length = (1 + slope.square()).sqrt()
    return column + radius * torch.atan(slope), row + (v - row) / length, w * length


def voxel_matrices(grid, views):
    """[N, 3, 4] voxel (i, j, k, 1) -> (col w, row w, w), w the depth in mm below the source along the detector's normal (parallel: 1); curved
    detectors: of the plane that they touch."""
    u, v, origin = (to_numpy(a) for a in (views.u, views.v, views.origin))
    if views.direction is None:
        matrices = to_numpy(replace(views, surface=Flat()).projection_matrices()) * to_numpy(views.sdd_mm)[:, None, None]
    else:
        inverse = np.linalg.inv(np.stack([u, v, to_numpy(views.direction)], -1))
        matrices = np.concatenate([inverse, -(inverse @ origin[..., None])], -1)
        matrices[:, 2] = (0, 0, 0, 1)
    return matrices @ grid.ijk_to_ras


def on_cpu(p, shape, matrices, power, arcs=FLAT):
    """One volume on the CPU, some views at a time; the separable kernel where columns are parallel to a voxel axis in every view."""
    matrices, arcs = _padded(matrices, arcs)
    axis = _column_axis(matrices, shape)
    volume = np.zeros(shape, np.float32)
    at_once = max(1, COPY_BYTES // (4 * p.shape[1] * p.shape[2]))
    for i in range(0, len(p), at_once):
        padded = np.pad(p[i:i + at_once], ((0, 0), (1, 1), (1, 1)), mode="edge")
        if axis is None:
            _add_slabs(volume, padded, matrices[i:i + at_once], arcs[i:i + at_once], power)
        else:
            _add_lines(volume, padded, matrices[i:i + at_once], arcs[i:i + at_once], power, axis)
    return volume


def _add_slabs(volume, padded, matrices, arcs, power):
    kernel, layers = backprojection_kernels()["backproject_slab"], len(volume)
    in_parallel(kernel, ((padded, matrices, arcs, volume, z, min(z + 4, layers), power) for z in range(0, layers, 4)))


def _add_lines(volume, padded, matrices, arcs, power, axis):
    kernels, order = backprojection_kernels(), turned_order(axis)
    columns = np.ascontiguousarray(padded.transpose(0, 2, 1))
    turned = np.ascontiguousarray(matrices[:, :, [*order, 3]])
    view, group = turned_volume(volume, order), kernels["GROUP"]
    nz, ny, nx = view.shape
    length = columns.shape[2] + 4 * MARGIN
    in_parallel(kernels["backproject_block"], (
        (columns, turned, arcs, view, y, x, power, np.empty((group ** 2, nz + MARGIN), np.float32), np.zeros(length, np.float32))
        for y in range(0, ny, group) for x in range(0, nx, group)))


def _column_axis(matrices, shape):
    """The voxel axis along which neither column nor depth changes in any view, or None; an axis of few voxels does not repay it."""
    steps = np.abs(matrices[:, :, :3]).max(0)
    for axis in (2, 1, 0):
        if shape[2 - axis] >= LEAST_LINE and max(steps[0, axis], steps[2, axis]) <= 1e-9 * steps.max() and (np.abs(matrices[:, 1, axis]) > 0).all():
            return axis
    return None
