"""How far a registered pose can be trusted: its covariance from the residuals, at the target in mm, with the weak direction named."""
from dataclasses import dataclass

import numpy as np

from ..geometry.arrays import to_numpy
from .levenberg import ARM_MM

CHI_SQUARE_95 = 7.8147      # 95 % of a chi-square of three degrees of freedom
RADIANS_TO_DEG = 180 / np.pi


@dataclass(frozen=True, eq=False)
class Uncertainty:
    """Covariance [6, 6] of the increment (w in rad, t in mm) about `pivot` at a pose, and `inflation`: the ratio of the standard
    deviation, correlated misfit included, to that of independent pixels."""
    covariance: np.ndarray
    pose: np.ndarray
    pivot: np.ndarray
    inflation: float

    def at(self, point_ras):
        """Covariance [3, 3] (mm^2) of where the object's point, now at `point_ras`, lies."""
        arm = np.asarray(point_ras, float) - self.pivot
        lever = np.array([[0, arm[2], -arm[1]], [-arm[2], 0, arm[0]], [arm[1], -arm[0], 0]])      # w x arm = lever w
        move = np.hstack([lever, np.eye(3)])
        return move @ self.covariance @ move.T

    def ellipsoid(self, point_ras):
        """Half axes (mm) [3] of the 95 % ellipsoid at a point, largest first, and their directions (columns)."""
        values, vectors = np.linalg.eigh(self.at(point_ras))
        return np.sqrt(CHI_SQUARE_95 * np.maximum(values[::-1], 0)), vectors[:, ::-1]

    def weakest(self, point_ras, xrays):
        """The largest half axis in words, such as "depth along PA: +-3.8 mm"."""
        lengths, directions = self.ellipsoid(point_ras)
        for x in xrays:
            axis = to_numpy(x.views.normal)[0] if x.views.source is None else np.asarray(point_ras) - to_numpy(x.views.source)[0]
            if abs(directions[:, 0] @ axis) > 0.9 * np.linalg.norm(axis):
                return f"depth along {x.name}: +-{lengths[0]:.2g} mm"
        return f"along RAS ({', '.join(f'{d:.2f}' for d in directions[:, 0])}): +-{lengths[0]:.2g} mm"

    def report(self, point_ras, xrays):
        """Lines for people."""
        deviations = np.sqrt(np.diag(self.covariance))
        return "\n".join([
            f"standard deviations: rotation {', '.join(f'{d * RADIANS_TO_DEG:.3f}' for d in deviations[:3])} deg about R, A, S; "
            f"translation {', '.join(f'{d:.3f}' for d in deviations[3:])} mm",
            f"95 % ellipsoid at the target: half axes {', '.join(f'{x:.2f}' for x in self.ellipsoid(point_ras)[0])} mm",
            f"weakest: {self.weakest(point_ras, xrays)}",
            f"misfit of the model and correlation of the noise widen the error {self.inflation:.1f} times"])  # fmt: skip


def uncertainty(residuals, state):
    """The Uncertainty of the pose at an optimum of `residuals` (levenberg.Residuals, or a subclass whose state has a `pose`, whose other
    parameters then count as unknown).

    Sandwich H^-1 M H^-1 (H. White, Econometrica 48, 1980). M from the sums of the scores over blocks of the images (K.-Y. Liang, S. Zeger,
    Biometrika 73, 1986): noise and misfit may be correlated within a block, which is as large as the square over which images are
    normalised. H is the curvature of the local NCC: normalised images have unit spread, noise included, so that by z'z = 1 the second
    derivative of z is -|z'|^2 along z, and the residual's curvature is J' J times the local correlation of the two images, not J' J.
    """
    n, M, plain, H, blocks = residuals.free, 0.0, 0.0, 0.0, 0
    for part, (weight, r, J) in zip(residuals.parts, residuals.terms(state)):
        J, weight, alike = J[..., n].double().numpy(), weight.double().numpy(), part.alike(r).double().numpy()
        score = J * (weight * r.double().numpy())[..., None] / part.count
        H = H + np.einsum("rci,rcj,rc->ij", J, J, weight * alike, optimize=True) / part.count
        plain = plain + np.einsum("rci,rcj->ij", score, score, optimize=True)
        sums = block_sums(score, 2 * part.radius + 1)
        sums = sums[np.abs(sums).max(1) > 0]
        M, blocks = M + sums.T @ sums, blocks + len(sums)
    scale = np.sqrt(np.maximum(np.diag(H), 1e-30))
    bread = np.linalg.pinv(H / np.outer(scale, scale), hermitian=True) / np.outer(scale, scale)
    covariance = _of_pose(bread @ M @ bread * blocks / max(blocks - len(n), 1), n)
    alone, lever = _of_pose(bread @ plain @ bread, n), np.diag([ARM_MM] * 3 + [1.0] * 3)
    inflation = np.sqrt(np.trace(lever @ covariance @ lever) / max(np.trace(lever @ alone @ lever), 1e-30))
    pose = getattr(state, "pose", state)
    return Uncertainty(covariance, np.asarray(pose), np.asarray(residuals.case.pivot), float(inflation))


def _of_pose(covariance, free):
    """The part [6, 6] of a covariance of the parameters `free` that belongs to the pose; zero where it is held."""
    full, own = np.zeros((6, 6)), np.flatnonzero(free < 6)
    full[np.ix_(free[own], free[own])] = covariance[np.ix_(own, own)]
    return full


def block_sums(score, size):
    """Sums [blocks, n] of [rows, cols, n] over blocks of about `size` pixels."""
    rows, cols = (np.arange(0, count, size) for count in score.shape[:2])
    return np.add.reduceat(np.add.reduceat(score, rows, 0), cols, 1).reshape(-1, score.shape[-1])
