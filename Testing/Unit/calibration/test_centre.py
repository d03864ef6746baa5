"""Shift and in-plane rotation from the projections themselves, against exact scans with known faults, and the tooth."""

from pathlib import Path

import numpy as np
import pytest
from Unit.calibration.scans import PITCH_MM, cone_scan, measured, parallel_scan

from XRayTomoLib import jobs
from XRayTomoLib.calibration import CalibrationError, CentreOptions, calibrate_centre, misaligned

TOOTH = Path(__file__).resolve().parents[4] / "shared/data/tooth/tooth.h5"
NOISE = 0.005       # of about 25,000 photons behind the object
SHIFT, TURN = 3.0, 2.0


def centre(p, views, **options):
    return jobs.run(calibrate_centre(p, views, CentreOptions(**options)))


@pytest.mark.parametrize("sign", [1, -1])
def test_cone_beam_by_conjugate_rays(sign):
    """Shift of 3 pixels to 0.1 pixel, in-plane rotation of 2 degrees to 0.05 degrees."""
    true = cone_scan(principal_offset_mm=(-sign * SHIFT * PITCH_MM, 0.0), in_plane_deg=sign * TURN)
    result = centre(measured(true, NOISE), cone_scan())
    assert abs(result["shift_u_px"] - sign * SHIFT) < 0.1
    assert abs(result["in_plane_deg"] - sign * TURN) < 0.05
    assert abs(result["axis_column"] - (47.5 - sign * SHIFT)) < 0.1
    assert result.error_after < 0.1 * result.error_before
    assert "shift_u_px" in result.report() and result.provenance["parameters"]["by"] == "conjugate rays"


def test_parallel_rays_by_conjugate_rays():
    nominal = parallel_scan(40, 40, 80)
    result = centre(measured(misaligned(nominal, {"shift_u_mm": SHIFT, "in_plane_deg": TURN}), NOISE), nominal)
    assert abs(result["shift_u_px"] - SHIFT) < 0.1 and abs(result["in_plane_deg"] - TURN) < 0.05
    for parameter in result.parameters[:2]:
        assert abs(parameter.value - {"shift_u_mm": SHIFT, "in_plane_deg": TURN}[parameter.name]) < 6 * parameter.standard_error + 0.02


def test_a_short_scan_has_opposite_views_at_its_ends():
    true = cone_scan(64, 24, range_deg=230.0, principal_offset_mm=(-SHIFT * PITCH_MM, 0.0))
    result = centre(measured(true, NOISE), cone_scan(64, 24, range_deg=230.0), in_plane=False)
    assert abs(result["shift_u_px"] - SHIFT) < 0.1
    assert np.isnan(result.view_errors).any() and np.isfinite(result.view_errors).any()


def test_half_a_turn_of_parallel_rays_by_sharpness():
    nominal = parallel_scan(60, 12, 80, range_deg=180.0)
    result = centre(measured(misaligned(nominal, {"shift_u_mm": SHIFT}), NOISE), nominal, by="sharpness")
    assert abs(result["shift_u_px"] - SHIFT) < 0.1
    assert result.parameters[0].standard_error is None and 0 < result.error_before < 1


def test_the_nominal_geometry_stays_where_it_is_right():
    result = centre(measured(cone_scan(30, 32, 64), NOISE), cone_scan(30, 32, 64))
    assert abs(result["shift_u_px"]) < 0.1 and abs(result["in_plane_deg"]) < 0.1


def test_bad_input_is_refused_in_one_sentence():
    views = parallel_scan(12, 10, 32, range_deg=360.0)
    p = measured(views)
    with pytest.raises(CalibrationError, match=r"shape \(12, 10, 31\).*12 views of 10 x 32"):
        centre(p[..., 1:], views)
    with pytest.raises(CalibrationError, match="same value 1 everywhere"):
        centre(np.ones_like(p), views)
    broken = p.copy()
    broken[3, 4, 5] = np.nan
    with pytest.raises(CalibrationError, match="projection 3 .* row 4, column 5"):
        centre(broken, views)
    quarter = cone_scan(20, 8, 32, range_deg=90.0)
    with pytest.raises(CalibrationError, match="no view has an opposite one"):
        centre(measured(quarter), quarter)
    with pytest.raises(CalibrationError, match="full turn"):
        centre(p, views, by="sharpness")
    with pytest.raises(CalibrationError, match="parallel rays"):
        centre(measured(quarter), quarter, by="sharpness")


def test_the_tooth():
    """Real synchrotron counts: centre of rotation 295.5, as views 0 and 179 overlap best."""
    h5py = pytest.importorskip("h5py")
    if not TOOTH.is_file():
        pytest.skip(f"the tooth's projections are not at {TOOTH}")
    with h5py.File(TOOTH) as file:
        counts, flat, dark = (np.asarray(file[f"exchange/{name}"], np.float32) for name in ("data", "data_white", "data_dark"))
    p = -np.log(np.clip((counts - dark.mean(0)) / (flat.mean(0) - dark.mean(0)), 1e-3, None))
    views = parallel_scan(181, 2, 640, range_deg=180.0)
    result = centre(p, views)
    assert abs(result["axis_column"] - 295.5) < 0.5
    assert "too few" in result.notes[0]
    binned = p.reshape(181, 2, 160, 4).mean(-1)
    column = centre(binned, views.binned((1, 4)), by="sharpness", search_share=0.1)["axis_column"]
    assert abs(4 * column + 1.5 - 295.5) < 0.5
