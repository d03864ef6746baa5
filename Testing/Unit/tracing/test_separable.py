"""The way for detector columns parallel to a volume axis: the same numbers as the reference, whatever the rows' distance and direction."""

from dataclasses import replace

import pytest
import torch
from Unit.tracing.scenes import noise, relative

from XRayTomoLib.geometry import CArm, Views, circle
from XRayTomoLib.grids import CartesianGrid
from XRayTomoLib.tracing import Projector, targets
from XRayTomoLib.tracing.backprojection import backproject_voxels
from XRayTomoLib.tracing.separable import separable_axis

GRID = CartesianGrid.centred((21, 18, 19), (1.1, 0.9, 1.0))
ARM = CArm(sdd_mm=120.0, sod_mm=80.0, rows=13, cols=12, col_pitch_mm=3.1, row_pitch_mm=2.3, principal_offset_mm=(1.3, -2.1))
ROWS = {"fine": (60, 0.4), "close": (45, 0.7), "apart": (30, 1.3), "wide": (19, 2.3), "coarse": (7, 6.1)}      # rows and their pitch (mm)


def flipped(views):
    """The same detectors with their rows counted from the other end."""
    return replace(views, origin=views.origin + (views.shape[0] - 1) * views.v, v=-views.v)


def parallel(views):
    return Views(direction=views.centre - views.source, origin=views.origin, u=views.u, v=views.v, shape=views.shape)


@pytest.fixture(params=[True, False], ids=["lanes", "loops"])
def kernels(request, monkeypatch):
    """Both forms of the kernels that work along lines."""
    if request.param and not targets.has_lanes():
        pytest.skip("this processor has no AVX2")
    monkeypatch.setattr(targets, "has_lanes", lambda: request.param)


@pytest.mark.parametrize("change", [lambda v: v, flipped, parallel], ids=["cone", "flipped", "parallel"])
@pytest.mark.parametrize("rows", ROWS)
def test_same_numbers_as_the_reference(kernels, rows, change):
    count, pitch = ROWS[rows]
    views = change(circle(replace(ARM, rows=count, row_pitch_mm=pitch), 7, start_deg=13.0))
    A, reference = (Projector(GRID, views, backend=backend) for backend in ("cpu", "torch"))
    assert separable_axis(A._rays("cpu").numpy(), views.shape, GRID.shape) == 2
    x, y = noise(GRID), torch.rand(A.range_shape, generator=torch.Generator().manual_seed(1))
    assert relative(A(x), reference(x)) <= 1e-5
    assert relative(A.T(y), reference.T(y)) <= 1e-5
    assert A.dot_test() <= 1e-6


def test_adjoint_is_the_same_bit_for_bit(kernels):
    A = Projector(GRID, circle(ARM, 5), backend="cpu")
    y = torch.rand(A.range_shape)
    assert torch.equal(A.T(y), A.T(y))


@pytest.mark.parametrize("turn", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_any_axis_of_the_volume(turn):
    """The grid's axes renamed: the same scene, and the same projections."""
    x = noise(GRID)
    matrix = GRID.ijk_to_ras[:, [*turn, 3]]
    turned = CartesianGrid(tuple(GRID.shape[2 - a] for a in turn[::-1]), matrix)
    moved = x.permute([2 - a for a in turn[::-1]]).contiguous()
    views = circle(ARM, 5)
    p = Projector(turned, views, backend="cpu")(moved)
    assert separable_axis(Projector(turned, views)._rays("cpu").numpy(), views.shape, turned.shape) == turn.index(2)
    assert relative(p, Projector(GRID, views, backend="torch")(x)) <= 1e-5


@pytest.mark.parametrize("rows", ROWS)
def test_backprojection_by_lines_is_that_by_voxels(kernels, rows):
    """A tilt too small to see takes the views out of the lines' way."""
    count, pitch = ROWS[rows]
    views = circle(replace(ARM, rows=count, row_pitch_mm=pitch), 6, start_deg=13.0)
    tilted = replace(views, u=views.u + 1e-7 * views.v)
    p = torch.rand(len(views), *views.shape, generator=torch.Generator().manual_seed(2))
    for change in (lambda v: v, flipped):
        assert relative(backproject_voxels(p, GRID, change(views)), backproject_voxels(p, GRID, change(tilted))) <= 1e-5
