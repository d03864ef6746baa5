"""Trajectories against formulas of their own: where the source is, where the detector looks, and when."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from XRayTomoLib.geometry import CArm, GeometryError, carm, pose_about
from XRayTomoLib.geometry.trajectories import (
    TRAJECTORIES,
    CArmSweep,
    Circle,
    Free,
    Helix,
    Jitter,
    Laminography,
    Lines,
    Lissajous,
    Random,
    Saddle,
    Sinusoid,
    Spiral,
    Tomosynthesis,
    Translation,
    TwoOrbits,
    fan_angle_deg,
    sampled_curve,
    with_flying_focal_spot,
)
from XRayTomoLib.options import make, options_of, values_of

SOD, SDD = 600.0, 1000.0
ARM = CArm(SDD, SOD, 40, 60, 5.0, 4.0)
HAND_DRAWN = ((-500.0, -300.0, 0.0), (0.0, -600.0, 80.0), (450.0, -350.0, 160.0), (600.0, 100.0, 60.0))
LOOKING = ["circle", "carm-sweep", "lissajous", "sinusoid", "saddle", "spiral", "laminography", "random", "two-orbits", "free"]


def made(name, **values):
    if name == "free":
        values.setdefault("points_ras", HAND_DRAWN)
    if name in ("two-orbits", "lines"):
        values = {"second_count" if name == "two-orbits" else "lines": 5, **values}
    return TRAJECTORIES[name](**values)


def sphere(primary_deg, secondary_deg, radius=SOD):
    """The source at the clinical angles (ARCHITECTURE, conventions)."""
    p, s = np.radians(primary_deg), np.radians(secondary_deg)
    return -radius * np.stack(np.broadcast_arrays(-np.sin(p) * np.cos(s), np.cos(p) * np.cos(s), np.sin(s)), -1)


# -- what holds for all of them
@pytest.mark.parametrize("name", TRAJECTORIES)
def test_every_trajectory_is_made_from_its_options(name):
    assert TRAJECTORIES[name].TITLE and {"count", "frame_rate_hz", "axis"} <= {o.name for o in options_of(TRAJECTORIES[name])}
    assert all(o.label and o.help for o in options_of(TRAJECTORIES[name]))
    trajectory = made(name, count=17, frame_rate_hz=4.0)
    again = make(TRAJECTORIES[name], values_of(trajectory))
    views = (replace(again, points_ras=HAND_DRAWN) if name == "free" else again).views(ARM, (1.0, 2.0, 3.0))
    assert len(views) == 17
    np.testing.assert_allclose(views.times, np.arange(17) / 4.0)
    assert trajectory.duration_s == pytest.approx(17 / 4)
    assert (views.handedness == -1).all()
    np.testing.assert_array_equal(views.source, trajectory.views(ARM, (1.0, 2.0, 3.0)).source)


@pytest.mark.parametrize("name", LOOKING)
@pytest.mark.parametrize("axis", "SRA")
def test_the_central_ray_runs_through_the_isocentre_and_meets_the_detectors_centre_squarely(name, axis):
    centre = np.array([10.0, -20.0, 30.0])
    views = made(name, count=24, axis=axis).views(ARM, centre)
    ahead = (views.centre - views.source) / SDD
    np.testing.assert_allclose(np.linalg.norm(ahead, axis=1), 1.0, atol=1e-12)
    np.testing.assert_allclose(np.cross(centre - views.source, ahead), 0, atol=1e-9)
    if name != "laminography":
        np.testing.assert_allclose([(ahead * views.u).sum(-1), (ahead * views.v).sum(-1)], 0, atol=1e-9)


@pytest.mark.parametrize("name", sorted(set(TRAJECTORIES) - {"free"}))
def test_another_axis_turns_everything(name):
    along_s = made(name, count=9).views(ARM)
    for axis, e in (("R", [1, 0, 0]), ("A", [0, 1, 0])):
        turned = made(name, count=9, axis=axis).views(ARM)
        for field in ("source", "origin", "u", "v"):
            a, b = getattr(along_s, field), getattr(turned, field)
            np.testing.assert_allclose(a @ a.T, b @ b.T, atol=1e-6)                       # the same figure
            np.testing.assert_allclose(a @ [0, 0, 1], b @ e, atol=1e-9)                   # S became the axis
        np.testing.assert_allclose(np.linalg.det(np.stack([turned.u, turned.v, turned.source - turned.origin], -1)),
                                   np.linalg.det(np.stack([along_s.u, along_s.v, along_s.source - along_s.origin], -1)))


vectors = st.tuples(*[st.floats(-300, 300)] * 3)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(sorted(set(TRAJECTORIES) - {"free"})), vectors)
def test_moving_the_isocentre_moves_all(name, centre):
    at_origin, moved = made(name, count=7).views(ARM), made(name, count=7).views(ARM, centre)
    for field in ("source", "origin"):
        np.testing.assert_allclose(getattr(moved, field), getattr(at_origin, field) + centre, atol=1e-9)
    np.testing.assert_array_equal(moved.u, at_origin.u)


LENGTHS = {"pitch_mm", "length_mm", "height_mm", "spot_in_plane_mm", "spot_axial_mm"}


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(sorted(TRAJECTORIES)), st.floats(1e-3, 1e2))
def test_metres_and_millimetres_make_the_same_figure(name, scale):
    trajectory = made(name, count=9)
    lengths = {n: scale * v for n, v in values_of(trajectory).items() if n in LENGTHS}
    points = {"points_ras": scale * np.array(HAND_DRAWN)} if name == "free" else {}
    arm = CArm(SDD * scale, SOD * scale, 40, 60, 5.0 * scale, 4.0 * scale)
    a, b = trajectory.views(ARM), replace(trajectory, **lengths, **points).views(arm)
    for field in ("source", "origin", "u", "v"):
        np.testing.assert_allclose(getattr(b, field) / scale, getattr(a, field), atol=1e-6)


def test_values_that_options_do_not_allow_are_refused_by_name():
    for wrong, words in (({"count": 0}, "Circle: count = 0: expected"), ({"axis": "X"}, "axis"), ({"frame_rate_hz": 0}, "frame_rate_hz"),
                         ({"extent": "half"}, "expected one of full turn, short scan")):
        with pytest.raises(GeometryError, match=words):
            Circle(**wrong)


# -- circles
def test_short_scan_covers_half_a_turn_and_the_fan():
    fan = 2 * np.degrees(np.arctan(60 * 5.0 / 2 / SDD))
    assert fan_angle_deg(ARM) == pytest.approx(fan, abs=1e-9)
    views = Circle(count=50, extent="short scan", start_deg=30.0).views(ARM)
    np.testing.assert_allclose(views.source, sphere(30 + np.linspace(0, 180 + fan, 50), 0), atol=1e-9)
    assert Circle(extent="short scan", margin_deg=7.0).extent_deg(ARM) == pytest.approx(187 + fan)


def test_every_line_through_the_field_of_view_is_measured_by_a_short_scan():
    """The reason for the fan angle: each line of the plane that meets the field of view passes a place of the source."""
    views = Circle(count=2, extent="short scan").views(ARM)
    p = np.degrees(np.arctan2(views.source[:, 0], -views.source[:, 1])) % 360
    radius = SOD * np.sin(np.radians(fan_angle_deg(ARM) / 2))
    random = np.random.default_rng(3)
    normal, distance = random.uniform(0, 2 * np.pi, 2000), random.uniform(-radius, radius, 2000)
    half = np.degrees(np.arccos(distance / SOD))
    ends = np.stack([np.degrees(normal) + half, np.degrees(normal) - half]) % 360       # both crossings with the source's circle
    assert ((ends >= p[0] - 1e-9) & (ends <= p[1] + 1e-9)).any(0).all()


def test_fan_angle_of_other_detectors():
    focus_centred = ARM.curved()
    assert fan_angle_deg(focus_centred) == pytest.approx(np.degrees(60 * 5.0 / SDD), abs=1e-9)
    offset = replace(ARM, principal_offset_mm=(100.0, 0.0))
    assert fan_angle_deg(offset) == pytest.approx(np.degrees(np.arctan(250 / SDD) + np.arctan(50 / SDD)), abs=1e-9)


def test_a_line_detector_makes_fans():
    views = Circle(count=5, extent="short scan").views(replace(ARM, rows=1))
    assert views.shape == (1, 60) and views.rays()[1].shape == (5, 1, 60, 3)
    np.testing.assert_allclose(views.rays()[1][..., 2], 0, atol=1e-9)                   # all rays in one plane


def test_full_over_and_backward_circles():
    full = Circle(count=8, backwards=True).views(ARM)
    np.testing.assert_allclose(full.source, sphere(-45.0 * np.arange(8), 0), atol=1e-9)
    over = Circle(count=39, extent="over scan", over_deg=20.0).views(ARM)
    np.testing.assert_allclose(over.source[[0, 36, 38]], sphere([0, 0, 20], 0), atol=1e-9)
    arc = Circle(count=3, extent="arc", range_deg=90.0, start_deg=-45.0).views(ARM)
    np.testing.assert_allclose(arc.source, sphere([-45, 0, 45], 0), atol=1e-9)


# -- helix
def test_helix_advances_by_its_pitch_in_a_turn():
    views = Helix(count=300, turns=3.0, pitch_mm=70.0, start_deg=20.0).views(ARM)
    np.testing.assert_allclose(views.source[100:, 2] - views.source[:-100, 2], 70.0, atol=1e-9)
    np.testing.assert_allclose(views.source[100:, :2], views.source[:-100, :2], atol=1e-9)
    np.testing.assert_allclose(views.source[:, :2], sphere(20 + 3.6 * np.arange(300), 0)[:, :2], atol=1e-9)
    np.testing.assert_allclose(views.source[:, 2].mean(), 0, atol=1e-9)
    np.testing.assert_allclose(views.centre[:, 2], views.source[:, 2], atol=1e-9)


def test_flying_focal_spot_moves_the_source_alone():
    still = Helix(count=8, turns=0.5).views(ARM)
    flying = Helix(count=8, turns=0.5, spot_in_plane_mm=1.2, spot_axial_mm=0.8).views(ARM)
    np.testing.assert_array_equal(flying.origin, still.origin)
    jump = flying.source - still.source
    np.testing.assert_allclose((jump * still.u).sum(-1) / 5.0, 0.6 * np.array([1, -1] * 4), atol=1e-9)
    np.testing.assert_allclose((jump * still.v).sum(-1) / 4.0, 0.4 * np.array([1, 1, -1, -1] * 2), atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(jump, axis=1), np.hypot(0.6, 0.4), atol=1e-9)
    axial = with_flying_focal_spot(still, 0.0, 2.0)
    np.testing.assert_allclose((axial.source - still.source)[:, 2], [-1, 1] * 4, atol=1e-9)      # v points down


# -- C-arms
def test_sweep_keeps_to_the_limits_of_the_device():
    arm = carm("Cios Fusion").resampled(8, 8)
    views = CArmSweep(count=5, start_deg=-100, end_deg=40, other_deg=10).views(arm)
    np.testing.assert_allclose(views.source, sphere(np.linspace(-100, 40, 5), 10, 530.0), atol=1e-9)
    with pytest.raises(GeometryError, match="primary angles from -100 to 60 degrees: the device reaches -110 to 40 degrees"):
        CArmSweep(end_deg=60.0).views(arm)
    with pytest.raises(GeometryError, match="secondary angles from -80 to 0 degrees"):
        CArmSweep(swept="secondary angle", start_deg=-80, end_deg=0).views(carm("Angiography C-arm (ceiling)").resampled(8, 8))
    with pytest.raises(GeometryError, match="primary angles"):
        Lissajous(primary_amplitude_deg=60).views(arm)
    assert len(CArmSweep(start_deg=-300, end_deg=300).views(ARM)) == 133             # no limits are known: none are held


def test_lissajous_sinusoid_and_spiral_follow_their_angles():
    t = np.arange(40) / 40
    lissajous = Lissajous(count=40, primary_amplitude_deg=30, secondary_amplitude_deg=20, primary_cycles=3, secondary_cycles=2, phase_deg=90)
    np.testing.assert_allclose(lissajous.views(ARM).source, sphere(30 * np.cos(6 * np.pi * t), 20 * np.sin(4 * np.pi * t)), atol=1e-9)
    sinusoid = Sinusoid(count=40, amplitude_deg=15, cycles=2, start_deg=10).views(ARM)
    np.testing.assert_allclose(sinusoid.source, sphere(10 + 360 * t, 15 * np.sin(4 * np.pi * t)), atol=1e-9)
    spiral = Spiral(count=41, turns=5, first_deg=-30, last_deg=30).views(ARM)
    np.testing.assert_allclose(np.diff(spiral.source[:, 2]), -SOD * 1.0 / 40, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(spiral.source, axis=1), SOD, atol=1e-9)


def test_spiral_reaches_the_poles():
    views = Spiral(count=11, first_deg=-90, last_deg=90).views(ARM)
    np.testing.assert_allclose(views.source[[0, -1]], [[0, 0, SOD], [0, 0, -SOD]], atol=1e-9)


def test_saddle_lies_on_its_cylinder():
    views = Saddle(count=36, height_mm=90.0).views(ARM)
    np.testing.assert_allclose(np.hypot(views.source[:, 0], views.source[:, 1]), SOD, atol=1e-9)
    turn = np.radians(10.0 * np.arange(36))
    np.testing.assert_allclose(views.source[:, 2], 90 * np.cos(2 * turn), atol=1e-9)
    np.testing.assert_allclose(views.source[9], [SOD, 0, -90], atol=1e-9)


def test_random_directions_are_reproducible_and_even():
    views = Random(count=4000, seed=7, secondary_range_deg=90.0).views(ARM)
    np.testing.assert_array_equal(views.source, Random(count=4000, seed=7, secondary_range_deg=90.0).views(ARM).source)
    assert abs(views.source - Random(count=4000, seed=8, secondary_range_deg=90.0).views(ARM).source).max() > 1
    second = (views.source / SOD).T @ (views.source / SOD) / 4000                      # of an even sphere: identity / 3
    np.testing.assert_allclose(second, np.eye(3) / 3, atol=0.02)
    narrow = Random(count=500, primary_range_deg=20.0, secondary_range_deg=10.0).views(ARM).source / SOD
    assert abs(narrow[:, 2]).max() <= np.sin(np.radians(10)) + 1e-12 and abs(narrow[:, 0]).max() <= np.sin(np.radians(20)) + 1e-12


# -- straight ways
def test_tomosynthesis_on_an_arc():
    angles = np.radians(np.linspace(-20, 20, 9))
    fixed = Tomosynthesis(count=9, range_deg=40).views(ARM)
    expected = SOD * np.stack([-np.sin(angles), -np.cos(angles), 0 * angles], -1)       # columns count towards -R
    np.testing.assert_allclose(fixed.source, expected, atol=1e-9)
    np.testing.assert_allclose(fixed.origin, np.broadcast_to(ARM.views().origin, (9, 3)), atol=1e-9)
    moving = Tomosynthesis(count=9, range_deg=40, detector="moving").views(ARM)
    np.testing.assert_allclose(moving.centre, -(SDD - SOD) / SOD * expected, atol=1e-9)
    rows = Tomosynthesis(count=9, range_deg=40, along="rows").views(ARM)
    np.testing.assert_allclose(rows.source, SOD * np.stack([0 * angles, -np.cos(angles), -np.sin(angles)], -1), atol=1e-9)


def test_tomosynthesis_on_a_line_keeps_the_isocentre_in_focus():
    views = Tomosynthesis(count=7, range_deg=30, path="line", detector="moving", along="rows").views(ARM, (1, 2, 3))
    np.testing.assert_allclose(views.source[:, 1] - 2, -SOD, atol=1e-9)
    np.testing.assert_allclose(views.source[:, 2] - 3, -SOD * np.tan(np.radians(np.linspace(-15, 15, 7))), atol=1e-9)
    np.testing.assert_allclose(views.project([[1.0, 2.0, 3.0]])[:, 0], np.broadcast_to([19.5, 29.5], (7, 2)), atol=1e-9)
    np.testing.assert_allclose(views.u, np.broadcast_to(views.u[0], (7, 3)), atol=1e-12)
    still = Tomosynthesis(count=7, range_deg=30, path="line", along="rows").views(ARM)
    np.testing.assert_allclose(still.centre, np.broadcast_to([0, SDD - SOD, 0], (7, 3)), atol=1e-9)


def test_laminography_keeps_its_angle_between_beam_and_axis():
    for detector in ("faces the source", "parallel to the layers"):
        views = Laminography(count=12, beam_deg=55.0, detector=detector).views(ARM)
        beam = views.centre - views.source
        np.testing.assert_allclose(beam[:, 2] / np.linalg.norm(beam, axis=1), np.cos(np.radians(55)), atol=1e-12)
        np.testing.assert_allclose(np.linalg.norm(beam, axis=1), SDD, atol=1e-9)
        np.testing.assert_allclose(views.project([[0, 0, 0]])[:, 0], np.broadcast_to([19.5, 29.5], (12, 2)), atol=1e-9)
    np.testing.assert_allclose(abs(views.normal[:, 2]), 1, atol=1e-12)                  # parallel to the layers
    np.testing.assert_allclose(views.u, np.broadcast_to(views.u[0], (12, 3)), atol=1e-9)


@pytest.mark.parametrize("moving", ["source and detector", "source", "detector"])
def test_translation_moves_what_it_says(moving):
    views = Translation(count=5, length_mm=80.0, moving=moving, primary_deg=90.0).views(ARM)
    steps = np.linspace(-40, 40, 5)[:, None] * ARM.views(90.0).u / 5.0
    np.testing.assert_allclose(views.source - ARM.views(90.0).source, steps * (moving != "detector"), atol=1e-9)
    np.testing.assert_allclose(views.centre - ARM.views(90.0).centre, steps * (moving != "source"), atol=1e-9)


def test_lines_share_out_the_views():
    views = Lines(count=11, lines=3, step_deg=60.0, length_mm=100.0).views(ARM)
    ends = [[0, 3], [4, 7], [8, 10]]
    for i, (a, b) in enumerate(ends):
        np.testing.assert_allclose(np.linalg.norm(views.source[b] - views.source[a]), 100.0, atol=1e-9)
        np.testing.assert_allclose((views.source[a] + views.source[b]) / 2, sphere(60 * i, 0), atol=1e-9)
    assert len(Lines(count=2, lines=5).views(ARM)) == 2


def test_two_orbits():
    views = TwoOrbits(count=60, second_count=20, tilt_deg=90.0).views(ARM)
    np.testing.assert_allclose(views.source[:40], sphere(9.0 * np.arange(40), 0), atol=1e-9)
    np.testing.assert_allclose(views.source[40:, 0], 0, atol=1e-9)                      # the plane of A and S
    np.testing.assert_allclose(np.linalg.norm(views.source, axis=1), SOD, atol=1e-9)
    line = TwoOrbits(count=60, second_count=21, second="line", length_mm=200.0, start_deg=90.0).views(ARM)
    np.testing.assert_allclose(line.source[39:], np.stack([np.full(21, SOD), np.zeros(21), np.linspace(-100, 100, 21)], -1), atol=1e-9)
    with pytest.raises(GeometryError, match="leave at least one"):
        TwoOrbits(count=20, second_count=20).views(ARM)


# -- free curves
def test_free_curve_runs_through_its_points_in_equal_steps():
    views = Free(count=2001, points_ras=HAND_DRAWN).views(ARM, (5.0, 0.0, 0.0))
    steps = np.linalg.norm(np.diff(views.source, axis=0), axis=1)
    assert steps.max() / steps.min() < 1 + 1e-4
    np.testing.assert_allclose(views.source[[0, -1]], np.array(HAND_DRAWN)[[0, -1]], atol=1e-6)
    away = np.linalg.norm(np.array(HAND_DRAWN)[:, None] - views.source, axis=-1).min(1)
    assert (away < steps.max()).all()


def test_free_curve_through_points_of_a_circle_is_nearly_the_circle():
    points = sphere(30.0 * np.arange(12), 0)
    sources = sampled_curve(points, 12 * 5, closed=True)
    np.testing.assert_allclose(sources, sphere(6.0 * np.arange(60), 0), atol=0.5)
    half = sampled_curve([[0, 0, 0], [30, 0, 40]], 6)
    np.testing.assert_allclose(half, np.linspace([0, 0, 0], [30, 0, 40], 6), atol=1e-9)


@settings(max_examples=20, deadline=None)
@given(st.tuples(*[st.floats(-3, 3)] * 3), vectors)
def test_free_curve_moves_with_its_points(w, t):
    motion = pose_about(np.array(w), np.array(t), np.zeros(3))
    moved = np.array(HAND_DRAWN) @ motion[:3, :3].T + motion[:3, 3]
    a = Free(count=9, points_ras=HAND_DRAWN).views(ARM)
    b = Free(count=9, points_ras=moved).views(ARM, motion[:3, 3])
    np.testing.assert_allclose(b.source, a.source @ motion[:3, :3].T + motion[:3, 3], atol=1e-6)
    np.testing.assert_allclose(b.centre, a.centre @ motion[:3, :3].T + motion[:3, 3], atol=1e-6)


@pytest.mark.parametrize("points, words", [
    ((), "at least 2 points"), (((0, 0, 0),), "at least 2"), (((0, 0), (1, 1)), "expected \\[P, 3\\]"),
    (((0, 0, 0), (0, 0, 0), (1, 1, 1)), "lie at the same place"), (((0, 0, 0), (0, 0, float("nan"))), "finite"),
    (((-5, 0, 0), (5, 0, 0)), "source lies on the point it looks at"),
])  # fmt: skip
def test_impossible_free_curves_are_refused(points, words):
    with pytest.raises(GeometryError, match=words):
        Free(count=11, points_ras=points).views(ARM)


def test_looking_along_the_axis_keeps_the_picture_upright():
    views = Free(count=5, points_ras=((0, -10, 500), (0, 10, 500))).views(ARM)
    assert np.isfinite(views.u).all() and (views.handedness == -1).all()
    np.testing.assert_allclose((views.u * views.v).sum(-1), 0, atol=1e-9)


# -- jitter
def test_jitter_is_reproducible_and_as_large_as_it_says():
    views = Circle(count=3000).views(ARM)
    jitter = Jitter(source_mm=0.5, detector_mm=2.0, seed=4)
    shaken = jitter.applied(views)
    np.testing.assert_array_equal(shaken.source, jitter.applied(views).source)
    np.testing.assert_allclose((shaken.source - views.source).std(0), 0.5, rtol=0.05)
    np.testing.assert_allclose((shaken.centre - views.centre).std(0), 2.0, rtol=0.05)
    assert abs(np.corrcoef((shaken.source - views.source).T[0], (shaken.centre - views.centre).T[0])[0, 1]) < 0.06
    np.testing.assert_array_equal(shaken.u, views.u)
    np.testing.assert_array_equal(shaken.times, views.times)


def test_jitter_of_angles():
    views = Circle(count=3000).views(ARM, (10, 20, 30))
    turned = Jitter(detector_deg=1.5).applied(views)
    np.testing.assert_allclose(turned.centre, views.centre, atol=1e-9)
    angle = np.degrees(np.arccos(np.clip((turned.normal * views.normal).sum(-1), -1, 1)))
    np.testing.assert_allclose(np.sqrt((angle**2).mean()), 1.5 * np.sqrt(2), rtol=0.05)   # two of the three axes tilt the normal
    swung = Jitter(gantry_deg=1.0, seed=9).applied(views, (10, 20, 30))
    np.testing.assert_allclose(np.linalg.norm(swung.source - [10, 20, 30], axis=1), SOD, atol=1e-9)
    np.testing.assert_allclose(swung.project([[10, 20, 30]]), views.project([[10, 20, 30]]), atol=1e-8)
    assert Jitter().applied(views) is views


def test_one_jitter_does_not_change_the_other():
    views = Circle(count=6).views(ARM)
    both = Jitter(source_mm=1.0, detector_mm=1.0, seed=3).applied(views)
    np.testing.assert_array_equal(both.source, Jitter(source_mm=1.0, seed=3).applied(views).source)


def test_jitter_keeps_gradients():
    views = Circle(count=3).views(ARM)
    source = torch.tensor(views.source, requires_grad=True)
    shaken = Jitter(source_mm=1.0, detector_mm=1.0, detector_deg=1.0, gantry_deg=1.0).applied(replace(views, source=source))
    shaken.project(np.array([[1.0, 2.0, 3.0]])).sum().backward()
    assert torch.isfinite(source.grad).all() and source.grad.abs().max() > 0


def test_jitter_refuses_what_has_no_source():
    parallel = replace(Circle(count=2).views(ARM), source=None, direction=[0.0, 1.0, 0.0])
    with pytest.raises(GeometryError, match="parallel rays have no source"):
        Jitter(source_mm=1.0).applied(parallel)
    with pytest.raises(GeometryError, match="no focal spot"):
        with_flying_focal_spot(parallel, 1.0)
    with pytest.raises(GeometryError, match="jitter: source_mm"):
        Jitter(source_mm=-1.0)
