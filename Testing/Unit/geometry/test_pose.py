"""Rotations and poses: exp and log at zero, near zero and at pi, their gradients, and the pose about a pivot."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from XRayTomoLib.geometry import (
    pose_about,
    rigid,
    rotation_about_axis,
    rotation_from_vector,
    transform_points,
    transform_vectors,
    vector_from_rotation,
)

quick = settings(max_examples=60, deadline=None)
numbers = st.floats(-1, 1, allow_subnormal=False)
directions = (
    st.tuples(numbers, numbers, numbers).map(np.array).filter(lambda d: np.linalg.norm(d) > 0.1).map(lambda d: d / np.linalg.norm(d))
)
angles = st.one_of(
    st.floats(0, np.pi), st.sampled_from([0.0, 1e-300, 1e-12, 1e-8, 1e-4, 0.00999999, 0.01, 0.0100001, np.pi - 1e-4, np.pi - 1e-9, np.pi])
)


def matrix_exponential(w):
    """exp of the cross-product matrix, from its eigenvalues: no formula of the code under test."""
    x, y, z = w
    values, vectors = np.linalg.eig(np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]], complex))
    return (vectors * np.exp(values) @ np.linalg.inv(vectors)).real


@quick
@given(directions, angles.filter(lambda a: a > 1e-3))
def test_exp_is_the_matrix_exponential(axis, angle):
    np.testing.assert_allclose(rotation_from_vector(axis * angle), matrix_exponential(axis * angle), atol=1e-12)


@quick
@given(directions, angles)
def test_exp_gives_rotations(axis, angle):
    r = rotation_from_vector(axis * angle)
    np.testing.assert_allclose(r @ r.T, np.eye(3), atol=1e-14)
    assert np.linalg.det(r) == pytest.approx(1, abs=1e-13)
    np.testing.assert_allclose(r @ axis, axis, atol=1e-14)


@quick
@given(directions, angles)
def test_log_undoes_exp(axis, angle):
    w = vector_from_rotation(rotation_from_vector(axis * angle))
    if angle > np.pi - 1e-7:  # w and -w turn alike
        w = w * np.sign(w @ axis)
    np.testing.assert_allclose(w, axis * angle, rtol=1e-9, atol=1e-14 if angle < 3 else 1e-9)


@pytest.mark.parametrize("axis", [*np.eye(3), *-np.eye(3), [0.6, 0.8, 0], [0, -0.6, 0.8], [1 / 3, -2 / 3, 2 / 3]])
def test_half_turns_have_a_log(axis):
    axis = np.asarray(axis, float)
    half_turn = 2 * np.outer(axis, axis) - np.eye(3)
    w = vector_from_rotation(half_turn)
    assert np.linalg.norm(w) == pytest.approx(np.pi, abs=1e-12)
    np.testing.assert_allclose(rotation_from_vector(w), half_turn, atol=1e-12)


def test_turns_by_hand():
    np.testing.assert_array_equal(rotation_from_vector([0.0, 0, 0]), np.eye(3))
    np.testing.assert_array_equal(vector_from_rotation(np.eye(3)), np.zeros(3))
    np.testing.assert_allclose(rotation_about_axis((0, 0, 7), 90) @ [1, 0, 0], [0, 1, 0], atol=1e-15)  # right hand, any length
    np.testing.assert_allclose(rotation_about_axis((1, 0, 0), 90) @ [0, 1, 0], [0, 0, 1], atol=1e-15)
    np.testing.assert_allclose(rotation_from_vector([1e-9, 0, 0])[2, 1], 1e-9, rtol=1e-15)


@pytest.mark.parametrize(
    "w", [[0.0, 0, 0], [1e-12, 0, 0], [3e-3, -2e-3, 1e-3], [0.0099, 0.0014, 0], [0.4, -1.1, 0.3], [0, 0, np.pi - 1e-3]]
)
def test_gradients_of_exp_and_log(w):
    w = torch.tensor(w, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(rotation_from_vector, w, atol=1e-8)
    r = rotation_from_vector(w)
    jacobian = torch.autograd.functional.jacobian(lambda v: vector_from_rotation(rotation_from_vector(v)), w.detach())
    np.testing.assert_allclose(jacobian, np.eye(3), atol=1e-6)
    assert torch.isfinite(torch.autograd.grad(vector_from_rotation(r).sum(), w)[0]).all()


def test_gradient_of_exp_at_zero_is_the_cross_product():
    jacobian = torch.autograd.functional.jacobian(
        lambda w: rotation_from_vector(w) @ torch.tensor([1.0, 2.0, 3.0]).double(), torch.zeros(3).double()
    )
    np.testing.assert_allclose(jacobian, [[0, 3, -2], [-3, 0, 1], [2, -1, 0]], atol=1e-15)


@quick
@given(directions, angles, st.tuples(*[st.floats(-300, 300)] * 6))
def test_pose_about_a_pivot(axis, angle, numbers):
    t, c = np.array(numbers[:3]), np.array(numbers[3:])
    pose = pose_about(axis * angle, t, c)
    point = np.array([12.0, -7.0, 31.0])
    np.testing.assert_allclose(transform_points(pose, point), c + rotation_from_vector(axis * angle) @ (point - c) + t, atol=1e-10)
    np.testing.assert_allclose(transform_points(pose, c), c + t, atol=1e-10)  # the pivot is only moved
    np.testing.assert_allclose(transform_vectors(pose, point), rotation_from_vector(axis * angle) @ point, atol=1e-10)
    second = pose_about(-0.3 * axis, [1.0, 2, 3], c)
    np.testing.assert_allclose(transform_points(second @ pose, point), transform_points(second, transform_points(pose, point)), atol=1e-9)


def test_leading_axes_and_tensors_agree_with_one_by_one():
    w = np.random.default_rng(0).normal(size=(2, 5, 3))
    t = np.random.default_rng(1).normal(size=(2, 5, 3))
    many = pose_about(w, t, [1, 2, 3])
    assert many.shape == (2, 5, 4, 4)
    np.testing.assert_allclose(many[1, 3], pose_about(w[1, 3], t[1, 3], [1, 2, 3]), atol=1e-15)
    np.testing.assert_allclose(pose_about(torch.tensor(w), torch.tensor(t), [1, 2, 3]), many, atol=1e-15)
    np.testing.assert_allclose(vector_from_rotation(torch.tensor(many[..., :3, :3])), vector_from_rotation(many[..., :3, :3]), atol=1e-15)
    np.testing.assert_array_equal(rigid(np.eye(3), [1, 2, 3]), [[1, 0, 0, 1], [0, 1, 0, 2], [0, 0, 1, 3], [0, 0, 0, 1]])
