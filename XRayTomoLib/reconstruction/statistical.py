"""Likelihood methods: emission-like (MLEM, OSEM) and transmission (counts)."""
from dataclasses import dataclass

import torch

from ..options import option
from .algebraic import largest, reciprocal
from .iteration import Constrained, Iterative
from .problem import ReconstructionError, ray_weights
from .subsets import ORDERS, subset_operators

TINY = 1e-12        # share of the largest value below which a quotient counts as 0 / 0


@dataclass(frozen=True)
class OSEM(Iterative):
    """x <- x / (A_s^T w) * A_s^T (w p / (A_s x)), subset by subset (H. Hudson, R. Larkin, IEEE Trans. Med. Imaging 13, 1994); with one
    subset MLEM (L. Shepp, Y. Vardi, IEEE Trans. Med. Imaging 1, 1982). Keeps x >= 0; needs p >= 0."""
    TITLE = "OSEM"
    iterations: int = option(2, "Iterations", "number of times all views take their turn; more fit the noise", minimum=1, maximum=1000000)
    subsets: int = option(10, "Subsets", "number of subsets of the views", 1, 100000)
    order: str = option("angular distance", "Order", "order of the subsets", choices=ORDERS)

    def check(self, problem):
        if bool((problem.p < 0).any()):
            raise ReconstructionError("MLEM and OSEM need projections of at least 0; clip them, or take SIRT")
        if problem.start is not None and not bool((problem.start > 0).any()):
            raise ReconstructionError("MLEM and OSEM keep zeros at zero; start from a volume above 0")

    def prepare(self, problem):
        rays = ray_weights(problem)
        parts = subset_operators(problem.A, min(self.subsets, problem.A.view_count), self.order)
        return {"parts": parts, "rays": rays, "cols": [reciprocal(problem.inside(A.T(rays[index]))) for index, A in parts]}

    def begin(self, problem, constants):
        if problem.start is not None:
            return {"x": problem.initial()}
        ones = problem.inside(torch.ones(problem.A.domain_shape, dtype=problem.p.dtype, device=problem.p.device))
        return {"x": ones * float(problem.total(problem.p) / problem.total(problem.A(ones)).clamp_min(1e-30))}

    def advance(self, problem, constants, state):
        x = state["x"]
        squares = torch.zeros((), dtype=torch.float64, device=x.device)
        for cols, (index, A) in zip(constants["cols"], constants["parts"]):
            image, p = A(x), problem.p[index]
            squares += (p - image).square().sum()
            floor = TINY * float(largest(A, image))
            quotient = torch.where(image > floor, p / image.clamp_min(max(floor, 1e-30)), torch.zeros_like(p))
            x.mul_(cols * A.T(constants["rays"][index] * quotient))
        return problem.total(squares).sqrt() / problem.norm(problem.p).clamp_min(1e-30)


@dataclass(frozen=True)
class MLEM(OSEM):
    """OSEM with one subset (L. Shepp, Y. Vardi, IEEE Trans. Med. Imaging 1, 1982): the likelihood of Poisson data never falls."""
    TITLE = "MLEM"
    iterations: int = option(20, "Iterations", "number of iterations; more fit the noise", minimum=1, maximum=1000000)
    subsets: int = option(1, "Subsets", "one", 1, 1)


@dataclass(frozen=True)
class TransmissionML(Constrained):
    """Maximum likelihood of Poisson counts y = photons exp(-p) with mean photons exp(-A x) + background, by separable paraboloidal
    surrogates of optimal curvature: the likelihood never falls (H. Erdogan, J. Fessler, Phys. Med. Biol. 44, 1999, eq. 28)."""
    TITLE = "Transmission ML (counts)"
    iterations: int = option(50, "Iterations", "number of iterations", minimum=1, maximum=1000000)
    photons: float = option(1e5, "Photons", "counts of the open beam per pixel", 1e-6)
    background: float = option(0.0, "Background", "counts that come without the beam's straight way (scatter, dark)", 0.0)

    def prepare(self, problem):
        rays = ray_weights(problem)
        ones = problem.inside(torch.ones(problem.A.domain_shape, dtype=problem.p.dtype, device=problem.p.device))
        return {"counts": self.photons * torch.exp(-problem.p), "lengths": problem.A(ones), "rays": rays}

    def begin(self, problem, constants):
        x = problem.initial()
        return {"x": x, "image": problem.A(x)}

    def advance(self, problem, constants, state):
        slope, curvature = self._surrogate(constants["counts"], state["image"])
        rays = constants["rays"]
        steps = reciprocal(problem.inside(problem.A.T(rays * curvature * constants["lengths"])))
        state["x"].addcmul_(steps, problem.A.T(rays * slope), value=-1.0)
        self.bounded_(problem, state["x"])
        state["image"] = problem.A(state["x"])
        return problem.relative(problem.p - state["image"])

    def _surrogate(self, y, line):
        """First derivative by the line integral of the negative log-likelihood h, and the curvature of the parabola that touches h there
        and lies above it for line integrals of at least 0."""
        b, s = self.photons, self.background
        mean = b * torch.exp(-line) + s
        slope = (y / mean - 1) * (mean - s)
        at_zero = (b + s) - y * torch.log(torch.as_tensor(b + s, dtype=y.dtype))
        here = mean - y * torch.log(mean)
        small = line < 1e-2
        length = torch.where(small, torch.ones_like(line), line)
        optimal = 2 * (at_zero - here + line * slope) / length ** 2
        at_origin = b * (1 - y * s / (b + s) ** 2)
        return slope, torch.where(small, torch.full_like(line, 1.0) * at_origin, optimal).clamp_min(1e-6 * b)

    def likelihood(self, problem, x):
        """Negative log-likelihood of x, up to a constant."""
        mean = self.photons * torch.exp(-problem.A(x)) + self.background
        return float((mean - self.photons * torch.exp(-problem.p) * torch.log(mean)).sum(dtype=torch.float64))
