"""Poses from points: three-dimensional ones (Kabsch), and points seen in a picture from one source (P3P)."""
import numpy as np

from ..geometry.pose import rigid
from .case import RegistrationError

ON_A_LINE = 1e-3        # second singular value of the points over the first, below which they lie on a line
REAL = 1e-3             # imaginary part (relative) of a root that rounding and noise may leave in a real double one


def spread_of(points):
    """Singular values [3] of points [P, 3] about their mean."""
    return np.linalg.svd(points - points.mean(0), compute_uv=False)


def check_spread(points, what):
    """RegistrationError where fewer than 3 points are given, or all lie on a line."""
    if len(points) < 3:
        raise RegistrationError(f"{len(points)} {what}; expected at least 3 that do not lie on a line")
    size = spread_of(points)
    if size[1] <= ON_A_LINE * size[0]:
        raise RegistrationError(f"the {len(points)} {what} lie on a line (or at one place), which leaves a turn about it open; add one beside it")


def rigid_fit(source, target, weights=None):
    """4x4 that takes points `source` [P, 3] nearest to `target` [P, 3]: least squares over rigid motions, never a mirror image.

    W. Kabsch, Acta Cryst. A 32, 1976; S. Umeyama, IEEE PAMI 13, 1991 (the sign of the determinant).
    """
    source, target = np.asarray(source, np.float64), np.asarray(target, np.float64)
    weights = np.ones(len(source)) if weights is None else np.asarray(weights, np.float64)
    share = (weights / weights.sum())[:, None]
    a, b = (share * source).sum(0), (share * target).sum(0)
    u, _, vt = np.linalg.svd((share * (target - b)).T @ (source - a))
    rotation = u @ np.diag([1, 1, np.linalg.det(u @ vt)]) @ vt
    return rigid(rotation, b - rotation @ a)


def p3p(points, source, directions):
    """Poses [n, 4, 4], n up to 4, that bring three points [3, 3] of the object onto rays from `source` [3] along unit `directions` [3, 3].

    Grunert's quartic for the ratio of two distances from the source (R. Haralick et al., Int. J. Comput. Vis. 13, 1994, eq. 9), each of
    its real roots polished by Newton's method on the three laws of cosines, which also removes what is no solution.
    """
    points, f = np.asarray(points, np.float64), np.asarray(directions, np.float64)
    pairs = ((1, 2), (0, 2), (0, 1))
    a2, b2, c2 = (((points[i] - points[j]) ** 2).sum() for i, j in pairs)
    cosines = np.array([f[i] @ f[j] for i, j in pairs])
    if min(a2, b2, c2) <= 0:
        return np.zeros((0, 4, 4))
    found = []
    for v in _ratios(a2, b2, c2, *cosines):
        s1 = np.sqrt(b2 / max(1 + v * v - 2 * v * cosines[1], 1e-30))
        half = s1 * cosines[2]
        root = np.sqrt(max(half * half - s1 * s1 + c2, 0.0))
        for s2 in {half + root, half - root}:
            s = _polished(np.array([s1, s2, v * s1]), (a2, b2, c2), cosines, pairs)
            if s is not None and not any(np.abs(s - other).max() < 1e-6 * s.max() for other in found):
                found.append(s)
    return np.array([rigid_fit(points, source + s[:, None] * f) for s in found]).reshape(-1, 4, 4)


def _ratios(a2, b2, c2, ca, cb, cg):
    """Positive real roots v = s3 / s1 of Grunert's quartic."""
    d, e = (a2 - c2) / b2, (a2 + c2) / b2
    quartic = [(d - 1) ** 2 - 4 * c2 / b2 * ca ** 2,
               4 * (d * (1 - d) * cb - (1 - e) * ca * cg + 2 * c2 / b2 * ca ** 2 * cb),
               2 * (d ** 2 - 1 + 2 * d ** 2 * cb ** 2 + 2 * (b2 - c2) / b2 * ca ** 2 - 4 * e * ca * cb * cg + 2 * (b2 - a2) / b2 * cg ** 2),
               4 * (-d * (1 + d) * cb + 2 * a2 / b2 * cg ** 2 * cb - (1 - e) * ca * cg),
               (1 + d) ** 2 - 4 * a2 / b2 * cg ** 2]
    roots = np.roots(quartic)
    real = roots[np.abs(roots.imag) <= REAL * (1 + np.abs(roots.real))].real
    return real[real > 1e-9]


def _polished(s, squares, cosines, pairs):
    """The distances s [3] from the source after Newton steps on s_i^2 + s_j^2 - 2 s_i s_j cos = d^2, or None where they lead nowhere."""
    for _ in range(20):
        error, slope = np.zeros(3), np.zeros((3, 3))
        for row, (i, j) in enumerate(pairs):
            error[row] = s[i] ** 2 + s[j] ** 2 - 2 * s[i] * s[j] * cosines[row] - squares[row]
            slope[row, i], slope[row, j] = 2 * (s[i] - s[j] * cosines[row]), 2 * (s[j] - s[i] * cosines[row])
        if np.abs(error).max() <= 1e-12 * max(squares):
            break
        step = np.linalg.lstsq(slope, error, rcond=1e-12)[0]
        s = s - step
    return s if np.abs(error).max() <= 1e-7 * max(squares) and s.min() > 0 else None
