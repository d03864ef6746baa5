"""Real fan-beam data (Helsinki Tomography Challenge 2022): all views against the published reconstruction, and what few views leave."""
from pathlib import Path

import numpy as np
import pytest
import torch

from XRayTomoLib import jobs
from XRayTomoLib.geometry.formats.mat5 import read_mat5
from XRayTomoLib.grids import CartesianGrid
from XRayTomoLib.io.projections import open_projections
from XRayTomoLib.reconstruction import ASDPOCS, FDK, FISTA, PDHG, SIRT, reconstruct

DISC = Path(__file__).resolve().parents[4] / "shared/data/htc2022/htc2022_ta_full.mat"
PIXEL_MM = 0.14832
pytestmark = pytest.mark.skipif(not DISC.exists(), reason="shared/data/htc2022 is not there")


def published():
    """1/mm [512, 512]; its rows go towards -y."""
    return read_mat5(DISC.with_name("htc2022_ta_full_recon_fbp.mat"))["reconFullFbp"] / PIXEL_MM


def one_layer(size, pitch_mm):
    matrix = np.diag([pitch_mm, -pitch_mm, pitch_mm, 1.0])
    matrix[:2, 3] = -(size - 1) / 2 * np.diag(matrix)[:2]
    return CartesianGrid((1, size, size), matrix)


def scan(views):
    """(views, p) of the chosen views, four columns to one."""
    stack = open_projections(DISC).picked(views)
    p = torch.as_tensor(stack.to_array(), dtype=torch.float32)
    return stack.views.binned((1, 4)), torch.nn.functional.avg_pool2d(p, (1, 4))


def threshold(x):
    """Threshold of greatest variance between its two sides (N. Otsu, IEEE Trans. Syst. Man Cybern. 9, 1979)."""
    counts, edges = np.histogram(x, 256)
    middles = (edges[1:] + edges[:-1]) / 2
    below, sums = np.cumsum(counts), np.cumsum(counts * middles)
    above = below[-1] - below
    return middles[np.argmax((sums[-1] * below / below[-1] - sums) ** 2 / np.maximum(below * above, 1))]


def errors(method, data, truth):
    """(NRMSE, overlap (Dice) of the thresholded pictures)."""
    x = jobs.run(reconstruct(method, *data, one_layer(128, 4 * PIXEL_MM)))[0].numpy()
    a, b = x > threshold(x), truth > threshold(truth)
    return np.linalg.norm(x - truth) / np.linalg.norm(truth), 2 * (a & b).sum() / (a.sum() + b.sum())


def test_all_views_give_the_published_picture():
    """Every second pixel of it."""
    stack = open_projections(DISC)
    grid = one_layer(256, 2 * PIXEL_MM)
    grid = grid.transformed(np.block([[np.eye(3), np.array([[-PIXEL_MM / 2], [PIXEL_MM / 2], [0]])], [np.zeros((1, 3)), np.ones((1, 1))]]))
    x = jobs.run(FDK().run(stack.views, stack.to_array(), grid))[0].numpy()
    truth = published()[::2, ::2]
    assert np.corrcoef(x.ravel(), truth.ravel())[0, 1] > 0.9999
    assert (x * truth).sum() / (x * x).sum() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(("views", "better", "dice"), [(slice(0, 720, 24), 0.6, 0.99), (slice(0, 121, 4), 0.95, 0.84)],
                         ids=["30 views", "60 degrees"])
def test_total_variation_beats_what_knows_nothing(views, better, dice):
    """With default options, and by the factor `better`."""
    data, truth = scan(views), published().reshape(128, 4, 128, 4).mean((1, 3))
    found = {type(m).__name__: errors(m, data, truth) for m in (FDK(redundancy="limited" if views.stop < 700 else "auto"), SIRT(), FISTA(),
                                                                PDHG(), ASDPOCS())}
    plain = min(found["FDK"][0], found["SIRT"][0]), max(found["FDK"][1], found["SIRT"][1])
    for name in ("FISTA", "PDHG", "ASDPOCS"):
        assert found[name][0] < better * plain[0] and found[name][1] > max(dice, plain[1]), found
