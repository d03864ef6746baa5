"""Real X-rays of a wrist: preparation finds their fields, the similarities have their top at the pose that others found, and from far off
radius and ulna are found."""

from dataclasses import replace

import numpy as np
import pytest
from Benchmarks.wrist import BONES, OPTIONS, ULNA, WRIST, bone, known_pose, start_near
from Benchmarks.wrist import xrays as read_xrays

from XRayTomoLib import jobs
from XRayTomoLib.registration.case import Case
from XRayTomoLib.registration.evaluate import middle_half, mtre_mm
from XRayTomoLib.registration.footprint import around_object
from XRayTomoLib.registration.joint import register_bones
from XRayTomoLib.registration.objective import Objective
from XRayTomoLib.registration.poses import Tangent
from XRayTomoLib.registration.similarity import similarity_of

pytestmark = pytest.mark.skipif(not WRIST.is_dir(), reason=f"the wrist data set is not at {WRIST}")


@pytest.fixture(scope="module")
def xrays():
    return read_xrays(WRIST)


@pytest.fixture(scope="module")
def radius(xrays):
    """The case at a coarse resolution, only the bone's surroundings counting, and the pose of radius_pose_0099.json."""
    pose = known_pose(WRIST)
    case = bone(WRIST, "radius", xrays)
    return around_object(Case(case.grid, case.mu, [x.binned(8) for x in xrays]), pose, 4.0), pose


def test_fields_of_the_image_intensifiers(xrays):
    for x in xrays:
        field = x.mask.numpy()
        r, c = np.argwhere(field).T
        radius = np.sqrt(field.sum() / np.pi)
        assert 840 < radius < 885 and abs(r.mean() - 880) < 25 and abs(c.mean() - 880) < 25
        assert not field[:100, :100].any() and field[600:1200, 500:1300].mean() > 0.999


@pytest.mark.parametrize("name", ["local-ncc", "multiscale-ncc", "gradient-ncc", "gradient-correlation", "gradient-orientation"])
def test_the_known_pose_is_the_top(radius, name):
    """One bone among many: what looks at patches or gradients sees it, what looks at intensities of the whole picture does not."""
    case, pose = radius
    steps = np.concatenate([s * np.diag([0.05] * 3 + [2.0] * 3) for s in (1, -1)])
    values = Objective(case, similarity_of(name))(np.concatenate([pose[None], Tangent(tuple(pose[:3, 3])).moved(steps, pose)]))
    assert int(values.argmax()) == 0
    assert name != "gradient-ncc" or float(values[0]) > 0.6


def test_radius_and_ulna_from_far(xrays):
    """From 12 and 9 mm off, at half the resolution of the benchmark: to within a pixel's fraction of where others, and finer pixels, saw them."""
    truths, random = [known_pose(WRIST), ULNA], np.random.default_rng(0)
    cases, starts = [bone(WRIST, name, xrays) for name in BONES], [start_near(truth, random) for truth in truths]
    found = jobs.run(register_bones(cases, starts, replace(OPTIONS, finest_px=128, search_count=128)))
    ends = zip(cases, truths, starts, found.poses)
    off = [(float(mtre_mm(start, truth, points)), float(mtre_mm(end, truth, points))) for case, truth, start, end in ends
           for points in [middle_half(case.grid)]]
    assert off[0][0] > 8 and off[1][0] > 8 and off[0][1] < 0.25 and off[1][1] < 0.25, off
    assert (found.scores > 0.75).all()
