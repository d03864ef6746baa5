"""The separable way: chosen by the geometry, invisible to the caller, the same numbers as the general kernels.

It serves Joseph's method on float32 volumes when, in every view, the detector's columns are parallel to one axis of the volume (circle,
short scan, helix, parallel beams), rays are steeper across that axis than along it, and start and end outside the volume.
"""
import numpy as np

from .cpu import THREADS, in_parallel
from .targets import separable_kernels

LEAST_VIEWS = 4         # fewer do not repay the copy of the volume
MARGIN = 8              # numbers that the kernels may write behind a line
COPY_BYTES = 1 << 28    # the volume is copied, line by line along the axis, in slabs of this size


def separable_axis(rays, shape, grid_shape):
    """The voxel axis (0 i, 1 j, 2 k) to which all detector columns are parallel, if the separable way serves these bundles; else None."""
    if rays.shape[1] != 6 or len(rays) < LEAST_VIEWS:
        return None
    along = np.abs(rays[:, [2, 5]]).max((0, 1))
    axis = int(along.argmax())
    others = [a for a in range(3) if a != axis]
    if not along[axis] > 0 or along[others].max() > 1e-9 * along[axis]:
        return None
    return axis if _steep(rays, shape, axis, others) and _ends_outside(rays, grid_shape) else None


def _steep(rays, shape, axis, others):
    """Whether every ray's major axis is one of `others`."""
    rows, cols = shape
    d = rays[:, 3:] - rays[:, :3]
    per_col = d[:, 0, None] + np.arange(cols)[:, None] * d[:, 1, None]
    across = np.abs(per_col[..., others]).max(-1)
    last = per_col[..., axis] + (rows - 1) * d[:, 2, None, axis]
    return bool((np.maximum(np.abs(per_col[..., axis]), np.abs(last)) <= across).all())


def _ends_outside(rays, grid_shape):
    """Whether the volume, one voxel of padding included, lies between the start and the end of all rays."""
    n = np.array(grid_shape[::-1])
    corners = np.array([[(-1.5, n[0] + 0.5)[a], (-1.5, n[1] + 0.5)[b], (-1.5, n[2] + 0.5)[c]] for a in (0, 1) for b in (0, 1) for c in (0, 1)])
    normal = np.cross(rays[:, 4], rays[:, 5])
    depth = np.einsum("ncx,nx->nc", corners - rays[:, None, 0], normal) / ((rays[:, 3] - rays[:, 0]) * normal).sum(-1)[:, None]
    return bool((depth > 0).all() and (depth < 1).all())


def turned_order(axis):
    """New (x, y, z) from (i, j, k), with `axis` last."""
    return [a for a in (0, 1, 2) if a != axis] + [axis]


def turned_volume(v, order):
    """v [K, J, I] as [z, y, x]: a view, no copy."""
    return v.transpose([2 - a for a in order[::-1]])


class Turned:
    """Rays and metric with `axis` made the z axis, and the slabs in which a turned volume is copied."""

    def __init__(self, axis, rays, metric):
        self.order = turned_order(axis)
        self.rays = np.ascontiguousarray(rays[:, :, self.order])
        xx, yy, zz, xy, xz, yz = metric
        full = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])[np.ix_(self.order, self.order)]
        self.metric = np.array([full[0, 0], full[1, 1], full[2, 2], full[0, 1], full[0, 2], full[1, 2]])

    def slabs(self, v):
        """(z0, z1, rays counted from z0) of slabs that keep the copy small."""
        nz, ny, nx = v.shape
        size = max(1, COPY_BYTES // (4 * ny * nx))
        for z0 in range(0, nz, size):
            rays = self.rays.copy()
            rays[:, [0, 3], 2] -= z0
            yield z0, min(z0 + size, nz), rays


def forward(volume, rays, metric, axis, out):
    """Adds the line integrals of a volume [K, J, I] to out [N, rows, cols] (float32)."""
    kernels, turned = separable_kernels(), Turned(axis, rays, metric)
    v = turned_volume(volume, turned.order)
    for z0, z1, local in turned.slabs(v):
        nz, ny, nx = z1 - z0, *v.shape[1:]
        vt = padded_lines(nx, ny, nz)
        in_parallel(kernels["to_lines"], ((v[z0:z1], vt, y, min(y + 16, ny)) for y in range(0, ny, 16)))
        for portion, bundles, paths, columns in _columns(kernels, out, local, nx, ny):
            rows, each = portion.shape[1], max(1, -(-len(portion) // (4 * THREADS)))
            in_parallel(kernels["separable_forward"], ((vt, nx, ny, nz, columns[i:i + each], paths[i:i + each], rows,
                                                        np.zeros(nz + 2 * kernels["PAD"], np.float32)) for i in range(0, len(portion), each)))
            in_parallel(kernels["from_columns"], ((columns[i], portion[i], bundles[i], turned.metric, paths[i], np.empty(rows, np.float32))
                                                  for i in range(len(portion))))


def adjoint(projections, rays, metric, axis, out):
    """The exact transpose: adds to the volume out [K, J, I] from projections [N, rows, cols] (float32); deterministic, for a task owns
    its planes."""
    kernels, turned = separable_kernels(), Turned(axis, rays, metric)
    v, planes = turned_volume(out, turned.order), kernels["PLANES"]
    for z0, z1, local in turned.slabs(v):
        nz, ny, nx = z1 - z0, *v.shape[1:]
        vt = padded_lines(nx, ny, nz)
        for portion, bundles, paths, columns in _columns(kernels, projections, local, nx, ny):
            rows = portion.shape[1]
            in_parallel(kernels["to_columns"], ((portion[i], columns[i], bundles[i], turned.metric, paths[i], np.empty(rows, np.float32))
                                                for i in range(len(portion))))
            for major, n in ((0, nx), (1, ny)):
                in_parallel(kernels["separable_adjoint"], ((vt, nx, ny, nz, columns, paths, rows, major, k, np.empty(nz, np.float32))
                                                           for k in range(0, n, planes)))
        in_parallel(kernels["from_lines"], ((vt, v[z0:z1], y, min(y + 16, ny)) for y in range(0, ny, 16)))


def padded_lines(nx, ny, nz):
    """Zeros [ny + 2, nx + 2, nz + ...], an odd number of MARGINs a line: lines a power of two apart would crowd into few places of the cache."""
    return np.zeros((ny + 2, nx + 2, MARGIN * ((nz // MARGIN + 2) | 1)), np.float32)


def _columns(kernels, projections, bundles, nx, ny):
    """(projections, bundles, paths of their detector columns, zeros for the columns [n, cols, rows + 2 PAD]), some views at a time."""
    _, rows, cols = projections.shape
    length = rows + 2 * kernels["PAD"]
    at_once = max(1, COPY_BYTES // (4 * length * cols))
    for i in range(0, len(projections), at_once):
        part, rays = projections[i:i + at_once], bundles[i:i + at_once]
        paths = np.empty((len(part), cols, kernels["PATH"]))
        in_parallel(kernels["fill_paths"], ((paths, rays, nx, ny, k, k + 1) for k in range(len(part))))
        yield part, rays, paths, np.zeros((len(part), cols, length), np.float32)
