"""CPU target: numba kernels without the interpreter's lock, on an own pool of threads.

Arrays: volume [channels, K, J, I]; rays as affine bundles [N, 6, 3] with (rows, cols), or a list [n, 2, 3] of starts and ends,
both in voxel coordinates (i, j, k), float64; results [channels, N, rows, cols] or [channels, n].
"""
import os
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import islice

import numpy as np

from .compilers import awaits_compilation, undisturbed
from .targets import cpu_kernels

THREADS = int(os.environ.get("XRAYTOMO_THREADS", 0)) or os.cpu_count() or 1
TILE = 16                       # pixels a side
WINDOW = 1 << 16                # voxels that a tile may copy at a time
MOST_VOXELS = 2**31 - 1         # of one slab: the kernels count in 32 bits
MOST_INTERVALS = 4              # of air codes, above which a lookup is faster
LEAST_LINE = 6                  # voxels along the detector's columns: shorter lines do not repay the separable way
NO_TABLE = np.zeros(0, np.float32)
NO_MAP = np.zeros(0, np.uint8)
_pool = None


def in_parallel(function, jobs):
    """Calls function(*job) for every job, on the calling thread and on those of the pool, and waits; jobs (an iterable) are made one by
    one, as threads come free. A kernel that is not compiled yet does its first job alone.

    After an error no further job begins; the first one is raised when all threads have ended.
    """
    global _pool
    if _pool is None and THREADS > 1:
        _pool = ThreadPoolExecutor(THREADS - 1, thread_name_prefix="xraytomo")
    jobs, lock = iter(jobs), threading.Lock()
    if awaits_compilation(getattr(function, "kernel", function)):
        for job in islice(jobs, 1):
            undisturbed(function)(*job)

    def work():
        nonlocal jobs
        try:
            while True:
                with lock:
                    job = next(jobs, None)
                if job is None:
                    return
                function(*job)
        except BaseException:
            jobs = iter(())
            raise
    others = [_pool.submit(work) for _ in range(THREADS - 1)]
    try:
        work()
    finally:
        wait(others)
    for other in others:
        other.result()


def with_memory(kernel, make):
    """The kernel with the working memory that make() gives as last arguments, made once for each thread."""
    local = threading.local()

    def work(*job):
        if not hasattr(local, "memory"):
            local.memory = make()
        kernel(*job, *local.memory)
    work.kernel = kernel
    return work


def blocks(tiles):
    """Ranges (first, stop) of tiles for a task each: enough of them that no thread waits long for the last."""
    size = max(1, min(TILE, tiles // (32 * THREADS)))
    return [(q, min(q + size, tiles)) for q in range(0, tiles, size)]


def kernels_for(volume, table, method):
    """Kernels and the flat volume [channels, voxels]: numbers (float32, float64) or 16-bit codes with a table of 65536 values."""
    flat = volume.reshape(volume.shape[0], -1)
    if len(table):
        return cpu_kernels("float32", True, method), flat.view(np.uint16)
    return cpu_kernels(volume.dtype.name, False, method), flat


def number_type(volume, table):
    return np.dtype(np.float32) if len(table) else volume.dtype


def scratch(channels, dtype):
    """Working memory of a thread: rays, values, whole and fractional numbers of a tile, a window of the volume (zeros: what is read
    beyond it counts by nothing), how its fibres lean and where its planes lie in the volume."""
    n = TILE * TILE
    return (np.empty((n, 6)), np.empty((channels, n), dtype), np.empty((11, n), np.int32), np.empty((9, n), dtype), np.zeros(WINDOW, dtype),
            np.zeros((2, 21), dtype), np.zeros((2, 16), np.int64))


def jacobian_scratch(dtype):
    """The same for one channel's gradients, with five sums and seven results a ray."""
    n = TILE * TILE
    return *scratch(1, dtype), np.empty((n, 5), dtype), np.empty((n, 7), dtype)


def adjoint_scratch(dtype):
    """The same for the adjoint, with weights for the values."""
    rays, weights, *rest = scratch(1, dtype)
    return rays, weights[0], *rest


def forward(volume, table, rays, shape, metric, method, step, occupancy):
    """Line integrals (mm x voxel unit) of all rays."""
    axis = _separable_axis(method, volume.dtype, table, rays, shape, volume.shape[1:])
    if axis is not None:
        from . import separable
        out = np.zeros((len(volume), len(rays), *shape), np.float32)
        for v, p in zip(volume, out):
            separable.forward(v, rays, metric, axis, p)
        return out
    if volume[0].size > MOST_VOXELS:
        return _forward_by_slabs(volume, table, rays, shape, metric, method, step)
    kernels, flat = kernels_for(volume, table, method)
    dtype = number_type(volume, table)
    channels, nz, ny, nx = volume.shape
    first = (flat, table, nx, ny, nz, np.asarray(metric), float(step), occupancy)
    if rays.shape[1] == 2:
        out = np.empty((channels, len(rays)), dtype)
        tiles, kernel, where = -(-len(rays) // (TILE * TILE)), kernels["listed_forward"], (rays, out)
    else:
        rows, cols = shape
        out = np.empty((channels, len(rays), rows, cols), dtype)
        tiles, kernel, where = len(rays) * -(-rows // TILE) * -(-cols // TILE), kernels["bundle_forward"], (rays, rows, cols, out)
    in_parallel(with_memory(kernel, lambda: scratch(channels, dtype)), ((*first, *where, *block, TILE) for block in blocks(tiles)))
    return out


def _forward_by_slabs(volume, table, rays, shape, metric, method, step):
    """Sum over slabs of layers: exact for Joseph, whose samples split over zero-padded slabs, and for Siddon."""
    if method not in ("joseph", "siddon"):
        raise ValueError(f"method '{method}' takes volumes of up to {MOST_VOXELS} voxels, this one has {volume[0].size}; use joseph or siddon")
    layers = max(1, MOST_VOXELS // (volume.shape[2] * volume.shape[3]))
    total = 0
    for z0 in range(0, volume.shape[1], layers):
        shifted = rays.copy()
        shifted[:, [0, 3] if rays.shape[1] == 6 else slice(None), 2] -= z0
        total = total + forward(np.ascontiguousarray(volume[:, z0:z0 + layers]), table, shifted, shape, metric, method, step, NO_MAP)
    return total


def _separable_axis(method, dtype, table, rays, shape, grid_shape):
    """The axis of the separable way where it serves (separable.py), else None."""
    if method != "joseph" or dtype != np.float32 or len(table):
        return None
    from . import separable
    axis = separable.separable_axis(rays, shape, grid_shape)
    return axis if axis is not None and grid_shape[2 - axis] >= LEAST_LINE else None


def jacobian(volume, table, rays, shape, metric, method, step):
    """Line integrals, and with their derivatives by start and end in voxel coordinates: [..., 7]."""
    kernels, flat = kernels_for(volume, table, method)
    dtype = number_type(volume, table)
    channels, nz, ny, nx = volume.shape
    first = (flat, table, nx, ny, nz, np.asarray(metric), float(step))
    if rays.shape[1] == 2:
        values = np.empty((channels, len(rays)), dtype)
        tiles, kernel, where = -(-len(rays) // (TILE * TILE)), kernels["listed_jacobian"], (rays,)
    else:
        rows, cols = shape
        values = np.empty((channels, len(rays), rows, cols), dtype)
        tiles, kernel, where = len(rays) * -(-rows // TILE) * -(-cols // TILE), kernels["bundle_jacobian"], (rays, rows, cols)
    out = np.empty((*values.shape, 7), dtype)
    in_parallel(with_memory(kernel, lambda: jacobian_scratch(dtype)),
                ((*first, *where, values, out, *block, TILE) for block in blocks(tiles)))
    return values, out


def adjoint(projections, rays, grid_shape, metric, method, step, out=None):
    """The exact transpose of `forward`, volume [channels, K, J, I]; added to `out` where that is given.

    Each task owns a slab of the volume and walks all rays through it: no races, and the same bits every time.
    """
    nz, ny, nx = grid_shape
    out = np.zeros((len(projections), nz, ny, nx), projections.dtype) if out is None else out
    axis = _separable_axis(method, projections.dtype, NO_TABLE, rays, projections.shape[2:], grid_shape)
    if axis is not None:
        from . import separable
        for y, v in zip(projections, out):
            separable.adjoint(y, rays, metric, axis, v)
        return out
    kernels = cpu_kernels(projections.dtype.name, False, method)
    slabs = max(2 * THREADS, -(-nz * ny * nx // MOST_VOXELS))
    cuts = np.unique(np.linspace(0, nz, min(nz, slabs) + 1).astype(int))
    kernel = kernels["listed_adjoint" if rays.shape[1] == 2 else "bundle_adjoint"]
    metric = np.asarray(metric)
    in_parallel(with_memory(kernel, lambda: adjoint_scratch(projections.dtype)),
                ((out[ch, a:b].reshape(-1), projections[ch], nx, ny, nz, a, b, metric, float(step), rays, TILE)
                 for ch in range(len(projections)) for a, b in zip(cuts[:-1], cuts[1:])))
    return out


def occupancy(volume, table):
    """Map of the blocks that hold a voxel other than 0 in any channel: flat uint8, n/8 + 1 blocks along each axis, for `without_air` of
    kernels/cpu_tiles.py."""
    side = 1 << kernels_for(volume, table, "joseph")[0]["BLOCK"]
    _, nz, ny, nx = volume.shape
    blocks = np.zeros(tuple(n // side + 1 for n in (nz, ny, nx)), bool)
    rows, cols = np.arange(0, ny, side), np.arange(0, nx, side)
    is_something = _test_of_codes(table) if len(table) else lambda layer: layer != 0

    def mark(k):
        something = np.zeros((ny, nx), bool)
        for layer in volume[:, k * side:(k + 1) * side].reshape(-1, ny, nx):
            something |= is_something(layer)
        blocks[k, :len(rows), :len(cols)] = np.logical_or.reduceat(np.logical_or.reduceat(something, rows, 0), cols, 1)
    in_parallel(mark, ((k,) for k in range(-(-nz // side))))
    return blocks.view(np.uint8).reshape(-1)


def _test_of_codes(table):
    """is_something(layer of 16-bit codes): where the table's value is not 0. Codes of air are few intervals as a rule, compared in a fraction
    of the time of a lookup."""
    something = table != 0
    air = np.flatnonzero(np.diff(~something, prepend=False, append=False)).reshape(-1, 2)
    if len(air) > MOST_INTERVALS:
        return lambda layer: something[layer.view(np.uint16)]

    def beside_air(layer):
        codes, found = layer.view(np.uint16), np.ones(layer.shape, bool)
        for first, stop in air:
            found &= codes - np.uint16(first) > np.uint16(stop - 1 - first)         # uint16 goes round below 0
        return found
    return beside_air


def maximum_subgradient(volume, table, projections, rays):
    """Subgradient of the maximum intensity by the volume, projections [channels, n], rays a list [n, 2, 3]; one thread, for rays meet."""
    kernels, flat = kernels_for(volume, table, "maximum")
    channels, nz, ny, nx = volume.shape
    out = np.zeros(flat.shape, projections.dtype)
    lines = np.concatenate([rays[:, 0], rays[:, 1] - rays[:, 0]], 1)
    for ch in range(channels):
        kernels["maximum_spread"](flat[ch], table, out[ch], projections[ch], nx, ny, nz, lines, len(lines))
    return out.reshape(volume.shape)
