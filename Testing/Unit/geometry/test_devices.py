"""The C-arm's conventions written out by hand, its inverse, presets, circles, and what is refused."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from XRayTomoLib.geometry import (
    CArm,
    Device,
    GeometryError,
    angles_from_gantry,
    carm,
    circle,
    device_names,
    gantry_from_angles,
    load_device,
)
from XRayTomoLib.geometry.devices import devices

ARM = CArm(1000.0, 600.0, 5, 7, 2.0, 3.0)


def only(views):
    assert len(views) == 1
    return views.source[0], views.centre[0], views.u[0], views.v[0]


def test_frontal_view():
    """Source posterior, detector anterior; patient's left (-R) at the image's right, head (S) up."""
    source, centre, u, v = only(ARM.views(0, 0, (10.0, 20.0, 30.0)))
    np.testing.assert_allclose(source, [10, -580, 30], atol=1e-12)
    np.testing.assert_allclose(centre, [10, 420, 30], atol=1e-12)
    np.testing.assert_allclose(u, [-2, 0, 0], atol=1e-12)
    np.testing.assert_allclose(v, [0, 0, -3], atol=1e-12)


@pytest.mark.parametrize("primary, secondary, towards_detector", [
    (90, 0, (-1, 0, 0)),                # LAO: the detector at the patient's left
    (-90, 0, (1, 0, 0)),                # RAO: at the right
    (180, 0, (0, -1, 0)),
    (0, 90, (0, 0, 1)),                 # cranial: towards the head
    (0, -90, (0, 0, -1)),               # caudal
    (45, 0, (-np.sqrt(0.5), np.sqrt(0.5), 0)),
    (30, 60, (-0.25, np.sqrt(3) / 4, np.sqrt(3) / 2)),
])  # fmt: skip
def test_directions_by_hand(primary, secondary, towards_detector):
    source, centre, u, v = only(ARM.views(primary, secondary))
    np.testing.assert_allclose(centre, 400 * np.array(towards_detector), atol=1e-9)
    np.testing.assert_allclose(source, -600 * np.array(towards_detector), atol=1e-9)
    assert abs(u @ towards_detector) < 1e-9 and abs(v @ towards_detector) < 1e-9 and abs(u @ v) < 1e-9


def test_sides_of_the_picture_by_hand():
    """Where marked points appear, in (row, col) from the middle of the picture."""

    def seen(point, primary=0.0, secondary=0.0):
        row, col = ARM.views(primary, secondary).project([point])[0, 0] - [2, 3]
        return row, col

    assert seen((-5, 0, 0))[1] > 0 and seen((5, 0, 0))[1] < 0  # patient's left at the right
    assert seen((0, 0, 5))[0] < 0  # head up
    assert seen((0, 5, 0), primary=90)[1] < 0  # LAO 90, seen from the left: anterior at the left
    assert seen((0, 5, 0), secondary=45)[0] > 0 > seen((0, 5, 0), secondary=-45)[0]  # from above, what is in front appears lower
    magnification = 1000 / 600
    np.testing.assert_allclose(seen((-6, 0, 9)), (-9 / 3 * magnification, 6 / 2 * magnification), atol=1e-9)


@settings(max_examples=50, deadline=None)
@given(st.floats(-180, 180), st.floats(-90, 90))
def test_handedness_and_distances_of_every_view(primary, secondary):
    views = ARM.views(primary, secondary, (1.0, 2.0, 3.0))
    assert views.handedness[0] == -1
    assert views.flipped().handedness[0] == 1
    np.testing.assert_allclose(views.sdd_mm, 1000, rtol=1e-12)
    np.testing.assert_allclose(views.project([[1.0, 2.0, 3.0]])[0, 0], [2, 3], atol=1e-9)  # the isocentre in the middle


@settings(max_examples=80, deadline=None)
@given(st.floats(-179.99, 180), st.floats(-89.9, 89.9))
def test_angles_are_found_again(primary, secondary):
    found = angles_from_gantry(gantry_from_angles(primary, secondary, (5.0, 6.0, 7.0)))
    np.testing.assert_allclose(found, [primary, secondary, 0], atol=1e-6)


def test_angles_at_the_poles_and_at_the_back():
    for secondary in (90.0, -90.0):
        p, s, roll = angles_from_gantry(gantry_from_angles(37.0, secondary))
        assert p == 0 and s == pytest.approx(secondary, abs=1e-6) and abs(roll) == pytest.approx(37, abs=1e-6)
    assert angles_from_gantry(np.diag([-1.0, -1, 1, 1]))[0] == 180  # in (-180, 180]
    turned = gantry_from_angles(20, 30) @ np.block([[gantry_roll(15), np.zeros((3, 1))], [np.zeros((1, 3)), 1]])
    np.testing.assert_allclose(angles_from_gantry(turned), [20, 30, 15], atol=1e-9)


def gantry_roll(angle_deg):
    """Rotation about the gantry's y, the central ray."""
    c, s = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def test_in_plane_rotation_turns_u_towards_v():
    turned = replace(ARM, in_plane_deg=90.0).local_views()
    np.testing.assert_allclose(turned.u[0], [0, 0, -2], atol=1e-12)
    np.testing.assert_allclose(turned.v[0], [3, 0, 0], atol=1e-12)
    np.testing.assert_allclose(turned.centre[0], [0, 400, 0], atol=1e-12)


def test_principal_offset_is_where_the_central_ray_meets_the_detector():
    views = replace(ARM, principal_offset_mm=(4.0, -6.0)).local_views()
    np.testing.assert_allclose(views.project([[0.0, 0, 0]])[0, 0], [2 - 6 / 3, 3 + 4 / 2], atol=1e-9)
    np.testing.assert_allclose(views.source[0], [0, -600, 0])


def test_flipped_and_resampled_arms_keep_the_area():
    corners = ARM.local_views().corners()[0]
    np.testing.assert_allclose(ARM.resampled(10, 3).local_views().corners()[0], corners, atol=1e-9)
    np.testing.assert_allclose(replace(ARM, flipped=True).local_views().corners()[0], corners[[1, 0, 3, 2]], atol=1e-9)


def test_angles_and_isocentres_broadcast():
    assert len(ARM.views([0, 10, 20], 5)) == 3
    assert len(ARM.views(0, [5, 6])) == 2
    views = ARM.views([0, 90], 0, [[0, 0, 0], [0, 0, 50]])
    np.testing.assert_allclose(views.source, [[0, -600, 0], [600, 0, 50]], atol=1e-9)


@pytest.mark.parametrize("changes, words", [
    ({"sdd_mm": 600.0}, "source-detector distance 600.0 mm is not larger than the source-isocentre distance 600.0 mm"),
    ({"sod_mm": 0.0}, "source-isocentre distance 0.0 mm"),
    ({"sod_mm": float("nan")}, "source-isocentre distance nan mm"),
    ({"rows": 0}, "0 rows x 7 columns"),
    ({"cols": -3}, "5 rows x -3 columns"),
    ({"col_pitch_mm": 0.0}, "pixel pitch 0.0 x 3.0 mm"),
    ({"row_pitch_mm": -1.0}, "pixel pitch 2.0 x -1.0 mm"),
])  # fmt: skip
def test_impossible_arms_are_refused_with_the_value(changes, words):
    with pytest.raises(GeometryError, match=words):
        replace(ARM, **changes)


@pytest.mark.parametrize("rows, cols", [(0, 3), (3, 0)])
def test_resampling_to_nothing_is_refused(rows, cols):
    with pytest.raises(GeometryError, match="at least 1"):
        ARM.resampled(rows, cols)


# -- presets
def test_presets_are_whole_and_usable():
    assert {"Cios Fusion", "Linac CBCT panel", "Chest stand", "Micro-CT bench", "Free form"} <= set(device_names())
    for name in device_names():
        views = carm(name).views()
        assert views.shape == (load_device(name).rows, load_device(name).cols)
    cios = load_device("cios fusion")
    assert (cios.sdd_mm, cios.sod_mm, cios.rows, cios.cols, cios.row_pitch_mm, cios.col_pitch_mm) == (1020, 530, 1536, 1536, 0.194, 0.194)
    linac = load_device("Linac CBCT panel")
    assert (linac.sdd_mm, linac.sod_mm, linac.cols * linac.col_pitch_mm) == (1536, 1000, pytest.approx(409.6))


def test_unknown_device_names_the_known_ones():
    with pytest.raises(GeometryError, match="device 'Cios Fussion' is not known; expected one of: .*Cios Fusion"):
        load_device("Cios Fussion")


@pytest.mark.parametrize("change", [{"wheels": 4}, {"sdd_mm": None}])
def test_device_files_with_other_keys_are_refused(tmp_path, change):
    values = {**asdict(devices()["Free form"]), **change}
    values = {k: v for k, v in values.items() if v is not None}
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(GeometryError, match="mine.json: expected the keys"):
        Device.from_file(path)


def test_limits_of_angles_come_from_the_preset(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({**asdict(devices()["Free form"]), "primary_limits_deg": [-10, 20]}), encoding="utf-8")
    arm = carm(Device.from_file(path))
    assert arm.primary_limits_deg == (-10, 20) and arm.secondary_limits_deg is None
    arm.check_angles([-10, 0, 20], 500)
    with pytest.raises(GeometryError, match="primary angles from -10 to 21 degrees: the device reaches -10 to 20 degrees"):
        arm.check_angles([-10, 21], 0)
    with pytest.raises(GeometryError, match="expected the lowest and the highest"):
        replace(arm, secondary_limits_deg=(5, -5))


# -- circles
def test_full_circle_does_not_repeat_its_first_view():
    views = circle(ARM, 4)
    np.testing.assert_allclose(views.source, [[0, -600, 0], [600, 0, 0], [0, 600, 0], [-600, 0, 0]], atol=1e-9)


def test_partial_circle_has_views_at_both_ends():
    views = circle(ARM, 3, start_deg=-90, range_deg=180, isocentre_ras=(1, 2, 3))
    np.testing.assert_allclose(views.source, [[-599, 2, 3], [1, -598, 3], [601, 2, 3]], atol=1e-9)
    backwards = circle(ARM, 4, range_deg=-360)
    np.testing.assert_allclose(backwards.source[1], [-600, 0, 0], atol=1e-9)
    assert len(circle(ARM, 1, range_deg=90)) == 1


def test_circle_of_no_views_is_refused():
    with pytest.raises(GeometryError, match="a circle of 0 views"):
        circle(ARM, 0)
