"""Differences of volumes against the formulas, written out for one voxel at a time."""
import math

import numpy as np
import pytest

from XRayTomoLib.reconstruction import ReconstructionError
from XRayTomoLib.reconstruction.quality import difference, ssim


@pytest.fixture
def pair():
    rng = np.random.default_rng(3)
    reference = rng.normal(size=(13, 14, 15)).cumsum(0)
    return reference + 0.4 * rng.normal(size=reference.shape) + 0.1, reference


def test_figures_are_their_formulas(pair):
    x, reference = pair
    d = difference(x, reference)
    rmse = math.sqrt(sum((a - b) ** 2 for a, b in zip(x.flat, reference.flat)) / x.size)
    span = reference.max() - reference.min()
    assert d.nrmse == pytest.approx(rmse / span) and d.psnr_db == pytest.approx(10 * math.log10(span**2 / rmse**2))
    assert d.relative_error == pytest.approx(rmse * math.sqrt(x.size) / np.linalg.norm(reference))
    assert d.bias**2 + d.deviation**2 == pytest.approx(rmse**2) and d.voxels == x.size


def test_ssim_of_a_voxel_is_the_papers_formula(pair):
    x, reference = pair
    at, span = (6, 7, 8), 5.0
    offset = np.arange(-5, 6)
    g = np.exp(-offset**2 / (2 * 1.5**2))
    w = g[:, None, None] * g[:, None] * g
    w /= w.sum()
    a, b = (v[1:12, 2:13, 3:14] for v in (x, reference))
    ma, mb = (w * a).sum(), (w * b).sum()
    va, vb, cov = (w * (a - ma) ** 2).sum(), (w * (b - mb) ** 2).sum(), (w * (a - ma) * (b - mb)).sum()
    c1, c2 = (0.01 * span) ** 2, (0.03 * span) ** 2
    expected = (2 * ma * mb + c1) * (2 * cov + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2))
    mask = np.zeros(x.shape, bool)
    mask[at] = True
    assert ssim(x, reference, span, mask) == pytest.approx(expected, rel=1e-9)


def test_equal_volumes_and_masks(pair):
    x, reference = pair
    same = difference(reference, reference)
    assert (same.nrmse, same.psnr_db, same.bias) == (0.0, math.inf, 0.0) and same.ssim == pytest.approx(1.0)
    mask = np.ones(x.shape, bool)
    mask[:4] = False
    damaged = reference.copy()
    damaged[:4] = np.nan
    assert difference(reference, damaged, mask) == difference(reference, reference, mask)


def test_what_cannot_be_compared_is_said(pair):
    x, reference = pair
    for arguments, word in (((x, reference[1:]), "one grid"), ((x, np.ones_like(x)), "range"), ((x, reference, np.zeros(x.shape, bool)), "common"),
                            ((x * np.nan, reference), "finite")):
        with pytest.raises(ReconstructionError, match=word):
            difference(*arguments)
