"""Levenberg-Marquardt for scans: some parameters are shared by all views, others belong to one view each.

Normal equations in arrow form, solved by the Schur complement of the views' blocks (Hartley and Zisserman, Multiple View Geometry,
2nd ed., appendix A6.3), damped by the diagonal (Marquardt, 1963).
"""
from dataclasses import dataclass

import numpy as np

from ..jobs import Step
from .result import CalibrationError

SINGULAR = 1e-10        # smallest eigenvalue of the scaled normal matrix that still counts


@dataclass
class Normal:
    """Sums of squares and products of the residuals r and their Jacobians: shared [S], own [N, B]."""
    view_cost: np.ndarray       # [N] sum of r^2
    view_count: np.ndarray      # [N] residuals
    g: np.ndarray               # [S] Js' r
    A: np.ndarray               # [S, S] Js' Js
    h: np.ndarray               # [N, B] Jb' r
    C: np.ndarray               # [N, S, B] Js' Jb
    B: np.ndarray               # [N, B, B] Jb' Jb

    @property
    def cost(self):
        return self.view_cost.sum()


@dataclass
class Fit:
    """The optimum: shared [S], own [N, B], their standard errors, and the rms residual of each view before and after."""
    shared: np.ndarray
    own: np.ndarray
    shared_error: np.ndarray
    own_error: np.ndarray
    view_rms_before: np.ndarray
    view_rms: np.ndarray
    rms_before: float
    rms: float


def normal_equations(views, shared, own):
    """Normal of `views`: an iterable of (residuals [m], Js [m, S], Jb [m, B]), view by view."""
    count, (S, B) = len(own), (len(shared), own.shape[1])
    n = Normal(np.zeros(count), np.zeros(count, int), np.zeros(S), np.zeros((S, S)), np.zeros((count, B)), np.zeros((count, S, B)),
               np.zeros((count, B, B)))
    for i, (r, js, jb) in enumerate(views):
        n.view_cost[i], n.view_count[i] = r @ r, len(r)
        n.g += js.T @ r
        n.A += js.T @ js
        n.h[i], n.C[i], n.B[i] = jb.T @ r, js.T @ jb, jb.T @ jb
    return n


def fit(model, shared, own, shared_names, own_names, iterations=30, precision=1e-6):
    """Generator of Steps that returns the Fit.

    model(shared, own, derivatives) yields (r, Js, Jb) a view, or r alone where derivatives is False. Ends when a step lowers the cost
    by less than the share `precision`, or cannot lower it.
    """
    shared, own = np.array(shared, float), np.array(own, float)
    normal = first = normal_equations(model(shared, own, True), shared, own)
    check_observable(normal, shared_names, own_names)
    damping = 1e-4
    for index in range(iterations):
        better, damping = _improved(model, normal, shared, own, damping)
        if better is None:
            break
        shared, own, cost = better
        settled = normal.cost - cost <= precision * normal.cost
        normal = normal_equations(model(shared, own, True), shared, own)
        yield Step(index + 1, None, float(np.sqrt(normal.cost / max(normal.view_count.sum(), 1))), "fitting the geometry")
        if settled:
            break
    return _result(first, normal, shared, own)


def _improved(model, normal, shared, own, damping):
    """((shared, own, cost) of a step that lowers the cost, or None; the damping to go on with)."""
    while damping < 1e8:
        ds, do = solve(normal, damping)
        trial = shared - ds, own - do
        cost = sum(float(r @ r) for r in model(*trial, False))
        if cost < normal.cost:
            return (*trial, cost), damping / 10
        damping *= 10
    return None, damping


def solve(normal, damping=0.0):
    """The step (shared [S], own [N, B]) of the damped normal equations."""
    B = normal.B + damping * normal.B * np.eye(normal.B.shape[-1])
    inverse = np.linalg.inv(B)
    CB = normal.C @ inverse
    A = normal.A + damping * np.diag(np.diag(normal.A))
    schur = A - (CB @ np.swapaxes(normal.C, 1, 2)).sum(0)
    ds = np.linalg.solve(schur, normal.g - (CB @ normal.h[..., None]).sum(0)[:, 0])
    do = (inverse @ (normal.h - np.einsum("nsb,s->nb", normal.C, ds))[..., None])[..., 0]
    return ds, do


def check_observable(normal, shared_names, own_names):
    """CalibrationError where the residuals do not depend on a parameter, or only on a combination of several."""
    for i, block in enumerate(normal.B):
        _check_block(block, own_names, f"view {i}: ")
    CB = normal.C @ np.linalg.inv(normal.B)
    still = np.diag(normal.A) <= 0
    if still.any():
        _check_block(normal.A, shared_names, "")
    scale = 1 / np.sqrt(np.diag(normal.A))
    _check_block((normal.A - (CB @ np.swapaxes(normal.C, 1, 2)).sum(0)), shared_names, "", scale)


def _check_block(block, names, where, scale=None):
    if not len(block):
        return
    diagonal = np.diag(block)
    if scale is None:
        if (diagonal <= 0).any():
            raise CalibrationError(f"{where}{names[int(np.argmin(diagonal))]} changes nothing in these projections; leave it out.")
        scale = 1 / np.sqrt(diagonal)
    values, vectors = np.linalg.eigh(block * scale[:, None] * scale)
    if values[0] < SINGULAR:
        mixed = [name for name, part in zip(names, vectors[:, 0]) if abs(part) > 0.1]
        raise CalibrationError(f"{where}these projections cannot tell {' and '.join(mixed)} apart; leave one of them out.")


def _result(first, normal, shared, own):
    S, (count, B) = len(shared), own.shape
    total = normal.view_count.sum()
    variance = normal.cost / max(total - S - count * B, 1)
    inverse = np.linalg.inv(normal.B)
    CB = normal.C @ inverse
    covariance = np.linalg.inv(normal.A - (CB @ np.swapaxes(normal.C, 1, 2)).sum(0))
    own_covariance = inverse + np.swapaxes(CB, 1, 2) @ covariance @ CB
    with np.errstate(invalid="ignore"):
        before, after = (np.sqrt(n.view_cost / np.where(n.view_count > 0, n.view_count, np.nan)) for n in (first, normal))
    return Fit(shared, own, np.sqrt(variance * np.diag(covariance)), np.sqrt(variance * np.einsum("nbb->nb", own_covariance)), before, after,
               float(np.sqrt(first.cost / first.view_count.sum())), float(np.sqrt(normal.cost / total)))
