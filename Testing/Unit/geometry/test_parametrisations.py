"""Rotations to and from every parametrisation: scipy as the oracle, gimbal lock, zero and half turns, gradients; the twist of a pose."""

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import expm
from scipy.spatial.transform import Rotation

from XRayTomoLib.geometry import GeometryError, rigid, rotation_from_vector
from XRayTomoLib.geometry.parametrisations import (
    PARAMETERS,
    from_quaternion,
    from_rotation_6d,
    rotation_matrices,
    rotation_parameters,
    to_euler_angles,
)
from XRayTomoLib.geometry.pose import rigid_from_twist, twist_from_rigid

CONVENTIONS = [a + b + c for a, b, c in product("XYZ", repeat=3) if b not in (a, c)]
quick = settings(max_examples=50, deadline=None)
seeds = st.integers(0, 2**32 - 1)
HALF_TURNS = [np.diag([1.0, -1, -1]), np.diag([-1.0, 1, -1]), np.diag([-1.0, -1, 1]), 2 * np.outer([0.6, 0, 0.8], [0.6, 0, 0.8]) - np.eye(3)]
SPECIAL = np.stack([np.eye(3), *HALF_TURNS, rotation_from_vector([1e-9, -2e-10, 0.0]), rotation_from_vector([0.0, np.pi - 1e-9, 0])])


def rotations(seed, count=20):
    """Random rotations, the special ones among them."""
    return np.concatenate([rotation_from_vector(np.random.default_rng(seed).normal(size=(count, 3)) * 2), SPECIAL])


@quick
@given(seeds, st.sampled_from([*PARAMETERS, "matrix", "euler_angles"]), st.sampled_from(CONVENTIONS), st.booleans())
def test_there_and_back(seed, name, convention, degrees):
    r = rotations(seed)
    parameters = rotation_parameters(r, name, convention, degrees)
    np.testing.assert_allclose(rotation_matrices(parameters, name, convention, degrees), r, atol=1e-12)
    as_tensor = rotation_parameters(torch.tensor(r), name, convention, degrees)
    np.testing.assert_allclose(rotation_matrices(as_tensor, name, convention, degrees), r, atol=1e-12)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_euler_angles_by_scipy(convention):
    r = rotations(7)[:20]
    theirs = Rotation.from_matrix(r).as_euler(convention)         # capital letters: intrinsic
    np.testing.assert_allclose(to_euler_angles(r, convention), theirs, atol=1e-12)


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("away", [0.0, 1e-15, 1e-11, 1e-7, 1e-4])
def test_euler_angles_at_and_next_to_gimbal_lock(convention, away):
    middle = [0.0, np.pi] if convention[0] == convention[2] else [np.pi / 2, -np.pi / 2]
    for lock in middle:
        r = rotation_matrices(np.array([0.7, lock + away, -1.9]), "euler_angles", convention)
        np.testing.assert_allclose(rotation_matrices(to_euler_angles(r, convention), "euler_angles", convention), r, atol=2e-12)


@pytest.mark.parametrize("name", ["rotation_6d", "rotation_9d", "rotation_10d", "quaternion", "quaternion_adjugate"])
def test_gradients_by_free_parameters(name):
    """Parameters off the set of those that stand for a rotation exactly, as a network puts them out."""
    parameters = rotation_parameters(rotations(2)[:2], name)
    noisy = torch.tensor(parameters + 0.2 * np.random.default_rng(1).normal(size=parameters.shape), requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: rotation_matrices(x, name), noisy, fast_mode=True)


def test_nearest_rotation_by_scipy():
    matrices = np.random.default_rng(3).normal(size=(30, 3, 3))
    theirs = [Rotation.align_vectors(m.T, np.eye(3))[0].as_matrix() for m in matrices]      # the best R for R e_i = m's columns
    np.testing.assert_allclose(rotation_matrices(matrices.reshape(30, 9), "rotation_9d"), theirs, atol=1e-9)


def test_orders_and_signs_by_hand():
    r = rotation_from_vector([0, 0, np.pi / 2])
    np.testing.assert_allclose(rotation_parameters(r, "quaternion"), [np.sqrt(0.5), 0, 0, np.sqrt(0.5)], atol=1e-15)      # w first
    np.testing.assert_allclose(rotation_parameters(r, "rotation_6d"), [0, -1, 0, 1, 0, 0], atol=1e-15)
    np.testing.assert_allclose(rotation_parameters(r, "quaternion_adjugate"), [0.5, 0, 0, 0.5, 0, 0, 0, 0, 0, 0.5], atol=1e-15)
    np.testing.assert_allclose(rotation_parameters(r, "rotation_10d"), [0.5, 0, 0, -0.5, 1, 0, 0, 1, 0, 0.5], atol=1e-15)
    np.testing.assert_allclose(rotation_parameters(r, "euler_angles", "ZXY", True), [90, 0, 0], atol=1e-13)


@pytest.mark.parametrize("name", [*PARAMETERS, "euler_angles"])
@pytest.mark.parametrize("w", [[0.0, 0, 0], [1e-9, 0, 0], [0.4, -1.1, 0.3], [0, 3.0, 0.5]])
def test_gradients_there_and_back_are_those_of_nothing(name, w):
    """d/dw of w -> parameters -> rotation is that of w -> rotation."""
    w = torch.tensor(w, dtype=torch.float64)


    def there_and_back(x):
        return rotation_matrices(rotation_parameters(rotation_from_vector(x), name, "ZXY"), name, "ZXY")

    jacobian = torch.autograd.functional.jacobian(there_and_back, w)
    torch.testing.assert_close(jacobian, torch.autograd.functional.jacobian(rotation_from_vector, w), atol=1e-6, rtol=1e-6)


@quick
@given(seeds, st.sampled_from([0.0, 1e-12, 1e-6, 0.0099, 0.0101, 1.0, 3.0, np.pi - 1e-6, np.pi]))
def test_twists(seed, angle):
    g = np.random.default_rng(seed)
    axis = g.normal(size=3)
    w, v = angle * axis / np.linalg.norm(axis), g.normal(size=3) * 100
    x, y, z = w
    generator = np.array([[0, -z, y, v[0]], [z, 0, -x, v[1]], [-y, x, 0, v[2]], [0, 0, 0, 0]])
    pose = rigid_from_twist(w, v)
    np.testing.assert_allclose(pose, expm(generator), atol=1e-10)
    back_w, back_v = twist_from_rigid(pose)
    np.testing.assert_allclose(rigid_from_twist(back_w, back_v), pose, atol=1e-6 if angle > 3.14 else 1e-9)
    if angle < 3.1:
        np.testing.assert_allclose(back_v, v, atol=1e-9)
    for a, b in zip(twist_from_rigid(torch.tensor(pose)), (back_w, back_v)):
        np.testing.assert_allclose(a, b, atol=1e-12)


def test_gradient_of_twists():
    for w in ([0.0, 0, 0], [3e-3, 0, 1e-3], [0.4, -1.1, 0.3]):
        both = torch.tensor([*w, 10.0, -20, 5], dtype=torch.float64)
        jacobian = torch.autograd.functional.jacobian(lambda x: torch.cat(twist_from_rigid(rigid_from_twist(x[:3], x[3:]))), both)
        torch.testing.assert_close(jacobian, torch.eye(6, dtype=torch.float64), atol=1e-7, rtol=0)


def test_refusals():
    with pytest.raises(GeometryError, match="'lie' is not known"):
        rotation_parameters(np.eye(3), "lie")
    for convention in (None, "ZZX", "ABC", 5, "ZX"):
        with pytest.raises(GeometryError, match="Euler convention"):
            rotation_parameters(rigid(np.eye(3), np.zeros(3))[:3, :3], "euler_angles", convention)


def test_whole_numbers_are_taken():
    turned = from_quaternion(np.array([[0, 0, 2, 0]]))
    np.testing.assert_allclose(turned[0], np.diag([-1, 1, -1]), atol=1e-15)
    np.testing.assert_allclose(from_quaternion(torch.tensor([[0, 0, 2, 0]])), turned, atol=1e-15)
    np.testing.assert_allclose(from_rotation_6d(torch.tensor([[0, 3, 0, -1, 0, 0]])), from_rotation_6d(np.array([[0, 3, 0, -1, 0, 0]])), atol=1e-15)
