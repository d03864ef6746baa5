"""Corrections of line integrals: what they take away, and that they leave what is right as it is."""
import numpy as np
import pytest
import torch

from XRayTomoLib import jobs
from XRayTomoLib.geometry import CArm, circle
from XRayTomoLib.grids import CartesianGrid, Ellipsoid, Phantom, pelvis, shepp_logan
from XRayTomoLib.options import OptionError, options_of
from XRayTomoLib.reconstruction import FDK, ReconstructionError
from XRayTomoLib.reconstruction.corrections import CORRECTIONS, BadPixels, Metal, Rings, WaterHardening, correction_of, metal_corrected
from XRayTomoLib.reconstruction.corrections.metal import bridged, normalised_bridged

# Photons of a 120 kV beam at 50, 70, 90 and 110 keV; attenuation of water (relative to 70 keV) and of iron (1/mm): NIST XCOM.
PHOTONS = np.array([0.30, 0.35, 0.20, 0.15])
WATER = np.array([0.0227, 0.0193, 0.0177, 0.0166]) / 0.0193
IRON = np.array([1.53, 0.653, 0.383, 0.271])


def polychromatic(water, iron=0.0):
    """Line integrals as the four energies give them; water and iron: line integral at 70 keV, mm."""
    water, iron = np.asarray(water)[..., None], np.asarray(iron)[..., None]
    return -np.log((PHOTONS * np.exp(-water * WATER - iron * IRON)).sum(-1))


def water_coefficients():
    line = np.linspace(0, 9, 200)
    hardened = polychromatic(line)
    return np.linalg.lstsq(np.stack([hardened ** k for k in (1, 2, 3, 4)], 1), line, rcond=None)[0]


# -- rings
@pytest.fixture(scope="module")
def head():
    """Noisy fan-beam projections of the Shepp-Logan head, [240, 1, 256]."""
    views = circle(CArm(1100, 700, 1, 256, 1.4, 1.4), 240)
    p = torch.as_tensor(shepp_logan().line_integrals(*views.rays()), dtype=torch.float32)
    return views, p + 0.01 * torch.randn(p.shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("method", ["sorting", "mean"])
def test_rings_vanish_and_clean_projections_stay(head, method):
    views, p = head
    grid = CartesianGrid.centred((1, 200, 200), 1.0)
    stripes = torch.zeros(256)
    stripes[[74, 101, 102, 150, 181]] = torch.tensor([0.08, -0.1, 0.08, 0.12, -0.08])
    rings = Rings(method)

    def volume(q):
        return jobs.run(FDK(filter="hann").run(views, q, grid))

    truth, ringed, repaired, kept = (volume(q) for q in (p, p + stripes, rings.apply(p + stripes), rings.apply(p)))
    assert (repaired - truth).norm() < 0.7 * (ringed - truth).norm()
    assert (kept - truth).norm() < 0.4 * (ringed - truth).norm()


def test_offsets_of_a_sinogram_without_structure_are_removed_exactly():
    p = torch.ones(12, 2, 40) + 0.1 * torch.arange(12.0)[:, None, None]
    striped = p.clone()
    striped[:, :, 17] += 0.5
    for method in ("sorting", "mean"):
        assert torch.allclose(Rings(method, 5).apply(striped), p, atol=1e-5)
        assert torch.allclose(Rings(method, 5).apply(p), p, atol=1e-5)
    with pytest.raises(ReconstructionError, match="wider than the detector"):
        Rings(width=41).apply(p)


# -- water, bad pixels
def test_the_polynomial_of_water_makes_line_integrals_proportional_to_length():
    lengths = torch.linspace(0, 8, 30, dtype=torch.float64)
    hardened = torch.as_tensor(polychromatic(lengths))
    assert (hardened - lengths).abs().max() > 0.2
    assert torch.allclose(WaterHardening(*map(float, water_coefficients())).apply(hardened), lengths, atol=1e-3)
    assert torch.equal(WaterHardening().apply(hardened), hardened)
    with pytest.raises(ReconstructionError, match="check its coefficients"):
        WaterHardening(1.0, -0.2).apply(hardened)


def test_bad_pixels_are_found_in_line_integrals(head):
    _, p = head
    p = p[:, :, ::2].expand(-1, 12, -1) + 0.01 * torch.randn(240, 12, 128, generator=torch.Generator().manual_seed(0))
    broken = p.clone()
    broken[:, 3, 40] = 9.0
    broken[:, 8, 60] += torch.randn(240, generator=torch.Generator().manual_seed(1))
    broken[5, 9, 90] = float("nan")
    assert np.argwhere(BadPixels().find(broken)).tolist() == [[3, 40], [8, 60], [9, 90]]
    repaired = BadPixels().apply(broken)
    assert (repaired - p).abs().max() < 0.4 and torch.equal(repaired[:, 5], p[:, 5])
    assert BadPixels().apply(p) is p


# -- metal
def test_the_shadow_is_bridged_from_both_sides():
    p, shadow = torch.arange(8.0).expand(2, 1, 8).clone(), torch.zeros(2, 1, 8, dtype=torch.bool)
    shadow[0, 0, 2:5] = shadow[1, 0, 6:] = True
    damaged = torch.where(shadow, 100.0, p)
    filled = bridged(damaged, shadow)
    assert torch.allclose(filled[0], p[0]) and filled[1, 0].tolist() == [0, 1, 2, 3, 4, 5, 5, 5]
    image = torch.tensor([1.0, 2, 4, 9, 3, 1, 1, 1]).expand(2, 1, 8)
    assert torch.allclose(normalised_bridged(torch.where(shadow, 100.0, 0.5 * image), image, shadow), 0.5 * image)


def test_nmar_leaves_at_most_a_third_of_the_error_beside_a_metal_hip():
    middle, spacing = (0, 0, -46), 2.0
    views = circle(CArm(1100, 700, 1, 340, spacing, spacing), 360, isocentre_ras=middle)
    grid = CartesianGrid.centred((1, 200, 200), spacing, middle)
    ends = views.rays()
    tissue, iron = pelvis().line_integrals(*ends), Phantom("head", (Ellipsoid((90, 6, -46), (14, 14, 14), 1.0),)).line_integrals(*ends)
    water, random = WaterHardening(*map(float, water_coefficients())), np.random.default_rng(0)

    def measured(metal, photons=1e6):
        counts = random.poisson(photons * np.exp(-polychromatic(tissue, metal))).clip(1)
        return water.apply(torch.as_tensor(-np.log(counts / photons), dtype=torch.float32))

    def volume_of(p):
        return FDK(filter="hann").run(views, p, grid)

    truth, p = jobs.run(volume_of(measured(0 * iron))), measured(iron)
    points = grid.slice_centres(0)
    body = np.hypot(points[..., 0] / 182, points[..., 1] / 118) < 1
    counted = torch.as_tensor(body & (np.linalg.norm(points - (90, 6, -46), axis=-1) > 14 + 2 * spacing))[None]

    def error(x):
        return float((x - truth)[counted].square().mean().sqrt())

    errors = {}
    for method in ("linear", "nmar"):
        filled, metal, first = jobs.run(metal_corrected(Metal(method, threshold_per_mm=0.1), p, views, grid, volume_of))
        errors[method] = error(jobs.run(volume_of(filled)))
    assert float(metal.sum()) * spacing ** 2 == pytest.approx(np.pi * 14 ** 2, rel=0.25) and not bool(metal[counted].any())
    assert errors["nmar"] < error(first) / 3 and errors["nmar"] < errors["linear"]


def test_without_metal_nothing_changes_and_too_much_is_refused(head):
    views, p = head
    grid = CartesianGrid.centred((1, 50, 50), 4.0)
    same, metal, _ = jobs.run(metal_corrected(Metal(), p, views, grid, lambda q: FDK().run(views, q, grid)))
    assert same is p and not metal.any()
    with pytest.raises(ReconstructionError, match="raise the threshold"):
        Metal(threshold_per_mm=0.01).find(torch.full((1, 5, 5), 0.02))


# -- all
def test_corrections_are_declared_and_made_by_name():
    for name, kind in CORRECTIONS.items():
        assert kind.TITLE and all(o.label and o.help for o in options_of(kind))
        assert isinstance(correction_of(name), kind)
    with pytest.raises(ReconstructionError, match="correction 'ring' is not known"):
        correction_of("ring")
    with pytest.raises(OptionError, match="expected one of sorting, mean"):
        correction_of("rings", {"method": "median"})
