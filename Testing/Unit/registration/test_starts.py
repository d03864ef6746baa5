"""Starts: fits in space against scipy, P3P and landmarks against the pose that made their pictures, outliers, ambiguities, refusals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from Unit.registration.scenes import CENTRE, landmarks, random_pose, seen, views

from XRayTomoLib.geometry import Views, pose_about, rotation_from_vector, transform_points
from XRayTomoLib.geometry.arrays import unit
from XRayTomoLib.grids import CartesianGrid
from XRayTomoLib.registration.case import RegistrationError
from XRayTomoLib.registration.evaluate import mtre_mm
from XRayTomoLib.registration.landmarks import p3p, rigid_fit
from XRayTomoLib.registration.starts import isocentre_of, pose_at_isocentre, pose_from_landmarks, pose_from_triangulation, pose_onto_view

seeds = st.integers(0, 2**32 - 1)
ONE = views((20.0,), (10.0,))
TWO = views()


@settings(max_examples=40, deadline=None)
@given(seeds, st.integers(3, 8), st.booleans())
def test_rigid_fit_by_scipy(seed, count, mirrored):
    g = np.random.default_rng(seed)
    a, weights = g.normal(size=(count, 3)) * 50, g.uniform(0.1, 2, count)
    b = a @ rotation_from_vector(g.normal(size=3)).T + g.normal(size=3) * 100 + g.normal(size=(count, 3))
    b = b * [1, 1, -1] if mirrored and count > 3 else b
    fit = rigid_fit(a, b, weights)
    mean_a, mean_b = np.average(a, 0, weights), np.average(b, 0, weights)
    theirs = Rotation.align_vectors(b - mean_b, a - mean_a, weights)[0].as_matrix()
    np.testing.assert_allclose(fit[:3, :3], theirs, atol=1e-7)
    np.testing.assert_allclose(fit[:3, 3], mean_b - theirs @ mean_a, atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(seeds)
def test_p3p_has_the_true_pose_among_its_solutions_and_all_of_them_fit(seed):
    g = np.random.default_rng(seed)
    source, points = g.normal(size=3) * 100, g.uniform(-50, 50, (3, 3))
    truth = np.eye(4)
    truth[:3, :3] = rotation_from_vector(g.normal(size=3) * 2)
    truth[:3, 3] = source + g.uniform(300, 900) * unit(g.normal(size=3))
    moved = transform_points(truth, points)
    poses = p3p(points, source, unit(moved - source))
    assert 1 <= len(poses) <= 4
    for pose in poses:
        np.testing.assert_allclose(unit(transform_points(pose, points) - source), unit(moved - source), atol=1e-6)
        np.testing.assert_allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-12)
    assert min(np.abs(transform_points(pose, points) - moved).max() for pose in poses) < 0.1


@settings(max_examples=8, deadline=None)
@given(seeds, st.integers(4, 9), st.booleans())
def test_landmarks_in_one_and_two_views(seed, count, both):
    pose, points, scene = random_pose(seed, turn=2.0), landmarks(seed, count), TWO if both else ONE
    start = pose_from_landmarks(scene, points, seen(scene, pose, points), near=pose)
    assert mtre_mm(start.pose, pose, points) < 1e-3
    assert start.rms_px < 1e-5 and start.agrees.all()


def test_three_landmarks_in_one_view_are_ambiguous_and_the_nearest_is_taken():
    points = landmarks(4, 3)
    pose = random_pose(4)
    start = pose_from_landmarks(ONE, points, seen(ONE, pose, points), near=pose)
    assert mtre_mm(start.pose, pose, points) < 1e-3
    assert len(start.alternatives) > 1
    for other in start.alternatives:
        np.testing.assert_allclose(seen(ONE, other, points), seen(ONE, pose, points), atol=1e-2)
    far = max(start.alternatives, key=lambda other: mtre_mm(other, pose, points))
    again = pose_from_landmarks(ONE, points, seen(ONE, pose, points), near=far)
    assert mtre_mm(again.pose, far, points) < 1e-2


def test_landmarks_in_a_plane_and_partly_seen():
    points = landmarks(5, 6)
    points[:, 2] = points[0, 2]
    pose = random_pose(5)
    pixels = seen(TWO, pose, points)
    assert mtre_mm(pose_from_landmarks(ONE, points, seen(ONE, pose, points)).pose, pose, points) < 1e-3
    pixels[0, :3] = np.nan          # no landmark in both views
    pixels[1, 3:] = np.nan
    start = pose_from_landmarks(TWO, points, pixels)
    assert mtre_mm(start.pose, pose, points) < 1e-3
    np.testing.assert_array_equal(np.isnan(start.miss_px), np.isnan(pixels[..., 0]))


def test_noise_is_averaged_and_the_pose_is_the_least_squares_one():
    points, pose = landmarks(6, 12), random_pose(6)
    pixels = seen(ONE, pose, points, noise_px=0.5)
    start = pose_from_landmarks(ONE, points, pixels)
    cost = ((seen(ONE, start.pose, points) - pixels) ** 2).sum()
    assert start.rms_px == pytest.approx(np.sqrt(cost / 12), rel=1e-9)
    assert cost <= ((seen(ONE, pose, points) - pixels) ** 2).sum()
    for axis in range(6):           # no better pose nearby
        for step in (-1, 1):
            w = np.eye(6)[axis] * step * [1e-3, 1e-3, 1e-3, 0.3, 0.3, 0.3]
            other = pose_about(w[:3], w[3:], CENTRE) @ start.pose
            assert ((seen(ONE, other, points) - pixels) ** 2).sum() > cost


@pytest.mark.parametrize("scene", [ONE, TWO])
def test_outliers_do_not_count(scene):
    points, pose = landmarks(7, 10), random_pose(7)
    pixels = seen(scene, pose, points, noise_px=0.2)
    pixels[0, [1, 4, 8]] += [[40, -25], [-60, 10], [15, 70]]
    start = pose_from_landmarks(scene, points, pixels, outlier_px=3.0)
    assert set(np.flatnonzero(~start.agrees[0])) == {1, 4, 8} and start.agrees[1:].all()
    assert mtre_mm(start.pose, pose, points) < 2.0
    assert start.miss_px[0, 1] > 30


def test_views_of_different_detectors():
    other = views((100.0,), (0.0,)).binned(2)
    points, pose = landmarks(8, 5), random_pose(8)
    pixels = np.concatenate([seen(ONE, pose, points), seen(other, pose, points)])
    start = pose_from_landmarks([ONE, other], points, pixels)
    assert mtre_mm(start.pose, pose, points) < 1e-3


def test_triangulation():
    points, pose = landmarks(9, 5), random_pose(9)
    pixels = seen(TWO, pose, points)
    pixels[1, 2] = np.nan
    fit, rest = pose_from_triangulation(TWO, points, pixels)
    assert mtre_mm(fit, pose, points) < 1e-6
    assert np.isnan(rest[2]) and np.nanmax(rest) < 1e-6
    with pytest.raises(RegistrationError, match="2 landmarks are seen by two views"):
        pose_from_triangulation(TWO, points[:3], pixels[:, :3])


def test_refusals():
    points, pose = landmarks(10, 4), random_pose(10)
    pixels = seen(ONE, pose, points)
    with pytest.raises(RegistrationError, match="2 landmarks are seen.*at least 3"):
        pose_from_landmarks(ONE, points[:2], pixels[:, :2])
    with pytest.raises(RegistrationError, match="2 landmarks are seen"):
        pose_from_landmarks(ONE, points, np.where(np.arange(4)[:, None] < 2, pixels, np.nan))
    line = CENTRE + np.arange(4)[:, None] * [10.0, 3, 5]
    with pytest.raises(RegistrationError, match="on a line"):
        pose_from_landmarks(ONE, line, seen(ONE, pose, line))
    with pytest.raises(RegistrationError, match="expected"):
        pose_from_landmarks(TWO, points, pixels)
    with pytest.raises(RegistrationError, match="no pose brings"):
        pose_from_landmarks(ONE, landmarks(1, 7), np.random.default_rng(0).uniform(0, 200, (7, 2)), outlier_px=1.0)
    parallel = Views(direction=[0, 1, 0], origin=CENTRE, u=[1, 0, 0], v=[0, 0, -1], shape=(20, 20))
    with pytest.raises(RegistrationError, match="depth open"):
        pose_from_landmarks(parallel, points, pixels)


def test_isocentre_and_device_angles():
    grid = CartesianGrid.centred((4, 5, 6), 2.0, (1.0, 2, 3))
    centred = views()
    offset = (8.0 * unit(centred.u) + -5.0 * unit(centred.v))      # the central ray is that of the detector's middle, which is offset
    assert np.linalg.norm(isocentre_of(centred) - CENTRE) < np.linalg.norm(offset)
    pose = pose_at_isocentre(grid, centred, CENTRE)
    np.testing.assert_allclose(transform_points(pose, grid.centre_ras), CENTRE, atol=1e-9)
    np.testing.assert_array_equal(pose[:3, :3], np.eye(3))
    prone = np.diag([-1.0, -1, 1])
    turned = pose_at_isocentre(grid, centred, CENTRE, prone)
    np.testing.assert_allclose(transform_points(turned, grid.centre_ras), CENTRE, atol=1e-9)
    np.testing.assert_array_equal(turned[:3, :3], prone)
    with pytest.raises(RegistrationError, match="isocentre in RAS"):
        pose_at_isocentre(grid, ONE)


def test_isocentre_of_rays_that_meet():
    one = Views(source=[0, -500, 0], origin=[-9, 500, 9], u=[2, 0, 0], v=[0, 0, -2], shape=(10, 10))
    turned = np.eye(4)
    turned[:3, :3] = rotation_from_vector([0, 0, 1.2])
    np.testing.assert_allclose(isocentre_of([one, one.transformed(turned)]), np.zeros(3), atol=1e-9)


def test_shift_onto_a_view_keeps_the_depth():
    grid = CartesianGrid.centred((4, 5, 6), 2.0, CENTRE)
    pose = random_pose(11)
    shifted = pose_onto_view(grid, pose, ONE)
    centre = transform_points(shifted, grid.centre_ras)
    np.testing.assert_allclose(ONE.project(centre[None])[0, 0], [199 / 2, 239 / 2], atol=1e-6)
    along = unit(ONE.centre - ONE.source)[0]
    assert (centre - transform_points(pose, grid.centre_ras)) @ along == pytest.approx(0, abs=1e-9)
    np.testing.assert_array_equal(shifted[:3, :3], pose[:3, :3])
