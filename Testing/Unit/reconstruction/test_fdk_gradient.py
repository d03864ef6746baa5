"""Filtered backprojection as a differentiable function of the projections: full, short and offset scans, tilted panels, helices."""
from dataclasses import replace

import pytest
import torch

from XRayTomoLib import jobs
from XRayTomoLib.geometry import CArm, circle
from XRayTomoLib.geometry.trajectories import Helix
from XRayTomoLib.grids import CartesianGrid
from XRayTomoLib.reconstruction import FDK, HelicalFDK, Katsevich

ARM = CArm(500, 300, 12, 24, 5.2, 5.2)
GRID = CartesianGrid.centred((6, 20, 20), 3.0)
HELIX = Helix(count=72, turns=2.0, pitch_mm=16.0).views(replace(ARM, rows=16))


@pytest.mark.parametrize(("method", "views"), [
    (FDK(), circle(ARM, 20)), (FDK("hann", extend=0.2), circle(ARM, 20, 0, 200)), (FDK(), circle(replace(ARM, principal_offset_mm=(20.0, 0)), 20)),
    (FDK(), circle(replace(ARM, in_plane_deg=8), 20)), (HelicalFDK(), HELIX), (Katsevich(), HELIX),
], ids=["full", "short, extended", "offset", "turned panel", "helical", "Katsevich"])  # fmt: skip
def test_gradient_is_the_transpose(method, views):
    """<w, A d> = <A^T w, d> for the linear map A: the gradient of <w, A p> by p is A^T w."""
    random = torch.Generator().manual_seed(0)
    p, d = (torch.rand(len(views), *views.shape, generator=random) for _ in range(2))
    w = torch.rand(GRID.shape, generator=random)
    gradient, = torch.autograd.grad((jobs.run(method.run(views, p.requires_grad_(), GRID)) * w).sum(), p)
    expected = (jobs.run(method.run(views, d, GRID)).double() * w).sum()
    size = float(gradient.norm() * d.norm())
    assert float((gradient.double() * d).sum()) == pytest.approx(float(expected), abs=1e-5 * size)
