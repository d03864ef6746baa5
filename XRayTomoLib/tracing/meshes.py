"""Rays through closed triangle meshes: chords and single crossings, exact, with gradients by the vertices and by the rays.

A chord is the sum over the crossings of the whole line of sign x ray parameter (entering -1, leaving +1), cut to the part between source
and pixel: this holds with the source or the pixel inside the mesh. Kernels run on the CPU in float64, whatever traces the volumes; where
numba is missing the torch reference below, rays x triangles, takes their place.

rays: affine bundles [N, 6, 3] with shape (rows, cols), or a list [n, 2, 3] of starts and ends, RAS mm, float64, as in ops.py; rays are
numbered (view, row, col).
"""
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from ..geometry import Flat
from ..geometry.arrays import namespace, norm, to_numpy
from . import cpu
from .projector import choose_backend
from .targets import mesh_kernels
from .torch_operators import TorchOperator

LEAF = 4                        # most triangles in a leaf of the tree
PIXELS = 1 << 18                # pixels whose crossings are kept at a time
PAIRS = 1 << 15                 # rays x triangles that the reference takes at a time


@dataclass(frozen=True)
class Surface:
    """A watertight mesh made ready: vertices [V, 3] float64, faces [F, 3]; boxes [nodes, 6] of the tree that listed rays walk, or none.
    reference: traced in plain torch."""
    vertices: Tensor
    faces: Tensor
    boxes: Tensor
    reference: bool


_ready = weakref.WeakKeyDictionary()    # mesh -> [version of its vertices, faces, (faces, boxes) of the tree or None]
NO_BOXES = torch.empty(0, 6, dtype=torch.float64)


def surface_of(mesh, rays, backend="auto"):
    """The Surface of a mesh for these rays; an open one raises MeshError. What is found out is kept as long as the mesh lives unchanged."""
    vertices, version = torch.as_tensor(mesh.vertices).cpu(), getattr(mesh.vertices, "_version", 0)
    known = _ready.get(mesh)
    if known is None or known[0] != version:
        mesh.require_closed()
        known = _ready[mesh] = [version, torch.from_numpy(np.array(mesh.faces)), None]
    reference = choose_backend(backend) == "torch"
    if reference or rays.shape[1] == 6:
        return Surface(vertices, known[1], NO_BOXES, reference)
    if known[2] is None:
        known[2] = [torch.from_numpy(a) for a in tree(vertices.detach().numpy(), mesh.faces)]
    return Surface(vertices, *known[2], reference)


def tree(vertices, faces):
    """Faces along a Morton curve, and the boxes [nodes, 6] of a complete binary tree over them (kernels/mesh.py)."""
    corners = vertices[faces]
    faces = faces[np.argsort(morton_codes(corners.sum(1)), kind="stable")]
    corners = vertices[faces]
    leaves = 1
    while leaves * LEAF < len(faces):
        leaves *= 2
    first = np.arange(leaves) * len(faces) // leaves
    low, high = np.minimum.reduceat(corners.min(1), first), np.maximum.reduceat(corners.max(1), first)
    levels = [np.concatenate([low, high], 1)]
    while len(low) > 1:
        low, high = np.minimum(low[::2], low[1::2]), np.maximum(high[::2], high[1::2])
        levels.append(np.concatenate([low, high], 1))
    return faces, np.concatenate(levels[::-1])


def morton_codes(points):
    """Position [n] of points [n, 3] on a space-filling curve of 2^30 places."""
    low = points.min(0)
    size = max(float((points.max(0) - low).max()), 1e-300)
    codes = ((points - low) * (1023 / size)).astype(np.int64)
    for shift, mask in ((16, 0x30000FF), (8, 0x300F00F), (4, 0x30C30C3), (2, 0x9249249)):
        codes = (codes | codes << shift) & mask
    return codes[:, 0] << 2 | codes[:, 1] << 1 | codes[:, 2]


# -- CPU target
NONE, NO_NUMBERS = np.empty(0), np.empty(0, np.int64)
NOTHING = NO_NUMBERS, NONE, NO_NUMBERS


def _traces(vertices, faces, boxes, rays, shape):
    """Pairs (numbers of some rays, a range; trace): trace(chords, heads, *found) notes all their crossings as `note` of kernels/mesh.py does,
    the first of these rays being number 0 there. What it needs is made once for both passes of mesh_crossings."""
    rays, corners = rays.detach().contiguous().numpy(), np.take(vertices.detach().numpy(), faces.numpy(), 0)
    if rays.shape[1] == 2:
        yield range(len(rays)), partial(_walk, corners, boxes.numpy(), rays)
        return
    step, pixels = 4 * cpu.THREADS, shape[0] * shape[1]
    for first in range(0, len(rays), step):
        bundles = rays[first:first + step]
        yield range(first * pixels, (first + len(bundles)) * pixels), partial(_draw, corners, _ranges(corners, bundles, *shape), bundles, *shape)


def _walk(corners, boxes, rays, *notes):
    """Listed rays."""
    block = max(1, min(4096, len(rays) // (4 * cpu.THREADS)))
    jobs = ((corners, boxes, rays, q, min(q + block, len(rays)), *notes, np.empty(8)) for q in range(0, len(rays), block))
    cpu.in_parallel(mesh_kernels()["walk_list"], jobs)


def _ranges(corners, bundles, rows, cols):
    """Pixels [views, triangles, 4] of flat detectors that may see each triangle (pixel_ranges of kernels/mesh.py)."""
    ranges = np.empty((len(bundles), len(corners), 4), np.int32)
    block = max(1, -(-len(corners) * len(bundles) // (4 * cpu.THREADS)))
    cpu.in_parallel(mesh_kernels()["pixel_ranges"], ((corners[t:t + block], *matrix, rows, cols, own[t:t + block])
                                                     for matrix, own in zip(map(pixel_matrix, bundles), ranges)
                                                     for t in range(0, len(corners), block)))
    return ranges


def _draw(corners, ranges, bundles, rows, cols, *notes):
    """Flat detectors, cut into bands of rows so that every thread has work."""
    band = max(1, -(-rows * len(bundles) // (4 * cpu.THREADS)))

    def bands():
        for i, (own, bundle) in enumerate(zip(ranges, bundles)):
            for r in range(0, rows, band):
                pixels = (min(r + band, rows) - r) * cols
                yield (corners, own, bundle, cols, r, min(r + band, rows), i * rows * cols, np.empty((pixels, 8)),
                       np.empty(pixels, np.int64), *notes)
    cpu.in_parallel(mesh_kernels()["draw_band"], bands())


def pixel_matrix(bundle):
    """[3, 4] of a bundle [6, 3]: (x, 1) -> (c w, r w, w), w = 0 at the source; and whether it is a cone (for parallel rays w is 1).

    A detector that is seen edge-on has none: zeros, which stand for every pixel.
    """
    cone = not bundle[1:3].any()
    steps = np.stack([*(bundle[4:6] if cone else bundle[1:3]), bundle[3] - bundle[0]], 1)
    if abs(np.linalg.det(steps)) <= 1e-9 * np.linalg.norm(steps, axis=0).prod():
        return np.zeros((3, 4)), True
    inverse = np.linalg.inv(steps)
    return np.concatenate([inverse, -(inverse @ bundle[0])[:, None]], 1), cone


def _ray_count(rays, shape):
    return len(rays) if rays.shape[1] == 2 else len(rays) * shape[0] * shape[1]


def _picture_shape(rays, shape):
    return (len(rays),) if rays.shape[1] == 2 else (len(rays), *shape)


def _pixel(index, shape):
    """View [m], row and column [m, 1] (float64) of the rays numbered `index`."""
    pixels = shape[0] * shape[1]
    pixel = index % pixels
    return index // pixels, (pixel // shape[1]).double()[:, None], (pixel % shape[1]).double()[:, None]


def rays_at(rays, shape, index):
    """Starts and ends [m, 3] of the rays numbered `index` [m]. (index_select: other indexing wakes torch's threads for a few numbers, and these
    wait on a processor that the kernels' threads want.)"""
    if rays.shape[1] == 2:
        return rays.index_select(0, index).unbind(1)
    view, r, c = _pixel(index, shape)
    b = (rays if len(rays) == 1 else rays.index_select(0, view)).unbind(1)
    return b[0] + c * b[1] + r * b[2], b[3] + c * b[4] + r * b[5]


# -- torch operators
@TorchOperator
def mesh_crossings(vertices: Tensor, faces: Tensor, boxes: Tensor, reference: bool, rays: Tensor,
                   shape: Sequence[int]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """All crossings of the lines through the rays: ray [m] (in rising order), triangle [m], ray parameter [m], sign [m]."""
    if reference:
        return reference_crossings(vertices, faces, rays, shape)
    parts = []
    for numbers, trace in _traces(vertices, faces, boxes, rays, shape):
        counts = np.zeros(len(numbers), np.int64)
        trace(NONE, counts, *NOTHING)
        total = int(counts.sum())
        found = np.empty(total, np.int64), np.empty(total), np.empty(total, np.int64)
        if total:
            trace(NONE, np.cumsum(counts) - counts, *found)
        parts.append((np.repeat(np.arange(numbers.start, numbers.stop), counts), *found))
    return tuple(torch.from_numpy(np.concatenate(p)) for p in zip(*parts))


@TorchOperator
def mesh_chords(vertices: Tensor, faces: Tensor, boxes: Tensor, reference: bool, rays: Tensor, shape: Sequence[int]) -> Tensor:
    """Length in mm of every ray inside the mesh, float64 [N, rows, cols] or [n]."""
    if reference:
        ray, _, a, sign = reference_crossings(vertices, faces, rays, shape)
        start, end = rays_at(rays, shape, ray)
        total = torch.zeros(_ray_count(rays, shape), dtype=torch.float64).index_add(0, ray, sign * a.clamp(0, 1) * norm(end - start))
        return total.reshape(_picture_shape(rays, shape))
    out = np.zeros(_ray_count(rays, shape))
    for numbers, trace in _traces(vertices, faces, boxes, rays, shape):
        trace(out[numbers.start:numbers.stop], NO_NUMBERS, *NOTHING)
    return torch.from_numpy(out.reshape(_picture_shape(rays, shape)))


@mesh_chords.register_fake
def _(vertices, faces, boxes, reference, rays, shape):
    return rays.new_empty(_picture_shape(rays, shape))


@TorchOperator
def mesh_chords_gradient(weights: Tensor, vertices: Tensor, faces: Tensor, boxes: Tensor, reference: bool, rays: Tensor,
                         shape: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Gradient of sum(weights * mesh_chords) by vertices and rays, some views at a time."""
    by_vertices, by_rays = torch.zeros_like(vertices), torch.zeros_like(rays)
    step = max(1, PIXELS // (_ray_count(rays, shape) // len(rays)))
    for i in range(0, len(rays), step):
        ray, triangle, a, sign = mesh_crossings(vertices, faces, boxes, reference, rays[i:i + step], shape)
        start, end = rays_at(rays[i:i + step], shape, ray)
        length, weight = norm(end - start), sign * weights[i:i + step].reshape(-1)[ray]
        along = (weight * a.clamp(0, 1) / length)[:, None] * (end - start)
        moved = weight * length * ((a >= 0) & (a <= 1))
        by_corners, by_start, by_end = crossing_gradient(moved, a, vertices[faces[triangle]], start, end)
        by_vertices.index_add_(0, faces[triangle].reshape(-1), by_corners.reshape(-1, 3))
        _add_at(by_rays[i:i + step], shape, ray, by_start - along, by_end + along)
    return by_vertices, by_rays


def _add_at(total, shape, index, by_start, by_end):
    """The transpose of rays_at: adds what belongs to starts and ends [m, 3] to bundles or lists."""
    if total.shape[1] == 2:
        total.index_add_(0, index, torch.stack([by_start, by_end], 1))
        return
    view, r, c = _pixel(index, shape)
    total.index_add_(0, view, torch.stack([by_start, c * by_start, r * by_start, by_end, c * by_end, r * by_end], 1))


def crossing_gradient(weights, a, corners, start, end):
    """Gradient of sum(weights * a) by the corners [m, 3, 3] of the crossed triangles, by starts and by ends [m, 3].

    A crossing lies at x = (1 - a) start + a end in the plane of its triangle, at barycentric b there: with the normal n and the ray d,
    n.d da = sum_k b_k n.dv_k - (1 - a) n.dstart - a n.dend.
    """
    a = a[:, None]
    x = (1 - a) * start + a * end
    across = torch.linalg.cross(corners.roll(-1, 1) - x[:, None], corners.roll(-2, 1) - x[:, None])
    normal = across.sum(1)
    slope = (normal * (end - start)).sum(-1, keepdim=True)
    squared = (normal * normal).sum(-1, keepdim=True)
    share = (across * normal[:, None]).sum(-1, keepdim=True) / torch.where(squared > 0, squared, 1)[:, None]
    moved = weights[:, None] * normal * torch.where(slope != 0, 1 / slope, 0)       # a ray in the triangle's plane has no derivative
    return share * moved[:, None], -(1 - a) * moved, -a * moved


def _keep(ctx, inputs, output):
    vertices, faces, boxes, ctx.reference, rays, ctx.shape = inputs
    ctx.save_for_backward(vertices, faces, boxes, rays)


def _chords_backward(ctx, gradient):
    *mesh, rays = ctx.saved_tensors
    by_vertices, by_rays = mesh_chords_gradient(gradient.contiguous(), *mesh, ctx.reference, rays, ctx.shape)
    return by_vertices, None, None, None, by_rays, None


def _no_second_derivative(*_):
    raise RuntimeError("the tracing of meshes has no second derivatives")


mesh_chords.register_autograd(_chords_backward, setup_context=_keep)
@mesh_chords_gradient.register_fake
def _(weights, vertices, faces, boxes, reference, rays, shape):
    return torch.empty_like(vertices), torch.empty_like(rays)


mesh_chords_gradient.register_autograd(_no_second_derivative, setup_context=lambda ctx, inputs, output: None)


class CrossingParameters(torch.autograd.Function):
    """Ray parameters of known crossings as a function of their triangles' corners [m, 3, 3] and of starts and ends [m, 3]."""

    @staticmethod
    def forward(ctx, a, corners, start, end):
        ctx.save_for_backward(a, corners, start, end)
        return a.clone()

    @staticmethod
    def backward(ctx, gradient):
        if torch.is_grad_enabled():
            _no_second_derivative()
        return None, *crossing_gradient(gradient, *ctx.saved_tensors)


def crossings(surface, rays, shape):
    """Crossings as mesh_crossings gives them, without their triangles: ray [m], ray parameter [m] with its graph, sign [m]."""
    with torch.no_grad():
        ray, triangle, a, sign = mesh_crossings(surface.vertices, surface.faces, surface.boxes, surface.reference, rays, list(shape))
    if torch.is_grad_enabled() and (surface.vertices.requires_grad or rays.requires_grad):
        a = CrossingParameters.apply(a, surface.vertices[surface.faces[triangle]], *rays_at(rays, shape, ray))
    return ray, a, sign


# -- what others call
def world_rays(views, points_ras):
    """The rays of `views` in RAS (bundles or a list); parallel ones run far enough to pass the points [P, 3] on both sides."""
    reach = None if views.direction is None else _reach(views, points_ras)
    if isinstance(views.surface, Flat):
        return torch.as_tensor(views.ray_bundle(reach)).cpu()
    start, end = views.rays(reach)
    xp = namespace(start, end)
    return torch.as_tensor(xp.stack([start + 0 * end, end], -2)).cpu().reshape(-1, 2, 3)


def _reach(views, points_ras):
    pixels = to_numpy(views.corners() if isinstance(views.surface, Flat) else views.surface.points(views)).reshape(len(views), -1, 3)
    centre = to_numpy(points_ras).mean(0)
    return float(norm(pixels - centre).max() + norm(to_numpy(points_ras) - centre).max())


def chord_lengths(mesh, views, backend="auto", dtype=torch.float32):
    """Length in mm [views, rows, cols] of every ray of `views` inside a watertight TriangleMesh, between source and pixel.

    Gradients reach the mesh's vertices and every tensor of `views`. backend "torch" takes the reference, else the CPU kernels run.
    An open mesh raises MeshError.
    """
    rays = world_rays(views, mesh.vertices)
    return chords(surface_of(mesh, rays, backend), rays, views.shape).reshape(len(views), *views.shape).to(dtype)


def chords(surface, rays, shape):
    """Length in mm of each ray inside the surface, float64 [N, rows, cols] or [n]."""
    return mesh_chords(surface.vertices, surface.faces, surface.boxes, surface.reference, rays, list(shape))


# -- torch reference
def reference_crossings(vertices, faces, rays, shape):
    """mesh_crossings in plain torch, every ray with every triangle."""
    count, chunk = _ray_count(rays, shape), max(1, PAIRS // len(faces))
    parts = []
    for first in range(0, count, chunk):
        index = torch.arange(first, min(first + chunk, count))
        start, end = rays_at(rays, shape, index)
        ray, triangle, a, sign = _all_crossings(vertices[faces], start, end - start)
        parts.append((ray + first, triangle, a, sign))
    return tuple(torch.cat(p) for p in zip(*parts))


def _all_crossings(corners, s, d):
    m = d.abs().argmax(-1)
    b, c = (m + 1) % 3, (m + 2) % 3

    def along(axis):
        return corners[..., axis].permute(1, 2, 0) - s.gather(1, axis[:, None])      # [3, rays, triangles]
    d_m, d_b, d_c = (d.gather(1, axis[:, None]) for axis in (m, b, c))
    z = along(m)
    x, y = along(b) - d_b / d_m * z, along(c) - d_c / d_m * z
    near = (x.amin(0) <= 0) & (x.amax(0) >= 0) & (y.amin(0) <= 0) & (y.amax(0) >= 0) & (d_m != 0)
    ray, triangle = near.nonzero().unbind(1)
    x, y, z = (t[:, ray, triangle] for t in (x, y, z))
    sides = torch.stack([_side(x, y, j, k) for j, k in ((1, 2), (2, 0), (0, 1))])
    hit = (sides == sides[0]).all(0) & (sides[0] != 0)
    x, y, z, ray, triangle = (t[..., hit] for t in (x, y, z, ray, triangle))
    w = torch.stack([x[j] * y[k] - y[j] * x[k] for j, k in ((1, 2), (2, 0), (0, 1))]).abs()
    total = w.sum(0)
    w = torch.where(total > 0, w / torch.where(total > 0, total, 1), 1 / 3)
    along_m = d_m[ray, 0]
    return ray, triangle, (w * z).sum(0) / along_m, (sides[0, hit] * along_m.sign()).long()


def _side(x, y, j, k):
    """Exact sign of p x q of corners j and k; ties as in kernels/mesh.py."""
    pairs = [(x[j], y[k]), (y[j], x[k])]
    u, w = (a * b for a, b in pairs)
    tie = u == w
    for left, right in ((_rounding(*pairs[0], u), _rounding(*pairs[1], w)), (y[j], y[k]), (x[k], x[j])):
        u, w = torch.where(tie, left, u), torch.where(tie, right, w)
        tie = u == w
    return (u - w).sign()


def _rounding(a, b, product):
    """What the rounded product lacks (Dekker)."""
    def split(t):
        high = 134217729.0 * t
        high = high - (high - t)
        return high, t - high
    (ah, al), (bh, bl) = split(a), split(b)
    return al * bl - (((product - ah * bh) - al * bh) - ah * bl)
