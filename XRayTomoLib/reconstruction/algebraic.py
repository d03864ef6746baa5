"""Algebraic methods: backprojection, Landweber, SIRT, SART and its ordered subsets."""
from dataclasses import dataclass

import torch

from ..options import option
from .iteration import Constrained, Iterative
from .problem import ray_weights
from .subsets import ORDERS, subset_operators

CACHE_BYTES = 1 << 30       # column sums of subsets that are kept; more are computed again in every turn


def largest(A, y):
    """Largest value of y over the range of A, in whichever process it lies; a process without any counts as 0."""
    return A.processes.largest(y.max() if y.numel() else y.new_zeros(()))


def reciprocal(sums, top=None):
    """1 / sums; 0 where a ray (or voxel) meets next to nothing: below a thousandth of the largest sum, which is `top` if given."""
    floor = 1e-3 * float(sums.max() if top is None else top)
    return torch.where(sums > floor, 1 / sums.clamp_min(max(floor, 1e-30)), torch.zeros_like(sums))


def row_weights(A, problem, rays):
    """Reciprocal row sums 1 / (A 1) inside the support, times the rays' weights."""
    ones = torch.ones(A.domain_shape, dtype=rays.dtype, device=rays.device)
    sums = A(problem.inside(ones))
    return reciprocal(sums, largest(A, sums)) * rays


@dataclass(frozen=True)
class Backprojection(Iterative):
    """The adjoint, scaled to the projections: x = s A^T W p with the s that fits p best. One step, blurred; a first look."""
    TITLE = "Backprojection (adjoint)"
    iterations: int = option(1, "Iterations", "one", minimum=1, maximum=1)

    def begin(self, problem, constants):
        return {"x": problem.initial()}

    def advance(self, problem, constants, state):
        state["x"] = problem.inside(problem.A.T(ray_weights(problem) * problem.p))
        image = problem.A(state["x"])
        scale = float(problem.total(image * problem.p) / problem.total(image.square()).clamp_min(1e-30))
        state["x"] *= scale
        return problem.relative(problem.p - scale * image)


@dataclass(frozen=True)
class Landweber(Constrained):
    """x <- x + relaxation / |A|^2 A^T W (p - A x) (L. Landweber, Amer. J. Math. 73, 1951)."""
    TITLE = "Landweber"
    BY_NORM = True
    relaxation: float = option(1.0, "Relaxation", "step length; stable below 2", 0.0, 2.0)

    def prepare(self, problem, squared_norm):
        return {"step": self.relaxation / squared_norm, "rays": ray_weights(problem)}

    def begin(self, problem, constants):
        x = problem.initial()
        return {"x": x, "r": problem.residual(x)}

    def advance(self, problem, constants, state):
        update = problem.inside(problem.A.T(constants["rays"] * state["r"]))
        self.bounded_(problem, state["x"].add_(update, alpha=constants["step"]))
        state["r"] = problem.residual(state["x"])
        return problem.relative(state["r"])


@dataclass(frozen=True)
class SIRT(Constrained):
    """x <- x + relaxation C A^T R (p - A x), with R = 1 / (A 1) and C = 1 / (A^T 1)
    (P. Gilbert, J. Theor. Biol. 36, 1972; A. van der Sluis, H. van der Vorst, SIAM J. Matrix Anal. 11, 1990)."""
    TITLE = "SIRT"
    relaxation: float = option(1.0, "Relaxation", "step length; stable below 2", 0.0, 2.0)

    def prepare(self, problem):
        rays = ray_weights(problem)
        return {"rows": row_weights(problem.A, problem, rays), "cols": reciprocal(problem.inside(problem.A.T(rays)))}

    def begin(self, problem, constants):
        x = problem.initial()
        return {"x": x, "r": problem.residual(x)}

    def advance(self, problem, constants, state):
        update = problem.A.T(constants["rows"] * state["r"])
        state["x"].addcmul_(constants["cols"], update, value=self.relaxation)
        self.bounded_(problem, state["x"])
        state["r"] = problem.residual(state["x"])
        return problem.relative(state["r"])


@dataclass(frozen=True)
class OSSART(Constrained):
    """SIRT's step for one subset of the views after the other (A. Andersen, A. Kak, Ultrasonic Imaging 6, 1984; G. Wang, M. Jiang,
    J. X-ray Sci. Techn. 12, 2004). The residual reported is that of each subset before its own step."""
    TITLE = "OS-SART"
    iterations: int = option(10, "Iterations", "number of times all views take their turn", minimum=1, maximum=1000000)
    subsets: int = option(10, "Subsets", "number of subsets of the views; 0: a subset for every view (SART)", 0, 100000)
    order: str = option("angular distance", "Order", "order of the subsets", choices=ORDERS)
    relaxation: float = option(1.0, "Relaxation", "step length; stable below 2", 0.0, 2.0)
    relaxation_fall: float = option(0.99, "Fall of relaxation", "factor on the step length after each iteration", 0.01, 1.0)
    momentum: bool = option(False, "Momentum", "Nesterov's extrapolation between iterations")

    def prepare(self, problem):
        rays = ray_weights(problem)
        parts = subset_operators(problem.A, min(self.subsets, problem.A.view_count) or problem.A.view_count, self.order)
        kept = len(parts) * problem.A.T(rays).numel() * rays.element_size() <= CACHE_BYTES
        rows = [row_weights(A, problem, rays[index]) for index, A in parts]
        cols = [self._column_weights(problem, A, rays[index]) for index, A in parts] if kept else None
        return {"parts": parts, "rows": rows, "cols": cols, "rays": rays}

    def _column_weights(self, problem, A, rays):
        return reciprocal(problem.inside(A.T(rays)))

    def begin(self, problem, constants):
        x = problem.initial()
        return {"x": x, "y": x.clone(), "t": 1.0} if self.momentum else {"x": x}

    def advance(self, problem, constants, state):
        step = self.relaxation * self.relaxation_fall ** state["iteration"]
        x = state["y"].clone() if self.momentum else state["x"]
        squares = torch.zeros((), dtype=torch.float64, device=x.device)
        for s, (index, A) in enumerate(constants["parts"]):
            r = problem.p[index] - A(x)
            squares += r.square().sum()
            cols = constants["cols"][s] if constants["cols"] else self._column_weights(problem, A, constants["rays"][index])
            x.addcmul_(cols, A.T(constants["rows"][s] * r), value=step)
            self.bounded_(problem, x)
        if self.momentum:
            t = 0.5 + (0.25 + state["t"] ** 2) ** 0.5
            state["y"] = x + (state["t"] - 1) / t * (x - state["x"])
            state["x"], state["t"] = x, t
        return problem.total(squares).sqrt() / problem.norm(problem.p).clamp_min(1e-30)


@dataclass(frozen=True)
class SART(OSSART):
    """OS-SART with a subset for every view (A. Andersen, A. Kak, Ultrasonic Imaging 6, 1984). Steps as long as those of larger subsets would
    soon fit each view's own errors; they are short and fall."""
    TITLE = "SART"
    subsets: int = option(0, "Subsets", "a subset for every view", 0, 0)
    relaxation: float = option(0.3, "Relaxation", "step length; stable below 2", 0.0, 2.0)
    relaxation_fall: float = option(0.8, "Fall of relaxation", "factor on the step length after each iteration", 0.01, 1.0)


