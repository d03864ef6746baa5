"""Names of faults against the C-arm's own fields and written-out rotations; the rotation axis of circular scans."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from Unit.calibration.scans import PITCH_MM, cone_scan, parallel_scan

from XRayTomoLib.calibration import UNITS, CalibrationError, misaligned, rotation_axis
from XRayTomoLib.calibration.misalignment import axis_column
from XRayTomoLib.geometry import CArm, circle, pose_about

SMALL = {"count": 6, "rows": 5, "cols": 8}


def vectors(views):
    return np.stack([views.origin, views.u, views.v, *([] if views.source is None else [views.source])])


def test_shift_and_in_plane_rotation_are_those_of_a_carm():
    """A detector shifted by +u leaves the principal point at -u of its centre."""
    shifted = cone_scan(**SMALL, principal_offset_mm=(-3.0, 1.5))
    assert np.allclose(vectors(misaligned(cone_scan(**SMALL), {"shift_u_mm": 3.0, "shift_v_mm": -1.5})), vectors(shifted), atol=1e-12)
    turned = cone_scan(**SMALL, in_plane_deg=2.0)
    assert np.allclose(vectors(misaligned(cone_scan(**SMALL), {"in_plane_deg": 2.0})), vectors(turned), atol=1e-12)


def test_distances_are_those_of_a_carm():
    expected = circle(CArm(410.0, 307.0, 5, 8, PITCH_MM, PITCH_MM), 6)
    assert np.allclose(vectors(misaligned(cone_scan(**SMALL), {"sdd_change_mm": 10.0, "sod_change_mm": 7.0})), vectors(expected), atol=1e-12)


def test_tilt_turns_about_u_and_slant_about_v():
    nominal = cone_scan(**SMALL)
    c, s = np.cos(np.radians(2.0)), np.sin(np.radians(2.0))
    normal = np.cross(nominal.u, nominal.v) / PITCH_MM**2
    tilted, slanted = misaligned(nominal, {"tilt_deg": 2.0}), misaligned(nominal, {"slant_deg": 2.0})
    assert np.allclose(tilted.v, c * nominal.v + s * PITCH_MM * normal) and np.allclose(tilted.u, nominal.u)
    assert np.allclose(slanted.u, c * nominal.u - s * PITCH_MM * normal) and np.allclose(slanted.v, nominal.v)
    assert np.allclose(tilted.centre, nominal.centre) and np.allclose(slanted.centre, nominal.centre)


def test_values_of_single_views_and_the_angle_about_the_axis():
    nominal = cone_scan(**SMALL)
    turned = misaligned(nominal, {"angle_deg": 60.0}, rotation_axis(nominal))
    assert np.allclose(vectors(turned), vectors(nominal[[1, 2, 3, 4, 5, 0]]), atol=1e-9)
    one = misaligned(nominal, {"shift_u_mm": [0, 0, 2, 0, 0, 0]})
    assert np.allclose(np.linalg.norm(one.origin - nominal.origin, axis=1), [0, 0, 2, 0, 0, 0])


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(-1.5, 1.5), min_size=3, max_size=3), st.lists(st.floats(-50, 50), min_size=3, max_size=3), st.booleans())
def test_the_axis_is_found_wherever_the_scanner_stands(w, t, parallel):
    matrix = pose_about(w, t)
    views = (parallel_scan(7, 4, 6) if parallel else cone_scan(7, 4, 6)).transformed(matrix)
    axis = rotation_axis(views)
    assert abs(abs(axis.direction @ matrix[:3, 2]) - 1) < 1e-9
    assert np.linalg.norm(axis.foot_of(matrix[:3, 3]) - matrix[:3, 3]) < 1e-6
    assert np.allclose(abs(np.diff(np.unwrap(axis.angles_deg, period=360))), 360 / 7)
    assert abs(axis_column(views, axis) - 2.5) < 1e-6


def test_what_is_no_circular_scan_is_refused():
    with pytest.raises(CalibrationError, match="at least 3"):
        rotation_axis(cone_scan(2, 4, 6))
    with pytest.raises(CalibrationError, match="do not turn"):
        rotation_axis(cone_scan(1, 4, 6)[[0, 0, 0, 0]])
    crooked = cone_scan(8, 4, 6)
    with pytest.raises(CalibrationError, match="about one axis"):
        rotation_axis(misaligned(crooked, {"sod_change_mm": np.arange(8.0)}))
    with pytest.raises(CalibrationError, match="shift_mm.*expected some of"):
        misaligned(crooked, {"shift_mm": 1.0})
    assert all(name.endswith(unit) for name, unit in UNITS.items())
