"""Resolution, noise and overlap against closed forms."""
import math

import numpy as np
import pytest

from XRayTomoLib.grids import CartesianGrid
from XRayTomoLib.reconstruction import ReconstructionError
from XRayTomoLib.reconstruction.resolution import (
    dice,
    edge_response,
    hounsfield_calibration,
    noise_power_spectrum,
    otsu_dice,
    otsu_threshold,
    plane_edge_response,
    radial_spectrum,
    sphere_edge_response,
)


@pytest.mark.parametrize(("sigma", "step"), [(0.8, 1.0), (0.5, 0.4)])
def test_a_gaussian_edge_has_its_mtf(sigma, step):
    distance = np.random.default_rng(0).uniform(-8, 8, 200000)
    value = 5 - 2 * np.array([0.5 * (1 + math.erf(d / sigma / math.sqrt(2))) for d in distance])
    found = edge_response(value, distance, step, 6.0)
    expected = np.exp(-2 * (np.pi * found.frequency * sigma) ** 2)
    assert np.allclose(found.mtf, expected, atol=0.015)
    assert found.mtf50 == pytest.approx(math.sqrt(math.log(2) / 2) / (np.pi * sigma), rel=0.02)
    assert found.mtf10 == pytest.approx(math.sqrt(math.log(10) / 2) / (np.pi * sigma), rel=0.02)
    assert found.width_mm == pytest.approx(2 * 1.2816 * sigma, rel=0.05)
    assert found.line_spread.sum() * step / 4 == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("shape", [(14, 20, 22), (20, 22)])
def test_a_slanted_plane_edge_is_found_and_measured(shape):
    """Blurred by 0.9 mm, in noise of a twentieth of its contrast; voxels of another height."""
    spacing = (1.2, 1.0, 1.0)[-len(shape):]
    places = np.stack(np.meshgrid(*(d * np.arange(n) for n, d in zip(shape, spacing)), indexing="ij"))
    normal = np.array((0.2, 0.5, -1.0)[-len(shape):])
    distance = np.tensordot(normal / np.linalg.norm(normal), places, 1)
    distance -= distance.mean() + 0.7
    x = 3 + 2 * np.vectorize(math.erf)(distance / 0.9 / math.sqrt(2)) + 0.1 * np.random.default_rng(0).standard_normal(shape)
    found = plane_edge_response(x, spacing)
    assert found.mtf50 == pytest.approx(math.sqrt(math.log(2) / 2) / (np.pi * 0.9), rel=0.12)
    assert found.width_mm == pytest.approx(2 * 1.2816 * 0.9, rel=0.15)
    with pytest.raises(ReconstructionError, match="no clear edge"):
        plane_edge_response(np.random.default_rng(0).standard_normal(shape), spacing)
    with pytest.raises(ReconstructionError, match="too small for an edge"):
        plane_edge_response(x[:3], spacing)


def test_an_edge_along_the_voxels_is_sampled_in_their_step():
    x = np.broadcast_to(1 / (1 + np.exp(-(np.arange(40) - 19.3) / 1.5)), (6, 8, 40))
    found = plane_edge_response(x, 2.0)
    assert found.width_mm == pytest.approx(4.394 * 1.5 * 2, rel=0.05) and np.diff(found.distance_mm) == pytest.approx(2.0)


def test_a_blurred_sphere_has_the_mtf_of_its_blur():
    grid = CartesianGrid.centred((40, 40, 40), 1.0, (3, 4, 5))
    k, j, i = np.indices(grid.shape)
    distance = np.linalg.norm(grid.ras_from_ijk(np.stack([i, j, k], -1)) - (3.3, 4.2, 5.1), axis=-1) - 12
    x = 0.02 * 0.5 * (1 - np.vectorize(math.erf)(distance / 0.9 / math.sqrt(2)))
    assert sphere_edge_response(x, grid, (3.3, 4.2, 5.1), 12).mtf50 == pytest.approx(math.sqrt(math.log(2) / 2) / (np.pi * 0.9), rel=0.03)


def test_the_noise_power_holds_the_variance_and_its_colour():
    noise = np.random.default_rng(1).normal(0, 3, (60, 32, 24)) + 7 + 0.2 * np.arange(24)
    frequencies, power = noise_power_spectrum(noise, (0.5, 2.0))
    cell = (frequencies[0][1] - frequencies[0][0]) * (frequencies[1][1] - frequencies[1][0])
    assert power.sum() * cell == pytest.approx(9, rel=0.03)
    shells, mean = radial_spectrum(frequencies, power, 8)
    # the plane that is taken off takes the lowest frequencies along
    assert np.allclose(mean[3:], 9 * 0.5 * 2.0, rtol=0.05) and shells[-1] < 0.25
    smooth = (noise + np.roll(noise, 1, 1)) / 2
    _, blurred = noise_power_spectrum(smooth, (0.5, 2.0))
    expected = np.cos(np.pi * frequencies[0] * 0.5) ** 2
    assert np.allclose(blurred[1:].mean(1) / power[1:].mean(1), expected[1:], atol=0.05)


def test_overlap_of_thresholds():
    rng = np.random.default_rng(2)
    mask = np.zeros((20, 30), bool)
    mask[5:15, 5:25] = True
    x, y = (np.where(m, 1.0, 0.0) + 0.1 * rng.normal(size=m.shape) for m in (mask, np.roll(mask, 4, 1)))
    assert 0.3 < otsu_threshold(x) < 0.7
    assert otsu_dice(x, y) == pytest.approx(16 / 20, abs=0.01) and otsu_dice(x, 3 * x + 1) == 1.0
    assert dice(np.zeros(3), np.zeros(3)) == 1.0 and dice([1, 1, 0, 0], [0, 1, 1, 0]) == 0.5
    assert otsu_threshold(np.r_[np.zeros(50), np.ones(10)]) == pytest.approx(0.5, abs=0.01)


def test_otsu_is_the_best_of_all_thresholds():
    x = np.round(np.random.default_rng(3).gamma(2, 20, 2000)).clip(0, 255)

    def spread(t):
        a, b = x[x <= t], x[x > t]
        return len(a) * a.var() + len(b) * b.var()

    best = min(range(int(x.min()), int(x.max())), key=spread)
    assert otsu_threshold(x, bins=int(np.ptp(x)) + 1) == pytest.approx(best + 0.5, abs=1.5)


def test_water_and_air_calibrate():
    x = np.full((4, 5, 6), 0.0002)
    x[1:3] = 0.021
    assert hounsfield_calibration(x, x > 0.01, x < 0.01) == pytest.approx((0.021, 0.0002))
    with pytest.raises(ReconstructionError, match="check the regions"):
        hounsfield_calibration(x, x < 0.01, x > 0.01)
    with pytest.raises(ReconstructionError, match="region of air has no voxel"):
        hounsfield_calibration(x, x > 0.01, x > 9)


@pytest.mark.parametrize(("call", "word"), [
    (lambda: edge_response([1, 2], [0, 1], 1.0, 4.0), "without a sample"),
    (lambda: edge_response(np.ones(900), np.linspace(-5, 5, 900), 1.0, 4.0), "no edge"),
    (lambda: noise_power_spectrum(np.ones((3, 1, 5)), 1.0), "at least 2 voxels"),
    (lambda: otsu_threshold(np.ones(4)), "no threshold"),
    (lambda: dice([1, 0], [1, 0, 0]), "one grid"),
])  # fmt: skip
def test_what_cannot_be_measured_is_said(call, word):
    with pytest.raises(ReconstructionError, match=word):
        call()
