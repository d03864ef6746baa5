"""Poses of the object as optimisers and other programs write them: increments about a pivot, and every parametrisation of rotations."""
from dataclasses import dataclass

import numpy as np

from ..geometry import GeometryError, pose_about, rotation_from_vector, transform_points, vector_from_rotation
from ..geometry.arrays import float64, namespace, to_numpy
from ..geometry.parametrisations import rotation_matrices, rotation_parameters
from ..geometry.pose import rigid, rigid_from_twist, twist_from_rigid
from .case import RegistrationError

TOLERANCE = 1e-4        # by which a matrix may miss a rotation and still be taken for one (transforms from files carry few digits)


@dataclass(frozen=True)
class Tangent:
    """The tangent space of poses about `pivot` (RAS): x' = c + exp(w)(x - c) + t, increments (w, t) [..., 6] in rad and mm.

    Rotation and translation are separate: the pivot moves by t alone. Arrays or tensors; gradients are exact at zero.
    """
    pivot: object = (0.0, 0.0, 0.0)

    def exp(self, increments):
        """Poses [..., 4, 4] of increments [..., 6]."""
        return pose_about(increments[..., :3], increments[..., 3:], self.pivot)

    def log(self, poses):
        """Increments [..., 6] of poses [..., 4, 4]; the turn is at most pi."""
        xp = namespace(poses, self.pivot)
        poses, c = float64(poses, xp), float64(self.pivot, xp)
        return xp.concatenate([vector_from_rotation(poses[..., :3, :3]), transform_points(poses, c) - c], -1)

    def moved(self, increments, poses):
        """The poses after the increments, which multiply from the left."""
        return self.exp(increments) @ float64(poses, namespace(increments, poses))

    def between(self, before, after):
        """The increments that take the poses `before` to `after`."""
        xp = namespace(before, after)
        return self.log(float64(after, xp) @ inverse_rigid(float64(before, xp)))

    def interpolated(self, before, after, share):
        """Poses at the `share` [...] of the way from `before` (0) to `after` (1); beyond, the motion goes on."""
        return self.moved(self.between(before, after) * float64(share)[..., None], before)


def inverse_rigid(poses):
    """Inverses of rigid matrices [..., 4, 4], by the transpose of their rotations."""
    xp = namespace(poses)
    poses = float64(poses, xp)
    back = poses[..., :3, :3].swapaxes(-1, -2)
    return rigid(back, -(back @ poses[..., :3, 3:])[..., 0])


def pose_from_parameters(rotation, translation, parameterization="axis_angle", pivot=(0.0, 0.0, 0.0), convention=None, degrees=False):
    """Poses [..., 4, 4], x' = c + R (x - c) + t, of rotations [..., n] in a parametrisation and translations t [..., 3] (mm).

    parameterization: axis_angle, euler_angles (with `convention`), quaternion (w, x, y, z), quaternion_adjugate, rotation_6d, rotation_9d,
    rotation_10d, matrix ([..., 3, 3]), or se3_log_map, where (rotation, translation) is the twist of x - c.
    """
    xp = namespace(rotation, translation, pivot)
    c = float64(pivot, xp)
    if parameterization == "se3_log_map":
        about = rigid_from_twist(rotation, translation)
        turn, shift = about[..., :3, :3], about[..., :3, 3]
    else:
        turn = float64(rotation_matrices(float64(rotation, xp), parameterization, convention, degrees), xp)
        shift = float64(translation, xp)
    return rigid(turn, c + shift - (turn @ c[..., None])[..., 0])


def parameters_from_pose(poses, parameterization="axis_angle", pivot=(0.0, 0.0, 0.0), convention=None, degrees=False):
    """(rotation [..., n], translation [..., 3]) of poses [..., 4, 4]: what pose_from_parameters takes back to them."""
    xp = namespace(poses, pivot)
    poses, c = float64(poses, xp), float64(pivot, xp)
    shift = transform_points(poses, c) - c
    if parameterization == "se3_log_map":
        return twist_from_rigid(rigid(poses[..., :3, :3], shift))
    return rotation_parameters(poses[..., :3, :3], parameterization, convention, degrees), shift


def checked_pose(matrix, name="the pose"):
    """`matrix` as a rigid 4x4 float64 array, its rotation exact; RegistrationError says what else it is."""
    matrix = np.asarray(to_numpy(matrix), np.float64)
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all() or np.abs(matrix[3] - [0, 0, 0, 1]).max() > TOLERANCE:
        raise RegistrationError(f"{name} is no 4x4 transform of finite numbers; expected rotation and translation, last row 0 0 0 1")
    turn = matrix[:3, :3]
    if np.abs(turn.T @ turn - np.eye(3)).max() > TOLERANCE:
        raise RegistrationError(f"{name} scales or shears (singular values {np.round(np.linalg.svd(turn)[1], 4).tolist()}); a registration moves "
                                "rigidly: harden the scale into the volume first")
    if np.linalg.det(turn) < 0:
        raise RegistrationError(f"{name} mirrors the object; a registration moves rigidly: flip the X-ray's view instead")
    return rigid(rotation_matrices(turn.reshape(9), "rotation_9d"), matrix[:3, 3])


def half_turns(pose, pivot, axes=None):
    """The pose and the three turned by 180 degrees about the axes through the moved pivot, [4, 4, 4]: where the object looks alike from
    opposite sides, or lies the other way round.

    axes: 3x3, columns the axes in the world (default: the object's R, A, S as the pose turns them).
    """
    pose, c = np.asarray(pose, np.float64), np.asarray(pivot, np.float64)
    axes = pose[:3, :3] if axes is None else np.asarray(axes, np.float64)
    if axes.shape != (3, 3) or np.abs(axes.T @ axes - np.eye(3)).max() > TOLERANCE:
        raise GeometryError("axes of half turns: expected a 3x3 matrix whose columns are three unit directions at right angles")
    centre = transform_points(pose, c)
    turns = [np.eye(3), *(rotation_from_vector(np.pi * axes[:, i]) for i in range(3))]
    return np.stack([rigid(turn, centre - turn @ centre) @ pose for turn in turns])
