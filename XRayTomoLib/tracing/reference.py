"""Torch reference: every method in plain torch operations, differentiable by the volume and by the rays.

Slow and simple; it is the oracle of the compiled targets and the target where there is no compiler. It takes all planes (or crossings)
of a ray at once, so memory is rays x planes: rays are taken in chunks.
"""
import torch

CHUNK = 4096        # rays at a time


def line_integrals(volume, rays, metric, method, step):
    """Values [channels, n] of the rays [n, 2, 3] (start, end in voxel coordinates) through volume [channels, K, J, I].

    metric: (xx, yy, zz, xy, xz, yz) of the grid in mm^2; step in mm (trilinear only).
    """
    work = volume if volume.is_floating_point() and volume.dtype != torch.float16 else volume.float()
    rays = rays.to(torch.float64)
    trace = {"joseph": _joseph, "siddon": _siddon, "trilinear": _trilinear, "maximum": _maximum}[method]
    parts = [trace(work, chunk[:, 0], chunk[:, 1] - chunk[:, 0], metric, step) for chunk in rays.split(CHUNK)]
    return torch.cat(parts, 1) if parts else work.new_zeros((len(work), 0))


def lengths_mm(d, metric):
    """|d| in mm [n]."""
    xx, yy, zz, xy, xz, yz = metric
    x, y, z = d.unbind(-1)
    squared = xx * x * x + yy * y * y + zz * z * z + 2 * (xy * x * y + xz * x * z + yz * y * z)
    return torch.where(squared > 0, squared, torch.ones_like(squared)).sqrt() * (squared > 0)


def _interpolate(volume, points):
    """Trilinear values [channels, ...] at points [..., 3] (i, j, k), zeros outside."""
    size = torch.tensor(volume.shape[:0:-1], device=volume.device)
    low = points.detach().floor()
    fraction = points - low
    low = low.long()
    flat = volume.reshape(len(volume), -1)
    total = 0
    for corner in range(8):
        offset = torch.tensor([corner & 1, corner >> 1 & 1, corner >> 2 & 1], device=points.device)
        index = low + offset
        inside = ((index >= 0) & (index < size)).all(-1)
        i, j, k = torch.minimum(index.clamp(min=0), size - 1).unbind(-1)
        weight = torch.where(offset.bool(), fraction, 1 - fraction).prod(-1)
        value = flat[:, i + size[0] * (j + size[1] * k)]
        total = total + value * torch.where(inside, weight, torch.zeros_like(weight)).to(value.dtype)
    return total


def _plane_samples(volume, s, d):
    """Joseph's samples [channels, n, planes], the part of each plane's interval on the ray, and |d_m|; rays padded to the longest axis."""
    m = d.detach().abs().argmax(-1, keepdim=True)
    size = torch.tensor(volume.shape[:0:-1], device=volume.device)
    s_m, d_m = s.gather(1, m), d.gather(1, m)
    safe = torch.where(d_m == 0, torch.ones_like(d_m), d_m)
    k = torch.arange(int(size.max()), dtype=s.dtype, device=s.device)[None]
    points = s[:, None] + ((k - s_m) / safe)[..., None] * d[:, None]
    onplane = torch.arange(3, device=s.device) == m[:, None]
    points = torch.where(onplane, k[..., None].expand(len(s), -1, 1), points)       # exactly on the plane
    low, high = torch.minimum(s_m, s_m + d_m), torch.maximum(s_m, s_m + d_m)
    part = (torch.minimum(k + 0.5, high) - torch.maximum(k - 0.5, low)).clamp(min=0)
    part = part * (k < size[m]) * (d_m != 0)
    return _interpolate(volume, points), part, safe.abs()[:, 0]


def _joseph(volume, s, d, metric, step):
    samples, part, d_m = _plane_samples(volume, s, d)
    scale = lengths_mm(d, metric) / d_m
    return (samples * part.to(samples.dtype)).sum(-1) * scale.to(samples.dtype)


def _maximum(volume, s, d, metric, step):
    samples, part, _ = _plane_samples(volume, s, d)
    seen = torch.where(part > 0, samples, torch.zeros_like(samples))
    return seen.max(-1).values.clamp(min=0)


def _clip(s, d, low, high):
    """Part [a0, a1] within [0, 1] of each ray on which low <= s + a d <= high; empty parts have a1 <= a0."""
    still = d == 0
    safe = torch.where(still, torch.ones_like(d), d)
    p, q = (low - s) / safe, (high - s) / safe
    outside = still & ((s < low) | (s > high))
    infinite = torch.full_like(d, float("inf"))
    near = torch.where(still, -infinite, torch.minimum(p, q))
    far = torch.where(still, torch.where(outside, -infinite, infinite), torch.maximum(p, q))
    return near.max(-1).values.clamp(min=0), far.min(-1).values.clamp(max=1)


def _siddon(volume, s, d, metric, step):
    size = torch.tensor(volume.shape[:0:-1], device=volume.device)
    crossings = [torch.zeros_like(s[:, :1]), torch.ones_like(s[:, :1])]
    for axis in range(3):
        planes = torch.arange(int(size[axis]) + 1, dtype=s.dtype, device=s.device) - 0.5
        along = d[:, axis:axis + 1]
        safe = torch.where(along == 0, torch.ones_like(along), along)
        a = (planes - s[:, axis:axis + 1]) / safe
        crossings.append(torch.where(along == 0, torch.zeros_like(a), a).clamp(0, 1))
    a = torch.cat(crossings, 1).sort(1).values
    middle = s[:, None] + ((a[:, 1:] + a[:, :-1]) / 2).detach()[..., None] * d[:, None].detach()
    index = (middle.detach() + 0.5).floor().long()
    inside = ((index >= 0) & (index < size)).all(-1)
    i, j, k = torch.minimum(index.clamp(min=0), size - 1).unbind(-1)
    value = volume.reshape(len(volume), -1)[:, i + size[0] * (j + size[1] * k)]
    path = (a[:, 1:] - a[:, :-1]) * inside * lengths_mm(d, metric)[:, None]
    return (value * path.to(value.dtype)).sum(-1)


def _trilinear(volume, s, d, metric, step):
    size = torch.tensor(volume.shape[:0:-1], dtype=s.dtype, device=s.device)
    length = lengths_mm(d, metric)
    safe = torch.where(length == 0, torch.ones_like(length), length)
    a0, a1 = _clip(s, d, torch.full_like(size, -1.0), size)
    path = ((a1 - a0) * length).clamp(min=0)
    count = int((path.detach() / step).max().floor()) + 1 if len(path) else 1
    n = torch.arange(count, dtype=s.dtype, device=s.device)
    piece = (path[:, None] - n * step).clamp(min=0)
    piece = torch.where(piece.detach() >= step, torch.full_like(piece, step), piece)
    a = a0[:, None] + (n * step + piece / 2) / safe[:, None]
    samples = _interpolate(volume, s[:, None] + a[..., None] * d[:, None])
    return (samples * piece.to(samples.dtype)).sum(-1)
