"""Error bars: as wide as the errors of repeated noise, wider for what X-rays disagree on, and they name the weak direction."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from Unit.registration.phantoms import CENTRE, body, pose, views, xrayed

from XRayTomoLib import jobs
from XRayTomoLib.registration.case import Case, compose
from XRayTomoLib.registration.curve import CurvedResiduals, fitted
from XRayTomoLib.registration.levenberg import ROBUST, Residuals, optimise
from XRayTomoLib.registration.uncertainty import CHI_SQUARE_95, Uncertainty, _few_blocks, block_sums, uncertainty

TRUTH = pose()
BODY = body(size=32, spacing_mm=4.5)
LEVER = np.r_[[100.0] * 3, [1.0] * 3]


def registered(seed, kind=Residuals, scene=None, noise=0.1, radius=8):
    case = Case(*BODY, xrayed(*BODY, scene or views(), TRUTH, noise=noise, seed=seed), CENTRE)
    residuals = kind(case, radius)
    return residuals, jobs.run(fitted(residuals, TRUTH, 15, 0.003)) if kind is CurvedResiduals else jobs.run(optimise(residuals, TRUTH, 15, 0.003))[0]


@pytest.mark.parametrize("kind", [Residuals, CurvedResiduals])
def test_bars_are_as_wide_as_the_errors(kind):
    """Twelve repetitions of white noise: chi-square of 6 degrees of freedom each; places at the pivot and beside it lie in their ellipsoids."""
    chi, outside = [], 0
    for seed in range(12):
        residuals, state = registered(seed, kind, radius=4)
        bars = uncertainty(residuals, state)
        back = bars.pose @ np.linalg.inv(TRUTH)
        turn = 0.5 * np.r_[back[2, 1] - back[1, 2], back[0, 2] - back[2, 0], back[1, 0] - back[0, 1]]
        error = np.r_[turn, (back @ np.r_[CENTRE, 1])[:3] - CENTRE]
        chi.append(error @ np.linalg.solve(bars.covariance, error))
        outside += sum(not bars.holds(at, (back @ np.r_[at, 1])[:3] - at) for at in (CENTRE, CENTRE + [40.0, -20.0, 20.0]))
    assert 2.5 < np.mean(chi) < 11 and outside <= 2


def test_an_ellipsoid_holds_what_lies_in_it():
    bars = Uncertainty(np.zeros((6, 6)), np.eye(4), CENTRE, np.diag([0, 0, 0, 1.0, 4, 9]), 1.0)
    for axis, half in enumerate(np.sqrt(CHI_SQUARE_95) * np.array([1.0, 2, 3])):
        error = np.eye(3)[axis] * half
        assert bars.holds(CENTRE, 0.99 * error) and not bars.holds(CENTRE, 1.01 * error)


def test_covariance_is_that_of_hubers_estimator():
    """Unit white noise and derivatives of unit size: 1 / 0.95 of what least squares would give, for that is what 1.345 was made for."""
    random, count = np.random.default_rng(0), 250 * 300
    r, J = (torch.as_tensor(random.normal(size=size)) for size in ((250, 300), (250, 300, 6)))
    part = SimpleNamespace(count=count, radius=3, alike=torch.ones_like)
    residuals = SimpleNamespace(parts=[part], free=np.arange(6), case=SimpleNamespace(pivot=CENTRE),
                                terms=lambda _: [(ROBUST / r.abs().clamp_min(ROBUST), r, J)])
    assert np.trace(uncertainty(residuals, TRUTH).covariance) / 6 * count == pytest.approx(1 / 0.95, rel=0.05)


def test_few_blocks_widen_the_bars():
    """Of 64 blocks two tell nearly all: the ellipsoid is that of Hotelling's T^2 for a few degrees of freedom, not for 64."""
    alike, unlike = np.ones(64), np.r_[[32.0] * 2, np.full(62, 0.1)]
    factors = [_few_blocks([SimpleNamespace(blocks=lambda _, of=each: of[:, None, None] * np.eye(6))], np.eye(6), np.eye(6) / each.sum())
               for each in (alike, unlike)]
    assert factors[0] == pytest.approx(1.091, abs=0.002) and factors[1] > 10     # 3 x 64 / 62 F(3, 62; 0.95) / 7.81


def test_one_view_names_its_depth():
    residuals, state = registered(0, scene=views((0.0,)), noise=0.03)
    bars = uncertainty(residuals, state)
    lengths, directions = bars.ellipsoid(CENTRE)
    assert abs(directions[1, 0]) > 0.9 and lengths[0] > 3 * lengths[1]
    assert bars.weakest(CENTRE, residuals.case.xrays).startswith("depth along view 0")
    assert "disagree" not in bars.report(CENTRE, residuals.case.xrays) and bars.disagreement == 1
    assert "widen the error more than 100 times" in replace(bars, inflation=2.8e5).report(CENTRE, residuals.case.xrays)


def test_views_that_disagree_widen_the_bars():
    """The second X-ray of a body that has moved on by 2 mm."""
    moved = compose(np.r_[0, 0, 0, 0, 0, 2.0], TRUTH, CENTRE)
    bars = []
    for second in (TRUTH, moved):
        xrays = [xrayed(*BODY, views(), T, noise=0.03)[i] for i, T in enumerate((TRUTH, second))]
        residuals = Residuals(Case(*BODY, xrays, CENTRE), 8)
        bars.append(uncertainty(residuals, jobs.run(optimise(residuals, TRUTH))[0]))
    assert bars[1].disagreement > 1 and "disagree" in bars[1].report(CENTRE, xrays)
    assert bars[1].covariance[5, 5] > 25 * bars[0].covariance[5, 5]


def test_large_voxels_widen_the_bars():
    residuals, state = registered(1, noise=0.01)
    coarse = Residuals(residuals.case.level(1, 2), 8)
    without, with_voxels = uncertainty(residuals, state), uncertainty(residuals, state, coarse)
    extra = with_voxels.covariance - without.covariance
    assert np.linalg.matrix_rank(extra * np.outer(LEVER, LEVER), tol=1e-9) == 1 and np.trace(extra) > 0


def test_held_directions_have_no_error():
    case = Case(*BODY, xrayed(*BODY, views(), TRUTH, noise=0.03), CENTRE)
    residuals = Residuals(case, 8, free=(2, 3))
    bars = uncertainty(residuals, jobs.run(optimise(residuals, TRUTH))[0])
    assert (np.diag(bars.covariance)[[0, 1, 4, 5]] == 0).all() and (np.diag(bars.covariance)[[2, 3]] > 0).all()


def test_covariance_at_a_point():
    """A turn about S alone moves a point 100 mm along R by 100 mm a rad along A."""
    covariance = np.zeros((6, 6))
    covariance[2, 2] = 0.01**2
    bars = Uncertainty(covariance, np.eye(4), CENTRE, covariance, 1.0)
    np.testing.assert_allclose(bars.at(CENTRE + [100, 0, 0]), np.diag([0, 1.0, 0]), atol=1e-12)


def test_block_sums():
    score = np.arange(5 * 7 * 2, dtype=float).reshape(5, 7, 2)
    sums = block_sums(score, 3)
    assert sums.shape == (6, 2)
    np.testing.assert_allclose(sums[0], score[:3, :3].sum((0, 1)))
    np.testing.assert_allclose(sums.sum(0), score.sum((0, 1)))
