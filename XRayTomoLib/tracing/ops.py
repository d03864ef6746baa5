"""The compiled targets as torch operators with shapes and derivatives, so that autograd and torch.compile see through them.

volume [channels, K, J, I]; rays [N, 6, 3] (affine bundles of shape rows x cols) or [n, 2, 3] (a list), float64, voxel coordinates;
projections [channels, N, rows, cols] or [channels, n]; metric: the grid's six numbers, mm^2; table: 65536 values of 16-bit voxels, or
empty. First derivatives reach volume, projections and rays; second ones by the rays raise.
"""
from collections.abc import Sequence

import torch
from torch import Tensor

from . import cpu
from .torch_operators import TorchOperator


def target_of(tensor):
    """The module that computes where the tensor lives."""
    if tensor.device.type == "cpu":
        return cpu
    if tensor.device.type == "cuda":
        from . import cuda
        return cuda
    raise ValueError(f"no compiled kernels for tensors on '{tensor.device}'; use backend='torch'")


def _shape_of_projections(channels, rays, shape):
    return (channels, len(rays)) if rays.shape[1] == 2 else (channels, len(rays), *shape)


def _real(volume, table):
    return torch.float32 if len(table) else volume.dtype


def _plain(tensor):
    """What the target computes on: numpy views of CPU tensors, the tensors themselves elsewhere."""
    tensor = tensor.detach().contiguous()
    return tensor.numpy() if tensor.device.type == "cpu" else tensor


@TorchOperator
def project(volume: Tensor, table: Tensor, occupancy: Tensor, rays: Tensor, shape: Sequence[int], metric: Sequence[float], method: str,
            step: float) -> Tensor:
    """Line integrals (or largest samples) of all rays."""
    out = target_of(volume).forward(_plain(volume), _plain(table), _plain(rays), tuple(shape), metric, method, step, _plain(occupancy))
    return torch.as_tensor(out)


@project.register_fake
def _(volume, table, occupancy, rays, shape, metric, method, step):
    return volume.new_empty(_shape_of_projections(volume.shape[0], rays, shape), dtype=_real(volume, table))


@TorchOperator
def backproject(projections: Tensor, rays: Tensor, grid_shape: Sequence[int], metric: Sequence[float], method: str, step: float) -> Tensor:
    """The exact transpose of `project` by the volume."""
    out = target_of(projections).adjoint(_plain(projections), _plain(rays), tuple(grid_shape), metric, method, step)
    return torch.as_tensor(out)


@backproject.register_fake
def _(projections, rays, grid_shape, metric, method, step):
    return projections.new_empty((projections.shape[0], *grid_shape))


@TorchOperator
def project_jacobian(volume: Tensor, table: Tensor, rays: Tensor, shape: Sequence[int], metric: Sequence[float], method: str,
                     step: float) -> tuple[Tensor, Tensor]:
    """Projections, and in one pass with their derivatives by start and end of every ray: [..., 7]. Gradients come by the first alone."""
    values, full = target_of(volume).jacobian(_plain(volume), _plain(table), _plain(rays), tuple(shape), metric, method, step)
    return torch.as_tensor(values), torch.as_tensor(full)


@project_jacobian.register_fake
def _(volume, table, rays, shape, metric, method, step):
    values, real = _shape_of_projections(volume.shape[0], rays, shape), _real(volume, table)
    return volume.new_empty(values, dtype=real), volume.new_empty((*values, 7), dtype=real)


@TorchOperator
def ray_gradient(volume: Tensor, table: Tensor, weights: Tensor, rays: Tensor, shape: Sequence[int], metric: Sequence[float], method: str,
                 step: float) -> Tensor:
    """Gradient of sum(weights * project(volume)) by the rays, like `rays`; a few views at a time, so that memory stays small."""
    total = torch.zeros_like(rays)
    for part in _portions(rays, shape):
        sensitivity = project_jacobian(volume, table, rays[part], shape, metric, method, step)[1][..., 1:]
        total[part] = gather_ray_gradient(sensitivity, weights[:, part], rays.shape[1] == 2)
    return total


@ray_gradient.register_fake
def _(volume, table, weights, rays, shape, metric, method, step):
    return torch.empty_like(rays)


def _portions(rays, shape, most=1 << 21):
    """Slices of the rays' first axis of at most `most` pixels each."""
    pixels = 1 if rays.shape[1] == 2 else shape[0] * shape[1]
    size = max(1, most // pixels)
    return [slice(i, i + size) for i in range(0, len(rays), size)]


def gather_ray_gradient(sensitivity, weights, listed):
    """sum over channels and pixels of weights * d(start, end): [n, 2, 3] of listed rays, [N, 6, 3] of bundles, float64.

    sensitivity [channels, ..., 6]; in a bundle start = b0 + c b1 + r b2, end = b3 + c b4 + r b5.
    """
    if listed:
        return (sensitivity * weights[..., None]).sum(0).reshape(-1, 2, 3).double()
    rows, cols = weights.shape[-2:]
    r = torch.arange(rows, dtype=torch.float64, device=weights.device)
    c = torch.arange(cols, dtype=weights.dtype, device=weights.device)
    per_row = (torch.stack([weights, c * weights], -2) @ sensitivity).sum(0).double()          # [N, rows, 2, 6]
    plain, by_c, by_r = per_row[:, :, 0].sum(1), per_row[:, :, 1].sum(1), torch.einsum("nrd,r->nd", per_row[:, :, 0], r)
    return torch.stack([plain[:, :3], by_c[:, :3], by_r[:, :3], plain[:, 3:], by_c[:, 3:], by_r[:, 3:]], 1)


@TorchOperator
def maximum_subgradient(volume: Tensor, table: Tensor, projections: Tensor, rays: Tensor) -> Tensor:
    """Subgradient of the maximum intensity by the volume, for listed rays."""
    out = target_of(volume).maximum_subgradient(_plain(volume), _plain(table), _plain(projections), _plain(rays))
    return torch.as_tensor(out)


@maximum_subgradient.register_fake
def _(volume, table, projections, rays):
    return projections.new_empty(volume.shape)


# -- derivatives
def _keep_project(ctx, inputs, output):
    volume, table, _, rays, *ctx.options = inputs
    needs_volume = ctx.needs_input_grad[3] or ctx.options[2] == "maximum"
    ctx.grid_shape = tuple(volume.shape[1:])
    ctx.save_for_backward(volume if needs_volume else None, table, rays)


def _project_backward(ctx, gradient):
    volume, table, rays = ctx.saved_tensors
    shape, metric, method, step = ctx.options
    by_volume = by_rays = None
    if ctx.needs_input_grad[0]:
        by_volume = (_maximum_by_volume(volume, table, gradient, rays) if method == "maximum" else
                     backproject(gradient, rays, ctx.grid_shape, metric, method, step))
    if ctx.needs_input_grad[3]:
        by_rays = ray_gradient(volume, table, gradient, rays, shape, metric, method, step)
    return by_volume, None, None, by_rays, None, None, None, None


def _maximum_by_volume(volume, table, gradient, rays):
    if rays.shape[1] == 2:
        return maximum_subgradient(volume, table, gradient, rays)
    total = torch.zeros_like(volume)
    for i in range(len(rays)):
        total += maximum_subgradient(volume, table, gradient[:, i].flatten(1), list_rays(rays[i:i + 1], gradient.shape[2:]))
    return total


def list_rays(bundles, shape):
    """The rays [N * rows * cols, 2, 3] of affine bundles [N, 6, 3]."""
    rows, cols = shape
    r = torch.arange(rows, dtype=bundles.dtype, device=bundles.device)[:, None, None]
    c = torch.arange(cols, dtype=bundles.dtype, device=bundles.device)[None, :, None]
    b = bundles[:, :, None, None]
    return torch.stack([b[:, 0] + c * b[:, 1] + r * b[:, 2], b[:, 3] + c * b[:, 4] + r * b[:, 5]], -2).reshape(-1, 2, 3)


project.register_autograd(_project_backward, setup_context=_keep_project)


def _keep_backproject(ctx, inputs, output):
    projections, rays, ctx.grid_shape, *ctx.options = inputs
    ctx.shape = tuple(projections.shape[2:])
    ctx.save_for_backward(projections if ctx.needs_input_grad[1] else None, rays)


def _backproject_backward(ctx, gradient):
    projections, rays = ctx.saved_tensors
    empty, none = gradient.new_empty(0, dtype=torch.float32), torch.empty(0, dtype=torch.uint8, device=gradient.device)
    by_projections = by_rays = None
    shape = list(ctx.shape) or [1, 1]
    if ctx.needs_input_grad[0]:
        by_projections = project(gradient, empty, none, rays, shape, *ctx.options)
    if ctx.needs_input_grad[1]:
        by_rays = ray_gradient(gradient, empty, projections, rays, shape, *ctx.options)
    return by_projections, by_rays, None, None, None, None


backproject.register_autograd(_backproject_backward, setup_context=_keep_backproject)


def _keep_jacobian(ctx, inputs, output):
    volume, _, rays, *ctx.options = inputs
    ctx.grid_shape, ctx.listed = tuple(volume.shape[1:]), rays.shape[1] == 2
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(rays, output[1] if ctx.needs_input_grad[2] else None)


def _jacobian_backward(ctx, gradient, by_full):
    rays, full = ctx.saved_tensors
    if by_full is not None:
        _no_second_derivative()
    if gradient is None:
        return (None,) * 7
    _, metric, method, step = ctx.options
    weights = gradient.contiguous()
    by_volume = by_rays = None
    if ctx.needs_input_grad[0]:
        by_volume = backproject(weights, rays, ctx.grid_shape, metric, method, step)
    if ctx.needs_input_grad[2]:
        by_rays = gather_ray_gradient(full[..., 1:], weights, ctx.listed)
    return by_volume, None, by_rays, None, None, None, None


project_jacobian.register_autograd(_jacobian_backward, setup_context=_keep_jacobian)


def _no_second_derivative(*_):
    raise RuntimeError("the ray tracer has no second derivatives by the geometry; use Projector.jacobian for Gauss-Newton")


ray_gradient.register_autograd(_no_second_derivative, setup_context=lambda ctx, inputs, output: None)
maximum_subgradient.register_autograd(_no_second_derivative, setup_context=lambda ctx, inputs, output: None)
