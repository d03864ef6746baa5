"""Poses about a pivot: exp and log, increments from the left, every parametrisation, what is no pose."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from XRayTomoLib.geometry import GeometryError, rigid, rotation_from_vector, transform_points
from XRayTomoLib.geometry.parametrisations import PARAMETERS
from XRayTomoLib.registration.case import RegistrationError, compose
from XRayTomoLib.registration.poses import Tangent, checked_pose, half_turns, inverse_rigid, parameters_from_pose, pose_from_parameters

PIVOT = np.array([12.0, -250.0, 1300.0])
SPACE = Tangent(tuple(PIVOT))
quick = settings(max_examples=40, deadline=None)
seeds = st.integers(0, 2**32 - 1)
angles = st.sampled_from([0.0, 1e-12, 1e-5, 0.3, 2.0, np.pi - 1e-6, np.pi])


def increment(seed, angle):
    g = np.random.default_rng(seed)
    axis = g.normal(size=3)
    return np.r_[angle * axis / np.linalg.norm(axis), g.normal(size=3) * 30]


@quick
@given(seeds, angles)
def test_log_undoes_exp_and_the_pivot_moves_by_t_alone(seed, angle):
    xi = increment(seed, angle)
    pose = SPACE.exp(xi)
    np.testing.assert_allclose(transform_points(pose, PIVOT), PIVOT + xi[3:], atol=1e-9)
    np.testing.assert_allclose(pose, compose(xi, np.eye(4), PIVOT), atol=1e-9)
    back = SPACE.log(pose)
    np.testing.assert_allclose(SPACE.exp(back), pose, atol=1e-6)
    if angle < 3:
        np.testing.assert_allclose(back, xi, atol=1e-9)


@quick
@given(seeds, angles, seeds)
def test_increments_multiply_from_the_left(seed, angle, other):
    before, xi = SPACE.exp(increment(other, 1.1)), increment(seed, angle)
    after = SPACE.moved(xi, before)
    np.testing.assert_allclose(after, SPACE.exp(xi) @ before, atol=1e-9)
    np.testing.assert_allclose(after, compose(xi, before, PIVOT), atol=1e-8)
    np.testing.assert_allclose(SPACE.moved(SPACE.between(before, after), before), after, atol=1e-6)


def test_interpolation_reaches_both_ends_and_turns_evenly():
    before, after = SPACE.exp(increment(1, 0.4)), SPACE.exp(increment(2, 1.9))
    path = SPACE.interpolated(before, after, np.array([0.0, 0.25, 0.5, 1.0]))
    np.testing.assert_allclose(path[[0, 3]], [before, after], atol=1e-9)
    steps = [Rotation.from_matrix(b[:3, :3] @ a[:3, :3].T).magnitude() for a, b in zip(path, path[1:])]
    np.testing.assert_allclose(np.array(steps) / sum(steps), [0.25, 0.25, 0.5], atol=1e-9)


@pytest.mark.parametrize("w", [[0.0, 0, 0], [1e-7, 0, 0], [0.5, -1.0, 0.2]])
def test_gradients(w):
    xi = torch.tensor([*w, 3.0, -4, 5], dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda x: SPACE.log(SPACE.exp(x)), xi)
    torch.testing.assert_close(jacobian, torch.eye(6, dtype=torch.float64), atol=1e-8, rtol=0)
    many = torch.stack([xi, 2 * xi]).requires_grad_()
    assert torch.autograd.gradcheck(SPACE.exp, many, fast_mode=True)


@quick
@given(seeds, angles, st.sampled_from([*PARAMETERS, "matrix", "euler_angles", "se3_log_map"]), st.booleans())
def test_every_parametrisation_there_and_back(seed, angle, name, degrees):
    pose = np.stack([SPACE.exp(increment(seed, angle)), SPACE.exp(increment(seed + 1, 0.7))])
    for poses in (pose, torch.tensor(pose)):
        rotation, translation = parameters_from_pose(poses, name, PIVOT, "ZXY", degrees)
        again = pose_from_parameters(rotation, translation, name, PIVOT, "ZXY", degrees)
        np.testing.assert_allclose(again, pose, atol=1e-5 if angle > 3 else 1e-8)


def test_translations_are_of_the_pivot():
    pose = SPACE.exp(np.array([0.1, 0.2, 0.3, 4, 5, 6]))
    np.testing.assert_allclose(parameters_from_pose(pose, "quaternion", PIVOT)[1], [4, 5, 6], atol=1e-9)
    np.testing.assert_allclose(parameters_from_pose(pose, "axis_angle", PIVOT)[0], [0.1, 0.2, 0.3], atol=1e-12)
    # a twist is about the pivot too: a turn without a shift of it has v = 0
    turn = SPACE.exp(np.array([0.1, 0.2, 0.3, 0, 0, 0]))
    np.testing.assert_allclose(parameters_from_pose(turn, "se3_log_map", PIVOT)[1], np.zeros(3), atol=1e-9)


def test_inverse():
    pose = SPACE.exp(increment(5, 1.0))
    np.testing.assert_allclose(inverse_rigid(pose), np.linalg.inv(pose), atol=1e-9)


def test_half_turns():
    pose = SPACE.exp(increment(3, 0.8))
    turned = half_turns(pose, PIVOT)
    np.testing.assert_array_equal(turned[0], pose)
    for i, one in enumerate(turned[1:]):
        np.testing.assert_allclose(transform_points(one, PIVOT), transform_points(pose, PIVOT), atol=1e-9)
        np.testing.assert_allclose(one[:3, :3], pose[:3, :3] @ np.diag(np.where(np.arange(3) == i, 1, -1)), atol=1e-12)
    about_world = half_turns(pose, PIVOT, np.eye(3))
    np.testing.assert_allclose(about_world[3][:3, :3], np.diag([-1, -1, 1]) @ pose[:3, :3], atol=1e-12)
    with pytest.raises(GeometryError, match="half turns"):
        half_turns(pose, PIVOT, np.ones((3, 3)))


def test_what_is_no_pose():
    good = rigid(np.round(rotation_from_vector([0.3, 0.2, 0.1]), 6), [1.0, 2, 3])      # a transform with few digits
    checked = checked_pose(good)
    np.testing.assert_allclose(checked[:3, :3].T @ checked[:3, :3], np.eye(3), atol=1e-14)
    np.testing.assert_allclose(checked, good, atol=2e-6)
    with pytest.raises(RegistrationError, match="scales or shears"):
        checked_pose(np.diag([1, 1.1, 1, 1]))
    with pytest.raises(RegistrationError, match="mirrors"):
        checked_pose(np.diag([1.0, 1, -1, 1]))
    for bad in (np.eye(3), np.full((4, 4), np.nan), np.eye(4)[::-1]):
        with pytest.raises(RegistrationError, match="no 4x4"):
            checked_pose(bad)
    with pytest.raises(GeometryError, match="not known"):
        pose_from_parameters(np.zeros(3), np.zeros(3), "lie")
