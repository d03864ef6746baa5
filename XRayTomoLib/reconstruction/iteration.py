"""The loop that all iterative methods share: steps, stopping rules, checkpoints.

A method is a frozen dataclass of declared options (options.py) with three functions:

    prepare(problem) -> constants              what is computed once (a dictionary; never saved)
    begin(problem, constants) -> state         a dictionary of tensors and numbers with the volume "x"
    advance(problem, constants, state)         one iteration on the state, in place; returns |A x - p| / |p|, as known to the method
"""
import math
from dataclasses import dataclass, fields

import torch

from ..jobs import Step
from ..options import option
from .noise import noise_norm
from .problem import Problem, ReconstructionError, ray_weights


@dataclass(frozen=True)
class Iterative:
    """Options of every iterative method. A stopping rule of 0 is off."""
    iterations: int = option(20, "Iterations", "number of iterations", minimum=1, maximum=1000000)
    stop_residual: float = option(0.0, "Stop at residual", "relative residual |A x - p| / |p| that ends the iterations; 0: off", 0.0, 1.0)
    stop_change: float = option(0.0, "Stop at change", "relative change of the volume in one iteration that ends them; 0: off", 0.0, 1.0)
    stop_discrepancy: float = option(0.0, "Stop at noise times", "ends the iterations at this factor times the noise level, which is estimated "
                                    "where it is not given; 0: off", 0.0, 100.0)

    BY_NORM = False         # whether the step is that of the operator's norm, which prepare then gets besides the problem

    def prepare(self, problem):
        """What stays the same in all iterations."""
        return {}

    def check(self, problem):
        """Raises ReconstructionError where the problem does not suit the method."""

    def prior_value(self, problem, x):
        """Value of the method's prior for the volume x, None for methods without one."""


@dataclass(frozen=True)
class Constrained(Iterative):
    """Methods that keep the volume within bounds."""
    nonnegative: bool = option(True, "Not negative", "sets values below zero to zero after each iteration")
    upper_per_mm: float = option(0.0, "At most", "largest attenuation; 0: no limit", 0.0, unit="1/mm")

    def bounded_(self, problem, x):
        """x within bounds and support, in place."""
        if self.nonnegative or self.upper_per_mm:
            x.clamp_(0.0 if self.nonnegative else None, self.upper_per_mm or None)
        if problem.support is not None:
            x.mul_(problem.support)
        return x


def iterate(method, problem, state=None):
    """Generator of Steps that runs `method` on `problem` and returns the volume x.

    Each Step previews the volume itself, not a copy, and carries in `state` what resumes the work: iterate(method, problem, state)
    goes on after it. The last step's message says why the iterations ended. Steps of the preparation have no residual, preview or state.
    """
    method.check(problem)
    constants = method.prepare(problem, (yield from squared_norm(problem))) if method.BY_NORM else method.prepare(problem)
    state = state if state is not None else {"iteration": 0, **method.begin(problem, constants)}
    scale, noise = float(problem.norm(problem.p)), _noise(method, problem)
    while state["iteration"] < method.iterations:
        before = state["x"].clone() if method.stop_change else None
        residual = float(method.advance(problem, constants, state))
        state["iteration"] += 1
        if not math.isfinite(residual):
            raise ReconstructionError(f"iteration {state['iteration']} left the range of numbers; lower the relaxation or the step size")
        reason = _reason_to_stop(method, state, residual, residual * scale / noise if noise else math.inf, before)
        prior = method.prior_value(problem, state["x"])
        yield Step(state["iteration"], method.iterations, residual, reason, state["x"], state, None if prior is None else float(prior))
        if reason:
            break
    return state["x"]


def squared_norm(problem, iterations=12):
    """Job that returns the largest eigenvalue of S A^T W A S by the power method, with 5 % on top: the method's value comes from below."""
    A, rays = problem.A, ray_weights(problem)
    x = problem.inside(A.T(rays))
    value = 0.0
    for n in range(iterations):
        yield Step(n, iterations, None, "looking for the step length")
        x = x / torch.linalg.vector_norm(x).clamp_min(1e-30)
        x = problem.inside(A.T(rays * A(x)))
        value = float(torch.linalg.vector_norm(x))
    return 1.05 * max(value, 1e-30)


def _noise(method, problem):
    """The norm of the noise, where the method stops by it."""
    if not method.stop_discrepancy or problem.noise is not None:
        return problem.noise
    own = torch.tensor(noise_norm(problem.p) ** 2 if problem.p.numel() else 0.0, dtype=torch.float64, device=problem.p.device)
    return float(problem.A.processes.total(own).sqrt())


def _reason_to_stop(method, state, residual, over_noise, before):
    """Why the iterations end here, or ""."""
    if method.stop_residual and residual <= method.stop_residual:
        return f"residual {residual:.3g} reached"
    if method.stop_discrepancy and over_noise <= method.stop_discrepancy:
        return f"noise level reached (residual {residual:.3g})"
    if before is not None:
        change = float(torch.linalg.vector_norm(state["x"] - before) / torch.linalg.vector_norm(state["x"]).clamp_min(1e-30))
        if change <= method.stop_change:
            return f"change {change:.3g} reached"
    return "all iterations done" if state["iteration"] >= method.iterations else ""


def solver(method_class):
    """The functional form of a method: cgls(A, p, iterations=20) is iterate(CGLS(iterations=20), Problem(A, p))."""
    known = {f.name for f in fields(Problem)}

    def solve(A, p, state=None, **options):
        problem = Problem(A, p, **{name: options.pop(name) for name in list(options) if name in known})
        return iterate(method_class(**options), problem, state)
    solve.__doc__ = f"Generator of Steps of {method_class.__name__}; options: {', '.join(f.name for f in fields(method_class))}."
    return solve
