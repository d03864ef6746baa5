"""Ball phantoms: centres of mass against traced balls, projection matrices, and scans with known faults."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from Unit.calibration.scans import cone_scan, measured, parallel_scan

from XRayTomoLib import jobs
from XRayTomoLib.calibration import (
    BallOptions,
    BallPhantom,
    CalibrationError,
    assign,
    calibrate_balls,
    find_balls,
    measured_balls,
    misaligned,
    projection_matrix,
    view_from_matrix,
)
from XRayTomoLib.calibration.camera import intrinsics
from XRayTomoLib.geometry import CArm, circle
from XRayTomoLib.grids import Ellipsoid, Phantom

ANGLE = np.cumsum(np.random.default_rng(3).uniform(0.9, 1.9, 18))
BALLS = BallPhantom(np.column_stack([25 * np.cos(ANGLE), 25 * np.sin(ANGLE), np.linspace(-30, 30, 18)]), 3.0)
HOLDER = Ellipsoid((0, 0, 0), (32, 32, 44), 0.002)
NOMINAL = circle(CArm(300.0, 180.0, 144, 144, 1.0, 1.0), 18)
FAULTS = {"shift_u_mm": 3.0, "in_plane_deg": -1.0, "tilt_deg": 2.0, "slant_deg": -1.5}


def scan(views, phantom=BALLS, noise=0.003):
    """Projections of balls in a holder; a pixel is the mean of 2 x 2 rays."""
    objects = Phantom("balls", (HOLDER, *(Ellipsoid(tuple(c), (phantom.diameter_mm / 2,) * 3, 0.2) for c in phantom.centres)))
    fine = measured(views.resampled((2 * views.shape[0], 2 * views.shape[1])), phantom=objects)
    p = fine.reshape(len(views), views.shape[0], 2, views.shape[1], 2).mean((2, 4))
    return p + np.random.default_rng(1).normal(0, noise, p.shape)


@pytest.fixture(scope="module")
def faulty():
    true = misaligned(NOMINAL, FAULTS)
    return true, scan(true)


def calibrated(p, views=NOMINAL, phantom=BALLS, free="whole scan", **more):
    return jobs.run(calibrate_balls(p, views, phantom, BallOptions(free=free), **more))


def test_centre_of_mass_of_a_large_ball_seen_aslant():
    """Against the ball's own line integrals on a detector so fine that pixels do not matter: the correction is 100 times the error."""
    ball = BallPhantom([(14.0, 0.0, -9.0)], 10.0)
    view = CArm(100.0, 50.0, 600, 800, 0.15, 0.15).views()
    p = measured(view, phantom=Phantom("ball", (Ellipsoid((14, 0, -9), (5, 5, 5), 1.0),)))[0].astype(float)
    rows, cols = np.mgrid[:600, :800]
    truth = np.array([(p * rows).sum(), (p * cols).sum()]) / p.sum()
    predicted, naive = ball.centroids(view)[0, 0], view.project(ball.centres)[0, 0]
    assert np.linalg.norm(naive - truth) > 1.0
    assert np.linalg.norm(predicted - truth) < 0.03 * np.linalg.norm(naive - truth)


def test_balls_are_found_to_a_twentieth_of_a_pixel(faulty):
    true, p = faulty
    away = np.linalg.norm(measured_balls(p, NOMINAL, BALLS) - BALLS.centroids(true), axis=-1)
    assert np.isfinite(away).mean() > 0.6
    assert np.nanmedian(away) < 0.05
    assert np.nanmax(away) < 1.0        # none is mistaken for another


def test_the_pattern_is_recognised_though_shifted_turned_and_with_strangers():
    random = np.random.default_rng(0)
    predicted = random.uniform(20, 120, (15, 2))
    turn = np.array([[np.cos(0.03), -np.sin(0.03)], [np.sin(0.03), np.cos(0.03)]])
    there = (predicted - 70) @ turn.T + 70 + [12.0, -31.0]
    shown = random.permutation(15)[:11]
    found = np.concatenate([there[shown], random.uniform(0, 140, (4, 2))])
    number = assign(found, predicted)
    assert (number[shown] == np.arange(11)).all()
    assert (assign(np.empty((0, 2)), predicted) == -1).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_a_view_comes_back_from_its_projected_points(seed):
    random = np.random.default_rng(seed)
    view = misaligned(cone_scan(7, 40, 50), {n: random.normal(0, 3, 7) for n in ("shift_u_mm", "tilt_deg", "slant_deg", "in_plane_deg")})[3]
    view = view.flipped() if seed % 2 else view
    points = random.uniform(-25, 25, (9, 3))
    back = view_from_matrix(projection_matrix(points, view.project(points)[0]), view)
    for name in ("source", "origin", "u", "v"):
        assert np.allclose(getattr(back, name), getattr(view, name), atol=1e-6)


def test_the_whole_scan(faulty):
    """Shift to 0.1 pixel; in-plane rotation, tilt and slant to 0.05 degrees."""
    result = calibrated(faulty[1], scan=tuple(FAULTS))
    assert abs(result["shift_u_px"] - 3.0) < 0.1
    for name in ("in_plane_deg", "tilt_deg", "slant_deg"):
        assert abs(result[name] - FAULTS[name]) < 0.05
    assert result.error_after < 0.05 < 2 < result.error_before


@pytest.mark.parametrize("free", ["shared detector", "each view"])
def test_views_in_the_phantoms_frame_project_as_the_true_ones(faulty, free):
    true, p = faulty
    result = calibrated(p, free=free)
    points = np.random.default_rng(0).uniform(-20, 20, (50, 3))
    assert np.abs(result.views.project(points) - true.project(points)).max() < 0.1
    assert result.error_after < 0.06
    if free == "shared detector":
        truth = intrinsics(true)[0]
        for i, name in enumerate(("sdd_mm", "principal_col", "principal_row")):
            assert abs(result[name] - truth[i]) < 6 * result.parameters[i].standard_error
        assert np.allclose(intrinsics(result.views), intrinsics(result.views)[0])
    else:
        assert set(result.per_view) == {"sdd_mm", "principal_col", "principal_row"}


def test_parallel_rays_and_a_phantom_that_stands_askew():
    nominal = parallel_scan(10, 100, 100)
    true = misaligned(nominal, {"shift_u_mm": 2.0, "in_plane_deg": 1.5})
    result = calibrated(scan(true), nominal, scan=("in_plane_deg",))
    assert abs(result["in_plane_deg"] - 1.5) < 0.05


def test_bad_input_is_refused_in_one_sentence(faulty):
    p, nominal = faulty[1][:3], NOMINAL[:3]
    few = BallPhantom(BALLS.centres[:5], 3.0)
    with pytest.raises(CalibrationError, match=r"view 0 shows \d of 5 balls: .* at least 6"):
        calibrated(p, nominal, few, free="each view")
    flat = np.array([(x, y, 0) for x in (-20, 0, 20) for y in (-20, 0, 20)], float)
    with pytest.raises(CalibrationError, match="in a plane"):
        projection_matrix(flat, NOMINAL.project(flat)[0])
    noise = np.random.default_rng(0).normal(0, 1, p.shape)
    with pytest.raises(CalibrationError, match="no view shows 4 of the 2 balls"):
        calibrated(noise, nominal, BallPhantom(BALLS.centres[:2], 3.0))
    with pytest.raises(CalibrationError, match="cone beam"):
        calibrated(p, parallel_scan(3, 144, 144), free="each view")
    with pytest.raises(CalibrationError, match="angle_deg"):
        calibrated(p, nominal, scan=("angle_deg",))
    with pytest.raises(CalibrationError, match=r"expected \[M, 3\]"):
        BallPhantom(np.zeros((4, 2)), 3.0)
    with pytest.raises(CalibrationError, match="more than 0 mm"):
        BallPhantom(np.zeros((4, 3)), 0.0)
    assert find_balls(np.ones((20, 20)), 3.0).shape == (0, 2)
