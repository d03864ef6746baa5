"""Every method by its name, and one way to run any of them."""
from dataclasses import replace
from functools import partial

import torch

from ..grids import CartesianGrid
from ..jobs import Step, mapped
from ..options import make
from ..tracing import Projector
from .algebraic import OSSART, SART, SIRT, Backprojection, Landweber
from .analytic import FDK, HelicalFDK, Katsevich
from .iteration import Iterative, iterate
from .krylov import CGLS, LSQR
from .pocs import ASDPOCS, PICCS
from .problem import Problem, ReconstructionError
from .regularised import FISTA, PDHG
from .statistical import MLEM, OSEM, TransmissionML

METHODS = {
    "fdk": FDK, "helical-fdk": HelicalFDK, "katsevich": Katsevich,
    "backprojection": Backprojection, "landweber": Landweber, "sirt": SIRT, "sart": SART, "os-sart": OSSART,
    "cgls": CGLS, "lsqr": LSQR,
    "mlem": MLEM, "osem": OSEM, "transmission-ml": TransmissionML,
    "fista": FISTA, "pdhg": PDHG, "asd-pocs": ASDPOCS, "piccs": PICCS,
}  # fmt: skip


def method_of(name, values=None):
    """The method called `name` with the option values given as a dictionary."""
    if name not in METHODS:
        raise ReconstructionError(f"method '{name}' is not known; expected one of: {', '.join(METHODS)}")
    return make(METHODS[name], values or {})


def is_iterative(method):
    return isinstance(method, Iterative) or isinstance(method, type) and issubclass(method, Iterative)


def reconstruct(method, views, p, grid, levels=0, state=None, memory_budget_mb=None, projector=Projector, **known):
    """Generator of Steps that returns the volume [K, J, I] (1/mm) of projections p [views, rows, cols] on `grid`.

    method: one of METHODS' instances. Iterative methods take what else is known (weights, support, start, prior, noise: see Problem),
    `state` of a step to go on from, `levels`: how many coarser grids, each of half the resolution, find the start, and `projector`, which
    makes the operator of a grid and views (distributed.py).
    """
    p = torch.as_tensor(p, dtype=torch.float32)
    if not is_iterative(method):
        if any(value is not None for value in known.values()) or levels or state is not None:
            raise ReconstructionError(f"{method.TITLE} takes no {', '.join(known) or 'start'}; take an iterative method, or leave it out")
        return method.run(views, p, grid)
    return _iterated(method, views, p, grid, levels, state, partial(projector, memory_budget_mb=memory_budget_mb), known)


def _iterated(method, views, p, grid, levels, state, projector, known):
    if levels and state is None and known.get("start") is None:
        known = known | {"start": (yield from preparing(_coarse_start(method, views, p, grid, levels, projector, known), "coarse start"))}
    return (yield from iterate(method, Problem(projector(grid, views), p, **known), state))


def preparing(job, name):
    """The Steps of work that comes before the reconstruction: they say so, and are no volume to show and nothing to resume from."""
    return mapped(job, lambda step: Step(step.index, step.total, None, name))


def _coarse_start(method, views, p, grid, levels, projector, known):
    """The same method on a grid and detector of half the resolution, itself started from the next coarser one."""
    coarse = coarser(grid)
    factor = tuple(2 if n >= 4 else 1 for n in views.shape)
    small, q = views.binned(factor), binned(p, factor)
    weights = known.get("weights")
    less = {"weights": None if weights is None else binned(weights.expand_as(p), factor), "noise": None,
            "support": _resized(known.get("support"), coarse, "nearest"), "prior": _resized(known.get("prior"), coarse, "trilinear")}
    method = replace(method, stop_discrepancy=0.0)       # binned projections have another noise
    x = yield from _iterated(method, small, q, coarse, levels - 1, None, projector, less)
    return _resized(x, grid, "trilinear")


def coarser(grid):
    """The grid of half as many voxels along each axis that fills the same box (axes of less than 4 voxels stay)."""
    shape = tuple(n // 2 if n >= 4 else n for n in grid.shape)
    factors = [n / m for n, m in zip(grid.shape[::-1], shape[::-1])]
    matrix = grid.ijk_to_ras @ [[factors[0], 0, 0, factors[0] / 2 - 0.5], [0, factors[1], 0, factors[1] / 2 - 0.5],
                                [0, 0, factors[2], factors[2] / 2 - 0.5], [0, 0, 0, 1]]
    return CartesianGrid(shape, matrix)


def binned(p, factor):
    """Projections whose pixels are means of blocks of `factor` (rows, cols) pixels; a remainder at the end is left out, as Views.binned does."""
    rows, cols = (n // f for n, f in zip(p.shape[-2:], factor))
    return torch.nn.functional.avg_pool2d(p[..., :rows * factor[0], :cols * factor[1]], factor)


def _resized(x, grid, mode):
    """A volume that fills the same box on another number of voxels."""
    if x is None:
        return None
    options = {} if mode == "nearest" else {"align_corners": False}
    return torch.nn.functional.interpolate(x[None, None].float(), grid.shape, mode=mode, **options)[0, 0]

