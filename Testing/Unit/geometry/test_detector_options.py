"""Declared changes of a detector: each moves pixels as its words say."""

import numpy as np
import pytest

from XRayTomoLib.geometry import Cylindrical, GeometryError, Spherical, carm, circle
from XRayTomoLib.geometry.detector_options import DetectorOptions

DEVICE = carm("Cios Fusion").resampled(12, 16)
VIEWS = circle(DEVICE, 5, isocentre_ras=(10, 20, 30))


def test_defaults_change_nothing():
    options = DetectorOptions()
    assert options.device(DEVICE) == DEVICE
    np.testing.assert_array_equal(options.applied(VIEWS).origin, VIEWS.origin)


def test_a_focus_centred_detector_is_everywhere_as_far_from_the_source():
    views = circle(DetectorOptions(surface="spherical").device(DEVICE), 3)
    assert isinstance(views.surface, Spherical)
    start, end = views.rays()
    np.testing.assert_allclose(np.linalg.norm(end - start, axis=-1), DEVICE.sdd_mm, rtol=1e-12)
    assert circle(DetectorOptions(surface="cylindrical", radius_mm=700.0).device(DEVICE), 3).surface.radius_mm == 700
    assert isinstance(circle(DetectorOptions(surface="cylindrical").device(DEVICE), 3).surface, Cylindrical)


def test_panels_stand_on_an_arc_about_the_source():
    views = DetectorOptions(surface="panels", panels=4, gap_mm=5.0).applied(VIEWS)
    start, end = views.rays()
    pitch = DEVICE.col_pitch_mm
    middles = (end[:, 5:7, 1::4] + end[:, 5:7, 2::4]).mean(1) / 2                # of each panel: between its rows and columns
    np.testing.assert_allclose(np.linalg.norm(middles - start[:, 0, :1], axis=-1), DEVICE.sdd_mm, rtol=1e-12)
    edges = end[0, 0, 3::4][:3], end[0, 0, 4::4]
    assert ((np.linalg.norm(edges[0] - edges[1], axis=-1) > 5) & (np.linalg.norm(edges[0] - edges[1], axis=-1) < 5 + pitch)).all()
    assert np.isnan(views.project([[10, 20, 30]])).all()                         # the central ray passes between the second and the third
    with pytest.raises(GeometryError, match="panels face the source"):
        DetectorOptions(surface="panels", radius_mm=-700.0).applied(VIEWS)
    with pytest.raises(GeometryError, match="16 columns cannot be shared evenly by 3"):
        DetectorOptions(surface="panels", panels=3).applied(VIEWS)


def test_rings_fill_the_shorter_sides_of_the_panel():
    views = DetectorOptions(surface="polar", inner_mm=20.0).applied(VIEWS)
    radii = np.linalg.norm(views.rays()[1] - VIEWS.centre[:, None, None], axis=-1)
    half = 12 * DEVICE.row_pitch_mm / 2
    ring = (half - 20) / 12
    np.testing.assert_allclose(radii, np.broadcast_to((20 + ring * (np.arange(12) + 0.5))[:, None], radii.shape), atol=1e-9)
    np.testing.assert_allclose(views.rays()[1][0, 3, 8], VIEWS.centre[0] - radii[0, 3, 0] * VIEWS.u[0] / DEVICE.col_pitch_mm, atol=1e-9)
    with pytest.raises(GeometryError, match="leaves no room"):
        DetectorOptions(surface="polar", inner_mm=half).applied(VIEWS)


def test_region_then_binning():
    views = DetectorOptions(binning=2, region_row=2, region_col=4, region_rows=6, region_cols=8).applied(VIEWS)
    assert views.shape == (3, 4)
    start, end = VIEWS.rays()
    expected = end[:, 2:8, 4:12].reshape(5, 3, 2, 4, 2, 3).mean((2, 4))
    np.testing.assert_allclose(views.rays()[1], expected, atol=1e-9)
    assert DetectorOptions(region_row=5).applied(VIEWS).shape == (7, 16)


@pytest.mark.parametrize(("name", "axis"), [("tilt_deg", "u"), ("slant_deg", "v")])
def test_tilt_and_slant_turn_about_the_centre(name, axis):
    views = DetectorOptions(**{name: 10.0}).applied(VIEWS)
    np.testing.assert_allclose(views.centre, VIEWS.centre, atol=1e-9)
    np.testing.assert_allclose(getattr(views, axis), getattr(VIEWS, axis), atol=1e-12)
    np.testing.assert_allclose((views.normal * VIEWS.normal).sum(-1), np.cos(np.radians(10)), atol=1e-12)


def test_a_region_beside_the_detector_is_refused():
    with pytest.raises(GeometryError, match="leaves the detector of 12 x 16"):
        DetectorOptions(region_rows=13).applied(VIEWS)
    with pytest.raises(GeometryError, match="region begins at"):
        DetectorOptions(region_col=16).applied(VIEWS)
    with pytest.raises(GeometryError, match="binning"):
        DetectorOptions(binning=0)
