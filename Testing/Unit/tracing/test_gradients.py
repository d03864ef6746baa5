"""Derivatives by the volume and by every tensor of the views: against central differences, against the reference, and the Jacobian."""

from dataclasses import replace

import pytest
import torch
from Unit.tracing.scenes import CENTRE, GRIDS, LINEAR, VIEWS, grid_about, noise, relative

from XRayTomoLib.geometry import FreePixels, Views, pose_about
from XRayTomoLib.tracing import METHODS, Projector, ops, project

SMALL = grid_about((4, 5, 6), GRIDS["sheared"].ijk_to_ras[:3, :3] * 1.7)
NAMES = {"flat": ("source", "origin", "u", "v"), "parallel": ("direction", "origin", "u", "v")}


def as_tensors(views, names):
    return [torch.tensor(getattr(views, name)).requires_grad_() for name in names]


def small_views(surface):
    """Three of the views, a few pixels each; source outside, inside, and a detector that cuts the volume."""
    return VIEWS[surface][[0, 3, 4]].cropped(2, 3, 3, 2)


@pytest.mark.parametrize("backend", ["cpu", "torch"])
@pytest.mark.parametrize("method", LINEAR)
@pytest.mark.parametrize("surface", NAMES)
def test_every_tensor_against_central_differences(surface, method, backend):
    views = small_views(surface) if backend == "cpu" else small_views(surface).cropped(1, 0, 1, 2)  # the reference is slow
    x = noise(SMALL, torch.float64).requires_grad_()

    def traced(x, *tensors):
        return project(x, SMALL, replace(views, **dict(zip(NAMES[surface], tensors))), method=method, backend=backend)

    assert torch.autograd.gradcheck(traced, (x, *as_tensors(views, NAMES[surface])), eps=1e-6, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("method", LINEAR)
def test_free_pixels_against_central_differences(method):
    start, end = (torch.tensor(a).requires_grad_() for a in small_views("flat").rays())
    views, x = small_views("flat"), noise(SMALL, torch.float64).requires_grad_()

    def traced(x, start, end):
        return project(x, SMALL, replace(views, surface=FreePixels(end, start)), method=method, backend="cpu")

    assert torch.autograd.gradcheck(traced, (x, start, end), eps=1e-6, atol=1e-6, rtol=1e-6)


def test_maximum_against_central_differences():
    views, x = small_views("flat"), noise(SMALL, torch.float64).requires_grad_()

    def traced(x, source, origin):
        return project(x, SMALL, replace(views, source=source, origin=origin), method="maximum", backend="cpu")

    assert torch.autograd.gradcheck(traced, (x, *as_tensors(views, ("source", "origin"))), eps=1e-6, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("method", LINEAR)
def test_adjoint_has_derivatives_too(method):
    """By the projections and by the views, as an unrolled reconstruction needs them."""
    views = small_views("flat")
    y = torch.rand(3, 3, 2, dtype=torch.float64, requires_grad=True)

    def backprojected(y, *tensors):
        return Projector(SMALL, replace(views, **dict(zip(NAMES["flat"], tensors))), method=method, backend="cpu").T(y)

    assert torch.autograd.gradcheck(backprojected, (y, *as_tensors(views, NAMES["flat"])), eps=1e-6, atol=1e-6, rtol=1e-6)


def test_pose_of_the_object_against_central_differences():
    """Through exp at zero: the first step of a registration."""
    views, x = small_views("flat"), noise(SMALL, torch.float64)

    def traced(w, t):
        return project(x, SMALL, views.transformed(torch.linalg.inv(pose_about(w, t, CENTRE))), backend="cpu")

    zeros = [torch.zeros(3, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    assert torch.autograd.gradcheck(traced, zeros, eps=1e-6, atol=1e-6, rtol=1e-6)


# -- float32 kernels against the reference in float64
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("grid", ["oblique", "left-handed", "anisotropic", "one slice"])
def test_gradients_are_those_of_the_reference(grid, method):
    views, gradients = VIEWS["flat"], []
    weights = torch.rand(5, 7, 9, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    for backend, dtype in (("cpu", torch.float32), ("torch", torch.float64)):
        x, tensors = noise(GRIDS[grid], dtype).requires_grad_(), as_tensors(views, NAMES["flat"])
        p = project(x, GRIDS[grid], replace(views, **dict(zip(NAMES["flat"], tensors))), method=method, backend=backend)
        seen = p.detach() > 0  # at 0 the largest sample may be any, or none
        (p * seen * weights.to(dtype)).sum().backward()
        gradients.append([x.grad, *(t.grad for t in tensors)])
    for compiled, reference in zip(*gradients):
        assert reference.norm() > 0 and relative(compiled, reference) < 1e-4


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("surface", ["flat", "parallel", "spherical", "free"])
def test_jacobian_is_that_of_the_reference(surface, method):
    grid, views = GRIDS["sheared"], VIEWS[surface]
    x = noise(grid, torch.float64, lead=(2,))
    value, rows = Projector(grid, views, method=method, backend="cpu").jacobian(x)
    expected_value, expected = Projector(grid, views, method=method, backend="torch").jacobian(x)
    assert rows.shape == (2, 5, 7, 9, 2, 3)
    assert relative(value, expected_value) < 1e-12 and relative(rows, expected) < 1e-9
    assert relative(value, project(x, grid, views, method=method, backend="cpu")) < 1e-12


@pytest.mark.parametrize("axis", range(3))
def test_diagonal_rays_that_graze_voxels_keep_their_value(axis):
    """Slope 1 and a position just below a voxel: rounding must not lift it out of the voxels that are looked at."""
    volume = torch.rand((1, 40, 40, 40), generator=torch.Generator().manual_seed(2))
    below = [2.0 ** -n for n in range(18, 26)]
    ends = torch.tensor([[[-1.0 - b * (a != axis) for a in range(3)], [41.0 - b * (a != axis) for a in range(3)]] for b in below],
                        dtype=torch.float64)
    options = torch.empty(0), ends, [1, 1], [1.0, 1.0, 1.0, 0.0, 0.0, 0.0], "joseph", 1.0
    value, full = ops.project_jacobian(volume, *options)
    expected, _ = ops.project_jacobian(volume.double(), torch.empty(0), *options[1:])
    torch.testing.assert_close(value.double(), expected, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(full[..., 0], value)


def test_jacobian_holds_derivatives_in_ras():
    """Moving the source by a millimetre along R changes the pixel by the Jacobian's first number."""
    grid, views = GRIDS["oblique"], VIEWS["flat"]
    x, step = noise(grid, torch.float64), 1e-5
    _, rows = Projector(grid, views, backend="cpu").jacobian(x)
    for axis in range(3):
        moved = [replace(views, source=views.source + sign * step * torch.eye(3)[axis].numpy()) for sign in (1, -1)]
        difference = (project(x, grid, moved[0]) - project(x, grid, moved[1])) / (2 * step)
        error = (rows[..., 0, axis] - difference).abs()
        assert float(error.median()) < 1e-8 and float((error > 1e-5).double().mean()) < 0.02  # a few rays cross an edge of the voxels


def test_large_projections_take_the_way_of_two_passes(monkeypatch):
    """Beyond the memory of one pass the gradient is traced anew; it stays the same."""
    grid, views, found = GRIDS["oblique"], VIEWS["flat"], []
    for limit in (1 << 30, 0):
        monkeypatch.setattr("XRayTomoLib.tracing.projector.ONE_PASS_BYTES", limit)
        x, tensors = noise(grid, torch.float64).requires_grad_(), as_tensors(views, NAMES["flat"])
        project(x, grid, replace(views, **dict(zip(NAMES["flat"], tensors))), backend="cpu").square().sum().backward()
        found.append([x.grad, *(t.grad for t in tensors)])
    for one, two in zip(*found):
        torch.testing.assert_close(one, two, rtol=1e-10, atol=1e-10)


def test_second_derivatives_by_the_geometry_are_refused():
    views = small_views("flat")
    tensors = as_tensors(views, NAMES["flat"])
    p = project(noise(SMALL, torch.float64), SMALL, replace(views, **dict(zip(NAMES["flat"], tensors))), backend="cpu")
    with pytest.raises(RuntimeError, match="no second derivatives by the geometry"):
        first = torch.autograd.grad(p.square().sum(), tensors[0], create_graph=True)[0]
        torch.autograd.grad(first.sum(), tensors[0])


def test_one_tensor_among_the_views_gets_its_gradient():
    views = small_views("flat")
    source = torch.tensor(views.source, requires_grad=True)
    moving = Views(source=source, origin=views.origin, u=views.u, v=views.v, shape=views.shape)
    project(noise(SMALL), SMALL, moving).sum().backward()
    assert source.grad.shape == (3, 3) and float(source.grad.abs().sum()) > 0
