"""How far a registered pose can be trusted: its covariance from the residuals, at the target in mm, with the weak direction named."""
from dataclasses import dataclass, field

import numpy as np

from ..geometry.arrays import to_numpy
from .levenberg import ARM_MM

CHI_SQUARE_95 = 7.8147      # 95 % of a chi-square of three degrees of freedom
RADIANS_TO_DEG = 180 / np.pi
MOST_TIMES = 100            # beyond, a ratio is not told exactly
LEAST_FREEDOM = 4.0         # degrees of freedom below which T^2 has no bounds to speak of


@dataclass(frozen=True, eq=False)
class Uncertainty:
    """Covariance [6, 6] of the increment (w in rad, t in mm) about `pivot` at a pose, and `inflation`: the ratio of the standard
    deviation, misfit included, to that of independent pixels; of it `disagreement` is what X-rays that contradict each other add.
    further: standard deviations of the other free parameters, in their order and units. widened: the covariance [6, 6] by which the 95 %
    ellipsoid is drawn, larger because the covariance itself is known from a limited number of blocks."""
    covariance: np.ndarray
    pose: np.ndarray
    pivot: np.ndarray
    widened: np.ndarray
    inflation: float
    disagreement: float = 1.0
    further: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def at(self, point_ras):
        """Covariance [3, 3] (mm^2) of where the object's point, now at `point_ras`, lies."""
        move = self._move(point_ras)
        return move @ self.covariance @ move.T

    def _move(self, point_ras):
        """Derivatives [3, 6] of the point's place by the increment."""
        arm = np.asarray(point_ras, float) - self.pivot
        lever = np.array([[0, arm[2], -arm[1]], [-arm[2], 0, arm[0]], [arm[1], -arm[0], 0]])      # w x arm = lever w
        return np.hstack([lever, np.eye(3)])

    def ellipsoid(self, point_ras):
        """Half axes (mm) [3] of the 95 % ellipsoid at a point, largest first, and their directions (columns)."""
        move = self._move(point_ras)
        values, vectors = np.linalg.eigh(move @ self.widened @ move.T)
        return np.sqrt(CHI_SQUARE_95 * np.maximum(values[::-1], 0)), vectors[:, ::-1]

    def holds(self, point_ras, error_mm):
        """Whether an error [3] (mm) of where the point lies is within the 95 % ellipsoid."""
        lengths, directions = self.ellipsoid(point_ras)
        return bool((np.square(directions.T @ error_mm / lengths)).sum() <= 1)

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
            f"misfit of the model and correlation of the noise widen the error {_times(self.inflation)}"
            + (f", of it {_times(self.disagreement)} because the X-rays disagree" if self.disagreement > 1 else "")])  # fmt: skip


def _times(ratio):
    """X-rays without noise give ratios of any size, which say no more than that."""
    return f"{ratio:.1f} times" if ratio < MOST_TIMES else f"more than {MOST_TIMES} times"


def uncertainty(residuals, state, coarse=None):
    """The Uncertainty of the pose at an optimum of `residuals` (levenberg.Residuals, or curve.CurvedResiduals, whose other parameters then
    count as unknown).

    Sandwich H^-1 M H^-1 (H. White, Econometrica 48, 1980). M from the sums of the scores over blocks of the images (K.-Y. Liang, S. Zeger,
    Biometrika 73, 1986): noise and misfit may be correlated within a block, which is as large as the square over which images are
    compared. A spread known from few blocks, or from some that tell more than others, is itself uncertain: the 95 % ellipsoid is that of
    Hotelling's T^2 (R. Bell, D. McCaffrey, Survey Methodology 28, 2002). H is the curvature of Huber's function,
    which ends where residuals are cut off (P. Huber, Robust Statistics, 1981, 7.6). That of the local NCC is smaller: normalised images have
    unit spread, noise included, so that by z'z = 1 the second derivative of z is -|z'|^2 along z, and the residual's curvature is J' J times
    the local correlation of the two images, not J' J.
    Where X-rays disagree by more than their own errors, the covariance grows by that ratio (R. Birge, Phys. Rev. 40, 1932).

    coarse: the same residuals of a volume with voxels twice as large. A third of what the pose differs by with it is the error that voxels
    leave (L. Richardson, 1911, for errors that fall with the voxel's square); it is added to the covariance.
    """
    parts, free = _scores(residuals, state), residuals.free
    whole, alone = (sum(getattr(part, name) for part in parts) for name in ("H", "plain"))
    T = _elimination(whole, free)
    bread = _inverse(T.T @ whole @ T)
    disagreement = _birge(parts, T)
    M = disagreement * sum(part.M for part in parts)
    covariance, alone = (bread @ T.T @ each @ T @ bread for each in (M, alone))
    of_voxels = 0.0
    if coarse is not None:
        off = bread @ T.T @ (sum(part.g for part in _scores(coarse, state)) - sum(part.g for part in parts)) / 3
        of_voxels = np.outer(off, off)
    covariance, widened = (factor * covariance + of_voxels for factor in (1.0, _few_blocks(parts, T, bread)))
    of_all, free = _inverse(whole) @ M @ _inverse(whole), free[free < 6]
    lever = np.array([ARM_MM] * 3 + [1.0] * 3)[free] ** 2
    inflation = np.sqrt((lever @ np.diag(covariance)) / max(lever @ np.diag(alone), 1e-30))
    full = np.zeros((2, 6, 6))
    full[np.ix_((0, 1), free, free)] = covariance, widened
    return Uncertainty(full[0], np.asarray(getattr(state, "pose", state)), np.asarray(residuals.case.pivot), full[1], float(inflation),
                       float(np.sqrt(disagreement)), np.sqrt(np.diag(of_all)[len(free):]))


def _scores(residuals, state):
    return [_Scores(part, *terms, residuals.free) for part, terms in zip(residuals.parts, residuals.terms(state))]


class _Scores:
    """One X-ray's curvature H, sums of squared scores M (over blocks) and `plain` (over pixels), and score g, by the free parameters."""

    def __init__(self, part, weight, r, J, free):
        self.J, weight, alike = J[..., free].double().numpy(), weight.double().numpy(), part.alike(r).double().numpy()
        self.curved, self.size = ((weight >= 1) * alike / part.count)[..., None], 2 * part.radius + 1
        self.H = np.einsum("rci,rcj->ij", self.J, self.J * self.curved, optimize=True)
        score = self.J * (weight * r.double().numpy())[..., None] / part.count
        sums = block_sums(score, self.size)
        sums = sums[np.abs(sums).max(1) > 0]
        self.g, self.M = sums.sum(0), sums.T @ sums * len(sums) / max(len(sums) - len(free), 1)
        self.plain = np.einsum("rci,rcj->ij", score, score, optimize=True)

    def blocks(self, T):
        """The curvature [blocks, n, n] of each block by the parameters that `T` leaves."""
        J = self.J @ T
        products = J[..., None] * (J * self.curved)[..., None, :]
        return block_sums(products.reshape(*J.shape[:2], -1), self.size).reshape(-1, *T.shape[1:] * 2)


def _elimination(H, free):
    """T [all, n]: what of the free parameters' space the n free directions of the pose span when the others follow (Schur complement)."""
    pose, others = np.flatnonzero(free < 6), np.flatnonzero(free >= 6)
    T = np.zeros((len(free), len(pose)))
    T[pose], T[others] = np.eye(len(pose)), -_inverse(H[np.ix_(others, others)]) @ H[np.ix_(others, pose)]
    return T


def _few_blocks(parts, T, bread):
    """The 95 % quantile of Hotelling's T^2 in three dimensions over that of chi-square; degrees of freedom: the number of blocks, if all told
    as much (F. Satterthwaite, Biometrics Bulletin 2, 1946)."""
    from scipy.special import fdtri
    shares = [bread @ part.blocks(T) for part in parts]
    freedom = max(len(bread) / max(sum(np.einsum("bij,bji->", s, s) for s in shares), 1e-12), LEAST_FREEDOM)
    return 3 * freedom / (freedom - 2) * fdtri(3, freedom - 2, 0.95) / CHI_SQUARE_95


def _birge(parts, T):
    """By how much the X-rays' scores, which cancel at the optimum, exceed what their own errors explain (a ratio of variances, at least 1)."""
    if len(parts) == 1:
        return 1.0
    ratio = sum(part.g @ T @ _inverse(T.T @ part.M @ T) @ T.T @ part.g for part in parts) / (T.shape[1] * (len(parts) - 1))
    return max(1.0, float(ratio))


def _inverse(matrix):
    """Inverse of a symmetric matrix whose parameters have different units."""
    scale = np.sqrt(np.maximum(np.diag(matrix), 1e-30))
    return np.linalg.pinv(matrix / np.outer(scale, scale), hermitian=True) / np.outer(scale, scale)


def block_sums(score, size):
    """Sums [blocks, n] of [rows, cols, n] over blocks of about `size` pixels."""
    rows, cols = (np.arange(0, count, size) for count in score.shape[:2])
    return np.add.reduceat(np.add.reduceat(score, rows, 0), cols, 1).reshape(-1, score.shape[-1])
