"""Similarity as a function of the pose: its top is the true pose, its gradient the difference quotient, landmarks add to it."""

import numpy as np
import pytest
import torch
from Unit.registration.scenes import CENTRE, landmarks, random_pose, seen, views

from XRayTomoLib.geometry import Views
from XRayTomoLib.grids import CartesianGrid
from XRayTomoLib.registration.case import Case, RegistrationError, XRay
from XRayTomoLib.registration.objective import Objective
from XRayTomoLib.registration.poses import Tangent
from XRayTomoLib.registration.similarity import NCC, SIMILARITIES, GradientNCC, LandmarkReprojection, WeightedSum, similarity_of

GRID = CartesianGrid.centred((12, 13, 14), 8.0, CENTRE)
SCENE = views().binned(8)
SPACE = Tangent(tuple(CENTRE))
TRUTH = random_pose(3, 0.2, 10.0)


def phantom():
    k, j, i = np.mgrid[:12, :13, :14].astype(float)
    blobs = [(5, 6, 4, 3.0, 0.02), (7, 4, 9, 2.0, 0.05), (3, 9, 8, 2.5, 0.03), (8, 9, 5, 1.5, 0.05)]
    return sum(a * np.exp(-((k - z) ** 2 + (j - y) ** 2 + (i - x) ** 2) / (2 * s * s)) for z, y, x, s, a in blobs)


@pytest.fixture(scope="module")
def case():
    mu = torch.tensor(phantom(), dtype=torch.float32)
    blank = Case(GRID, mu, [XRay(torch.arange(view.shape[0] * view.shape[1]).reshape(view.shape), view) for view in SCENE])
    images = [blank.render(TRUTH, index)[0] for index in range(2)]
    return Case(GRID, mu, [XRay(image, view) for image, view in zip(images, SCENE)])


@pytest.mark.parametrize("name", [name for name in SIMILARITIES if name != "silhouette"])
def test_the_truth_is_the_top(case, name):
    objective = Objective(case, similarity_of(name, {"radius_px": 3} if name == "local-ncc" else {}))
    steps = np.concatenate([np.diag([0.05] * 3 + [4.0] * 3), -np.diag([0.05] * 3 + [4.0] * 3)])
    poses = np.concatenate([TRUTH[None], SPACE.moved(steps, TRUTH)])
    values = objective(poses)
    assert values.shape == (13,)
    if name != "edge-distance":         # blobs have no edges; its top is wide
        assert int(values.argmax()) == 0
    else:
        assert float(values[0]) > float(values[1:].mean())


@pytest.mark.parametrize("similarity", [NCC(), WeightedSum([(1.0, NCC()), (0.5, GradientNCC())])])
def test_gradient_by_differences(case, similarity):
    term = LandmarkReprojection(SCENE[0], landmarks(1, 4), seen(SCENE[:1], TRUTH, landmarks(1, 4))[0])
    objective = Objective(case, similarity, [(1e-4, term)])
    xi = torch.tensor([0.03, -0.02, 0.04, 2.0, -1.5, 1.0], dtype=torch.float64, requires_grad=True)
    pose = torch.tensor(TRUTH)
    slope = torch.autograd.grad(objective(SPACE.moved(xi[None], pose)).sum(), xi)[0]
    for axis, step in enumerate([1e-3] * 3 + [0.1] * 3):
        e = step * torch.eye(6, dtype=torch.float64)[axis]
        with torch.no_grad():
            up, down = (float(objective(SPACE.moved((xi + s * e)[None], pose))[0]) for s in (1, -1))
        assert float(slope[axis]) == pytest.approx((up - down) / (2 * step), rel=0.05, abs=0.02 * float(slope.abs().max()) if axis < 3 else 2e-4)


def test_landmark_term():
    points, view = landmarks(2, 5), SCENE[1]
    pixels = seen(SCENE[1:], TRUTH, points)[0]
    pixels[3] = np.nan
    term = LandmarkReprojection(view, points, pixels + [3.0, -4.0], weights=[1, 2, 1, 5, 0])
    assert float(term(torch.tensor(TRUTH))) == pytest.approx(-25)
    poses = torch.tensor(np.stack([random_pose(i, 0.1, 5.0) for i in range(6)])).reshape(2, 3, 4, 4)
    off = np.array([[((seen(SCENE[1:], p.numpy(), points)[0] - pixels - [3, -4]) ** 2).sum(-1) for p in row] for row in poses])
    np.testing.assert_allclose(term(poses), -(off[..., :3] @ [0.25, 0.5, 0.25]), rtol=1e-9)
    xi = torch.tensor([0.01, 0.02, -0.01, 1, 2, 3.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: term(SPACE.exp(x)), xi, fast_mode=True)


def test_landmarks_behind_the_source_have_a_value_and_no_gradient():
    view = Views(source=[0, -500, 0], origin=[-9, 500, 9], u=[2, 0, 0], v=[0, 0, -2], shape=(10, 10))
    term = LandmarkReprojection(view, [[0, -800.0, 0], [0, 0, 0]], [[1.0, 1], [4.5, 4.5]], cap_px=100.0)
    xi = torch.zeros(6, dtype=torch.float64, requires_grad=True)
    value = term(Tangent().exp(xi))
    value.backward()
    assert float(value.detach()) == pytest.approx(-(100.0**2) / 2) and torch.isfinite(xi.grad).all()


def test_refusals(case):
    with pytest.raises(RegistrationError, match="3 similarities for 2"):
        Objective(case, [NCC()] * 3)
    with pytest.raises(RegistrationError, match="no landmark is seen"):
        LandmarkReprojection(SCENE[0], landmarks(1, 2), np.full((2, 2), np.nan))
    with pytest.raises(RegistrationError, match="expected one view"):
        LandmarkReprojection(SCENE, landmarks(1, 2), np.zeros((2, 2)))
