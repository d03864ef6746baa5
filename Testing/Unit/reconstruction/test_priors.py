"""Priors against direct sums and differences; proximal points and regularised solutions against scipy's minimisers and optimality."""
import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from Unit.reconstruction.dense import Dense, positive_problem

from XRayTomoLib import jobs
from XRayTomoLib.reconstruction import Problem, ReconstructionError, iterate
from XRayTomoLib.reconstruction.pocs import ASDPOCS, PICCS
from XRayTomoLib.reconstruction.priors import QGGMRF, Huber, TotalVariation, Wavelets, curvature, differences, differences_adjoint
from XRayTomoLib.reconstruction.regularised import FISTA, PDHG, weight_of_prior

SHAPES = [(3, 4, 5), (1, 4, 6), (1, 1, 8)]
PRIORS = [TotalVariation(), Huber(0.3), QGGMRF(0.4), QGGMRF(0.2, 1.5, 2.0), Wavelets("haar"), Wavelets("daubechies-4")]


def volume(shape, seed=0):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", SHAPES)
def test_differences_and_their_transpose(shape):
    x, d = volume(shape), torch.stack([volume(shape, s) for s in (1, 2, 3)])
    assert torch.isclose((differences(x) * d).sum(), (x * differences_adjoint(d)).sum())
    i = torch.zeros(shape, dtype=torch.float64)
    i[0, 0, 1] = 1.0
    assert differences(i)[2, 0, 0, 0] == 1 and differences(i)[2, 0, 0, 1] == -1
    norm = torch.linalg.matrix_norm(torch.autograd.functional.jacobian(differences, x).reshape(-1, x.numel()), 2) ** 2
    assert 0.6 * curvature(x) <= norm <= curvature(x)


def test_values_are_the_written_sums():
    x = np.array([[[0.0, 2.0], [0.5, 0.7]]])
    steps = [(2.0, 0.5), (0.0, -1.3), (0.2, 0.0), (0.0, 0.0)]            # (i, j) differences at each voxel
    t = np.array([np.hypot(*s) for s in steps])
    assert float(TotalVariation().value(torch.tensor(x))) == pytest.approx(t.sum())
    assert float(Huber(1.0).value(torch.tensor(x))) == pytest.approx(np.where(t <= 1, t * t / 2, t - 0.5).sum())
    flat = np.abs(np.array(steps)).ravel()
    ratio = np.where(flat > 0, flat / 0.8, 1e-30) ** -0.8
    expected = flat ** 2 / (2 * 0.4 ** 2) * ratio / (1 + ratio)
    assert float(QGGMRF(0.4, 1.2, 2.0).value(torch.tensor(x))) == pytest.approx(expected.sum())


@pytest.mark.parametrize("prior", [p for p in PRIORS if hasattr(p, "gradient")], ids=repr)
@pytest.mark.parametrize("shape", SHAPES)
def test_gradients_meet_central_differences(prior, shape):
    x, g, e = volume(shape), volume(shape, 5), 1e-6
    slope = (prior.value(x + e * g) - prior.value(x - e * g)) / (2 * e)
    assert float((prior.gradient(x) * g).sum()) == pytest.approx(float(slope), rel=1e-6)


@pytest.mark.parametrize("prior", [Huber(0.3), QGGMRF(0.4), QGGMRF(0.2, 1.5, 2.0)], ids=repr)
def test_slopes_change_no_faster_than_lipschitz(prior):
    for seed in range(20):
        x, y = 0.2 * volume((3, 4, 5), seed), 0.2 * volume((3, 4, 5), seed + 100)
        assert (prior.gradient(x) - prior.gradient(y)).norm() <= prior.lipschitz(x) * (x - y).norm() * (1 + 1e-9)


@pytest.mark.parametrize("wavelet", ["haar", "daubechies-4"])
@pytest.mark.parametrize("shape", [(4, 8, 16), (1, 8, 12), (3, 5, 16), (1, 1, 7)])
def test_wavelets_are_orthogonal(wavelet, shape):
    w, x = Wavelets(wavelet), volume(shape)
    c = w.transformed(x)
    assert torch.allclose(w.inverted(c), x) and torch.isclose(c.norm(), x.norm())
    assert float(w.value(torch.full(shape, 2.5, dtype=torch.float64))) == pytest.approx(0, abs=1e-10)


@pytest.mark.parametrize("prior", [TotalVariation(inner=400), Wavelets("haar")], ids=repr)
def test_proximal_points_are_minima(prior):
    b = volume((1, 4, 6))
    x = prior.prox(b, 0.3)

    def cost(y):
        return 0.5 * ((y - b) ** 2).sum() + 0.3 * prior.value(y)
    assert all(cost(x) <= cost(x + 10.0 ** -k * volume(b.shape, 10 + s)) + 1e-9 for k in (1, 2, 3) for s in range(30))


def test_total_variation_of_a_step_shrinks_by_the_known_amount():
    """Two plateaus of n voxels in a row: each moves by step / n towards the other."""
    b = torch.tensor([0.0] * 4 + [3.0] * 4, dtype=torch.float64).reshape(1, 1, 8)
    x = TotalVariation(inner=500).prox(b, 0.8)
    assert torch.allclose(x, torch.tensor([0.2] * 4 + [2.8] * 4, dtype=torch.float64).reshape(1, 1, 8), atol=1e-4)


def objective(A, p, weight, prior):
    return lambda x: 0.5 * (A(x) - p).square().sum() + weight * prior.value(x)


def generic_minimum(f, shape):
    """scipy's L-BFGS-B on x >= 0 for smooth objectives."""
    def both(values):
        x = torch.tensor(values.reshape(shape), requires_grad=True)
        y = f(x)
        return y.item(), torch.autograd.grad(y, x)[0].numpy().ravel()
    start = np.full(np.prod(shape), 0.5)
    options = {"maxiter": 5000, "ftol": 1e-15, "gtol": 1e-10}
    found = minimize(both, start, jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(start), options=options)
    return torch.tensor(found.x.reshape(shape))


@pytest.mark.parametrize(("name", "prior"), [("huber", Huber(0.1)), ("qggmrf", QGGMRF(0.1))])
def test_fista_finds_the_minimum_of_smooth_priors(name, prior):
    A, truth = positive_problem()
    p = A(truth) + 0.3
    method = FISTA(iterations=1500, prior=name, strength=1e-3, edge_per_mm=0.1)
    f = objective(A, p, weight_of_prior(1e-3, Problem(A, p)), prior)
    x = jobs.run(iterate(method, Problem(A, p)))
    assert float(f(x)) <= float(f(generic_minimum(f, truth.shape))) * (1 + 1e-6)


def test_primal_dual_and_fista_agree_on_total_variation():
    A, truth = positive_problem()
    p = A(truth) + 0.3
    problem = Problem(A, p)
    f = objective(A, p, weight_of_prior(0.01, problem), TotalVariation())
    x = jobs.run(iterate(PDHG(iterations=1500, strength=0.01), problem))
    y = jobs.run(iterate(FISTA(iterations=150, strength=0.01), problem))
    assert float(f(y)) == pytest.approx(float(f(x)), rel=1e-4)
    assert all(f(x) <= f((x + 10.0 ** -k * volume(x.shape, s)).clamp_min(0)) * (1 + 1e-9) for k in (1, 2, 3) for s in range(30))


def test_primal_dual_with_huber_edge():
    A, truth = positive_problem()
    p = A(truth) + 0.3
    f = objective(A, p, weight_of_prior(0.01, Problem(A, p)), Huber(0.1))
    x = jobs.run(iterate(PDHG(iterations=1500, strength=0.01, edge_per_mm=0.1), Problem(A, p)))
    assert float(f(x)) <= float(f(generic_minimum(f, truth.shape))) * (1 + 1e-6)


@pytest.mark.parametrize("method", [FISTA(iterations=40), FISTA(iterations=40, prior="wavelets"), PDHG(iterations=40), ASDPOCS(iterations=20)],
                         ids=lambda m: type(m).__name__)  # fmt: skip
def test_the_unit_of_length_does_not_matter(method):
    """In metres the operator is a thousandth, the volume a thousand times as large."""
    A, truth = positive_problem()
    metres = Dense(A.matrix * 1e-3, A.domain_shape, A.range_shape)
    x, y = (jobs.run(iterate(method, Problem(a, A(truth)))) for a in (A, metres))
    assert torch.allclose(x, y * 1e-3, rtol=1e-6)


def test_a_denoiser_takes_the_priors_place():
    A, truth = positive_problem()
    calls = []

    def flat(x):
        calls.append(x)
        return torch.full_like(x, float(x.mean()))
    x = jobs.run(iterate(FISTA(iterations=5, denoiser=flat), Problem(A, A(truth))))
    assert len(calls) == 5 and float(x.max() - x.min()) == 0


def test_prior_images_pull():
    A, truth = positive_problem(rows=8)
    p = A(truth)
    without = jobs.run(iterate(ASDPOCS(iterations=50, subsets=2), Problem(A, p)))
    with_prior = jobs.run(iterate(PICCS(iterations=50, subsets=2, prior_share=0.9), Problem(A, p, prior=truth + 0.05)))
    assert (with_prior - truth).norm() < 0.5 * (without - truth).norm()
    with pytest.raises(ReconstructionError, match="needs a prior volume"):
        jobs.run(iterate(PICCS(), Problem(A, p)))


@pytest.mark.parametrize("method", [FISTA(iterations=8), PDHG(iterations=8), ASDPOCS(iterations=8, subsets=3)], ids=lambda m: type(m).__name__)
def test_work_goes_on_where_it_was_stopped(method):
    A, truth = positive_problem()
    problem = Problem(A, A(truth))
    half = iterate(method, problem)
    for _ in range(4):
        step = next(half)
    assert torch.allclose(jobs.run(iterate(method, problem, step.state)), jobs.run(iterate(method, problem)), rtol=1e-12)


def test_steps_carry_the_value_of_the_prior():
    A, truth = positive_problem()
    known = torch.rand(truth.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    tv = TotalVariation()
    expected = {
        FISTA(iterations=2): lambda x: tv.value(x), FISTA(iterations=2, prior="huber", edge_per_mm=0.1): lambda x: Huber(0.1).value(x),
        PDHG(iterations=2): lambda x: tv.value(x), PDHG(iterations=2, edge_per_mm=0.1): lambda x: Huber(0.1).value(x),
        ASDPOCS(iterations=2, subsets=2): lambda x: tv.value(x),
        PICCS(iterations=2, subsets=2, prior_share=0.3): lambda x: 0.3 * tv.value(x - known) + 0.7 * tv.value(x),
    }  # fmt: skip
    for method, value in expected.items():
        for step in iterate(method, Problem(A, A(truth), prior=known)):
            if step.preview is not None:            # while the step length is looked for there is none
                assert step.prior_value == pytest.approx(float(value(step.preview)))
    assert all(step.prior_value is None for step in iterate(FISTA(iterations=2, prior="none"), Problem(A, A(truth))))
