"""Geometry refined against a known volume, from exact projections of the phantom that the volume samples; the arrow-shaped fit."""

import numpy as np
import pytest
from Unit.calibration.scans import PITCH_MM, cone_scan, measured, parallel_scan

from XRayTomoLib import jobs
from XRayTomoLib.calibration import CalibrationError, calibrate_refine, misaligned, rotation_axis
from XRayTomoLib.calibration.least_squares import fit
from XRayTomoLib.geometry import CArm, circle
from XRayTomoLib.grids import CartesianGrid, Ellipsoid, Phantom
from XRayTomoLib.tracing import Projector

GRID = CartesianGrid.centred((64, 64, 64), 1.0)
RANDOM = np.random.default_rng(4)
POINTS = RANDOM.uniform(-17, 17, (14, 3))
LUMPS = Phantom("lumps", tuple(Ellipsoid(tuple(c), tuple(RANDOM.uniform(4, 8, 3)), 0.02) for c in POINTS))


@pytest.fixture(scope="module")
def mu():
    return LUMPS.voxelise(GRID, 4)


def refined(p, views, mu, **more):
    return jobs.run(calibrate_refine(p, views, mu, GRID, **more))


def test_shift_and_rotations_of_a_cone_beam_scan(mu):
    """Shift to 0.1 pixel; in-plane rotation, tilt, slant and the angle to 0.05 degrees, with noise; a short wide cone shows tilt and slant."""
    nominal = circle(CArm(220.0, 130.0, 72, 80, PITCH_MM, PITCH_MM), 24)
    faults = {"shift_u_mm": 3 * PITCH_MM, "in_plane_deg": 1.0, "tilt_deg": 2.0, "slant_deg": -1.5}
    true = misaligned(nominal, faults)
    p = measured(true, 0.003, phantom=LUMPS)
    result = refined(p, nominal, mu, scan=tuple(faults))
    assert abs(result["shift_u_px"] - 3.0) < 0.1
    for name in ("in_plane_deg", "tilt_deg", "slant_deg"):
        assert abs(result[name] - faults[name]) < 0.05, name
    at_truth = float(np.sqrt(np.mean((Projector(GRID, true)(mu).numpy() - p) ** 2)))    # the noise, and what voxels lack of the phantom
    assert result.error_after < 1.001 * at_truth < 0.2 * result.error_before


def test_distances_and_angle(mu):
    """From projections of the voxels themselves, so that nothing but the fit is tested."""
    nominal = cone_scan(8, 40, 48)
    faults = {"sdd_change_mm": 6.0, "sod_change_mm": -4.0, "angle_deg": 1.5, "shift_v_mm": 1.0}
    p = Projector(GRID, misaligned(nominal, faults, rotation_axis(nominal)))(mu)
    result = refined(p, nominal, mu, scan=tuple(faults))
    for name, value in faults.items():
        assert abs(result[name] - value) < 0.02, name


def test_shifts_of_single_views_of_parallel_rays(mu):
    nominal = parallel_scan(6, 40, 48)
    faults = {"in_plane_deg": -1.0, "shift_u_mm": np.array([0.5, -1.0, 2.0, 0.0, 1.5, -2.5])}
    p = Projector(GRID, misaligned(nominal, faults))(mu)
    result = refined(p, nominal, mu, scan=("in_plane_deg",), view=("shift_u_mm",))
    assert np.abs(result.per_view["shift_u_mm"] - faults["shift_u_mm"]).max() < 0.02
    assert abs(result["in_plane_deg"] + 1.0) < 0.02


def test_bad_input_is_refused_in_one_sentence(mu):
    views = parallel_scan(6, 40, 48)
    p = Projector(GRID, views)(mu)
    with pytest.raises(CalibrationError, match="sdd_change_mm changes nothing"):
        refined(p, views, mu, scan=("shift_u_mm", "sdd_change_mm"))
    with pytest.raises(CalibrationError, match="shift_u_mm is asked for the whole scan and for each view"):
        refined(p, views, mu, scan=("shift_u_mm",), view=("shift_u_mm",))
    with pytest.raises(CalibrationError, match="no parameter"):
        refined(p, views, mu, scan=())
    with pytest.raises(CalibrationError, match=r"\(64, 64, 63\).*grid"):
        refined(p, views, mu[..., 1:])
    with pytest.raises(CalibrationError, match="changes nothing"):
        refined(p, views, np.zeros_like(mu))


def test_the_arrow_fit_is_the_dense_one():
    """Linear residuals: one solution, and the covariance of ordinary least squares."""
    random = np.random.default_rng(0)
    js, jb, b = random.normal(size=(4, 9, 2)), random.normal(size=(4, 9, 3)), random.normal(size=(4, 9))

    def model(shared, own, derivatives):
        for i in range(4):
            r = js[i] @ shared + jb[i] @ own[i] - b[i]
            yield (r, js[i], jb[i]) if derivatives else r
    result = jobs.run(fit(model, np.zeros(2), np.zeros((4, 3)), "ab", "xyz"))
    dense = np.zeros((36, 14))
    for i in range(4):
        dense[9 * i:9 * i + 9, :2], dense[9 * i:9 * i + 9, 2 + 3 * i:5 + 3 * i] = js[i], jb[i]
    solution, cost = np.linalg.lstsq(dense, b.ravel(), rcond=None)[:2]
    assert np.allclose(result.shared, solution[:2], atol=1e-5) and np.allclose(result.own.ravel(), solution[2:], atol=1e-5)
    errors = np.sqrt(np.diag(np.linalg.inv(dense.T @ dense)) * cost / (36 - 14))
    assert np.allclose(result.shared_error, errors[:2], rtol=1e-6) and np.allclose(result.own_error.ravel(), errors[2:], rtol=1e-6)


def test_parameters_that_cannot_be_told_apart_are_named():
    same = np.column_stack([np.arange(5.0)] * 2)

    def model(shared, own, derivatives):
        for _ in range(3):
            yield (same @ shared - 1, same, np.empty((5, 0)))
    with pytest.raises(CalibrationError, match="cannot tell a and b apart"):
        jobs.run(fit(model, np.zeros(2), np.zeros((3, 0)), "ab", ""))
