"""Levenberg-Marquardt on the residuals of all X-rays together."""
from dataclasses import dataclass

import numpy as np
import torch

from ..jobs import Step
from .case import compose
from .local import LocalNormalisation

ROBUST = 1.345              # Huber's constant: 95 % efficiency for Gaussian residuals (P. Huber, 1981)
ARM_MM = 100.0              # lever by which a rotation is measured in mm: a rad counts as much as 100 mm


@dataclass(frozen=True, eq=False)
class Linearisation:
    """Sums over the pixels at one pose: cost, H = J' W J [6, 6] and g = J' W r [6], for (w in rad, t in mm)."""
    cost: float
    H: np.ndarray
    g: np.ndarray


class Residuals:
    """The locally normalised residuals of a case, weighed by Huber's function of their own spread."""

    def __init__(self, case, radius, floor=0.1):
        self.case = case
        self.parts = [LocalNormalisation(x.image, x.mask, max(2, min(radius, min(x.image.shape) // 2)), floor) for x in case.xrays]

    def terms(self, pose):
        """Per X-ray the weights, residuals [rows, cols] and derivatives [rows, cols, 6] at `pose`."""
        for index, part in enumerate(self.parts):
            r, J = part.linearised(*self.case.render_with_jacobian(pose, index))
            yield ROBUST / r.abs().clamp_min(ROBUST), r, J

    def at(self, pose):
        """The Linearisation at `pose`; each X-ray counts alike."""
        cost, H, g = 0.0, np.zeros((6, 6)), np.zeros(6)
        for part, (weight, r, J) in zip(self.parts, self.terms(pose)):
            J, weighted = J.reshape(-1, 6), (J * weight[..., None]).reshape(-1, 6)
            H += (weighted.T @ J).double().numpy() / part.count
            g += (weighted.T @ r.reshape(-1)).double().numpy() / part.count
            cost += float(_huber(r).sum()) / part.count
        return Linearisation(cost, H, g)

    def correlation(self, poses):
        """Mean local NCC over the X-rays at each of the poses [n, 4, 4]: numpy [n]."""
        return np.mean([part.correlation(self.case.render(poses, i)).numpy() for i, part in enumerate(self.parts)], 0)


def _huber(r):
    """Huber's function: r^2 / 2 up to ROBUST, linear beyond; z has unit spread."""
    size = r.abs()
    return torch.where(size <= ROBUST, 0.5 * r * r, ROBUST * size - 0.5 * ROBUST ** 2)


def optimise(residuals, pose, iterations=30, stop_mm=0.01, damping=1e-3):
    """Generator of Steps that returns (pose, Linearisation): damped Gauss-Newton until a step moves points ARM_MM from the pivot by less
    than `stop_mm` (K. Madsen, H. Nielsen, O. Tingleff, Methods for Non-Linear Least Squares Problems, 2004, algorithm 3.16)."""
    now, factor = residuals.at(pose), 2.0
    for iteration in range(iterations):
        step = np.linalg.solve(now.H + damping * np.diag(np.diag(now.H)) + 1e-12 * np.eye(6), -now.g)
        moved = float(np.hypot(ARM_MM * np.linalg.norm(step[:3]), np.linalg.norm(step[3:])))
        tried = residuals.at(compose(step, pose, residuals.case.pivot))
        expected = -(now.g @ step + 0.5 * step @ now.H @ step)
        gain = (now.cost - tried.cost) / max(expected, 1e-30)
        if gain > 0:
            pose, now = compose(step, pose, residuals.case.pivot), tried
            damping, factor = damping * max(1 / 3, 1 - (2 * gain - 1) ** 3), 2.0
        else:
            damping, factor = damping * factor, 2 * factor
        yield Step(iteration + 1, iterations, now.cost, "", None, {"pose": pose})
        if moved < stop_mm or damping > 1e6:
            break
    return pose, now
