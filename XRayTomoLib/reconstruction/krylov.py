"""Conjugate gradients on the (weighted) normal equations."""
from dataclasses import dataclass

import torch

from ..options import option
from .iteration import Iterative


def dot(a, b):
    """Inner product of two tensors, summed in float64."""
    return float(torch.sum(a * b, dtype=torch.float64))


@dataclass(frozen=True)
class CGLS(Iterative):
    """Conjugate gradients for min |W^1/2 (A x - p)|^2 + tikhonov^2 |x|^2 (A. Bjorck, Numerical Methods for Least Squares Problems,
    1996, algorithm 7.4.1; damped as in 7.4.2). Weighted least squares where the problem has weights. Fewer iterations smooth more."""
    TITLE = "CGLS"
    tikhonov: float = option(0.0, "Tikhonov", "damping of large values, in the operator's unit (mm); 0: none", 0.0)

    def begin(self, problem, constants):
        x = problem.initial()
        r = problem.residual(x)
        s = self._gradient(problem, r, x)
        return {"x": x, "r": r, "d": s.clone(), "gamma": dot(s, s)}

    def _gradient(self, problem, r, x):
        weighted = r if problem.weights is None else problem.weights * r
        s = problem.inside(problem.A.T(weighted))
        return s - self.tikhonov ** 2 * x if self.tikhonov else s

    def advance(self, problem, constants, state):
        x, r, d = state["x"], state["r"], state["d"]
        if state["gamma"] > 0:
            q = problem.A(d)
            curvature = dot(q, q if problem.weights is None else problem.weights * q) + self.tikhonov ** 2 * dot(d, d)
            alpha = state["gamma"] / curvature
            x.add_(d, alpha=alpha)
            r.sub_(q, alpha=alpha)
            s = self._gradient(problem, r, x)
            before, state["gamma"] = state["gamma"], dot(s, s)
            d.mul_(state["gamma"] / before).add_(s)
        return torch.linalg.vector_norm(r) / torch.linalg.vector_norm(problem.p).clamp_min(1e-30)
