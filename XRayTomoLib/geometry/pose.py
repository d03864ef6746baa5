"""Rotations and rigid poses: the exponential map, its inverse, and the pose of an object about a pivot.

Rotation vectors are in radians about the world's R, A, S axes; translations in millimetres. Arrays or tensors, any leading axes.
"""
import numpy as np

from .arrays import float64, namespace, unit


def skew(w):
    """Cross-product matrix [..., 3, 3] of the vectors w [..., 3]."""
    xp = namespace(w)
    zero = xp.zeros_like(w[..., 0])
    x, y, z = w[..., 0], w[..., 1], w[..., 2]
    rows = [xp.stack([zero, -z, y], -1), xp.stack([z, zero, -x], -1), xp.stack([-y, x, zero], -1)]
    return xp.stack(rows, -2)


def rotation_from_vector(w):
    """exp: rotation matrices [..., 3, 3] of the rotation vectors w [..., 3] (rad), exact and differentiable at zero.

    Rodrigues: R = I + a K + b K^2, a = sin(t)/t, b = (1 - cos(t))/t^2, t = |w|; below t^2 = 1e-4 the Taylor series of a and b
    in t^2 (their next terms are below 1e-16).
    """
    xp = namespace(w)
    w = float64(w, xp)
    t2 = (w * w).sum(-1)
    small = t2 < 1e-4
    safe = xp.where(small, xp.ones_like(t2), t2)      # keeps the branch that is not taken finite, its gradient too
    t = safe ** 0.5
    a = xp.where(small, 1 - t2 / 6 * (1 - t2 / 20 * (1 - t2 / 42)), xp.sin(t) / t)
    b = xp.where(small, 0.5 - t2 / 24 * (1 - t2 / 30 * (1 - t2 / 56)), (1 - xp.cos(t)) / safe)
    k = skew(w)
    identity = float64(np.eye(3), xp)
    return identity + a[..., None, None] * k + b[..., None, None] * (k @ k)


def rigid_from_twist(w, v):
    """exp of se(3): 4x4 matrices [..., 4, 4] of the twists (w in rad, v in mm), exact and differentiable at zero.

    The translation is V v, V = I + b K + c K^2, b = (1 - cos t)/t^2, c = (t - sin t)/t^3 (Murray, Li, Sastry, 1994, eq. 2.36).
    """
    xp = namespace(w, v)
    w, v = float64(w, xp), float64(v, xp)
    t2 = (w * w).sum(-1)
    small = t2 < 1e-4
    safe = xp.where(small, xp.ones_like(t2), t2)
    t = safe ** 0.5
    b = xp.where(small, 0.5 - t2 / 24 * (1 - t2 / 30 * (1 - t2 / 56)), (1 - xp.cos(t)) / safe)
    c = xp.where(small, (1 - t2 / 20 * (1 - t2 / 42 * (1 - t2 / 72))) / 6, (t - xp.sin(t)) / (safe * t))
    k = skew(w)
    left = float64(np.eye(3), xp) + b[..., None, None] * k + c[..., None, None] * (k @ k)
    return rigid(rotation_from_vector(w), (left @ v[..., None])[..., 0])


def twist_from_rigid(matrix):
    """log of SE(3): (w in rad, v in mm), [..., 3] each, of rigid matrices [..., 4, 4]; exact at zero and at pi.

    v = V^-1 t, V^-1 = I - K/2 + d K^2, d = (1 - (t/2) cot(t/2))/t^2 (Murray, Li, Sastry, 1994, eq. 2.37), its series below t^2 = 1e-4.
    """
    xp = namespace(matrix)
    matrix = float64(matrix, xp)
    w = vector_from_rotation(matrix[..., :3, :3])
    t2 = (w * w).sum(-1)
    small = t2 < 1e-4
    safe = xp.where(small, xp.ones_like(t2), t2)
    half = safe ** 0.5 / 2
    d = xp.where(small, (1 + t2 / 60 * (1 + t2 / 42)) / 12, (1 - half * xp.cos(half) / xp.sin(half)) / safe)
    k = skew(w)
    inverse = float64(np.eye(3), xp) - k / 2 + d[..., None, None] * (k @ k)
    return w, (inverse @ matrix[..., :3, 3:])[..., 0]


def quaternion_from_rotation(rotation):
    """Unit quaternions [..., 4] (w, x, y, z), w >= 0, of rotation matrices [..., 3, 3].

    Shepperd's choice of the largest component keeps the division away from zero for every rotation, those by pi included.
    """
    xp = namespace(rotation)
    r = float64(rotation, xp)
    a, b, c = r[..., 0, 0], r[..., 1, 1], r[..., 2, 2]
    x, y, z = r[..., 2, 1] - r[..., 1, 2], r[..., 0, 2] - r[..., 2, 0], r[..., 1, 0] - r[..., 0, 1]
    xy, xz, yz = r[..., 0, 1] + r[..., 1, 0], r[..., 0, 2] + r[..., 2, 0], r[..., 1, 2] + r[..., 2, 1]
    four = [xp.stack([1 + a + b + c, x, y, z], -1), xp.stack([x, 1 + a - b - c, xy, xz], -1),
            xp.stack([y, xy, 1 - a + b - c, yz], -1), xp.stack([z, xz, yz, 1 - a - b + c], -1)]
    candidates = xp.stack(four, -2)                   # rows: 4 q_i (w, x, y, z)
    largest = xp.stack([four[i][..., i] for i in range(4)], -1).argmax(-1)
    pick = (float64(np.arange(4), xp) == largest[..., None])
    q = unit(xp.where(pick[..., None], candidates, xp.zeros_like(candidates)).sum(-2))
    return xp.where((q[..., :1] < 0), -q, q)


def vector_from_rotation(rotation):
    """log: rotation vectors [..., 3] (rad, length in [0, pi]) of rotation matrices [..., 3, 3]; exact at zero and at pi."""
    xp = namespace(rotation)
    q = quaternion_from_rotation(rotation)
    n2 = (q[..., 1:] ** 2).sum(-1)
    small = n2 < 1e-8
    n = xp.where(small, xp.ones_like(n2), n2) ** 0.5
    w = xp.where(small, xp.ones_like(n2), q[..., 0])
    half = xp.atan2(n, w) if xp is not np else np.arctan2(n, w)
    factor = xp.where(small, 2 * (1 + n2 / 6), 2 * half / n)
    return factor[..., None] * q[..., 1:]


def rotation_about_axis(axis, angle_deg):
    """Rotations [..., 3, 3] by the angles `angle_deg` [...] about the direction `axis` [3] (right hand)."""
    return rotation_from_vector(unit(float64(axis)) * np.deg2rad(angle_deg)[..., None])


def rigid(rotation, translation):
    """4x4 matrices [..., 4, 4] from rotations [..., 3, 3] and translations [..., 3]."""
    xp = namespace(rotation, translation)
    rotation, translation = float64(rotation, xp), float64(translation, xp)
    top = xp.concatenate([rotation, translation[..., None]], -1)
    bottom = xp.zeros_like(top[..., :1, :]) + float64([0.0, 0.0, 0.0, 1.0], xp)
    return xp.concatenate([top, bottom], -2)


def pose_about(w, t, pivot=(0.0, 0.0, 0.0)):
    """4x4 of the object's pose x' = c + exp(w)(x - c) + t; w in rad about R, A, S, t in mm, c = `pivot` in RAS."""
    xp = namespace(w, t, pivot)
    rotation, t, c = rotation_from_vector(float64(w, xp)), float64(t, xp), float64(pivot, xp)
    return rigid(rotation, c + t - (rotation @ c[..., None])[..., 0])


def transform_points(matrix, points):
    """Points [..., 3] under the 4x4 `matrix` (leading axes broadcast)."""
    xp = namespace(matrix, points)
    matrix, points = float64(matrix, xp), float64(points, xp)
    return transform_vectors(matrix, points) + matrix[..., :3, 3]


def transform_vectors(matrix, vectors):
    """Vectors [..., 3] under the linear part of the 4x4 `matrix`."""
    xp = namespace(matrix, vectors)
    matrix, vectors = float64(matrix, xp), float64(vectors, xp)
    return (matrix[..., :3, :3] @ vectors[..., None])[..., 0]
