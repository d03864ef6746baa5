"""Box means, local normalisation and regression, Jacobians by central differences, and Levenberg-Marquardt on the way to the truth."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from Unit.registration.phantoms import CENTRE, body, pose, views, xrayed

from XRayTomoLib import jobs
from XRayTomoLib.registration.case import Case, compose
from XRayTomoLib.registration.curve import CurvedResiduals, fitted
from XRayTomoLib.registration.evaluate import middle_half, mtre_mm
from XRayTomoLib.registration.joint import JointResiduals, State
from XRayTomoLib.registration.levenberg import Residuals, damped_step, huber, optimise
from XRayTomoLib.registration.local import LocalNormalisation, LocalRegression, box_mean

TRUTH = pose()
STEPS = np.r_[[2e-3] * 3, [0.2] * 3]


@pytest.fixture(scope="module")
def case():
    grid, mu = body(size=32, spacing_mm=4.5)
    return Case(grid, mu, xrayed(grid, mu, views(), TRUTH), CENTRE, "trilinear")


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 12), st.integers(0, 9))
def test_box_mean_is_the_mean_of_the_part_inside(rows, cols, radius, seed):
    x = torch.randn(2, rows, cols, generator=torch.Generator().manual_seed(seed))
    expected = [[x[:, max(0, r - radius) : r + radius + 1, max(0, c - radius) : c + radius + 1].mean((1, 2)) for c in range(cols)]
                for r in range(rows)]
    torch.testing.assert_close(box_mean(x, radius), torch.stack([torch.stack(row, -1) for row in expected], -2), atol=1e-6, rtol=1e-5)


def test_normalisation_knows_no_gain_and_offset():
    g = torch.Generator().manual_seed(1)
    image, mask = torch.rand(30, 40, generator=g), torch.rand(30, 40, generator=g) > 0.1
    part = LocalNormalisation(image, mask, 5)
    torch.testing.assert_close(part.residual(3.0 * image + 7.0), torch.zeros(30, 40), atol=1e-3, rtol=0)
    assert float(part.correlation(image)) > 0.9 and float(part.correlation(-image)) < -0.9


def by_differences(part, render, moved, size, steps):
    columns = []
    for axis in range(size):
        e = np.zeros(size)
        e[axis] = steps[axis]
        columns.append((part.residual(render(moved(e))) - part.residual(render(moved(-e)))) / (2 * steps[axis]))
    return torch.stack(columns, -1)


def close(found, expected, share=0.08):
    """Each column agrees but for a share of its size: radiographs of trilinear volumes have kinks."""
    for k in range(expected.shape[-1]):
        if float(expected[..., k].norm()) > 1e-6:
            assert float((found[..., k] - expected[..., k]).norm()) < share * float(expected[..., k].norm()), k


def test_jacobian_by_differences(case):
    residuals = Residuals(case, 8)
    _, J = residuals.parts[1].linearised(*residuals.rendered(TRUTH, 1))
    expected = by_differences(residuals.parts[1], lambda T: case.render(T, 1)[0], lambda s: compose(s, TRUTH, CENTRE), 6, STEPS)
    close(J, expected)


def test_jacobian_of_curves_by_differences(case):
    """At an X-ray that the state explains: the slope's own derivative, which is left out, counts by what is not explained."""
    straight = CurvedResiduals(case, 8)
    state = straight.moved(straight.start(TRUTH), np.r_[np.zeros(6), -0.2, 0.05, 0.1, -0.02])
    residuals = CurvedResiduals(case.with_xrays([replace(x, image=straight.rendered(state, i)[0]) for i, x in enumerate(case.xrays)]), 8)
    r, J = residuals.parts[1].linearised(*residuals.rendered(state, 1))
    assert float(r.abs().max()) < 1e-3
    expected = by_differences(residuals.parts[1], lambda s: residuals.rendered(s, 1)[0], lambda e: residuals.moved(state, e), 10,
                              np.r_[STEPS, [0.01] * 4])
    close(J, expected)


def test_jacobian_of_bones_and_geometry_by_differences(case):
    grid, mu = body(seed=5, size=24, spacing_mm=4.5)
    second = Case(grid, mu, case.xrays, CENTRE + 5.0, "trilinear")
    residuals = JointResiduals([case, second], 8, ("offset_u", "offset_v", "sdd", "pose"))
    moves = np.stack([np.eye(4), compose(np.r_[0.02, -0.01, 0.03, 2, 1, -1.0], np.eye(4), CENTRE)])
    state = State(np.stack([TRUTH, pose(shift_mm=(-6.0, 3.0, 2.0))]), np.array([[0, 0, 0], [3.0, -2, 10]]), moves)
    _, J = residuals.parts[1].linearised(*residuals.rendered(state, 1))
    expected = by_differences(residuals.parts[1], lambda s: residuals.rendered(s, 1)[0], lambda e: residuals.moved(state, e), 30,
                              np.r_[STEPS, STEPS, np.tile(np.r_[[0.5, 0.5, 5.0], STEPS], 2)])
    close(J, expected)
    assert not J[..., 12:21].any() and J[..., 21:].abs().amax((0, 1)).min() > 0
    assert set(range(30)) - set(residuals.free) == set(range(15, 21))


def test_gradient_is_that_of_the_cost(case):
    """At a pose where normalisation's global part hardly changes: g against differences of the cost."""
    residuals, at = Residuals(case, 8), compose(np.r_[0.01, 0.02, -0.01, 1.0, -1, 2], TRUTH, CENTRE)
    now = residuals.at(at)
    quotient = [(residuals.at(compose(e, at, CENTRE)).cost - residuals.at(compose(-e, at, CENTRE)).cost) / (2 * s)
                for e, s in zip(np.diag(STEPS), STEPS)]
    np.testing.assert_allclose(now.g * STEPS, quotient * STEPS, atol=0.04 * np.abs(quotient * STEPS).max())


def test_huber():
    r = torch.linspace(-4, 4, 81, requires_grad=True)
    slope = torch.autograd.grad(huber(r).sum(), r)[0]
    torch.testing.assert_close(slope, r.detach().clamp(-1.345, 1.345))


def test_truth_is_found_and_held_directions_stay(case):
    points, start = middle_half(case.grid), compose(np.r_[0.05, -0.04, 0.06, 5.0, -4, 6], TRUTH, CENTRE)
    found, last = jobs.run(optimise(Residuals(case, 8), start, 40, 1e-3))
    assert mtre_mm(found, TRUTH, points) < 0.02 and last.cost < 1e-4
    held = jobs.run(optimise(Residuals(case, 8, free=(0, 1, 2, 5)), start))[0]
    np.testing.assert_allclose((held @ np.r_[CENTRE, 1])[:2] - CENTRE[:2], (start @ np.r_[CENTRE, 1])[:2] - CENTRE[:2], atol=0.8)


def test_damping_bounds_the_step(case):
    now = Residuals(case, 8).at(compose(np.r_[0.02, 0, 0, 2.0, 0, 0], TRUTH, CENTRE))
    assert np.linalg.norm(damped_step(now, np.arange(6), 1e6)) < 1e-4
    np.testing.assert_allclose(now.H @ damped_step(now, np.arange(6), 0.0), -now.g, rtol=1e-5, atol=1e-7)


def waves(noise=0.0):
    rows, cols = np.mgrid[:64, :128]
    wave = np.sin(rows / 5) * np.cos(cols / 6)
    return [torch.as_tensor(x, dtype=torch.float32) for x in (wave, wave + noise * np.random.default_rng(0).normal(size=wave.shape))]


def test_regression_knows_no_gain_and_offset():
    wave, _ = waves()
    part = LocalRegression(wave, torch.rand(wave.shape, generator=torch.Generator().manual_seed(1)) > 0.1, 8)
    torch.testing.assert_close(part.residual(0.3 * wave - 7.0), torch.zeros_like(wave), atol=1e-4, rtol=0)
    assert float(part.residual(-wave).square().sum()) > 0.9 * part.count        # it never falls where the radiograph rises


def test_residuals_have_the_spread_of_their_noise():
    """Noise five times as large in one half: after weighing, residuals have unit spread in both, and the slope is the wave's."""
    wave, noisy = waves(torch.where(torch.arange(128) < 64, 0.5, 0.1).numpy())
    part = LocalRegression(noisy, torch.ones(64, 128, dtype=torch.bool), 12)
    part.weigh(wave)
    r = part.residual(wave)
    assert [float(r[:, half].std()) for half in (slice(0, 50), slice(78, 128))] == pytest.approx([1, 1], abs=0.05)
    _, J = part.linearised(wave, waves()[0].roll(8, 0)[..., None])
    ratio = float(J[:, :50].norm() / J[:, 78:].norm()) * part.weights[32, 110].sqrt() / part.weights[32, 20].sqrt()
    assert float(ratio) == pytest.approx(1, abs=0.15)


def test_noise_bends_no_curve():
    """White noise as large as the X-ray's own deviation leaves the curves nearly straight where the body is thickest."""
    grid, mu = body(size=32, spacing_mm=4.5)
    noisy = Case(grid, mu, xrayed(grid, mu, views(), TRUTH, noise=0.2), CENTRE)
    state = jobs.run(fitted(CurvedResiduals(noisy, 8), compose(np.r_[0.01, 0, 0.01, 1.0, -1, 1], TRUTH, CENTRE), 15, 0.01))
    assert np.abs(state.coefficients.sum(1)).max() < 0.15 and mtre_mm(state.pose, TRUTH, middle_half(grid)) < 0.5


def test_weights_go_along_to_another_volume(case):
    residuals = CurvedResiduals(case, 8)
    residuals.weigh(residuals.start(compose(np.r_[0, 0, 0, 2.0, 0, 0], TRUTH, CENTRE)))
    coarse = residuals.of(case.level(1, 2))
    assert coarse.parts is residuals.parts and coarse.at(coarse.start(TRUTH)).cost != residuals.at(residuals.start(TRUTH)).cost
