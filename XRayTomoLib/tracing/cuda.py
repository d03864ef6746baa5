"""CUDA target: a thread per ray over the same per-ray functions as the CPU's, on torch's memory, device and current stream.

Arrays as in cpu.py, but torch tensors on one GPU, which are neither copied nor moved: volume [channels, K, J, I]; rays as affine
bundles [N, 6, 3] with (rows, cols), or a list [n, 2, 3] of starts and ends, both in voxel coordinates (i, j, k), float64; results
[channels, N, rows, cols] or [channels, n]. Nothing waits for the GPU. (numba's simulator takes CPU tensors in their place.)

Where rays meet in a voxel (adjoint, subgradient) their parts are added by atomic operations, in the order in which the threads come:
results agree to rounding, but not bit for bit, from one call to the next.
"""
from contextlib import contextmanager
from functools import lru_cache

import torch

from .targets import cuda_backprojection_kernels, cuda_kernels

TILE = (16, 16)             # threads of a block over columns and rows
LINE = 256                  # threads of a block over listed rays
MOST_VIEWS = 65535          # the largest third axis of a grid of blocks
MOST_VOXELS = 2 ** 31 - 1   # kernels count a channel's voxels in 32 bits


def forward(volume, table, rays, shape, metric, method, step, occupancy=None):
    """Line integrals (mm x voxel unit) of all rays. `occupancy`, the CPU's map of air, is not read here."""
    kernels, flat = kernels_for(volume, table, method)
    out = volume.new_empty(_shape_of(rays, shape, len(volume)), dtype=number_type(volume, table))
    _launch(kernels, "forward", (flat, table, *_size(volume.shape[1:]), tuple(metric), float(step), out), rays, shape)
    return out


def jacobian(volume, table, rays, shape, metric, method, step):
    """Line integrals, and with their derivatives by start and end in voxel coordinates: [..., 7]."""
    kernels, flat = kernels_for(volume, table, method)
    out = volume.new_empty((*_shape_of(rays, shape, len(volume)), 7), dtype=number_type(volume, table))
    _launch(kernels, "jacobian", (flat, table, *_size(volume.shape[1:]), tuple(metric), float(step), out), rays, shape)
    return out[..., 0].contiguous(), out


def adjoint(projections, rays, grid_shape, metric, method, step):
    """The transpose of `forward`, volume [channels, K, J, I]; exact, its sums in any order."""
    nx, ny, nz = _size(grid_shape)
    out = projections.new_zeros((len(projections), nz * ny * nx))
    kernels = cuda_kernels(_name(projections.dtype), False, method)
    _launch(kernels, "adjoint", (out, projections, nx, ny, nz, tuple(metric), float(step)), rays, projections.shape[2:])
    return out.reshape(len(projections), nz, ny, nx)


def maximum_subgradient(volume, table, projections, rays):
    """Subgradient of the maximum intensity by the volume, projections [channels, n], rays a list [n, 2, 3]."""
    kernels, flat = kernels_for(volume, table, "maximum")
    out = projections.new_zeros(flat.shape)
    _launch(kernels, "subgradient", (flat, table, out, projections, *_size(volume.shape[1:])), rays, ())
    return out.reshape(volume.shape)


def backproject_voxels(projections, grid_shape, matrices, power):
    """Voxel-driven backprojection of projections [N, rows, cols] (float32) by the matrices [N, 3, 4] of backprojection.py: [K, J, I]."""
    out = projections.new_empty(grid_shape)
    kernels = cuda_backprojection_kernels()
    matrices = torch.as_tensor(matrices, dtype=torch.float32).to(out.device)
    block = (32, 8, 1)
    threads = (grid_shape[2], grid_shape[1], -(-grid_shape[0] // kernels["LAYERS"]))
    with _stream(out.device) as stream:
        arrays = [_array(a.detach().contiguous()) for a in (projections, matrices, out)]
        kernels["backproject"][tuple(-(-n // b) for n, b in zip(threads, block)), block, stream](*arrays, int(power))
    return out


def kernels_for(volume, table, method):
    """Kernels and the flat volume [channels, voxels]: numbers (float32, float64) or 16-bit codes with a table of 65536 values."""
    flat = volume.reshape(len(volume), -1)
    if len(table):
        return cuda_kernels("float32", True, method), flat.view(torch.uint16)
    return cuda_kernels(_name(volume.dtype), False, method), flat


def number_type(volume, table):
    return torch.float32 if len(table) else volume.dtype


def _name(dtype):
    return str(dtype).removeprefix("torch.")


def _shape_of(rays, shape, channels):
    return (channels, len(rays)) if rays.shape[1] == 2 else (channels, len(rays), *shape)


def _size(grid_shape):
    """(nx, ny, nz) of a grid that the kernels can index."""
    nz, ny, nx = grid_shape
    if nx * ny * nz > MOST_VOXELS:
        raise ValueError(f"a volume of {nz} x {ny} x {nx} voxels: the GPU kernels take up to 2^31 - 1 of them a channel; "
                         "split the grid into parts along k and trace each by itself")
    return nx, ny, nz


def _launch(kernels, work, arguments, rays, shape):
    """Runs the kernel of `work` over all rays."""
    if not len(rays):
        return
    with _stream(rays.device) as stream:
        arguments = [_array(a) for a in (*arguments, rays)]
        if rays.shape[1] == 2:
            kernels[f"listed_{work}"][-(-len(rays) // LINE), LINE, stream](*arguments)
            return
        rows, cols = shape
        blocks = -(-cols // TILE[0]), -(-rows // TILE[1])
        for first in range(0, len(rays), MOST_VIEWS):
            views = min(MOST_VIEWS, len(rays) - first)
            kernels[f"bundle_{work}"][(*blocks, views), (*TILE, 1), stream](*arguments, first)


@contextmanager
def _stream(device):
    """Torch's current stream of the device, as numba knows it; the device is the current one inside."""
    if device.type != "cuda":
        yield 0
        return
    with torch.cuda.device(device):
        yield _known_stream(torch.cuda.current_device(), torch.cuda.current_stream().cuda_stream)


@lru_cache(64)
def _known_stream(device_index, pointer):
    """numba's object for a stream of torch's; the same one each time, for numba remembers launches by it."""
    from numba import cuda
    return cuda.external_stream(pointer)


def _array(value):
    """A tensor as an array of numba's over the same memory; anything else as it is."""
    if not isinstance(value, torch.Tensor):
        return value
    if value.device.type != "cuda":
        return value.numpy()
    from numba import cuda
    return cuda.as_cuda_array(value, sync=False)
