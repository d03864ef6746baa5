"""Projection matrices from points: the direct linear transformation, and the source and detector that a matrix means."""
from dataclasses import replace

import numpy as np

from ..geometry import Views
from ..geometry.arrays import norm, to_numpy
from .result import CalibrationError

FEWEST_POINTS = 6


def projection_matrix(points, pixels):
    """[3, 4] (x, 1) -> (col w, row w, w) from points [n, 3] in RAS and their pixels (row, col) [n, 2], n at least 6, not in a plane.

    Normalised DLT: R. Hartley, A. Zisserman, Multiple View Geometry, 2nd ed., 2004, algorithm 7.1 (the algebraic part).
    """
    points, pixels = np.asarray(points, np.float64), np.asarray(pixels, np.float64)[:, ::-1]
    if len(points) < FEWEST_POINTS:
        raise CalibrationError(f"{len(points)} balls are too few for a projection matrix; expected at least {FEWEST_POINTS}.")
    T, U = _normaliser(pixels), _normaliser(points)
    x, X = _homogeneous(pixels) @ T.T, _homogeneous(points) @ U.T
    zero = np.zeros_like(X)
    rows = np.concatenate([np.hstack([zero, -X, x[:, 1:2] * X]), np.hstack([X, zero, -x[:, :1] * X])])
    _, size, vectors = np.linalg.svd(rows)
    if size[-2] < 1e-6 * size[0]:
        raise CalibrationError("the balls that are seen lie in a plane or on a line: they do not tell a projection matrix; use more of them.")
    matrix = np.linalg.inv(T) @ vectors[-1].reshape(3, 4) @ U
    return matrix * np.sign((_homogeneous(points) @ matrix[2]).sum())


def _homogeneous(points):
    return np.column_stack([points, np.ones(len(points))])


def _normaliser(points):
    """The similarity that moves the points' mean to 0 and their rms distance to sqrt(dimension)."""
    dimension = points.shape[1]
    mean = points.mean(0)
    scale = np.sqrt(dimension) / max(float(np.sqrt(((points - mean) ** 2).sum(1).mean())), 1e-12)
    matrix = np.diag([scale] * dimension + [1.0])
    matrix[:dimension, dimension] = -scale * mean
    return matrix


def view_from_matrix(matrix, like):
    """One view, its pixels those of the one view `like` (pitches, right angle between u and v, shape), that projects as `matrix` does.

    inv(P[:, :3]) = k (u, v, origin - source) and P (source, 1) = 0; k follows from the column pitch. What the pixels cannot follow (skew,
    another ratio of the pitches) is dropped: u and v are the nearest right-angled pair.
    """
    inverse = np.linalg.inv(matrix[:, :3])
    source = -inverse @ matrix[:, 3]
    pitch_u, pitch_v = (float(norm(to_numpy(a))[0]) for a in (like.u, like.v))
    inverse = inverse * pitch_u / norm(inverse[:, 0])
    left, _, right = np.linalg.svd(inverse[:, :2] / norm(inverse[:, :2].T), full_matrices=False)
    eu, ev = (left @ right).T
    rows, cols = like.shape
    centre = source + inverse[:, 2] + (cols - 1) / 2 * inverse[:, 0] + (rows - 1) / 2 * inverse[:, 1]
    u, v = pitch_u * eu, pitch_v * ev
    return replace(like, source=source, origin=centre - (cols - 1) / 2 * u - (rows - 1) / 2 * v, u=u, v=v)


def views_from_balls(places, phantom, like):
    """Views from the places (row, col) [N, M, 2] of the phantom's balls (NaN: not seen), each view by itself."""
    parts = []
    for i, pixels in enumerate(places):
        seen = np.isfinite(pixels).all(1)
        try:
            parts.append(view_from_matrix(projection_matrix(phantom.centres[seen], pixels[seen]), like[i]))
        except CalibrationError as reason:
            raise CalibrationError(f"view {i} shows {seen.sum()} of {len(phantom)} balls: {reason}") from None
    return Views.concatenate(parts)


def intrinsics(views):
    """SDD in mm, and column and row of the normal's foot from the source, [N, 3]."""
    source, normal, origin = (to_numpy(a) for a in (views.source, views.normal, views.origin))
    reach = (normal * (origin - source)).sum(-1)
    inverse = np.linalg.pinv(np.stack([to_numpy(views.u), to_numpy(views.v)], -1))
    foot = (inverse @ (source + reach[:, None] * normal - origin)[..., None])[..., 0]
    return np.column_stack([abs(reach), foot])
