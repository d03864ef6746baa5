"""Findings about a way of source and detector: each is made to happen, and to be just avoided."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from XRayTomoLib.geometry import CArm, FreePixels, GeometryError, pose_about
from XRayTomoLib.geometry.boxes import OrientedBox
from XRayTomoLib.geometry.trajectories import Circle
from XRayTomoLib.geometry.warnings import (
    Gantry,
    arm_points,
    find_beyond_limits,
    find_collision,
    find_detector_inside,
    find_looking_away,
    find_problems,
    find_source_inside,
    find_truncation,
)
from XRayTomoLib.grids import CartesianGrid

ARM = CArm(1000.0, 600.0, 20, 30, 8.0, 8.0)
CIRCLE = Circle(count=36).views(ARM)
SMALL = OrientedBox(np.zeros(3), np.eye(3), [20.0, 20.0, 20.0])
floats = st.floats(-1, 1)


def box(half, centre=(0, 0, 0), turn=(0, 0, 0)):
    return OrientedBox(centre, pose_about(np.array(turn, float), np.zeros(3))[:3, :3], half)


# -- boxes
@settings(max_examples=60, deadline=None)
@given(st.tuples(*[floats] * 3), st.tuples(*[floats] * 3), st.tuples(*[floats] * 6))
def test_boxes_and_parallelograms_meet_where_points_of_both_do(turn, shift, sides):
    """Against points all over the parallelogram: a point inside the box is a hit; a hit has a point near the box."""
    b = box((0.5, 0.4, 0.3), (0.1, 0.2, 0.3), turn)
    e1, e2 = np.array(sides[:3]), np.array(sides[3:])
    corners = np.array(shift) + np.array([0 * e1, e1, e2, e1 + e2])
    f, g = np.meshgrid(np.linspace(0, 1, 60), np.linspace(0, 1, 60))
    distance = b.distance_mm(np.array(shift) + f[..., None] * e1 + g[..., None] * e2).min()
    if distance == 0:
        assert b.meets(corners)
    elif distance > 0.06:
        assert not b.meets(corners)


def test_boxes_hold_their_points():
    grid = CartesianGrid((4, 5, 6), pose_about([0.3, 0.2, -0.5], [1, 2, 3]) @ np.diag([2.0, 3.0, 4.0, 1.0]))
    found = OrientedBox.of_grid(grid)
    np.testing.assert_allclose(sorted(map(tuple, found.corners_ras().round(6))), sorted(map(tuple, grid.corners_ras().round(6))), atol=1e-5)
    assert found.contains(grid.centre_ras) and not found.contains(grid.centre_ras + 100)
    sheared = CartesianGrid((4, 5, 6), np.array([[1.0, 0.5, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]))
    assert (OrientedBox.of_grid(sheared).distance_mm(sheared.corners_ras()) < 1e-9).all()
    bounds = OrientedBox.of_bounds([[0, 2], [1, 5], [-3, 3]])
    np.testing.assert_allclose(bounds.half_mm, [1, 2, 3])
    np.testing.assert_allclose(bounds.distance_mm([[5, 9, 3], [1, 2, 0]]), [5, 0])


@pytest.mark.parametrize("values, words", [
    ((np.zeros(2), np.eye(3), np.ones(3)), "centre_ras"), ((np.zeros(3), 2 * np.eye(3), np.ones(3)), "perpendicular"),
    ((np.zeros(3), np.eye(3), -np.ones(3)), "at least 0"),
])  # fmt: skip
def test_impossible_boxes_are_refused(values, words):
    with pytest.raises(GeometryError, match=words):
        OrientedBox(*values)


# -- object
def test_nothing_is_found_where_nothing_is_wrong():
    assert find_problems(CIRCLE, SMALL, gantry=Gantry(arm_mm=700.0), obstacles={"patient": SMALL}, carm=ARM) == []


def test_source_inside():
    flat = box((700, 110, 10))
    found = find_source_inside(CIRCLE, flat)
    expected = [i for i, s in enumerate(CIRCLE.source) if abs(s[1]) <= 110]
    assert found.kind == "source inside" and found.views == tuple(expected)
    assert found.sentence.startswith(f"In {len(expected)} of 36 views (8-10, 26-28) the source enters")


def test_detector_inside_is_exact():
    behind = replace(CIRCLE[0], surface=CIRCLE.surface)
    assert find_detector_inside(behind, box((10, 399.9, 10))) is None
    assert find_detector_inside(behind, box((10, 400.1, 10))).kind == "detector inside"
    tiny = box((0.01, 0.01, 0.01), behind.centre[0] + 7.3 * behind.u[0] / 8)          # smaller than any raster of points
    assert find_detector_inside(behind, tiny).views == (0,)
    curved = Circle(count=4).views(ARM.curved())
    assert find_detector_inside(curved, box((300, 300, 60))) is None
    assert find_detector_inside(curved, box((420, 420, 60))).views == (0, 1, 2, 3)


def test_truncation_says_where_and_how_far():
    assert find_truncation(CIRCLE, SMALL.corners_ras()) is None
    tall = box((20, 20, 60))
    found = find_truncation(CIRCLE[0], tall.corners_ras())
    pixels = 60 / (600 - 20) * 1000 / 8 - 10                                          # the corner nearest to the source
    assert found.sentence.startswith(f"In all 1 views the object reaches beyond the detector along the rows by up to {pixels:.0f} pixels")
    wide = find_truncation(CIRCLE, box((120, 20, 20)).corners_ras())
    assert "along the columns" in wide.sentence and "rows" not in wide.sentence and 0 in wide.views and 9 not in wide.views
    hull = find_problems(CIRCLE, tall, points_ras=SMALL.corners_ras())
    assert hull == []                                                                 # the hull fits where the box does not
    behind = find_truncation(CIRCLE[0], [[0.0, -700.0, 0.0]])
    assert "no pixel can show it" in behind.sentence


# -- machine
def test_the_tube_keeps_its_clearance():
    table = box((300, 10, 900), (0, -300, 0))                                         # 10 mm below -290: its underside is at -310
    tube = Gantry(depth_mm=0, margin_mm=0, tube_mm=289.0)
    assert find_collision(CIRCLE[0], tube, "table", table) is None
    assert "the tube would hit the table" in find_collision(CIRCLE[0], replace(tube, tube_mm=291.0), "table", table).sentence
    assert find_collision(CIRCLE[0], replace(tube, clearance_mm=2.0), "table", table).views == (0,)


def test_the_detectors_housing_has_margin_and_depth():
    beside = box((10, 10, 10), (120 + 30 + 10, 400, 0))
    thin = Gantry(tube_mm=0, depth_mm=0, margin_mm=29.0)
    assert find_collision(CIRCLE[0], thin, "wall", beside) is None
    assert "the detector would hit the wall" in find_collision(CIRCLE[0], replace(thin, margin_mm=31.0), "wall", beside).sentence
    after = box((10, 10, 10), (0, 400 + 60 + 10, 0))
    assert find_collision(CIRCLE[0], replace(thin, depth_mm=59.0), "wall", after) is None
    assert find_collision(CIRCLE[0], replace(thin, depth_mm=61.0), "wall", after) is not None
    assert find_collision(CIRCLE[0].flipped(), replace(thin, depth_mm=61.0), "wall", after) is not None


def test_the_arm_runs_on_its_side():
    gantry = Gantry(tube_mm=0, margin_mm=0, depth_mm=0, arm_mm=700.0, arm_thickness_mm=100.0, arm_side="last column")
    points = arm_points(CIRCLE[0], gantry)[0]
    np.testing.assert_allclose(points[[0, -1]], [CIRCLE.source[0], CIRCLE.centre[0]], atol=1e-9)
    assert points[:, 0].min() == pytest.approx(-700, abs=1) and points[:, 0].max() < 1e-9      # the columns count towards -R
    np.testing.assert_allclose(points[:, 2], 0, atol=1e-9)
    np.testing.assert_allclose((points[:, 0] / 700) ** 2 + ((points[:, 1] + 100) / 500) ** 2, 1, atol=1e-9)
    patient = box((300, 120, 900))
    assert find_collision(CIRCLE[0], gantry, "patient", patient) is None
    short = find_collision(CIRCLE[0], replace(gantry, arm_mm=340.0), "patient", patient)
    assert "the arm would hit the patient" in short.sentence
    assert find_collision(CIRCLE[0], replace(gantry, arm_mm=340.0, arm_side="first row"), "patient", box((300, 120, 250))) is None


def test_a_circle_round_a_long_table_hits_it_from_the_sides():
    table = box((700, 20, 900), (0, -150, 0))
    found = find_problems(CIRCLE, gantry=Gantry(), obstacles={"table": table})
    assert [f.kind for f in found] == ["collision"] and "the table" in found[0].sentence
    assert 9 in found[0].views and 0 not in found[0].views
    with pytest.raises(GeometryError, match="gantry: tube_mm = -1"):
        Gantry(tube_mm=-1)
    with pytest.raises(GeometryError, match="parallel rays have no tube"):
        find_collision(replace(CIRCLE, source=None, direction=CIRCLE.centre), Gantry(), "table", table)


def test_limits_of_angles():
    limited = replace(ARM, primary_limits_deg=(-100.0, 40.0), secondary_limits_deg=(-20.0, 20.0))
    assert find_beyond_limits(ARM.views([-100, 0, 40], 20), limited) is None
    found = find_beyond_limits(ARM.views([-101, 0, 41], [0, 0, 0]), limited)
    assert found.views == (0, 2) and "primary -100 to 40 degrees" in found.sentence and "secondary" not in found.sentence
    assert find_beyond_limits(ARM.views(0, 25), limited).views == (0,)
    assert find_beyond_limits(CIRCLE, ARM) is None


# -- detector
def test_pixels_that_look_away():
    assert find_looking_away(CIRCLE) is None and find_looking_away(Circle(count=3).views(ARM.curved())) is None
    assert find_looking_away(CIRCLE.with_detector(slant_deg=70.0)) is None
    assert find_looking_away(CIRCLE.with_detector(slant_deg=88.0)).kind == "looks away"
    bent = Circle(count=3).views(ARM.curved(-60.0))                                   # 240 mm of columns on a convex radius of 60 mm
    assert find_looking_away(bent).views == (0, 1, 2)
    free = CIRCLE.with_surface(FreePixels(CIRCLE.rays()[1]))
    assert find_looking_away(free) is None and find_detector_inside(free, SMALL) is None
    assert [f.kind for f in find_problems(free, box([700.0] * 3))] == ["source inside", "detector inside"]


@settings(max_examples=20, deadline=None)
@given(st.tuples(*[st.floats(-3, 3)] * 3), st.tuples(*[st.floats(-300, 300)] * 3))
def test_findings_do_not_depend_on_the_place_in_the_world(w, t):
    motion = pose_about(np.array(w), np.array(t))
    gantry, table = Gantry(arm_mm=500.0), box((700, 20, 900), (0, -150, 30), (0.1, 0.2, 0.3))
    found = find_problems(CIRCLE, table, gantry=gantry, obstacles={"table": table})
    moved_box = OrientedBox(motion[:3, :3] @ table.centre_ras + motion[:3, 3], table.axes @ motion[:3, :3].T, table.half_mm)
    moved = find_problems(CIRCLE.transformed(motion), moved_box, gantry=gantry, obstacles={"table": moved_box})
    assert [(f.kind, f.views) for f in found] == [(f.kind, f.views) for f in moved]
