"""Several bones, geometry refined along, and sequences."""

import numpy as np
import pytest
import torch
from Unit.registration.phantoms import CENTRE, body, pose, views, xrayed

from XRayTomoLib import jobs
from XRayTomoLib.geometry import transform_points
from XRayTomoLib.registration.case import Case, RegistrationError, XRay, compose
from XRayTomoLib.registration.evaluate import middle_half, mtre_mm
from XRayTomoLib.registration.joint import JointResiduals, State, register_bones, register_together
from XRayTomoLib.registration.register import RegistrationOptions
from XRayTomoLib.registration.tracking import candidates, track

TRUTH = pose()
BODY = body(size=32, spacing_mm=4.5)


def test_two_bones_together():
    """Two bodies that overlap in both views, each with a motion of its own."""
    second, other = body(seed=9, size=24, spacing_mm=4.5), compose(np.r_[0.1, 0.05, -0.1, 20.0, 15, 25], TRUTH, CENTRE)
    xrays = xrayed(*BODY, views(), TRUTH, noise=0.02, bodies=[(*second, other)])
    cases = [Case(*BODY, xrays, CENTRE), Case(*second, xrays, CENTRE)]
    starts = [compose(np.r_[0.02, -0.02, 0.03, 2.0, -2, 1], TRUTH, CENTRE), compose(np.r_[-0.02, 0.03, 0.02, -2.0, 1, 2], other, CENTRE)]
    found = jobs.run(register_together(cases, starts))
    assert [float(mtre_mm(p, t, middle_half(g))) < 0.1 for p, t, g in zip(found.poses, (TRUTH, other), (BODY[0], second[0]))] == [True, True]
    assert (found.scores > 0.9).all()
    for bar, found_pose, true in zip(found.uncertainties, found.poses, (TRUTH, other)):
        np.testing.assert_array_equal(bar.pose, found_pose)
        at, miss = transform_points(found_pose, CENTRE), transform_points(found_pose, CENTRE) - transform_points(true, CENTRE)
        assert miss @ np.linalg.solve(bar.at(at), miss) < 16.3 and 0.01 < bar.ellipsoid(at)[0][0] < 1.0      # 99.9 % of a chi-square


def test_geometry_is_refined_with_the_pose():
    """The second view's file lies: its detector stands 4 and -3 mm beside, and the gantry turned 1 degree less."""
    xrays = xrayed(*BODY, views(), TRUTH, noise=0.02)
    turned = compose(np.r_[0, 0, 0.017, 0, 0, 0.0], np.eye(4), CENTRE)
    wrong = State(np.eye(4)[None], np.array([[0, 0, 0], [-4.0, 3.0, 0]]), np.stack([np.eye(4), turned]))
    case = Case(*BODY, [XRay(x.image, wrong.corrected(i, x.views)) for i, x in enumerate(xrays)], CENTRE)
    fixed, freed = (jobs.run(register_together([case], [TRUTH], geometry)) for geometry in ((), ("offset_u", "offset_v", "pose")))
    assert freed.scores.min() > fixed.scores.max()
    true, found, before = (np.asarray(v.project(middle_half(BODY[0]) @ T[:3, :3].T + T[:3, 3]))[0] for v, T in (
        (xrays[1].views, TRUTH), (freed.views[1], freed.poses[0]), (fixed.views[1], fixed.poses[0])))
    assert np.abs(found - true).max() < 0.15 < np.abs(before - true).max()
    assert fixed.deviations.shape == (2, 9) and not fixed.deviations.any()
    assert not freed.deviations[:, 2].any() and not freed.deviations[0, 3:].any() and (freed.deviations[1, 3:] > 0).all()


def test_corrections_have_error_bars():
    """Detectors alone are refined: along u, where no shift of the body looks the same in both views, they are surer than along v."""
    xrays, wrong = xrayed(*BODY, views(), TRUTH, noise=0.02), State(np.eye(4)[None], np.array([[0, 0, 0], [-4.0, 3.0, 0]]), np.eye(4)[None][[0, 0]])
    case = Case(*BODY, [XRay(x.image, wrong.corrected(i, x.views)) for i, x in enumerate(xrays)], CENTRE)
    found = jobs.run(register_together([case], [TRUTH], ("offset_u", "offset_v")))
    misses, deviations = (found.shifts_mm + wrong.shifts)[:, :2], found.deviations[:, :2]
    assert (np.abs(misses) < 4 * deviations).all() and deviations.max() < 20 and (deviations[:, 0] < deviations[:, 1]).all()


def test_refusals():
    xrays = xrayed(*BODY, views(), TRUTH)
    case = Case(*BODY, xrays, CENTRE)
    alone = case.with_xrays(xrays[:1])
    for arguments, words in ((([case], [TRUTH], ("tilt",)), "tilt"), (([case, alone], [TRUTH] * 2), "same X-rays"),
                             (([case], []), "one start for each"), (([alone], [TRUTH], ("sdd",)), "give a second view")):
        with pytest.raises(RegistrationError, match=words):
            next(register_together(*arguments))
    with pytest.raises(RegistrationError, match="2 X-rays"):
        next(track(case, [xrays[:1]], TRUTH))


def rough():
    """Options of a search that stays near its starts."""
    return RegistrationOptions(search_count=1, refined_starts=1)


def test_bones_that_the_xrays_do_not_show_are_refused():
    random = np.random.default_rng(0)
    xrays = [XRay(torch.tensor(random.normal(size=x.image.shape), dtype=torch.float32), x.views) for x in xrayed(*BODY, views(), TRUTH)]
    with pytest.raises(RegistrationError, match="look like the X-rays"):
        jobs.run(register_bones([Case(*BODY, xrays, CENTRE)], [TRUTH], rough()))


def test_bones_in_xrays_that_contradict_each_other_are_refused():
    """The second X-ray was taken after the body had moved on by 25 mm."""
    other = compose(np.r_[0, 0, 0, 0, 0, 25.0], TRUTH, CENTRE)
    xrays = [xrayed(*BODY, views(), T, noise=0.02)[i] for i, T in enumerate((TRUTH, other))]
    with pytest.raises(RegistrationError, match="contradict"):
        jobs.run(register_bones([Case(*BODY, xrays, CENTRE)], [TRUTH], rough()))


def test_held_directions_of_bones_stay_and_other_optimisers_are_refused():
    case, start = Case(*BODY, xrayed(*BODY, views(), TRUTH, noise=0.02), CENTRE), compose(np.r_[0, 0, 0, 3.0, 0, 0], TRUTH, CENTRE)
    found = jobs.run(register_together([case], [start], options=RegistrationOptions(free="shift R")))
    np.testing.assert_allclose(found.poses[0][:, :3], start[:, :3], atol=1e-12)
    assert np.abs(found.poses[0][:3, 3] - TRUTH[:3, 3]).max() < 0.1 and np.count_nonzero(found.uncertainties[0].covariance) == 1
    with pytest.raises(RegistrationError, match="not by 'adam'"):
        next(register_together([case], [start], options=RegistrationOptions(optimiser="adam")))


def test_state_corrects_the_views():
    view, shifts = views()[0], np.array([[2.0, 0, 5.0]])
    corrected = State(np.eye(4)[None], shifts, np.eye(4)[None]).corrected(0, view)
    moved = np.asarray(corrected.origin)[0] - np.asarray(view.origin)[0]
    assert moved @ np.asarray(view.u)[0] == pytest.approx(2 * 4.0)
    assert float(np.asarray(corrected.sdd_mm).ravel()[0]) == pytest.approx(1005.0)
    assert JointResiduals([Case(*BODY, xrayed(*BODY, views(), TRUTH), CENTRE)], 8).free.tolist() == list(range(6))


def test_a_moving_body_is_followed():
    """8 mm and 5 degrees from frame to frame, more than what one start would catch at once."""
    poses = [compose(np.r_[0, 0, 0.04 * k, 5.0 * k, 0, -3.0 * k], TRUTH, CENTRE) for k in range(5)]
    frames = [xrayed(*BODY, views(), p, noise=0.02, seed=k) for k, p in enumerate(poses)]
    result = jobs.run(track(Case(*BODY, frames[0], CENTRE), frames, TRUTH))
    errors = [float(mtre_mm(a, b, middle_half(BODY[0]))) for a, b in zip(result.poses, poses)]
    assert max(errors) < 0.6 and result.scores.min() > 0.8


def test_constant_velocity():
    steps = [compose(np.r_[0, 0, 0.1 * k, 3.0 * k, 0, 0], np.eye(4), CENTRE) for k in range(3)]
    np.testing.assert_allclose(candidates(steps[:2], None, CENTRE)[0], compose(np.r_[0, 0, 0.2, 3 + 3.0, 0, 0], np.eye(4), CENTRE), atol=1e-9)
    assert len(candidates([], TRUTH, CENTRE)) == 1 and candidates(steps, None, CENTRE).shape == (2, 4, 4)
