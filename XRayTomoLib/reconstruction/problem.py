"""What is to be reconstructed: an operator, its projections, and what is known besides."""
from dataclasses import dataclass

import torch


class ReconstructionError(ValueError):
    """A reconstruction that cannot be computed as asked; the message is one sentence with the remedy."""


@dataclass(frozen=True, eq=False)
class Problem:
    """p = A x + noise, for x of the operator's domain.

    p         projections [*A.range_shape], without unit; x comes out in 1/mm
    weights   statistical weight of each ray, broadcasting against p (inverse variances up to a factor), or None
    support   mask of the domain: where it is False (0) x stays 0, or None
    start     volume from which iterations begin (warm start), or None for zero
    prior     volume that prior-image methods pull towards, or None
    noise     expected norm of the noise |A x - p|, for the discrepancy principle and the damping of ASD-POCS, or None: the
              first then estimates it, the second takes it for 0
    """
    A: object
    p: torch.Tensor
    weights: torch.Tensor | None = None
    support: torch.Tensor | None = None
    start: torch.Tensor | None = None
    prior: torch.Tensor | None = None
    noise: float | None = None

    def __post_init__(self):
        shapes = {"p": self.A.range_shape, "start": self.A.domain_shape, "prior": self.A.domain_shape, "support": self.A.domain_shape}
        for name, shape in shapes.items():
            value = getattr(self, name)
            if value is not None and tuple(value.shape) != tuple(shape):
                raise ReconstructionError(f"{name} has the shape {tuple(value.shape)}; expected {tuple(shape)}, as the operator has")
        for name in ("p", "weights", "start", "prior"):
            value = getattr(self, name)
            if value is not None and not bool(torch.isfinite(value).all()):
                raise ReconstructionError(f"{name} holds values that are not finite numbers; mask or repair them first (corrections)")
        if self.weights is not None and bool((self.weights < 0).any()):
            raise ReconstructionError("weights has negative values; expected inverse variances, at least 0")

    def initial(self):
        """A copy of the start volume, or zeros, inside the support."""
        x = torch.zeros(self.A.domain_shape, dtype=self.p.dtype, device=self.p.device) if self.start is None else self.start.clone()
        return self.inside(x)

    def inside(self, x):
        """x with zeros outside the support."""
        return x if self.support is None else x * self.support

    def residual(self, x):
        """p - A x."""
        return self.p - self.A(x)

    # -- figures of tensors y over the projections, whichever process has which of them
    def total(self, y):
        """Sum of y, in float64."""
        return self.A.processes.total(torch.sum(y, dtype=torch.float64))

    def norm(self, y):
        """|y|."""
        return self.A.processes.total(torch.linalg.vector_norm(y).double().square()).sqrt()

    def mean(self, y):
        """Mean of y."""
        return self.total(y) / self.A.processes.total(torch.tensor(float(y.numel()), dtype=torch.float64, device=y.device))

    def relative(self, r):
        """|r| / |p|."""
        return self.norm(r) / self.norm(self.p).clamp_min(1e-30)


def ray_weights(problem):
    """The weight of every ray, of p's shape."""
    return torch.ones_like(problem.p) if problem.weights is None else problem.weights.expand_as(problem.p)
