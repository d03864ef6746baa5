"""The noise that projections hold, and iterations that end at it."""
import numpy as np
import pytest
import torch

from XRayTomoLib import jobs
from XRayTomoLib.geometry import CArm, circle
from XRayTomoLib.grids import CartesianGrid, chest, shepp_logan
from XRayTomoLib.reconstruction import CGLS, ReconstructionError, reconstruct
from XRayTomoLib.reconstruction.noise import noise_norm


def counted(phantom, views, photons):
    """(line integrals of as many photons a pixel, norm of their noise)."""
    clean = np.concatenate([phantom.line_integrals(*view.rays()) for view in views])
    counts = np.random.default_rng(0).poisson(photons * np.exp(-clean)).clip(1)
    p = -np.log(counts / photons)
    return torch.as_tensor(p, dtype=torch.float32), float(np.linalg.norm(p - clean))


@pytest.mark.parametrize("photons", [1e3, 3e4])
@pytest.mark.parametrize(("phantom", "views"), [(shepp_logan(), circle(CArm(1000, 600, 1, 256, 2.0, 2.0), 20)),
                                                (chest(), circle(CArm(1200, 800, 34, 120, 2.5, 5.0), 1))], ids=["fan", "cone"])  # fmt: skip
def test_the_noise_is_estimated_within_a_third(phantom, views, photons):
    p, noise = counted(phantom, views, photons)
    assert noise_norm(p) == pytest.approx(noise, rel=0.34)


def test_white_noise_is_found_exactly_and_narrow_detectors_are_refused():
    p = 0.1 * torch.randn(10, 50, 82, generator=torch.Generator().manual_seed(0)) + torch.arange(82.0)
    assert noise_norm(p) == pytest.approx(0.1 * 41000 ** 0.5, rel=0.05)
    with pytest.raises(ReconstructionError, match="too narrow"):
        noise_norm(torch.zeros(10, 1, 20))


@pytest.mark.parametrize("is_known", [True, False])
def test_iterations_end_at_the_noise_where_the_volume_is_best(is_known):
    """Poisson noise: more iterations fit it, and double the error."""
    views, grid = circle(CArm(1100, 700, 1, 192, 1.8, 1.8), 60), CartesianGrid.centred((1, 100, 100), 2.1)
    p, noise = counted(shepp_logan(), views, 1e3)
    truth = torch.as_tensor(shepp_logan().voxelise(grid, 4), dtype=torch.float32)
    errors = [float((step.preview - truth).norm()) for step in reconstruct(CGLS(iterations=25), views, p, grid)]
    steps = []
    x = jobs.run(reconstruct(CGLS(iterations=25, stop_discrepancy=1.0), views, p, grid, noise=noise if is_known else None), steps.append)
    assert "noise level" in steps[-1].message and steps[-1].residual * float(p.norm()) == pytest.approx(noise, rel=0.15)
    assert float((x - truth).norm()) < 1.1 * min(errors) < 0.6 * errors[-1]
