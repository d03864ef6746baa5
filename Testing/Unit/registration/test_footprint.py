"""One object among others: X-rays cropped to its reach, footprints that follow it, and a bone found in front of other bones."""

import numpy as np
import pytest
import torch
from Unit.registration.phantoms import CENTRE, body, pose

from XRayTomoLib import jobs
from XRayTomoLib.geometry import CArm, transform_points
from XRayTomoLib.grids import CartesianGrid
from XRayTomoLib.registration.case import Case, RegistrationError, XRay, compose
from XRayTomoLib.registration.evaluate import middle_half, mtre_mm
from XRayTomoLib.registration.footprint import around_object, covered, likeness, occupied_corners, px_per_mm, telling, within_reach
from XRayTomoLib.registration.joint import register_bones
from XRayTomoLib.registration.register import RegistrationOptions, register
from XRayTomoLib.registration.search import poses_around
from XRayTomoLib.registration.similarity import NCC
from XRayTomoLib.registration.tracking import track

ARM = CArm(1000.0, 700.0, 72, 96, 3.0, 3.0)
MARGIN_MM = 4.0
OTHERS = ((0.3, -0.2, 0.9, 4.0, -2, 52), (-0.2, 0.1, -0.7, 26.0, 10, 4), (0.2, 0.3, 0.5, 8.0, -10, -62))


def bone():
    """A box with two knobs and a hollow in the middle of a grid that is mostly empty."""
    grid = CartesianGrid.centred((40, 32, 32), 2.0, CENTRE)
    mu = torch.zeros(grid.shape)
    mu[8:32, 12:20, 11:18], mu[8:14, 10:24, 9:22], mu[26:32, 8:20, 14:24], mu[16:24, 14:18, 13:16] = 0.03, 0.03, 0.03, 0.01
    return grid, mu


def scene(truth=None, noise=0.02):
    """X-rays of the bone at its true pose (default: pose()), of others like it that moved elsewhere, and of flesh."""
    grid, mu = bone()
    flesh, places = body(1, 24, 6.0, blobs=12), [pose() if truth is None else truth, *(compose(np.array(o), np.eye(4), CENTRE) for o in OTHERS)]
    images = []
    for number, view in enumerate(ARM.views([20.0, 110.0], 0.0, CENTRE)):
        parts = [(*flesh, np.eye(4)), *((grid, mu, place) for place in places)]
        image = sum(Case(g, m, [XRay(torch.eye(*view.shape), view)]).render(T, 0)[0] for g, m, T in parts)
        random = np.random.default_rng(number)
        images.append(XRay(image + noise * torch.as_tensor(random.normal(size=view.shape)), view, name=f"view {number}"))
    return Case(grid, mu, images, CENTRE)


@pytest.fixture(scope="module")
def case():
    return scene()


def test_a_bone_among_others(case):
    """Other bones fill most of the picture: what counts without a footprint is them."""
    start = compose(np.r_[0.1, -0.08, 0.1, 6.0, -7, 6], pose(), CENTRE)
    options = {"search_count": 64, "search_rotation_deg": 10.0, "search_shift_mm": 9.0, "refined_starts": 4}
    found = jobs.run(register(case, start, RegistrationOptions(footprint_mm=2.0, **options)))
    assert mtre_mm(found.pose, pose(), middle_half(case.grid)) < 0.7 and (found.scores > 0.85).all()
    assert found.xrays is case.xrays
    with pytest.raises(RegistrationError, match="contradict"):
        jobs.run(register(case, start, RegistrationOptions(**options | {"search_count": 16, "refined_starts": 1})))


def test_two_bones_that_overlap(case):
    """Alone one takes the other's shadow for its own; together they explain the picture where they overlap."""
    truths = [pose(), compose(np.array(OTHERS[0]), np.eye(4), CENTRE)]
    starts = [compose(np.r_[0.04, -0.04, 0.04, 2.0, -2, 2], t, transform_points(t, CENTRE)) for t in truths]
    cases, points = [case, Case(case.grid, case.mu, case.xrays, CENTRE)], middle_half(case.grid)
    options, steps = RegistrationOptions(footprint_mm=2.0, search_count=1, refined_starts=1), []
    found = jobs.run(register_bones(cases, starts, options), steps.append)
    assert [float(mtre_mm(p, t, points)) < 0.6 for p, t in zip(found.poses, truths)] == [True, True]
    assert (found.scores > 0.9).all() and steps[-1].state["poses"].shape == (2, 4, 4)             # the second alone: 0.78 and 0.84
    assert [v.shape for v in found.views] == [x.views.shape for x in case.xrays]


def test_a_bone_is_followed_among_others(case):
    """It moves by 4 mm from frame to frame, the others stay; half a pixel is 1 mm. With all pixels it is off by 4 to 6 mm."""
    truths = [compose(np.r_[0, 0, 0.05 * k, -2.5 * k, 1.0 * k, -3.0 * k], pose(), CENTRE) for k in range(3)]
    frames = [scene(truth).xrays for truth in truths]
    found = jobs.run(track(case, frames, pose(), footprint_mm=2.0))
    assert [float(mtre_mm(p, t, middle_half(case.grid))) < 1.0 for p, t in zip(found.poses, truths)] == [True] * 3 and found.scores.min() > 0.8


def test_cropped_to_what_can_be_reached(case):
    poses = poses_around(pose(), CENTRE, 32, 10, 8)
    near = within_reach(case, poses, MARGIN_MM)
    corners = occupied_corners(case.grid, case.mu)
    low, high = case.grid.ijk_from_ras(corners).min(0), case.grid.ijk_from_ras(corners).max(0)
    np.testing.assert_allclose([low, high], [[8.5, 7.5, 7.5], [23.5, 23.5, 31.5]], atol=1e-9)
    for x, whole, index in zip(near.xrays, case.xrays, range(2)):
        assert x.image.numel() < 0.6 * whole.image.numel()
        pixels = np.concatenate([np.asarray(x.views.project(transform_points(p, corners)))[0] for p in poses])
        assert (pixels >= 0).all() and (pixels <= np.array(x.image.shape) - 1).all()
        torch.testing.assert_close(near.render(poses[:2], index).sum((1, 2)), case.render(poses[:2], index).sum((1, 2)), rtol=1e-4, atol=1e-3)
        r, c = np.round(np.asarray(whole.views.project(np.asarray(x.views.origin)))[0, 0]).astype(int)
        assert torch.equal(x.image, whole.image[r : r + x.image.shape[0], c : c + x.image.shape[1]])


def test_footprints_follow_the_pose(case):
    poses = np.stack([pose(), compose(np.r_[0, 0, 0, 0, 0, 10.0], pose(), CENTRE), compose(np.r_[0, 0, 0, 0, 0, 900.0], pose(), CENTRE)])
    radiographs, masks = covered(case, poses, 0, MARGIN_MM)
    px = MARGIN_MM * px_per_mm(case.xrays[0], transform_points(pose(), case.grid.centre_ras))
    assert px_per_mm(case.xrays[0], CENTRE) == pytest.approx(1000 / 700 / 3.0, rel=1e-3)
    rows = [np.flatnonzero(m.any(1)) for m in masks[:2].numpy()]
    shadow = np.flatnonzero((radiographs[0] > 0.01 * radiographs[0].max()).any(1).numpy())
    assert shadow[0] - rows[0][0] == rows[0][-1] - shadow[-1] == round(px)
    assert rows[0][0] - rows[1][0] == pytest.approx(10 * px / MARGIN_MM, abs=1.5)
    assert torch.equal(telling(case.xrays[0], masks[[0, 2]]), torch.stack([masks[0], case.xrays[0].mask]))
    near, gone = (around_object(case, p, MARGIN_MM).xrays[0] for p in poses[[0, 2]])
    assert torch.equal(near.mask, masks[0]) and near.image is case.xrays[0].image
    assert not masks[2].any() and torch.equal(gone.mask, case.xrays[0].mask)        # out of sight: compared with the whole picture


def test_likeness_is_the_similarity_over_each_footprint(case):
    poses = poses_around(pose(), CENTRE, 3, 10, 8)
    expected = [np.mean([float(NCC()(case.render(p, i)[0], x.image, x.mask)) for i, x in enumerate(around_object(case, p, MARGIN_MM).xrays)])
                for p in poses]
    np.testing.assert_allclose(likeness(case, poses, NCC(), MARGIN_MM), expected, rtol=1e-5)
