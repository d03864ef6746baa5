"""The CUDA target's own functions on tiny cases; as a script, in numba's simulator, it writes what they return to a file."""
import sys

import numpy as np
import torch
from Unit.tracing.scenes import GRIDS, VIEWS, noise

from XRayTomoLib.tracing import METHODS, Projector
from XRayTomoLib.tracing.backprojection import voxel_matrices
from XRayTomoLib.tracing.projector import float16_table

STEP_MM = 0.7
WORKS = [(method, work) for method in METHODS for work in ("forward", "jacobian", "adjoint")]
CASES = [
    *((method, work, layout, "float32") for method, work in WORKS for layout in ("bundle", "listed")),
    *(("joseph", work, layout, "float64") for work in ("forward", "jacobian", "adjoint") for layout in ("bundle", "listed")),
    ("joseph", "forward", "bundle", "float16"), ("joseph", "jacobian", "listed", "float16"), ("maximum", "adjoint", "listed", "float16"),
]  # fmt: skip
CASES = [case for case in CASES if case[:3] != ("maximum", "adjoint", "bundle")]    # its subgradient takes listed rays alone
BACKPROJECTIONS = [(grid, surface) for grid in ("plain", "sheared") for surface in ("flat", "parallel")]


def result(target, case):
    """What the functions of `target` (cpu or cuda) give for `case`, an array."""
    method, work, layout, number = case
    turn = torch.Tensor.numpy if target.__name__.endswith("cpu") else lambda tensor: tensor
    grid = GRIDS["sheared"]
    bundles = Projector(grid, VIEWS["flat"][[0, 3]])
    rays = bundles._rays(torch.device("cpu")) if layout == "bundle" else Projector(grid, VIEWS["free"])._rays(torch.device("cpu"))[::7]
    volume = noise(grid, getattr(torch, number), lead=(2,))
    table = float16_table(volume.device) if number == "float16" else torch.empty(0)
    y = torch.rand((2, len(rays), *(bundles.views.shape if layout == "bundle" else ())), generator=torch.Generator().manual_seed(4),
                   dtype=torch.float64).to(torch.float64 if number == "float64" else torch.float32)
    volume, table, rays, y = (turn(a.contiguous()) for a in (volume, table, rays, y))
    options = bundles.metric, method, STEP_MM
    if work == "adjoint" and method == "maximum":
        return target.maximum_subgradient(volume, table, y, rays)
    if work == "adjoint":
        return target.adjoint(y, rays, grid.shape, *options)
    if work == "jacobian":
        return target.jacobian(volume, table, rays, bundles.views.shape, *options)[1]
    return target.forward(volume, table, rays, bundles.views.shape, *options, turn(torch.empty(0, dtype=torch.uint8)))


def backprojection_case(grid, surface):
    """Projections [N, rows, cols], grid shape, voxel matrices and whether the weight is 1/depth^2."""
    grid, views = GRIDS[grid], VIEWS[surface]
    p = torch.rand((len(views), *views.shape), generator=torch.Generator().manual_seed(6))
    return p, grid.shape, voxel_matrices(grid, views), views.direction is None


def simulate(path):
    """Blocks are small, so that every grid has several with threads outside the work; atomic operations of several threads are not
    safe in the simulator, so those blocks have one thread."""
    from XRayTomoLib.tracing import cuda
    cuda.MOST_VIEWS = 1
    found = {}
    for case in CASES:
        cuda.TILE, cuda.LINE = ((1, 1), 1) if case[1] == "adjoint" else ((4, 2), 8)
        found["/".join(case)] = result(cuda, case).numpy()
    for case in BACKPROJECTIONS:
        found["/".join(case)] = cuda.backproject_voxels(*backprojection_case(*case)).numpy()
    np.savez(path, **found)


if __name__ == "__main__":
    simulate(sys.argv[1])
