"""Solvers on small dense problems, against closed forms and each other."""
import pytest
import torch
from Unit.reconstruction.dense import positive_problem

from XRayTomoLib import jobs
from XRayTomoLib.reconstruction import (
    CGLS,
    LSQR,
    MLEM,
    OSEM,
    OSSART,
    SART,
    SIRT,
    Backprojection,
    Landweber,
    Problem,
    ReconstructionError,
    TransmissionML,
    iterate,
)
from XRayTomoLib.reconstruction.iteration import squared_norm
from XRayTomoLib.reconstruction.subsets import ORDERS, deal, sequence


def solve(method, A, p, **known):
    return jobs.run(iterate(method, Problem(A, p, **known)))


def noisy(A, truth, size=0.1):
    return A(truth) + size * torch.randn(A.range_shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("method", [Landweber(iterations=20000, nonnegative=False), LSQR(iterations=40), CGLS(iterations=40)])
def test_least_squares(method):
    A, truth = positive_problem()
    p = noisy(A, truth)
    expected = torch.linalg.lstsq(A.matrix, p.reshape(-1, 1)).solution.reshape(truth.shape)
    assert torch.allclose(solve(method, A, p), expected, atol=1e-6)


def test_lsqr_damps_and_weighs_as_the_normal_equations_say():
    A, truth = positive_problem()
    p, w = noisy(A, truth), torch.linspace(0.1, 2, 40, dtype=torch.float64).reshape(A.range_shape)
    start = torch.full_like(truth, 0.3)
    M, W = A.matrix, torch.diag(w.reshape(-1))
    difference = torch.linalg.solve(M.T @ W @ M + 0.25 * torch.eye(24, dtype=torch.float64), M.T @ W @ (p - A(start)).reshape(-1))
    x = solve(LSQR(iterations=60, damp=0.5), A, p, weights=w, start=start)
    assert torch.allclose(x, start + difference.reshape(x.shape), atol=1e-9)


def test_residuals_are_true():
    A, truth = positive_problem()
    problem = Problem(A, noisy(A, truth))
    for method in (CGLS(iterations=7), LSQR(iterations=7), SIRT(iterations=7), Landweber(iterations=7), Backprojection()):
        step = list(iterate(method, problem))[-1]
        assert step.residual == pytest.approx(float(problem.residual(step.preview).norm() / problem.p.norm()), rel=1e-9), method


@pytest.mark.parametrize("method", [SIRT(iterations=3000), OSSART(iterations=600, subsets=4, relaxation_fall=1.0),
                                    SART(iterations=250, relaxation=0.5, relaxation_fall=1.0),
                                    OSSART(iterations=500, subsets=2, momentum=True, relaxation=0.5, relaxation_fall=1.0),
                                    MLEM(iterations=5000),
                                    OSEM(iterations=1200, subsets=4), Landweber(iterations=6000)], ids=lambda m: type(m).__name__)  # fmt: skip
def test_consistent_data_are_solved(method):
    A, truth = positive_problem()
    assert torch.allclose(solve(method, A, A(truth)), truth, atol=1e-2)


def test_sirt_goes_to_the_weighted_minimum():
    """Fixed point: A^T R (p - A x) = 0, R the reciprocal row sums."""
    A, truth = positive_problem()
    p = noisy(A, truth, 0.02)
    x = solve(SIRT(iterations=8000, nonnegative=False), A, p)
    rows = 1 / A.matrix.sum(1)
    expected = torch.linalg.solve(A.matrix.T @ (rows[:, None] * A.matrix), A.matrix.T @ (rows * p.reshape(-1)))
    assert torch.allclose(x.reshape(-1), expected, atol=1e-6)


def test_one_subset_is_the_whole_method():
    A, truth = positive_problem()
    p = noisy(A, truth).clamp_min(0)
    assert torch.allclose(solve(OSSART(iterations=9, subsets=1, relaxation_fall=1.0), A, p), solve(SIRT(iterations=9), A, p))
    assert torch.equal(solve(OSEM(iterations=9, subsets=1), A, p), solve(MLEM(iterations=9), A, p))


def test_mlem_raises_the_likelihood_and_keeps_the_sum():
    A, truth = positive_problem()
    p = noisy(A, truth).clamp_min(0)
    values = []
    for step in iterate(MLEM(iterations=30), Problem(A, p)):
        image = A(step.preview)
        values.append(float((p * image.log() - image).sum()))
    assert values == sorted(values)
    assert float(image.sum()) == pytest.approx(float(p.sum()), rel=1e-9)


@pytest.mark.parametrize("background", [0.0, 40.0])
def test_transmission_likelihood_never_falls_and_ends_flat(background):
    A, truth = positive_problem()
    generator = torch.Generator().manual_seed(3)
    A.matrix *= 0.2
    counts = torch.poisson(500 * torch.exp(-A(truth)) + background, generator=generator)
    p = -torch.log(counts.clamp_min(1) / 500)
    method = TransmissionML(iterations=1000, photons=500.0, background=background)
    problem = Problem(A, p)
    values = [method.likelihood(problem, s.preview) for s in iterate(method, problem) if s.index < 200 or s.index == 1000]
    assert all(b <= a + 1e-9 * abs(a) for a, b in zip(values, values[1:]))
    x = solve(method, A, p).requires_grad_()
    mean = 500 * torch.exp(-A(x)) + background
    (mean - 500 * torch.exp(-p) * mean.log()).sum().backward()
    inside = x.detach() > 1e-6
    assert x.grad[inside].abs().max() < 1e-2 and (x.grad[~inside] > -1e-2).all()


def test_norm_bounds_the_operator_from_above():
    A, truth = positive_problem()
    w = torch.linspace(0.1, 2, 40, dtype=torch.float64).reshape(A.range_shape)
    largest = torch.linalg.matrix_norm(A.matrix * w.reshape(-1, 1).sqrt(), 2) ** 2
    steps = []
    assert largest <= jobs.run(squared_norm(Problem(A, A(truth), weights=w)), steps.append) <= 1.1 * largest
    assert len(steps) == 12 and all(step.residual is None and step.state is None for step in steps)      # it can be cancelled


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("subsets", [1, 2, 7, 16, 40])
def test_subsets_hold_every_view_once(order, subsets):
    assert sorted(i for hand in deal(40, subsets) for i in hand) == list(range(40))
    assert sorted(sequence(subsets, order)) == list(range(subsets))


@pytest.mark.parametrize("method", [OSSART(iterations=6, subsets=4, momentum=True), OSEM(iterations=6), LSQR(iterations=6),
                                    TransmissionML(iterations=6)], ids=lambda m: type(m).__name__)  # fmt: skip
def test_work_goes_on_where_it_was_stopped(method):
    A, truth = positive_problem()
    problem = Problem(A, A(truth))
    half = iterate(method, problem)
    for _ in range(3):
        step = next(half)
    assert torch.allclose(jobs.run(iterate(method, problem, step.state)), jobs.run(iterate(method, problem)), rtol=1e-12)


def test_methods_say_what_does_not_suit_them():
    A, truth = positive_problem()
    with pytest.raises(ReconstructionError, match="at least 0"):
        solve(MLEM(), A, -A(truth))
    with pytest.raises(ReconstructionError, match="keep zeros"):
        solve(OSEM(), A, A(truth), start=torch.zeros_like(truth))
    with pytest.raises(ReconstructionError, match="41 subsets of 40 views"):
        deal(40, 41)
