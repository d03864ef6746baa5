"""From HU to attenuation: values by hand, the air threshold, NaN, units."""

import numpy as np
import pytest

from XRayTomoLib.physics import AttenuationModel, looks_like_hu
from XRayTomoLib.physics.attenuation import AttenuationError


def test_water_in_one_per_millimetre():
    """NIST XCOM: water 0.2059 cm2/g at 60 keV, 0.1707 at 100 keV; 1 g/cm3."""
    assert AttenuationModel(energy_kev=60).mu_water == pytest.approx(0.02059, rel=0.01)
    assert AttenuationModel(energy_kev=100).mu_water == pytest.approx(0.01707, rel=0.01)


def test_linear_in_hu_by_hand():
    model = AttenuationModel()
    water = model.mu_water
    expected = [0, 0, 0.2 * water, water, 2 * water]
    for dtype in (np.int16, np.float32, np.float64, np.float16):
        mu = model.mu(np.array([-1024, -900, -800, 0, 1000], dtype))
        assert mu.dtype == np.float32
        np.testing.assert_allclose(mu, expected, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(AttenuationModel(air_hu=-1100).mu(np.array([-950, -1050])), [0.05 * water, 0], atol=1e-8)


def test_threshold_and_raw_values():
    bone = AttenuationModel("hu_threshold", threshold_hu=300)
    np.testing.assert_allclose(bone.mu(np.array([0, 300, 301, 1000])), bone.mu_water * np.array([0, 0, 1.301, 2]), rtol=1e-5)
    np.testing.assert_allclose(AttenuationModel("linear").mu(np.array([-0.1, 0.0, 0.02])), [0, 0, 0.02], rtol=1e-6)


def test_input_is_left_alone():
    values = np.array([-1000.0, 50.0], np.float32)
    AttenuationModel().mu(values)
    np.testing.assert_array_equal(values, [-1000, 50])


def test_refusals_name_the_value():
    with pytest.raises(AttenuationError, match="2 voxels that are not a number"):
        AttenuationModel().mu(np.array([np.nan, 0.0, np.nan]))
    with pytest.raises(AttenuationError, match="'hu' is not known; expected one of: hu_linear"):
        AttenuationModel("hu")
    for energy in (5, 500, float("nan")):
        with pytest.raises(AttenuationError, match=f"photon energy {energy} keV"):
            AttenuationModel(energy_kev=energy)


@pytest.mark.parametrize(
    "low, high, is_hu, words", [(-1024, 3000, True, "look like HU"), (0, 0.05, False, "1/mm"), (0, 4095, False, "rescale slope")]
)
def test_values_that_look_like_hu(low, high, is_hu, words):
    found, sentence = looks_like_hu(np.array([low, high]))
    assert found is is_hu and words in sentence


@pytest.mark.parametrize("dtype", ["int16", "uint16"])
def test_lookup_is_the_model_of_every_code(dtype):
    model = AttenuationModel()
    codes = np.array([0, 1, 24, 1024, 3000, -1000 if dtype == "int16" else 60000], dtype)
    table = model.lookup(dtype, slope=2.0, intercept=-1024.0)
    np.testing.assert_array_equal(table[codes.view(np.uint16)], model.mu(2.0 * codes.astype(np.float64) - 1024.0))
    with pytest.raises(ValueError, match="float32"):
        model.lookup("float32")
