"""The axis of rotation of any geometry, against motions whose axis is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from XRayTomoLib.geometry import Views, carm, circle, pose_about, rigid, rotation_from_vector
from XRayTomoLib.geometry.rotation_axis import rotation_axis

DEVICE = carm("Cios Fusion").resampled(8, 8)


def helix(pitch_mm, count=12):
    flat = circle(DEVICE, count, range_deg=300.0)
    lifts = np.stack([rigid(np.eye(3), (0, 0, pitch_mm * i)) for i in range(count)])
    return flat.transformed(lifts)


def distance(point, axis):
    place, direction = axis
    away = np.asarray(point) - place
    return np.linalg.norm(away - (away @ direction) * direction)


@settings(max_examples=30, deadline=None)
@given(turn=st.tuples(*[st.floats(-2, 2)] * 3), centre=st.tuples(*[st.floats(-300, 300)] * 3), pitch=st.floats(-40, 40))
def test_circles_and_helices_anywhere(turn, centre, pitch):
    move = rigid(rotation_from_vector(np.array(turn)), centre)
    axis = rotation_axis(helix(pitch).transformed(move))
    assert distance(centre, axis) < 1e-4
    assert abs(axis[1] @ move[:3, 2]) == pytest.approx(1, abs=1e-9)


def test_an_offset_or_turned_detector_does_not_move_the_axis():
    views = circle(DEVICE, 9, range_deg=200.0, isocentre_ras=(5, 6, 7))
    shifted = Views(views.source, None, views.origin + 3.5 * views.u, views.u, views.v, views.shape)
    assert distance((5, 6, 7), rotation_axis(shifted)) < 1e-6


def test_no_axis_where_there_is_none():
    assert rotation_axis(circle(DEVICE, 1)) is None
    assert rotation_axis(DEVICE.views([0, 0, 0], isocentre_ras=[(0, 0, 0), (1, 0, 0), (2, 0, 0)])) is None
    assert rotation_axis(DEVICE.views([0, 20, 40], [0, 15, -10])) is None
    two_circles = [circle(DEVICE, 5, range_deg=90), circle(DEVICE, 5, 90, 90).transformed(pose_about((0, 0, 0), (200.0, 0, 0), (0, 0, 0)))]
    assert rotation_axis(Views.concatenate(two_circles)) is None
