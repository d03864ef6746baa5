import pytest
import torch
from Unit.reconstruction.dense import positive_problem

from XRayTomoLib import jobs
from XRayTomoLib.reconstruction import CGLS, SIRT, Problem, ReconstructionError, cgls, iterate


def test_cgls_solves_least_squares_in_as_many_steps_as_unknowns():
    A, truth = positive_problem()
    p = A(truth) + 0.1 * torch.randn(A.range_shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    x = jobs.run(cgls(A, p, iterations=30))
    expected = torch.linalg.lstsq(A.matrix, p.reshape(-1, 1)).solution.reshape(x.shape)
    assert torch.allclose(x, expected, rtol=1e-8, atol=1e-10)


def test_weights_and_damping_are_those_of_the_normal_equations():
    A, truth = positive_problem()
    p, w = A(truth) + 0.2, torch.linspace(0.1, 2, 40, dtype=torch.float64).reshape(A.range_shape)
    x = jobs.run(cgls(A, p, weights=w, tikhonov=0.7, iterations=40))
    M, W = A.matrix, torch.diag(w.reshape(-1))
    expected = torch.linalg.solve(M.T @ W @ M + 0.49 * torch.eye(24, dtype=torch.float64), M.T @ W @ p.reshape(-1))
    assert torch.allclose(x.reshape(-1), expected, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("method", [CGLS(iterations=12), SIRT(iterations=12)])
def test_work_goes_on_where_it_was_stopped(method):
    A, truth = positive_problem()
    problem = Problem(A, A(truth))
    whole = jobs.run(iterate(method, problem))
    half = iterate(method, problem)
    for _ in range(5):
        step = next(half)
    assert torch.equal(jobs.run(iterate(method, problem, step.state)), whole)


def test_stopping_rules_say_why():
    A, truth = positive_problem()
    steps = list(iterate(CGLS(iterations=100, stop_residual=1e-6), Problem(A, A(truth))))
    assert len(steps) <= 25 and "residual" in steps[-1].message and steps[-1].residual <= 1e-6
    steps = list(iterate(SIRT(iterations=5000, stop_change=1e-4), Problem(A, A(truth))))
    assert len(steps) < 5000 and "change" in steps[-1].message
    noise = 0.05 * torch.randn(A.range_shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    steps = list(iterate(CGLS(iterations=100, stop_discrepancy=1.1), Problem(A, A(truth) + noise, noise=float(noise.norm()))))
    assert "noise" in steps[-1].message


def test_support_and_bounds_hold():
    A, truth = positive_problem()
    support = torch.ones(A.domain_shape)
    support[0] = 0
    x = jobs.run(iterate(SIRT(iterations=50, upper_per_mm=0.5), Problem(A, A(truth), support=support)))
    assert (x[0] == 0).all() and x.max() <= 0.5 and x.min() >= 0


def test_bad_problems_are_refused_in_words():
    A, truth = positive_problem()
    with pytest.raises(ReconstructionError, match="p has the shape"):
        Problem(A, A(truth)[:5])
    with pytest.raises(ReconstructionError, match="not finite"):
        Problem(A, A(truth) * float("nan"))
    with pytest.raises(ReconstructionError, match="lower the relaxation"):
        jobs.run(iterate(SIRT(iterations=20000, relaxation=2.0, nonnegative=False), Problem(A, A(truth) * 1e300)))
