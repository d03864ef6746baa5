"""Box means, local normalisation, Jacobians by central differences, and Levenberg-Marquardt on the way to the truth."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import uniform_filter
from Unit.registration.phantoms import CENTRE, body, pose, views, xrayed

from XRayTomoLib import jobs
from XRayTomoLib.registration.case import Case, compose
from XRayTomoLib.registration.curve import CurvedResiduals
from XRayTomoLib.registration.evaluate import middle_half, mtre_mm
from XRayTomoLib.registration.joint import JointResiduals, State
from XRayTomoLib.registration.levenberg import Residuals, damped_step, huber, optimise
from XRayTomoLib.registration.local import LocalNormalisation, box_mean

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
        columns.append((part._normalised(render(moved(e)))[0] - part._normalised(render(moved(-e)))[0]) * part.mask / (2 * steps[axis]))
    return torch.stack(columns, -1)


def close(found, expected, share=0.08):
    """Each column agrees but for a share of its size: radiographs of trilinear volumes have kinks."""
    for k in range(expected.shape[-1]):
        if float(expected[..., k].norm()) > 1e-6:
            assert float((found[..., k] - expected[..., k]).norm()) < share * float(expected[..., k].norm()), k


def test_jacobian_by_differences(case):
    residuals = Residuals(case, 8, floor=0.3)
    _, J = residuals.parts[1].linearised(*residuals.rendered(TRUTH, 1))
    expected = by_differences(residuals.parts[1], lambda T: case.render(T, 1)[0], lambda s: compose(s, TRUTH, CENTRE), 6, STEPS)
    close(J, expected)


def test_jacobian_of_curves_by_differences(case):
    residuals = CurvedResiduals(case, 8, floor=0.3)
    state = residuals.moved(residuals.start(TRUTH), np.r_[np.zeros(6), -0.2, 0.05, 0.1, -0.02])
    _, J = residuals.parts[1].linearised(*residuals.rendered(state, 1))
    expected = by_differences(residuals.parts[1], lambda s: residuals.rendered(s, 1)[0], lambda e: residuals.moved(state, e), 10,
                              np.r_[STEPS, [0.01] * 4])
    close(J, expected)


def test_jacobian_of_bones_and_geometry_by_differences(case):
    grid, mu = body(seed=5, size=24, spacing_mm=4.5)
    second = Case(grid, mu, case.xrays, CENTRE + 5.0, "trilinear")
    residuals = JointResiduals([case, second], 8, ("offset_u", "offset_v", "sdd", "pose"), floor=0.3)
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


def test_share_of_signal():
    """A smooth wave, and white noise of known size in one half: there the share is sqrt(1 - noise / all), in the other nearly 1."""
    rows, cols = np.mgrid[:64, :128]
    wave = np.sin(rows / 5) * np.cos(cols / 6)
    noisy = torch.as_tensor(wave + np.where(cols < 64, 0.5, 0) * np.random.default_rng(0).normal(size=wave.shape), dtype=torch.float32)
    share = LocalNormalisation(noisy, torch.ones(64, 128, dtype=torch.bool), 12).signal(noisy)
    own = uniform_filter((wave - uniform_filter(wave, 25)) ** 2, 25)
    expected = np.sqrt(own / (own + 0.25))
    inside = np.s_[26:38, 26:50]            # windows of windows that end neither at the border nor at the noise's edge
    assert float(share[inside].mean()) == pytest.approx(expected[inside].mean(), abs=0.04) and float(share[:, 80:].min()) > 0.97


def test_weights_count_one_on_average(case):
    residuals = Residuals(case, 8)
    residuals.weigh()
    assert np.mean([float(w.sum()) / part.count for w, part in zip(residuals.reliability, residuals.parts)]) == pytest.approx(1, rel=1e-4)
