"""Least squares with a prior: FISTA and the primal-dual method."""
from dataclasses import dataclass

import torch

from ..options import option
from .algebraic import largest, reciprocal
from .iteration import Constrained
from .priors import QGGMRF, WAVELETS, Huber, TotalVariation, Wavelets, differences, differences_adjoint, lengths
from .problem import ray_weights

EDGE_HELP = "difference of neighbouring voxels that counts as an edge"

DUAL_SHARE = 0.05       # PDHG's dual step of a ray, as a share of its weight: on real scans a quarter of the iterations that 1 takes


def weight_of_prior(strength, problem):
    """strength * max |A^T W p|: the unit in which the weight of a prior does not depend on units, dose or number of views."""
    return strength * float(problem.inside(problem.A.T(ray_weights(problem) * problem.p)).abs().max())


@dataclass(frozen=True)
class FISTA(Constrained):
    """min 1/2 |W^1/2 (A x - p)|^2 + weight prior(x) by accelerated proximal gradients (A. Beck, M. Teboulle, SIAM J. Imaging Sci. 2,
    2009), restarted where the momentum points uphill (B. O'Donoghue, E. Candes, Found. Comput. Math. 15, 2015).

    denoiser: a function of a volume that takes the prior's place (plug and play); strength is then not used.
    """
    TITLE = "FISTA (TV, Huber, qGGMRF, wavelets)"
    BY_NORM = True
    iterations: int = option(50, "Iterations", "number of iterations", minimum=1, maximum=1000000)
    prior: str = option("tv", "Prior", "what is known of the volume", choices=("tv", "huber", "qggmrf", "wavelets", "none"))
    strength: float = option(1e-3, "Strength", "weight of the prior, as a share of the largest backprojected value", 0.0, 1.0)
    edge_per_mm: float = option(1e-3, "Edge", EDGE_HELP + " (Huber, qGGMRF)", 1e-12, unit="1/mm")
    wavelet: str = option("daubechies-4", "Wavelet", "of the wavelet prior", choices=tuple(WAVELETS))
    denoiser: object = None

    def prior_object(self):
        return {"tv": TotalVariation(), "huber": Huber(self.edge_per_mm), "qggmrf": QGGMRF(self.edge_per_mm),
                "wavelets": Wavelets(self.wavelet), "none": None}[self.prior]

    def prior_value(self, problem, x):
        return None if self.denoiser or self.prior == "none" else self.prior_object().value(x)

    def prepare(self, problem, squared_norm):
        prior, bound = self.prior_object(), squared_norm
        weight = 0.0 if prior is None or self.denoiser else weight_of_prior(self.strength, problem)
        if weight and prior.smooth:
            bound += weight * prior.lipschitz(torch.empty(problem.A.domain_shape, device="meta"))
        return {"prior": prior, "weight": weight, "step": 1 / bound, "rays": ray_weights(problem)}

    def begin(self, problem, constants):
        x = problem.initial()
        image = problem.A(x)
        return {"x": x, "image": image, "y": x.clone(), "y_image": image.clone(), "t": 1.0}

    def advance(self, problem, constants, state):
        x, y = state["x"], state["y"]
        gradient = problem.inside(problem.A.T(constants["rays"] * (state["y_image"] - problem.p)))
        new = self._proximal(problem, constants, y, gradient)
        image = problem.A(new)
        uphill = float(((y - new) * (new - x)).sum()) > 0
        t = 1.0 if uphill else 0.5 + (0.25 + state["t"] ** 2) ** 0.5
        ahead = 0.0 if uphill else (state["t"] - 1) / t
        state.update(x=new, y=new + ahead * (new - x), y_image=image + ahead * (image - state["image"]), image=image, t=t)
        return problem.relative(problem.p - image)

    def _proximal(self, problem, constants, y, gradient):
        prior, step, weight = constants["prior"], constants["step"], constants["weight"]
        if weight and prior.smooth:
            gradient = gradient + weight * prior.gradient(y)
        moved = y - step * gradient
        if self.denoiser is not None:
            return self.bounded_(problem, self.denoiser(moved))
        if weight and not prior.smooth:
            return prior.prox(moved, step * weight, lambda x: self.bounded_(problem, x))
        return self.bounded_(problem, moved)


@dataclass(frozen=True)
class PDHG(Constrained):
    """min 1/2 |W^1/2 (A x - p)|^2 + weight TV(x) (or Huber) by the primal-dual method (A. Chambolle, T. Pock, J. Math. Imaging Vis. 40,
    2011) with diagonal steps (the same, ICCV 2011). The residual reported is that of the volume before the step."""
    TITLE = "PDHG (TV, Huber)"
    iterations: int = option(100, "Iterations", "number of iterations", minimum=1, maximum=1000000)
    strength: float = option(1e-3, "Strength", "weight of the prior, as a share of the largest backprojected value", 0.0, 1.0)
    edge_per_mm: float = option(0.0, "Edge", EDGE_HELP + "; 0: total variation, more: Huber", 0.0, unit="1/mm")

    def prior_value(self, problem, x):
        return (Huber(self.edge_per_mm) if self.edge_per_mm else TotalVariation()).value(x)

    def prepare(self, problem):
        rays = ray_weights(problem)
        ones = problem.inside(torch.ones(problem.A.domain_shape, dtype=problem.p.dtype, device=problem.p.device))
        columns = problem.inside(problem.A.T(torch.ones_like(problem.p)))
        rows = problem.A(ones)
        balance = float(columns.max()) / 6            # differences and projections weigh alike, whatever the unit of length
        top = largest(problem.A, rows)
        ratio = DUAL_SHARE * float(top * problem.mean(rays))
        return {"rays": rays, "sigma": ratio * reciprocal(rows, top), "tau": problem.inside(1 / (ratio * (columns + 6 * balance))),
                "balance": balance, "prior_step": ratio / (2 * balance), "weight": weight_of_prior(self.strength, problem) / balance}

    def begin(self, problem, constants):
        x = problem.initial()
        return {"x": x, "ahead": x.clone(), "image": problem.A(x), "q": torch.zeros_like(problem.p), "z": differences(torch.zeros_like(x))}

    def advance(self, problem, constants, state):
        sigma, rays, balance = constants["sigma"], constants["rays"], constants["balance"]
        image = problem.A(state["ahead"])
        now = image if state["iteration"] == 0 else 0.5 * (image + state["image"])
        state["image"] = now
        state["q"] = rays * (state["q"] + sigma * (image - problem.p)) / (rays + sigma)
        state["z"] = self._dual_of_prior(state["z"], state["ahead"], constants)
        update = problem.A.T(state["q"]) + balance * differences_adjoint(state["z"])
        new = self.bounded_(problem, state["x"] - constants["tau"] * update)
        state["ahead"], state["x"] = 2 * new - state["x"], new
        return problem.relative(problem.p - now)

    def _dual_of_prior(self, z, ahead, constants):
        """Proximal step of the prior's conjugate: within the weight, shrunk by the Huber edge."""
        step, weight, balance = constants["prior_step"], constants["weight"], constants["balance"]
        if weight == 0:
            return torch.zeros_like(z)
        z = z + step * balance * differences(ahead)
        z /= 1 + step * balance * self.edge_per_mm / weight
        return z / (lengths(z) / weight).clamp_min(1.0)
