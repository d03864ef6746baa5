"""The check of a geometry and triangulation, against what is put in."""
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from Unit.geometry.importer_kit import POINTS, random_flat_cones, seeds

from XRayTomoLib.geometry import CArm, Cylindrical, GeometryError, Views
from XRayTomoLib.geometry.check import check_geometry
from XRayTomoLib.geometry.triangulation import triangulate

ARM = CArm(1000.0, 500.0, 101, 121, 1.0, 2.0)
TWO = ARM.views([0, 90], 0)


def test_perfect_pictures_have_no_error():
    found = check_geometry(TWO, POINTS, TWO.project(POINTS))
    for errors in (found.errors_px, found.errors_mm, found.ray_distances_mm, found.triangulation_mm):
        assert errors.max() < 1e-9
    np.testing.assert_allclose(found.triangulated, POINTS, atol=1e-9)
    assert found.on_detector.all() and not found.behind_source.any()


def test_errors_by_hand():
    """A point at the isocentre, magnified twice: one column (1 mm) off is 0.5 mm there, one row (2 mm) off is 1 mm."""
    observed = TWO.project([[0, 0, 0]]) + np.array([[[0, 1.0]], [[1.0, 0]]])
    found = check_geometry(TWO, [[0, 0, 0]], observed)
    np.testing.assert_allclose(found.errors_px, [[1], [1]], atol=1e-12)
    np.testing.assert_allclose(found.errors_mm, [[0.5], [1.0]], atol=1e-12)
    # the ray passes the isocentre at 500 mm x sin(atan(offset / 1000 mm))
    np.testing.assert_allclose(found.ray_distances_mm, [[500 * np.sin(np.arctan(1 / 1000))], [500 * np.sin(np.arctan(2 / 1000))]], atol=1e-12)
    report = found.report()
    assert "mean 1, rms 1, max 1 px" in report and "mean 0.75" in report and "worst in view" in report
    assert "2 of 2 views seen from the detector" in report
    assert "seen from the source" in check_geometry(TWO.flipped(), [[0, 0, 0]]).report()


def test_points_beside_the_detector_and_behind_the_source():
    found = check_geometry(TWO[0], [[0, 0, 0], [40, 0, 0], [0, -600, 0], [-29.9, 0, 49.9], [30.4, 0, 0]])
    assert found.behind_source.tolist() == [[False, False, True, False, False]]
    assert found.on_detector.tolist() == [[True, False, False, True, False]]
    assert "behind the source: 1 (view 0 point 2)" in found.report()
    assert found.errors_px is None


def test_without_truth_the_views_are_held_against_each_other():
    observed = TWO.project(POINTS)
    observed[0, 2, 0] += 1.0
    found = check_geometry(TWO, observed=observed)
    assert not found.given and "not truth" in found.report()
    # one row (2 mm at the detector) apart at the isocentre's depth, shared by two rays
    point = POINTS[2]
    depth = (500 + point[1]) / 1000
    np.testing.assert_allclose(found.triangulation_mm[:, 2], depth, rtol=0.01)
    assert np.delete(found.triangulation_mm, 2, 1).max() < 1e-9


def test_unseen_pixels_are_left_out():
    three = ARM.views([0, 60, 120], 10)
    observed = three.project(POINTS)
    observed[0, 1] = np.nan
    observed[:2, 3] = np.nan
    points, distances = triangulate(three, observed)
    np.testing.assert_allclose(np.delete(points, 3, 0), np.delete(POINTS, 3, 0), atol=1e-9)
    assert np.isnan(points[3]).all() and np.isnan(distances[0, 1])
    found = check_geometry(three, POINTS, observed)
    assert np.isnan(found.errors_px[0, 1]) and np.nanmax(found.errors_px) < 1e-9
    assert "max" in found.report()
    unknown = check_geometry(three, observed=observed)
    assert np.isnan(unknown.pixels[:, 3]).all() and not unknown.behind_source.any()


def test_nothing_observed_is_reported_as_nothing():
    assert "none to measure" in check_geometry(TWO, POINTS, np.full((2, len(POINTS), 2), np.nan)).report()


@settings(max_examples=40, deadline=None)
@given(seeds, st.booleans(), st.floats(-1e4, 1e4))
def test_triangulation_undoes_projection(seed, sheared, far):
    views = random_flat_cones(seed, sheared=sheared)
    shift = np.eye(4)
    shift[:3, 3] = far, -far, far / 2
    moved, points = views.transformed(shift), POINTS + shift[:3, 3]
    found, distances = triangulate(moved, moved.project(points))
    np.testing.assert_allclose(found, points, atol=1e-6)
    assert distances.max() < 1e-6


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_triangulation_is_the_least_squares_point(seed):
    """No neighbour of the found point has a smaller sum of squared distances, computed as |(X - s) x d|^2."""
    views = random_flat_cones(seed)
    pixels = views.project(POINTS) + np.random.default_rng(seed).normal(0, 2, (3, len(POINTS), 2))
    points, distances = triangulate(views, pixels)
    start, end = views.unproject(pixels)
    d = (end - start) / np.linalg.norm(end - start, axis=-1, keepdims=True)

    def squares(x):
        return (np.cross(x - start, d) ** 2).sum((0, 2))
    np.testing.assert_allclose((distances ** 2).sum(0), squares(points), rtol=1e-9, atol=1e-12)
    for step in 0.01 * np.vstack([np.eye(3), -np.eye(3)]):
        assert (squares(points + step) >= squares(points)).all()


def test_parallel_rays_and_curved_detectors():
    parallel = Views(direction=TWO.centre - TWO.source, origin=TWO.origin, u=TWO.u, v=TWO.v, shape=TWO.shape)
    found = check_geometry(parallel, POINTS, parallel.project(POINTS) + [0, 1.0])
    np.testing.assert_allclose(found.errors_mm, 1.0, atol=1e-9)
    np.testing.assert_allclose(found.ray_distances_mm, 1.0, atol=1e-6)
    curved = replace(TWO, surface=Cylindrical(1000.0, 60.0))
    found = check_geometry(curved, POINTS, curved.project(POINTS) + [0, 1.0])
    assert found.on_detector.all()
    np.testing.assert_allclose(found.errors_px, 1.0, atol=1e-9)
    # a column is 1 mrad round the source, whatever the point's distance
    reach = np.linalg.norm(POINTS[:, :2] - TWO.source[:, None, :2], axis=-1)
    np.testing.assert_allclose(found.ray_distances_mm, reach * np.sin(1e-3), rtol=2e-3)
    np.testing.assert_allclose(triangulate(curved, curved.project(POINTS))[0], POINTS, atol=1e-8)


def test_clear_errors():
    with pytest.raises(GeometryError, match="nothing to check"):
        check_geometry(TWO)
    with pytest.raises(GeometryError, match="observed has the shape"):
        check_geometry(TWO, POINTS, np.zeros((3, 6, 2)))
    with pytest.raises(GeometryError, match="4 points for 6"):
        check_geometry(TWO, POINTS, np.zeros((2, 4, 2)))
    with pytest.raises(GeometryError, match="points_ras"):
        check_geometry(TWO, np.zeros((2, 2)))
    with pytest.raises(GeometryError, match="views, points"):
        triangulate(TWO, np.zeros((3, 4, 2)))
