"""Total variation under a data constraint: ASD-POCS and its form with a prior image, PICCS."""
from dataclasses import dataclass

import torch

from ..options import option
from .algebraic import OSSART
from .priors import TotalVariation
from .problem import ReconstructionError


@dataclass(frozen=True)
class ASDPOCS(OSSART):
    """SART passes in turn with steepest descents of the total variation, whose length adapts (E. Sidky, X. Pan, Phys. Med. Biol. 53,
    2008, section 2.4; defaults as in TIGRE). Descent is damped where it undoes more than the pass gained while the residual is above
    the noise."""
    TITLE = "ASD-POCS (TV)"
    iterations: int = option(20, "Iterations", "number of times all views take their turn", minimum=1, maximum=1000000)
    tv_steps: int = option(20, "TV steps", "descents after each pass", 1, 1000)
    tv_share: float = option(0.002, "TV share", "length of a descent, as a share of the first pass's change", 0.0, 1.0)
    tv_fall: float = option(0.95, "TV fall", "factor on the share where descent must be damped", 0.01, 1.0)
    largest_ratio: float = option(0.95, "Largest ratio", "of the descents' change to the pass's, above which descent is damped", 0.0, 10.0)

    def begin(self, problem, constants):
        return super().begin(problem, constants) | {"share": self.tv_share, "length": 0.0}

    def advance(self, problem, constants, state):
        before = state["x"].clone()
        residual = super().advance(problem, constants, state)
        gained = torch.linalg.vector_norm(state["x"] - before)
        if state["length"] == 0.0:
            state["length"] = float(gained)
        passed = state["x"].clone()
        for _ in range(self.tv_steps):
            slope = self._slope(problem, state["x"])
            state["x"].sub_(slope, alpha=state["share"] * state["length"] / float(torch.linalg.vector_norm(slope).clamp_min(1e-30)))
        self.bounded_(problem, state["x"])
        undone = torch.linalg.vector_norm(state["x"] - passed)
        above_noise = float(residual * problem.norm(problem.p)) > (problem.noise or 0.0)
        if above_noise and undone > self.largest_ratio * gained:
            state["share"] *= self.tv_fall
        return residual

    def prior_value(self, problem, x):
        return TotalVariation().value(x)

    def _slope(self, problem, x):
        return TotalVariation().gradient(x)


@dataclass(frozen=True)
class PICCS(ASDPOCS):
    """ASD-POCS on the total variation of the volume and of its difference to the prior volume (G.-H. Chen, J. Tang, S. Leng,
    Med. Phys. 35, 2008, eq. 4)."""
    TITLE = "PICCS (prior image)"
    prior_share: float = option(0.5, "Prior share", "weight of the difference to the prior volume, the rest is the volume's own", 0.0, 1.0)

    def check(self, problem):
        if problem.prior is None:
            raise ReconstructionError("PICCS needs a prior volume on the same grid; choose one, or take ASD-POCS")

    def prior_value(self, problem, x):
        tv = TotalVariation()
        return self.prior_share * tv.value(x - problem.prior) + (1 - self.prior_share) * tv.value(x)

    def _slope(self, problem, x):
        tv = TotalVariation()
        return self.prior_share * tv.gradient(x - problem.prior) + (1 - self.prior_share) * tv.gradient(x)
