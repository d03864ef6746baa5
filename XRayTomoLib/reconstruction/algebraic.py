"""Algebraic methods: SIRT and its relatives."""
from dataclasses import dataclass

import torch

from ..options import option
from .iteration import Constrained


def reciprocal(sums):
    """1 / sums; 0 where a ray (or voxel) meets next to nothing: below a thousandth of the largest sum."""
    floor = 1e-3 * float(sums.max()) if sums.numel() else 0.0
    return torch.where(sums > floor, 1 / sums.clamp_min(max(floor, 1e-30)), torch.zeros_like(sums))


@dataclass(frozen=True)
class SIRT(Constrained):
    """x <- x + relaxation C A^T R (p - A x), with R = 1 / (A 1) and C = 1 / (A^T 1)
    (P. Gilbert, J. Theor. Biol. 36, 1972; A. van der Sluis, H. van der Vorst, SIAM J. Matrix Anal. 11, 1990)."""
    TITLE = "SIRT"
    relaxation: float = option(1.0, "Relaxation", "step length; stable below 2", 0.0, 2.0)

    def prepare(self, problem):
        ones = torch.ones(problem.A.domain_shape, dtype=problem.p.dtype, device=problem.p.device)
        rays = torch.ones_like(problem.p) if problem.weights is None else problem.weights.expand_as(problem.p)
        return {"rows": reciprocal(problem.A(problem.inside(ones))) * rays, "cols": reciprocal(problem.inside(problem.A.T(rays)))}

    def begin(self, problem, constants):
        x = problem.initial()
        return {"x": x, "r": problem.residual(x)}

    def advance(self, problem, constants, state):
        update = problem.A.T(constants["rows"] * state["r"])
        state["x"].addcmul_(constants["cols"], update, value=self.relaxation)
        self.bounded_(problem, state["x"])
        state["r"] = problem.residual(state["x"])
        return torch.linalg.vector_norm(state["r"]) / torch.linalg.vector_norm(problem.p).clamp_min(1e-30)
