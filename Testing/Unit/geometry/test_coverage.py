"""Coverage and completeness against brute force and against what is known of circles and helices."""

from dataclasses import replace

import numpy as np
import pytest

from XRayTomoLib.geometry import CArm, Cylindrical, GeometryError, Panels
from XRayTomoLib.geometry.coverage import (
    complete_share,
    completeness_map,
    coverage,
    coverage_map,
    even_directions,
    field_of_view_radius_mm,
    incompleteness_deg,
    incompleteness_map,
    reconstructable_map,
)
from XRayTomoLib.geometry.trajectories import Circle, Helix, TwoOrbits
from XRayTomoLib.grids import CartesianGrid

ARM = CArm(1000.0, 600.0, 20, 30, 8.0, 8.0)
WIDE = CArm(1000.0, 600.0, 100, 100, 10.0, 10.0)
INSIDE = np.random.default_rng(1).uniform(-60, 60, (12, 3))


def seen_by_hand(views, point):
    """Counts views one by one: the crossing of the ray with the detector's plane, measured along u and v."""
    count = 0
    for s, d, u, v in zip(views.source, views.centre, views.u, views.v):
        n = np.cross(u, v)
        a = (n @ (d - s)) / (n @ (point - s))
        offset = s + a * (point - s) - d
        inside = abs(offset @ u / (u @ u)) <= views.shape[1] / 2 and abs(offset @ v / (v @ v)) <= views.shape[0] / 2
        count += bool(a > 0 and inside)
    return count


@pytest.mark.parametrize("arm", [ARM, replace(ARM, principal_offset_mm=(90.0, 10.0), in_plane_deg=15.0)], ids=["centred", "half fan"])
def test_coverage_is_the_count_of_views(arm):
    views = Circle(count=15).views(arm, (5, 6, 7))
    points = np.random.default_rng(0).uniform(-120, 120, (200, 3))
    counts = coverage(views, points)
    assert 0 < (counts == 0).sum() < 200 and 0 < (counts > 0).sum()
    np.testing.assert_array_equal(counts, [seen_by_hand(views, p) for p in points])


def test_coverage_of_other_surfaces_and_of_parallel_rays():
    points = np.random.default_rng(0).uniform(-120, 120, (200, 3))
    flat = Circle(count=15).views(ARM)
    np.testing.assert_array_equal(coverage(flat.with_surface(Cylindrical(1e9, 14.5)), points), coverage(flat, points))
    panels = flat.with_surface(Panels.on_arc((20, 30), 3, 1000.0, (8.0, 8.0), 30.0))
    assert coverage(panels, points).sum() < coverage(flat, points).sum()
    parallel = replace(flat, source=None, direction=flat.centre - flat.source)
    away = points - flat.centre[0]
    u, v = flat.u[0] / 8, flat.v[0] / 8
    np.testing.assert_array_equal(coverage(parallel[0], points), (abs(away @ u) < 120) & (abs(away @ v) < 80))


def test_maps_lie_on_their_grid():
    grid = CartesianGrid.centred((5, 6, 7), (20.0, 25.0, 30.0), (3.0, 2.0, 1.0))
    views = Circle(count=9).views(ARM)
    found = coverage_map(views, grid)
    assert found.shape == (5, 6, 7) and found.dtype == np.int32
    for ijk in ((0, 0, 0), (6, 5, 4), (3, 2, 1), (1, 4, 3)):
        assert found[ijk[::-1]] == seen_by_hand(views, grid.ras_from_ijk(ijk))
    np.testing.assert_array_equal(reconstructable_map(views, grid), found == 9)
    np.testing.assert_array_equal(reconstructable_map(views, grid, share=0.5), found >= 4.5)
    centres = grid.ras_from_ijk([[3, 2, 1], [0, 5, 4]])
    np.testing.assert_allclose(incompleteness_map(views, grid, 50)[[1, 4], [2, 5], [3, 0]], incompleteness_deg(views, centres, 50), rtol=1e-6)
    np.testing.assert_allclose(completeness_map(views, grid, 5.0, 50)[[1, 4], [2, 5], [3, 0]], complete_share(views, centres, 5.0, 50))


def test_points_behind_the_source_are_not_seen():
    views = ARM.views()
    np.testing.assert_array_equal(coverage(views, [[0, -700, 0], [0, -500, 0], [0, 900, 0]]), [0, 1, 1])
    assert coverage(views, np.zeros((0, 3))).shape == (0,)


def test_field_of_view_of_a_circle():
    views = Circle(count=7).views(ARM, (1, 2, 3))
    half = 10 * 8.0
    expected = 600 * half / np.hypot(1000, half)                # the narrower side: 20 rows
    assert field_of_view_radius_mm(views, (1, 2, 3)) == pytest.approx(expected, abs=1e-9)
    on_sphere = np.array([1, 2, 3]) + (expected - 1e-6) * np.concatenate([even_directions(500), -even_directions(500)])
    assert (coverage(views, on_sphere) == 7).all()
    assert (coverage(views, [[1, 2, 3 + expected * 1.01]]) < 7).all()
    assert field_of_view_radius_mm(Circle(count=7).views(replace(ARM, principal_offset_mm=(200.0, 0.0)))) == 0


def test_directions_are_even():
    n = even_directions(400)
    np.testing.assert_allclose(np.linalg.norm(n, axis=1), 1, atol=1e-12)
    np.testing.assert_allclose(n.T @ n / 400, np.eye(3) / 3, atol=2e-3)
    probe = even_directions(5000)
    gap = np.degrees(np.arccos(np.clip(abs(probe @ n.T).max(1), 0, 1))).max()
    assert gap < 120 / np.sqrt(400)


# -- Tuy
def test_a_circle_is_complete_in_its_middle_plane_only():
    views = Circle(count=360).views(WIDE)
    flat = INSIDE * [1, 1, 0]
    assert incompleteness_deg(views, flat, 500).max() < 1.0
    assert (complete_share(views, flat, 1.0) == 1).all()
    heights = np.array([20.0, 60.0, 120.0])
    off = incompleteness_deg(views, np.outer(heights, [0, 0, 1]), 4000)
    np.testing.assert_allclose(off, np.degrees(np.arctan(heights / 600)), atol=0.6)       # the horizontal plane is the worst
    share = complete_share(views, np.outer(heights, [0, 0, 1]), 0.5, 2000)
    # on the axis, planes that are steeper than the cone meet the circle: the share of the sphere beyond it is a cap
    np.testing.assert_allclose(share, np.cos(np.arctan(heights / 600) - np.radians(0.5)), atol=5e-3)


@pytest.mark.parametrize("views", [
    TwoOrbits(count=720, second_count=360).views(WIDE),
    TwoOrbits(count=560, second_count=200, second="line", length_mm=600.0).views(WIDE),
    Helix(count=1440, turns=4, pitch_mm=100.0).views(WIDE),
], ids=["two circles", "circle and line", "helix"])
def test_other_orbits_are_complete_inside(views):
    # seen_only=False: completeness of the way itself
    assert incompleteness_deg(views, INSIDE, 500, seen_only=False).max() < 1.5
    assert incompleteness_deg(Circle(count=360).views(WIDE), INSIDE, 500).max() > 4


def test_what_the_detector_misses_does_not_count():
    views = Circle(count=60).views(ARM)
    outside = [[0.0, 0.0, 200.0]]
    np.testing.assert_allclose(incompleteness_deg(views, outside), 90.0)
    assert complete_share(views, outside)[0] == 0
    assert incompleteness_deg(views, outside, seen_only=False)[0] < 30


def test_a_single_view_against_its_formula():
    views, point = WIDE.views(30, 10), np.array([10.0, 20.0, -30.0])
    to_source = views.source[0] - point
    angles = np.degrees(np.arcsin(abs(even_directions(300) @ to_source) / np.linalg.norm(to_source)))
    np.testing.assert_allclose(incompleteness_deg(views, point, 300), 90, atol=0.3)     # the plane across the ray
    np.testing.assert_allclose(complete_share(views, point, 30.0, 300), (angles <= 30).mean())


def test_parallel_rays_are_refused():
    views = replace(WIDE.views(), source=None, direction=[0.0, 1.0, 0.0])
    with pytest.raises(GeometryError, match="cone beams"):
        incompleteness_deg(views, [[0, 0, 0]])
    assert coverage(views, [[0, 0, 0]]) == 1
