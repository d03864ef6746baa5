"""Errors of poses against hand-made displacements and direct geometry."""

import numpy as np
import pytest
from Unit.registration.scenes import CENTRE, landmarks, random_pose, seen, views

from XRayTomoLib.geometry import Views, pose_about, rigid
from XRayTomoLib.grids import CartesianGrid
from XRayTomoLib.registration.case import RegistrationError
from XRayTomoLib.registration.evaluate import (
    Evaluation,
    evaluate,
    middle_half,
    misses_px,
    mrpe_mm,
    mtre_mm,
    reprojection_distances_mm,
    target_errors_mm,
)

GRID = CartesianGrid.centred((10, 20, 30), (2.0, 3.0, 4.0), CENTRE)
AP = Views(source=[0, -500, 0], origin=[-9, 500, 9], u=[2, 0, 0], v=[0, 0, -2], shape=(10, 10))


def test_targets_are_the_middle_half():
    targets = middle_half(GRID)
    assert targets.shape == (9, 3)
    np.testing.assert_allclose(targets.max(0) - targets.min(0), np.array([30 * 2, 20 * 3, 10 * 4]) / 2)
    np.testing.assert_allclose(targets[8], CENTRE)


def test_target_errors():
    points, shift = landmarks(0, 5), np.array([3.0, -4.0, 12.0])
    np.testing.assert_allclose(target_errors_mm(rigid(np.eye(3), shift), np.eye(4), points), np.full(5, 13.0))
    angle = 0.3
    turned = pose_about([0, 0, angle], [0, 0, 0], CENTRE)
    radius = np.linalg.norm((points - CENTRE)[:, :2], axis=1)
    np.testing.assert_allclose(target_errors_mm(turned, np.eye(4), points), 2 * radius * np.sin(angle / 2), atol=1e-9)
    many = np.stack([np.eye(4), turned])
    np.testing.assert_allclose(mtre_mm(many, np.eye(4), points), [0, (2 * radius * np.sin(angle / 2)).mean()], atol=1e-9)


def test_reprojection_distance_forgives_what_a_view_cannot_see():
    points = np.array([[0.0, 0, 0], [20.0, 0, 30.0]])
    along = rigid(np.eye(3), [0, 7.0, 0])
    # the point at the centre moves along its ray; the other by the sine of its ray's angle
    ray = np.array([20.0, 500, 30]) / np.linalg.norm([20.0, 500, 30])
    expected = [0, 7 * np.sqrt(1 - ray[1] ** 2)]
    np.testing.assert_allclose(reprojection_distances_mm(along, np.eye(4), points, AP)[0], expected, atol=1e-9)
    across = rigid(np.eye(3), [2.0, 0, 0])
    np.testing.assert_allclose(reprojection_distances_mm(across, np.eye(4), points[:1], AP), [[2.0]], atol=1e-9)
    assert mrpe_mm(along, np.eye(4), points, AP) == pytest.approx(np.mean(expected))
    assert mtre_mm(along, np.eye(4), points) == pytest.approx(7)


def test_parallel_views_and_points_behind_the_source():
    parallel = Views(direction=[0, 1, 0], origin=[-9, 500, 9], u=[2, 0, 0], v=[0, 0, -2], shape=(10, 10))
    points = np.array([[0.0, 0, 0], [20.0, 0, 30.0]])
    moved = rigid(np.eye(3), [3.0, 50, 4.0])
    np.testing.assert_allclose(reprojection_distances_mm(moved, np.eye(4), points, parallel), [[5.0, 5.0]], atol=1e-6)
    behind = np.array([[0.0, -800, 0], [0.0, 0, 0]])
    distances = reprojection_distances_mm(moved, np.eye(4), behind, AP)
    assert np.isnan(distances[0, 0]) and np.isfinite(distances[0, 1])
    with pytest.raises(RegistrationError, match="no view sees"):
        mrpe_mm(moved, np.eye(4), behind[:1], AP)


def test_evaluation():
    scene, truth = views(), random_pose(1)
    points = landmarks(1, 6)
    pixels = seen(scene, truth, points)
    pixels[0, 2] = np.nan
    perfect = evaluate(truth, scene, GRID, truth, points, pixels)
    assert perfect.mtre_mm < 1e-9 and perfect.mrpe_mm < 1e-6 and perfect.reprojection_px < 1e-9
    pose = pose_about([0, 0, 0], [1.0, 0, 0], CENTRE) @ truth
    found = evaluate(pose, scene, GRID, truth, points, pixels)
    assert found.mtre_mm == pytest.approx(1.0)
    assert 0.1 < found.mrpe_mm < 1.0
    off = misses_px(pose, points, pixels, scene)
    assert np.isnan(off[0, 2]) and found.reprojection_px == pytest.approx(np.sqrt(np.nanmean(off**2)))
    assert str(found).startswith("mTRE 1.000 mm, mRPE ") and str(Evaluation()) == "neither truth nor landmarks"
    assert evaluate(pose, scene, GRID, truth).mtre_mm == pytest.approx(mtre_mm(pose, truth, middle_half(GRID)))
    with pytest.raises(RegistrationError, match="no targets"):
        evaluate(pose, scene)
    with pytest.raises(RegistrationError, match="need the landmarks"):
        evaluate(pose, scene, GRID, pixels=pixels)
    with pytest.raises(RegistrationError, match="no landmark is seen"):
        evaluate(pose, scene, points=points, pixels=np.full_like(pixels, np.nan))
