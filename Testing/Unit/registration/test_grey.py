"""Grey levels: gains and offsets that were put in come out, curves rise, and what cannot be fitted is said."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import isotonic_regression, lsq_linear
from Unit.registration.scenes import CENTRE, views

from XRayTomoLib.grids import CartesianGrid
from XRayTomoLib.registration.case import RegistrationError
from XRayTomoLib.registration.grey import fit_curve, fit_grey, isotonic, water_and_bone
from XRayTomoLib.tracing import Projector

MU = 0.02


def channels(seed=0):
    g = np.random.default_rng(seed)
    r, c = np.mgrid[:20, :24]
    return torch.tensor(np.stack([2 + np.sin(r / 4), 0.5 + 0.5 * np.cos(c / 3)]) + 0.05 * g.normal(size=(2, 20, 24)))


def test_water_and_bone_share_the_volume():
    mu = MU * torch.tensor([0.0, 0.5, 1.0, 1.1, 1.2, 1.3, 2.5])
    water, bone = water_and_bone(mu, MU)
    torch.testing.assert_close(water + bone, mu)
    torch.testing.assert_close(bone / MU, torch.tensor([0, 0, 0, 0, 0.6, 1.3, 2.5]), atol=1e-6, rtol=1e-6)
    with pytest.raises(RegistrationError, match="mu_water"):
        water_and_bone(mu, 0.0)


def test_gains_come_out_of_two_channels_traced_in_one_pass():
    g = torch.Generator().manual_seed(0)
    grid = CartesianGrid.centred((8, 9, 10), 8.0, CENTRE)
    mu = MU * (0.5 + 1.5 * torch.rand(grid.shape, generator=g))
    two = water_and_bone(mu, MU)
    traced = Projector(grid, views((10.0,), (0.0,)).binned(8))(two)[:, 0]
    xray = 0.8 * traced[0] + 1.7 * traced[1] + 0.3
    fit = fit_grey(traced, xray)
    assert fit.gains == pytest.approx((0.8, 1.7), rel=1e-3)
    assert fit.offset == pytest.approx(0.3, abs=1e-3) and fit.exposure == pytest.approx(np.exp(-0.3), rel=1e-3)
    assert fit.correlation == pytest.approx(1, abs=1e-6)
    torch.testing.assert_close(fit(traced), xray, atol=1e-3, rtol=0)
    combined = Projector(grid, views((10.0,), (0.0,)).binned(8))(fit.combined(two))[0]
    torch.testing.assert_close(combined + fit.offset, xray, atol=1e-3, rtol=0)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_fit_is_the_least_squares_one_with_gains_of_at_least_zero(seed):
    g = np.random.default_rng(seed)
    two, weights = channels(seed % 7), g.uniform(0, 2, (20, 24)) * (g.random((20, 24)) > 0.3)
    xray = two[0].numpy() * 0.7 + g.uniform(-1, 1) * two[1].numpy() + 0.3 * g.normal(size=(20, 24))
    root = np.sqrt(weights.ravel())
    A = np.stack([two[0].numpy().ravel(), two[1].numpy().ravel(), np.ones(480)], 1) * root[:, None]
    theirs = lsq_linear(A, xray.ravel() * root, ([0, 0, -np.inf], np.inf), method="bvls").x
    fit = fit_grey(two, xray, weights)
    np.testing.assert_allclose([*fit.gains, fit.offset], theirs, atol=1e-5)
    model = fit(two).numpy()
    counts = weights > 0
    assert fit.correlation == pytest.approx(
        np.cov(model[counts], xray[counts], aweights=weights[counts])[0, 1]
        / np.sqrt(np.cov(model[counts], aweights=weights[counts]) * np.cov(xray[counts], aweights=weights[counts])), abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(0.1, 3)), min_size=1, max_size=15))
def test_pooling_by_scipy(pairs):
    y, w = np.array(pairs).T
    np.testing.assert_allclose(isotonic(y, w), isotonic_regression(y, weights=w).x, atol=1e-9)


def test_curves():
    p = channels()[0] + channels()[1]
    curve = fit_curve(p, 1 - torch.exp(-p) + 0.01 * torch.randn(p.shape, generator=torch.Generator().manual_seed(1)), knots=24)
    assert (np.diff(curve.x) > 0).all() and (np.diff(curve.y) >= 0).all()
    inner = (p > curve.x[0]) & (p < curve.x[-1])
    torch.testing.assert_close(curve(p)[inner], (1 - torch.exp(-p))[inner], atol=0.02, rtol=0)
    np.testing.assert_allclose(curve(p), np.interp(p, curve.x, curve.y), atol=1e-12)
    probe = p[:3, :3].clone().requires_grad_()
    assert torch.autograd.gradcheck(curve, probe)
    assert curve(p.float()).dtype == torch.float32


def test_refusals():
    two = channels()
    with pytest.raises(RegistrationError, match="one value only"):
        fit_grey(two, torch.ones(20, 24))
    with pytest.raises(RegistrationError, match="one value only"):
        fit_grey(torch.ones(2, 20, 24), two[0])
    with pytest.raises(RegistrationError, match="inverted"):
        fit_grey(two[:1], -two[0])
    with pytest.raises(RegistrationError, match="leaves no pixel"):
        fit_grey(two, two[0], torch.zeros(20, 24))
    with pytest.raises(RegistrationError, match="expected"):
        fit_grey(two, two[0][:5])
    with pytest.raises(RegistrationError, match="inverted"):
        fit_curve(two[0], -two[0])
    with pytest.raises(RegistrationError, match="one or two values"):
        fit_curve(torch.ones(20, 24), two[0])
