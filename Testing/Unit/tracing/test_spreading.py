"""The transpose of voxel-driven backprojection, by which gradients pass through filtered backprojection."""
from dataclasses import replace

import numpy as np
import pytest
import torch

from XRayTomoLib.geometry import CArm, Cylindrical, Views, circle, pose_about
from XRayTomoLib.grids import CartesianGrid
from XRayTomoLib.tracing import ProjectionError, backproject_voxels, spread_voxels
from XRayTomoLib.tracing.backprojection import _arcs, _padded, _spread_by_torch, _spread_on_cpu, voxel_matrices

ARM = CArm(500, 300, 14, 18, 2.6, 2.9)


def parallel():
    angle = np.radians([0.0, 50, 130])
    ahead = np.stack([-np.sin(angle), np.cos(angle), 0 * angle], 1)
    u, v = np.stack([-np.cos(angle), -np.sin(angle), 0 * angle], 1), np.array([0.0, 0.0, -1.0])
    return Views(direction=ahead, origin=200 * ahead - 9 * u - 6 * v, u=u, v=v, shape=(14, 18))


SCANS = {
    "one layer": (circle(ARM, 5), CartesianGrid.centred((1, 20, 22), 1.5)),
    "columns along k": (circle(ARM, 5), CartesianGrid.centred((20, 9, 11), 1.5)),
    "columns along i": (circle(ARM, 4), CartesianGrid((9, 8, 20), CartesianGrid.centred((20, 9, 8), 1.5).ijk_to_ras @ np.eye(4)[[2, 1, 0, 3]])),
    "oblique": (circle(ARM, 5), CartesianGrid.centred((12, 13, 14), 2.0).transformed(pose_about((0.3, 0.2, -0.5), (3, 1, 2), (0, 0, 0)))),
    "parallel": (parallel(), CartesianGrid.centred((18, 9, 11), 1.2)),
}
SCANS |= {
    f"arc, {name}": (replace(SCANS[name][0], surface=Cylindrical(500.0, 6.3), origin=SCANS[name][0].origin + 2.2 * SCANS[name][0].u), SCANS[name][1])
    for name in ("one layer", "columns along k", "columns along i", "oblique")
}  # fmt: skip


@pytest.mark.parametrize("power", [0, 1, 2])
@pytest.mark.parametrize("name", SCANS)
def test_transpose(name, power):
    views, grid = SCANS[name]
    random = torch.Generator().manual_seed(power)
    p, x = torch.rand(len(views), *views.shape, generator=random), torch.rand(grid.shape, generator=random)
    left = (backproject_voxels(p, grid, views, power).double() * x).sum()
    right = (p * spread_voxels(x, grid, views, power).double()).sum()
    assert float(left) == pytest.approx(float(right), rel=2e-6)


@pytest.mark.parametrize("power", [0, 2])
@pytest.mark.parametrize("name", [name for name in SCANS if name.startswith("arc")])
def test_cylinders_about_the_source_are_sampled_where_the_views_see_the_voxels(name, power):
    """A plane's values come back exactly by interpolation; those of voxels that are seen outside the pixels' centres are left out."""
    views, grid = SCANS[name]
    rows, cols = np.indices(views.shape)
    x = backproject_voxels(torch.as_tensor(np.stack([3 + 2 * rows - cols] * len(views)), dtype=torch.float32), grid, views, power).numpy()
    k, j, i = np.indices(grid.shape)
    points = grid.ras_from_ijk(np.stack([i, j, k], -1).reshape(-1, 3).astype(float))
    r, c = np.moveaxis(views.project(points), -1, 0)
    across = points[None] - views.source[:, None]
    axis = views.v / np.linalg.norm(views.v, axis=1, keepdims=True)
    distance = np.linalg.norm(across - (across * axis[:, None]).sum(-1, keepdims=True) * axis[:, None], axis=-1)
    seen = ((r > 0) & (r < views.shape[0] - 1) & (c > 0) & (c < views.shape[1] - 1)).all(0)
    assert seen.mean() > 0.3
    assert np.allclose(x.ravel()[seen], ((3 + 2 * r - c) / distance ** power).sum(0)[seen], rtol=1e-4)


@pytest.mark.parametrize("name", SCANS)
def test_the_way_of_other_devices_gives_the_same(name):
    views, grid = SCANS[name]
    matrices, arcs = _padded(voxel_matrices(grid, views), _arcs(views))
    x = torch.rand(grid.shape, generator=torch.Generator().manual_seed(1))
    a, b = (way(x, matrices, arcs, 2 if views.direction is None else 0, views.shape) for way in (_spread_on_cpu, _spread_by_torch))
    assert torch.allclose(a, b, rtol=1e-4, atol=1e-5 * float(a.max()))


def test_gradients_are_each_others_transposes_in_batches():
    views, grid = SCANS["oblique"]
    p = torch.rand(2, len(views), *views.shape, requires_grad=True)
    w = torch.rand(2, *grid.shape)
    gradient, = torch.autograd.grad((backproject_voxels(p, grid, views) * w).sum(), p)
    assert torch.allclose(gradient, spread_voxels(w, grid, views))
    x = torch.rand(grid.shape, requires_grad=True)
    back, = torch.autograd.grad((spread_voxels(x, grid, views) * p[0].detach()).sum(), x)
    assert torch.allclose(back, backproject_voxels(p[0].detach(), grid, views))


def test_the_same_bits_every_time():
    views, grid = SCANS["columns along k"]
    x = torch.rand(grid.shape)
    assert torch.equal(spread_voxels(x, grid, views), spread_voxels(x, grid, views))


def test_what_does_not_fit_is_refused():
    views, grid = SCANS["oblique"]
    with pytest.raises(ProjectionError, match="expected .*12, 13, 14"):
        spread_voxels(torch.zeros(3, 3, 3), grid, views)
    with pytest.raises(ProjectionError, match="flat or cylinders about the source"):
        spread_voxels(torch.zeros(grid.shape), grid, replace(views, surface=Cylindrical(450.0, 6.5)))
