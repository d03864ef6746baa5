"""The region that can be reconstructed, against radii known from plane geometry."""

from dataclasses import replace

import numpy as np
import pytest

from XRayTomoLib.geometry import CArm, circle
from XRayTomoLib.geometry.field_of_view import field_of_view, region_box
from XRayTomoLib.geometry.trajectories import Circle, Helix

DEVICE = CArm(sdd_mm=1500.0, sod_mm=1000.0, rows=60, cols=100, col_pitch_mm=4.0, row_pitch_mm=4.0)
HALF = 200.0  # mm of the detector to either side of its centre


def fan_radius(edge_mm):
    """Distance from the axis of the ray to a point of the detector, edge_mm from the central ray."""
    return DEVICE.sod_mm * np.sin(np.arctan(edge_mm / DEVICE.sdd_mm))


def radius_of(views, centre=(0, 0, 0)):
    """Smallest distance from the centre, in the plane across the axis, that is outside."""
    distances, angles = np.arange(0.5, 350, 1.0), np.radians(np.arange(0, 360, 15))
    circle_points = np.stack([np.cos(angles), np.sin(angles), 0 * angles], -1)
    points = (distances[:, None, None] * circle_points).reshape(-1, 3) + np.array(centre, float)
    inside = (field_of_view(views, points) > 0).reshape(len(distances), -1).all(1)
    return distances[~inside][0]


@pytest.mark.parametrize("centre", [(0, 0, 0), (40, -30, 20)])
def test_a_full_turn_and_a_short_scan_reach_the_outer_ray(centre):
    assert radius_of(circle(DEVICE, 120, isocentre_ras=centre), centre) == pytest.approx(fan_radius(HALF), abs=2)
    assert radius_of(Circle(count=120, extent="short scan").views(DEVICE, centre), centre) == pytest.approx(fan_radius(HALF), abs=2)


def test_a_half_fan_reaches_its_far_edge_in_a_full_turn_only():
    offset = replace(DEVICE, principal_offset_mm=(150.0, 0.0))
    assert radius_of(circle(offset, 360)) == pytest.approx(fan_radius(HALF + 150), abs=6)
    assert radius_of(Circle(count=120, extent="short scan").views(offset)) < fan_radius(HALF)


def test_a_quarter_turn_reconstructs_nothing():
    assert radius_of(circle(DEVICE, 30, range_deg=90.0)) == 0.5


def test_a_helix_is_complete_in_its_middle_and_not_beyond_its_ends():
    views = Helix(count=360, turns=3.0, pitch_mm=60.0).views(DEVICE)
    heights = np.array([[0.0, 0, -50], [0, 0, 0], [0, 0, 50], [0, 0, 400]])
    assert list(field_of_view(views, heights) > 0) == [True, True, True, False]


def test_a_helix_has_a_smooth_region_whatever_its_sampling():
    along = np.stack([np.full(81, 30.0), np.zeros(81), np.linspace(-200, 200, 81)], -1)
    for count in (180, 1000):
        inside = field_of_view(Helix(count=count, turns=3.0, pitch_mm=60.0).views(DEVICE), along) > 0
        assert np.abs(np.diff(inside.astype(int))).sum() == 2
        ends = 90 + 80 - 30.0  # half the way, half the detector at the axis, less the advance in half a turn that must see the point
        np.testing.assert_allclose(along[inside, 2][[0, -1]], [-ends, ends], atol=12)


def test_the_box_holds_the_region():
    centre, half = region_box(circle(DEVICE, 120, isocentre_ras=(10, 20, 30)))
    np.testing.assert_allclose(centre, (10, 20, 30), atol=1e-6)
    assert (half > fan_radius(HALF)).all() and half.max() < 500
    _centre, long = region_box(Helix(count=360, turns=3.0, pitch_mm=60.0).views(DEVICE))
    assert long[2] > half[2] + 80
