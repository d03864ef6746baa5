"""Conjugate gradients on the (weighted) normal equations."""
import math
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
    iterations: int = option(10, "Iterations", "number of iterations; more fit the noise", minimum=1, maximum=1000000)
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
            curvature = float(problem.total(q * (q if problem.weights is None else problem.weights * q))) + self.tikhonov ** 2 * dot(d, d)
            alpha = state["gamma"] / curvature
            x.add_(d, alpha=alpha)
            r.sub_(q, alpha=alpha)
            s = self._gradient(problem, r, x)
            before, state["gamma"] = state["gamma"], dot(s, s)
            d.mul_(state["gamma"] / before).add_(s)
        return problem.relative(r)


@dataclass(frozen=True)
class LSQR(Iterative):
    """The same minimum by Golub-Kahan bidiagonalisation (C. Paige, M. Saunders, ACM Trans. Math. Softw. 8, 1982): steadier than CGLS
    when the operator is ill-conditioned. Warm starts solve for the difference."""
    TITLE = "LSQR"
    iterations: int = option(10, "Iterations", "number of iterations; more fit the noise", minimum=1, maximum=1000000)
    damp: float = option(0.0, "Damping", "Tikhonov damping, in the operator's unit (mm); 0: none", 0.0)

    def prepare(self, problem):
        return {"root": None if problem.weights is None else problem.weights.sqrt()}

    def _forward(self, problem, constants, x):
        y = problem.A(x)
        return y if constants["root"] is None else constants["root"] * y

    def _back(self, problem, constants, y):
        return problem.inside(problem.A.T(y if constants["root"] is None else constants["root"] * y))

    def begin(self, problem, constants):
        x = problem.initial()
        u = problem.residual(x)
        u = u if constants["root"] is None else constants["root"] * u
        beta = float(problem.norm(u))
        u = u / max(beta, 1e-30)
        v = self._back(problem, constants, u)
        alpha = float(torch.linalg.vector_norm(v))
        v = v / max(alpha, 1e-30)
        return {"x": x, "u": u, "v": v, "w": v.clone(), "alpha": alpha, "rho": alpha, "phi": beta, "scale": self._scale(problem, constants),
                "damped": 0.0}

    def _scale(self, problem, constants):
        p = problem.p if constants["root"] is None else constants["root"] * problem.p
        return max(float(problem.norm(p)), 1e-30)

    def advance(self, problem, constants, state):
        """The residual reported is that of the weighted problem, as the recurrence knows it."""
        if state["alpha"] * state["phi"] != 0:
            u = self._forward(problem, constants, state["v"]).sub_(state["u"], alpha=state["alpha"])
            beta = float(problem.norm(u))
            u.div_(max(beta, 1e-30))
            v = self._back(problem, constants, u).sub_(state["v"], alpha=beta)
            alpha = float(torch.linalg.vector_norm(v))
            v.div_(max(alpha, 1e-30))
            damped = math.hypot(state["rho"], self.damp)
            phi = state["rho"] / damped * state["phi"]
            state["damped"] += (self.damp / damped * state["phi"]) ** 2
            rho = math.hypot(damped, beta)
            cosine, sine = damped / rho, beta / rho
            state["x"].add_(state["w"], alpha=cosine * phi / rho)
            state["w"].mul_(-sine * alpha / rho).add_(v)
            state.update(u=u, v=v, alpha=alpha, rho=-cosine * alpha, phi=sine * phi)
        return math.sqrt(state["phi"] ** 2 + state["damped"]) / state["scale"]
