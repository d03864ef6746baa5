"""Compiled kernels against the plain torch reference: every method on every detector through every grid, values and adjoints."""

import pytest
import torch
from Unit.tracing.scenes import GRIDS, LINEAR, VIEWS, noise, relative

from XRayTomoLib.tracing import METHODS, Projector

everywhere = pytest.mark.parametrize("surface", VIEWS)
on_every_grid = pytest.mark.parametrize("grid", GRIDS)
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12}


def pair(grid, surface, method):
    return [Projector(GRIDS[grid], VIEWS[surface], method=method, backend=backend) for backend in ("cpu", "torch")]


@pytest.mark.parametrize("method", METHODS)
@everywhere
@on_every_grid
def test_values_are_those_of_the_reference(grid, surface, method):
    compiled, reference = pair(grid, surface, method)
    for dtype, tolerance in TOLERANCE.items():
        x = noise(GRIDS[grid], dtype)
        p = compiled(x)
        assert p.dtype == dtype and p.shape == compiled.range_shape
        assert (p != 0).float().mean() > 0.1, "the scene must hit the grid for the comparison to mean anything"
        assert relative(p, reference(x)) <= tolerance


@pytest.mark.parametrize("method", LINEAR)
@everywhere
@on_every_grid
def test_adjoint_is_the_transpose(grid, surface, method):
    compiled, reference = pair(grid, surface, method)
    y = torch.rand(compiled.range_shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    for dtype, tolerance in TOLERANCE.items():
        assert compiled.dot_test(seed=3, dtype=dtype) <= tolerance
        assert relative(compiled.T(y.to(dtype)), reference.T(y.to(dtype))) <= tolerance
    assert reference.dot_test(seed=3, dtype=torch.float64) <= 1e-12


@pytest.mark.parametrize("method", LINEAR)
def test_adjoint_of_single_pixels_are_rows_of_the_matrix(method):
    """Every entry of the matrix by itself: A e_j and A.T e_i agree, where a sum could hide two errors."""
    compiled, _ = pair("one slice", "flat", method)
    voxels, pixels = int(torch.tensor(compiled.domain_shape).prod()), int(torch.tensor(compiled.range_shape).prod())
    forward = compiled(torch.eye(voxels, dtype=torch.float64).reshape(voxels, *compiled.domain_shape)).reshape(voxels, pixels)
    backward = compiled.T(torch.eye(pixels, dtype=torch.float64).reshape(pixels, *compiled.range_shape)).reshape(pixels, voxels)
    torch.testing.assert_close(backward.T, forward, rtol=1e-9, atol=1e-12)
