"""Compiled kernels against the plain torch reference: every method on every detector through every grid, values and adjoints."""

import numpy as np
import pytest
import torch
from Unit.tracing.scenes import GRIDS, LINEAR, VIEWS, noise, relative

from XRayTomoLib.geometry import Views
from XRayTomoLib.grids import CartesianGrid
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


@pytest.mark.parametrize("spread", [0.01, 0.2, 0.8])
@pytest.mark.parametrize("axis", range(3))
def test_rays_of_any_steepness_and_spread(axis, spread):
    """Windows of several octets of planes whose fibres lean either way; pixels of a tile differ by `spread` in slope."""
    grid, slopes = CartesianGrid.centred((37, 41, 45), 1.0), [(0.0, 0.0), (0.95, -0.6), (-0.31, 0.87), (0.07, 0.14)]
    b, c = np.roll(np.eye(3), 1, 0)[axis], np.roll(np.eye(3), 2, 0)[axis]
    views = []
    for sign, (slope_b, slope_c) in zip((1, -1, 1, -1), slopes):
        towards, pitch = sign * np.eye(3)[axis] + slope_b * b + slope_c * c, spread * 90 / 16
        source, centre = [0.1371, -0.2719, 0.0833] - 45 * towards, [0.3127, 0.2239, 0.4331] + 45 * towards    # off edges: derivatives jump there
        views.append(Views(source=source, origin=centre - 9 * pitch * b - 8 * pitch * c, u=pitch * b, v=pitch * c, shape=(17, 19)))
    views = Views.concatenate(views)
    compiled, reference = (Projector(grid, views, backend=backend) for backend in ("cpu", "torch"))
    for dtype, tolerance in TOLERANCE.items():
        x = noise(grid, dtype)
        assert relative(compiled(x), reference(x)) <= tolerance
        assert relative(compiled.jacobian(x)[1], reference.jacobian(x)[1]) <= (1e-4 if dtype == torch.float32 else 1e-10)
        assert compiled.dot_test(seed=3, dtype=dtype) <= tolerance
    half = noise(grid, torch.float32).half()
    assert relative(compiled(half), reference(half.float())) <= 1e-5
