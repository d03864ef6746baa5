"""Registration from rough starts: it ends at the truth, says so, and refuses what cannot work."""

import numpy as np
import pytest
import torch
from Unit.registration.phantoms import CENTRE, body, pose, views, xrayed

from XRayTomoLib import jobs
from XRayTomoLib.registration.case import Case, RegistrationError, XRay, compose
from XRayTomoLib.registration.evaluate import middle_half, mtre_mm
from XRayTomoLib.registration.objective import Objective
from XRayTomoLib.registration.optimisers import OPTIMISERS, climb
from XRayTomoLib.registration.recipe import Level
from XRayTomoLib.registration.register import RegistrationOptions, register
from XRayTomoLib.registration.search import distinct, poses_around, search, spread
from XRayTomoLib.registration.similarity import similarity_of
from XRayTomoLib.registration.stage import Stage

TRUTH = pose()
START = compose(np.r_[0.2, -0.15, 0.2, 14.0, -12, 16], TRUTH, CENTRE)
QUICK = {"search_count": 64, "search_rotation_deg": 14.0, "search_shift_mm": 20.0}


@pytest.fixture(scope="module")
def case():
    grid, mu = body(size=32, spacing_mm=4.5)
    return Case(grid, mu, xrayed(grid, mu, views(), TRUTH, noise=0.02), CENTRE)


def test_two_views_from_far(case):
    steps = []
    found = jobs.run(register(case, START, RegistrationOptions(**QUICK)), steps.append)
    assert mtre_mm(found.pose, TRUTH, middle_half(case.grid)) < 0.1
    assert (found.scores > 0.9).all() and (found.scores_start < 0.8).all()
    assert all(step.state["pose"].shape == (4, 4) for step in steps) and found.history
    report = found.report()
    assert "view 0" in report and "refined starts agree" in report and "95 % ellipsoid" in report


def test_the_search_is_repeatable(case):
    twice = [jobs.run(register(case, START, RegistrationOptions(seed=3, **QUICK))).pose for _ in range(2)]
    np.testing.assert_array_equal(*twice)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_climbers_of_any_similarity(case, name):
    start = compose(np.r_[0.01, -0.02, 0.01, 1.0, -1, 1.5], TRUTH, CENTRE)
    low = case.with_xrays([x.binned(4) for x in case.xrays]).level(1, 2)
    objective = Objective(low, similarity_of("ncc"))
    steps = []
    found, value = jobs.run(climb(name, objective, start, CENTRE, stop_mm=0.05), steps.append)
    assert value == pytest.approx(float(objective(found[None])[0]), abs=1e-6) and value > float(objective(start[None])[0])
    assert mtre_mm(found, TRUTH, middle_half(case.grid)) < 0.5 * mtre_mm(start, TRUTH, middle_half(case.grid)) and steps


def test_registration_by_another_similarity(case):
    start = compose(np.r_[0.01, -0.02, 0.01, 1.0, -1, 1.5], TRUTH, CENTRE)
    options = RegistrationOptions(optimiser="l-bfgs", similarity="gradient-ncc", search_count=1, refined_starts=1)
    found = jobs.run(register(case, start, options))
    assert mtre_mm(found.pose, TRUTH, middle_half(case.grid)) < 0.3


def test_held_directions_stay(case):
    """A turn about S and a shift along S commute: undone, they lead to the truth."""
    start = compose(np.r_[0, 0, 0.1, 0, 0, 5.0], TRUTH, (TRUTH @ np.r_[CENTRE, 1])[:3])
    found = jobs.run(register(case, start, RegistrationOptions(free="rotation S, shift S", **QUICK)))
    assert mtre_mm(found.pose, TRUTH, middle_half(case.grid)) < 0.1
    np.testing.assert_allclose((found.pose @ np.linalg.inv(start))[2, :3], [0, 0, 1], atol=1e-9)


def test_spread_is_inside_and_starts_with_the_start():
    increments = spread(100, 10, 20)
    assert not increments[0].any() and np.abs(increments[:, :3]).max() <= np.radians(10) and np.abs(increments[:, 3:]).max() <= 20
    assert np.abs(increments[:, 3:]).max() > 18
    held = poses_around(TRUTH, CENTRE, 16, 10, 20, free=[5]) @ np.linalg.inv(TRUTH)
    assert np.ptp(held[:, 2, 3]) > 20 and np.allclose(held[:, :3, :3], np.eye(3)) and np.allclose(held[:, :2, 3], 0)


def test_search_ends_when_enough_agree(case):
    stage, points = Stage(case, Level(4, 3, 8, 0.3, 15), RegistrationOptions()), middle_half(case.grid)
    poses = poses_around(TRUTH, CENTRE, 64, 6, 10)
    found, score = jobs.run(search(stage, poses, 8))
    assert len(found) == 4 and (np.diff(score) <= 0).all() and len(distinct(found, points, 2.0, 9)) == 1


def test_starts_that_are_refined_lie_apart(case):
    """Of two that lie together the better one is enough; the others are tried in its place."""
    points, poses = middle_half(case.grid), np.stack([compose(np.r_[0, 0, 0, 0, 0, z], TRUTH, CENTRE) for z in (0, 1, 7, 3.0, 8, 12)])
    kept = distinct(poses, points, 2.0, 3)
    np.testing.assert_array_equal(kept, poses[[0, 2, 3]])
    assert len(distinct(poses, points, 2.0, 9)) == 4


def test_refusals(case):
    away = compose(np.r_[0, 0, 0, 0, 0, 900.0], np.eye(4), CENTRE)
    for start, words in ((away, "does not see the volume"), (np.diag([1, 1, 2, 1.0]), "scales or shears"), (np.diag([-1, 1, 1, 1.0]), "mirrors")):
        with pytest.raises(RegistrationError, match=words):
            next(register(case, start))
    random = torch.as_tensor(np.random.default_rng(0).normal(size=(64, 64)))
    noise = case.with_xrays([XRay(random, x.views, name=x.name) for x in case.xrays])
    with pytest.raises(RegistrationError, match="Nothing was moved"):
        jobs.run(register(noise, np.eye(4), RegistrationOptions(search_count=16, refined_starts=2)))


def test_contradicting_geometries(case):
    wrong = xrayed(case.grid, case.mu, [views()[1]], compose(np.r_[0.5, 0.4, -0.4, 20, -25.0, 20], TRUTH, CENTRE))[0]
    both = case.with_xrays([case.xrays[0], wrong])
    with pytest.raises(RegistrationError, match="contradict"):
        jobs.run(register(both, TRUTH, RegistrationOptions(search_count=4, refined_starts=1, search_rotation_deg=2.0, search_shift_mm=2.0)))


def test_bad_options():
    for values, words in (({"free": "rotation X"}, "rotation X"), ({"similarity": "ncc"}, "needs residuals"), ({"search_count": 0}, "search_count")):
        with pytest.raises(RegistrationError, match=words):
            RegistrationOptions(**values)
