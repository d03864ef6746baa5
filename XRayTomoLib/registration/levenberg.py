"""Levenberg-Marquardt on the residuals of all X-rays together."""
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from ..jobs import Step
from .case import compose
from .local import LocalNormalisation

ROBUST = 1.345              # Huber's constant: 95 % efficiency for Gaussian residuals (P. Huber, 1981)
ARM_MM = 100.0              # lever by which a rotation is measured in mm: a rad counts as much as 100 mm
FREEDOMS = ("rotation R", "rotation A", "rotation S", "shift R", "shift A", "shift S")
STUCK = 1e6                 # damping at which no direction is left that lowers the cost


@dataclass(frozen=True, eq=False)
class Linearisation:
    """Sums over the pixels at one state: cost, H = J' W J [n, n] and g = J' W r [n], for increments of n parameters."""
    cost: float
    H: np.ndarray
    g: np.ndarray


class Residuals:
    """The locally normalised residuals of a case, weighed by Huber's function of their own spread, as functions of the pose.

    free: the indices of the increment (w about R, A, S; t along R, A, S) that may change. A subclass with another state than the pose
    overrides `radiograph`, `rendered`, `moved` and `length_mm`; one that compares otherwise, `part`.
    """

    def __init__(self, case, radius, free=range(6)):
        self.case, self.free = case, np.array(sorted(free), int)
        self.parts = [self.part(x, max(2, min(radius, min(x.image.shape) // 2))) for x in case.xrays]

    def part(self, xray, radius):
        """How an X-ray's radiograph is compared with it."""
        return LocalNormalisation(xray.image, xray.mask, radius)

    def radiograph(self, pose, index):
        """Radiograph [rows, cols] of X-ray `index`."""
        return self.case.render(pose, index)[0]

    def rendered(self, pose, index):
        """Radiograph [rows, cols] of X-ray `index` and its derivatives [rows, cols, n] by the increment."""
        return self.case.render_with_jacobian(pose, index)

    def moved(self, pose, step):
        """The state after the increment `step` [n]."""
        return compose(step, pose, self.case.pivot)

    def length_mm(self, step):
        """How far an increment moves the object: its shift, and its turn on an arm of ARM_MM."""
        return float(np.hypot(ARM_MM * np.linalg.norm(step[:3]), np.linalg.norm(step[3:6])))

    def terms(self, pose):
        """Per X-ray the weights, residuals [rows, cols] and derivatives [rows, cols, n] at `pose`."""
        for index, part in enumerate(self.parts):
            r, J = part.linearised(*self.rendered(pose, index))
            yield ROBUST / r.abs().clamp_min(ROBUST), r, J

    def at(self, pose):
        """The Linearisation at `pose`; each X-ray counts alike."""
        cost, H, g = 0.0, 0.0, 0.0
        with one_torch_thread():
            for part, (weight, r, J) in zip(self.parts, self.terms(pose)):
                J, weighted = J.reshape(-1, J.shape[-1]), (J * weight[..., None]).reshape(-1, J.shape[-1])
                H = H + (weighted.T @ J).double().numpy() / part.count
                g = g + (weighted.T @ r.reshape(-1)).double().numpy() / part.count
                cost += float(huber(r).sum()) / part.count
        return Linearisation(cost, H, g)

    def correlation(self, poses):
        """Mean local NCC over the X-rays at each of the poses [n, 4, 4]: numpy [n]."""
        with one_torch_thread():
            return np.mean([part.correlation(self.case.render(poses, i)).numpy() for i, part in enumerate(self.parts)], 0)


@contextmanager
def one_torch_thread():
    """Within it torch works in one thread: on pictures this small its threads wait for each other longer than they work. (The ray tracer
    has threads of its own.)"""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def huber(r):
    """Huber's function: r^2 / 2 up to ROBUST, linear beyond; z has unit spread."""
    size = r.abs()
    return torch.where(size <= ROBUST, 0.5 * r * r, ROBUST * size - 0.5 * ROBUST ** 2)


def damped_step(now, free, damping):
    """The increment [n] that solves (H + damping diag H) step = -g in the directions that are free, zero in the others."""
    H, step = now.H[np.ix_(free, free)], np.zeros(len(now.g))
    scale = np.sqrt(np.maximum(np.diag(H), 1e-12 * max(np.diag(H).max(), 1e-30)))      # rad and mm side by side
    step[free] = -np.linalg.solve(H / np.outer(scale, scale) + (damping + 1e-12) * np.eye(len(free)), now.g[free] / scale) / scale
    return step


def optimise(residuals, state, iterations=30, stop_mm=0.01, damping=1e-3):
    """Generator of Steps that returns (state, Linearisation): damped Gauss-Newton until a step moves points ARM_MM from the pivot by less
    than `stop_mm` (K. Madsen, H. Nielsen, O. Tingleff, Methods for Non-Linear Least Squares Problems, 2004, algorithm 3.16)."""
    now, factor = residuals.at(state), 2.0
    for iteration in range(iterations):
        step = damped_step(now, residuals.free, damping)
        there = residuals.moved(state, step)
        tried = residuals.at(there)
        expected = -(now.g @ step + 0.5 * step @ now.H @ step)
        gain = (now.cost - tried.cost) / max(expected, 1e-30)
        if gain > 0:
            state, now = there, tried
            damping, factor = damping * max(1 / 3, 1 - (2 * gain - 1) ** 3), 2.0
        else:
            damping, factor = damping * factor, 2 * factor
        yield Step(iteration + 1, iterations, now.cost, "", None, {"pose": state})
        if residuals.length_mm(step) < stop_mm or damping > STUCK:
            break
    return state, now
