"""Climbers of any similarity: Adam and L-BFGS by its gradient, CMA-ES and Powell by its values alone."""
import numpy as np
import torch

from ..jobs import Step
from .levenberg import ARM_MM
from .poses import Tangent

STEP_MM = 1.0               # unit of the increments that are optimised: 1 mm of shift, or of turn on an arm of ARM_MM
MOST = {"adam": 200, "l-bfgs": 40, "cma-es": 60, "powell": 8}


class Slope:
    """The similarity over increments q [n, free] in mm, negated: values, and the gradient at one point."""

    def __init__(self, objective, pose, pivot, free):
        self.objective, self.pose, self.space = objective, torch.as_tensor(np.array(pose)), Tangent(tuple(np.asarray(pivot, float)))
        self.spread = torch.zeros(len(free), 6, dtype=torch.float64)
        for row, index in enumerate(free):
            self.spread[row, index] = STEP_MM / ARM_MM if index < 3 else STEP_MM

    def poses(self, q):
        return self.space.moved(torch.as_tensor(q, dtype=torch.float64) @ self.spread, self.pose)

    def values(self, q):
        """Of increments [n, free]: numpy [n]."""
        with torch.no_grad():
            return -np.asarray(self.objective(self.poses(np.atleast_2d(q))), np.float64)

    def gradient(self, q):
        """Value and gradient [free] of one increment."""
        q = torch.tensor(np.asarray(q, np.float64), requires_grad=True)
        value = -self.objective(self.poses(q[None]))[0]
        return float(value.detach()), torch.autograd.grad(value, q)[0].numpy()


def climb(name, objective, pose, pivot, free=range(6), stop_mm=0.01):
    """Generator of Steps that returns (pose, similarity) at the top near `pose`, by the optimiser `name`, of an Objective.

    Ends when the pose changes by less than stop_mm at the object, over several steps where the optimiser's steps vary.
    """
    slope = Slope(objective, pose, pivot, list(free))
    job, best = OPTIMISERS[name](slope, len(slope.spread), stop_mm), (np.inf, np.zeros(len(slope.spread)))
    for index, (q, value) in enumerate(job):
        if value < best[0]:
            best = (value, np.array(q))
        yield Step(index + 1, MOST[name], value, name, None, {"pose": slope.poses(best[1][None])[0].numpy()})
    return slope.poses(best[1][None])[0].numpy(), -best[0]


def adam(slope, size, stop_mm, rate_mm=1.0, decay=0.97):
    """D. Kingma, J. Ba, ICLR 2015, with a rate (mm a step) that decays."""
    q, first, second = np.zeros(size), np.zeros(size), np.zeros(size)
    for index in range(1, MOST["adam"] + 1):
        value, g = slope.gradient(q)
        yield q, value
        first, second = 0.9 * first + 0.1 * g, 0.99 * second + 0.01 * g * g
        step = rate_mm * decay ** index * (first / (1 - 0.9 ** index)) / (np.sqrt(second / (1 - 0.99 ** index)) + 1e-12)
        q = q - step
        if np.linalg.norm(step) < stop_mm:
            break


def lbfgs(slope, size, stop_mm, memory=8):
    """J. Nocedal, Math. Comp. 35, 1980: two-loop recursion, with a line search that halves the step until the value falls enough."""
    q, pairs = np.zeros(size), []
    value, g = slope.gradient(q)
    for _ in range(MOST["l-bfgs"]):
        yield q, value
        step = -_two_loops(g, pairs)
        if not pairs or g @ step >= 0:
            step = -g / max(np.linalg.norm(g), 1e-30)           # 1 mm downhill
        for length in 0.5 ** np.arange(12):
            there, slope_there = slope.gradient(q + length * step)
            if there < value + 1e-4 * length * (g @ step):      # L. Armijo, 1966
                break
        else:
            break
        pairs = [*pairs, (length * step, slope_there - g)][-memory:] if (slope_there - g) @ step > 0 else pairs
        q, value, g = q + length * step, there, slope_there
        if np.linalg.norm(length * step) < stop_mm:
            yield q, value
            break


def _two_loops(g, pairs):
    """The inverse Hessian's approximation by the pairs (step, change of gradient), times g."""
    shares, result = [], g.copy()
    for s, y in reversed(pairs):
        shares.append((s @ result) / (y @ s))
        result = result - shares[-1] * y
    if pairs:
        s, y = pairs[-1]
        result = result * (s @ y) / (y @ y)
    for (s, y), share in zip(pairs, reversed(shares)):
        result = result + (share - (y @ result) / (y @ s)) * s
    return result


def cma_es(slope, size, stop_mm, sigma_mm=3.0, population=24, seed=0):
    """N. Hansen, The CMA Evolution Strategy: A Tutorial (arXiv 1604.00772): rank-one and rank-mu updates, cumulative step size."""
    random, parents = np.random.default_rng(seed), population // 2
    w = np.log(parents + 0.5) - np.log(np.arange(1, parents + 1))
    w /= w.sum()
    mu = 1 / (w @ w)
    cs, cc = (mu + 2) / (size + mu + 5), (4 + mu / size) / (size + 4 + 2 * mu / size)
    c1 = 2 / ((size + 1.3) ** 2 + mu)
    cmu = min(1 - c1, 2 * (mu - 2 + 1 / mu) / ((size + 2) ** 2 + mu))
    damping = 1 + 2 * max(0.0, np.sqrt((mu - 1) / (size + 1)) - 1) + cs
    expected = np.sqrt(size) * (1 - 1 / (4 * size) + 1 / (21 * size ** 2))
    centre, sigma, C, ps, pc = np.zeros(size), sigma_mm, np.eye(size), np.zeros(size), np.zeros(size)
    for index in range(1, MOST["cma-es"] + 1):
        values, axes = np.linalg.eigh(C)
        root = axes * np.sqrt(np.maximum(values, 1e-20))
        steps = random.normal(size=(population, size)) @ root.T
        value = slope.values(centre + sigma * steps)
        order = np.argsort(value)[:parents]
        yield centre + sigma * steps[order[0]], float(value[order[0]])
        mean = w @ steps[order]
        centre = centre + sigma * mean
        ps = (1 - cs) * ps + np.sqrt(cs * (2 - cs) * mu) * (axes @ ((axes.T @ mean) / np.sqrt(np.maximum(values, 1e-20))))
        steady = np.linalg.norm(ps) / np.sqrt(1 - (1 - cs) ** (2 * index)) < (1.4 + 2 / (size + 1)) * expected
        pc = (1 - cc) * pc + steady * np.sqrt(cc * (2 - cc) * mu) * mean
        C = (1 - c1 - cmu) * C + c1 * np.outer(pc, pc) + cmu * (steps[order].T * w) @ steps[order]
        sigma *= np.exp((cs / damping) * (np.linalg.norm(ps) / expected - 1))
        if sigma * np.sqrt(values.max()) < stop_mm:
            break
    yield centre, float(slope.values(centre)[0])


def powell(slope, size, stop_mm):
    """M. Powell, Comput. J. 7, 1964: one-dimensional searches along directions that become conjugate; by scipy, round after round."""
    from scipy.optimize import minimize
    q, directions = np.zeros(size), np.eye(size)
    for _ in range(MOST["powell"]):
        found = minimize(lambda x: float(slope.values(x)[0]), q, method="Powell",
                         options={"maxiter": 1, "direc": directions, "xtol": 1e-2, "ftol": 1e-6})
        moved, q, directions = np.linalg.norm(found.x - q), found.x, found.direc
        yield q, float(found.fun)
        if moved < stop_mm:
            break


OPTIMISERS = {"adam": adam, "l-bfgs": lbfgs, "cma-es": cma_es, "powell": powell}
