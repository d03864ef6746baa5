"""A region in an object that reaches beyond it, and estimates before the start."""
from dataclasses import replace

import numpy as np
import pytest
import torch

from XRayTomoLib import jobs
from XRayTomoLib.geometry import CArm, circle
from XRayTomoLib.grids import CartesianGrid, Ellipsoid, Phantom
from XRayTomoLib.jobs import Step
from XRayTomoLib.reconstruction import ReconstructionError, method_of, reconstruct
from XRayTomoLib.reconstruction.estimate import estimate
from XRayTomoLib.reconstruction.grids import needed_bytes
from XRayTomoLib.reconstruction.region import _coarse_around, _padded, without_surroundings
from XRayTomoLib.tracing import Projector
from XRayTomoLib.workflows.reconstruction import reconstruction

OBJECT = Phantom("disc", (Ellipsoid((0, 0, 0), (80, 80, 400), 0.02), Ellipsoid((12, -9, 0), (6, 9, 400), 0.01),
                          Ellipsoid((-55, 30, 0), (10, 10, 400), 0.03)))
VIEWS = circle(CArm(1000, 600, 1, 160, 2.0, 2.0), 120)
REGION = CartesianGrid.centred((1, 30, 33), 1.5, (5, -5, 0))


@pytest.fixture(scope="module")
def p():
    return torch.as_tensor(OBJECT.line_integrals(*VIEWS.rays()), dtype=torch.float32)


def error(x):
    truth = torch.as_tensor(OBJECT.voxelise(REGION))
    return float((x - truth).norm() / truth.norm())


def test_a_region_is_found_without_what_surrounds_it(p):
    method = method_of("cgls", {"iterations": 15})
    plain = jobs.run(reconstruct(method, VIEWS, p, REGION))
    x, grid, origin = jobs.run(reconstruction(p, VIEWS, method, REGION, surround_mm=75))
    assert x.shape == REGION.shape and grid == REGION and origin["parameters"]["surround_mm"] == 75
    assert error(x) < 0.08 and error(x) < 0.1 * error(plain)
    border = torch.cat([x[0, [0, -1]].ravel(), x[0, :, [0, -1]].ravel()])
    assert abs(float(border.mean()) - 0.02) < 5e-4 and float(border.std()) < 2e-3


@pytest.mark.parametrize("shape", [(1, 30, 33), (5, 8, 3)])
def test_coarse_voxels_cover_the_region_exactly(shape):
    oblique = CartesianGrid.centred(shape, (1.0, 2.0, 3.0), (5, 6, 7)).transformed(
        np.array([[0.6, -0.8, 0, 4], [0.8, 0.6, 0, 5], [0, 0, 1, 6], [0, 0, 0, 1]]))
    inner, kept = _padded(oblique)
    k, j, i = (s.start for s in kept)
    assert np.allclose(inner.ras_from_ijk((i, j, k)), oblique.ras_from_ijk((0, 0, 0)))
    assert tuple(s.stop - s.start for s in kept) == shape
    outer, place = _coarse_around(inner, 10.0)
    start, stop = (np.array([getattr(s, end) for s in place])[::-1] for end in ("start", "stop"))
    assert np.allclose(outer.cropped(start, stop).corners_ras(), inner.corners_ras())
    for n, s in zip(outer.shape, place):
        assert (n == 1) or (s.start > 0 and s.stop < n)


def test_what_a_region_does_not_go_with_is_said(p):
    with pytest.raises(ReconstructionError, match="take an iterative method"):
        next(without_surroundings(method_of("fdk"), VIEWS, p, REGION, 10.0, Projector))
    with pytest.raises(ReconstructionError, match="takes no start"):
        jobs.run(reconstruction(p, VIEWS, method_of("sirt"), REGION, surround_mm=10, start=torch.zeros(REGION.shape)))


class Clock:
    """Time that passes only as the work says: fixed seconds and seconds a view, before the start and in each iteration."""

    def __init__(self, start, turn):
        self.now, self.start, self.turn = 0.0, start, turn

    def __call__(self):
        return self.now

    def run(self, method, views, p, grid, **known):
        iterative = hasattr(method, "iterations")
        for index in range(method.iterations if iterative else 1):
            if index == 0:
                self.now += self.start[0] + self.start[1] * len(views)
            self.now += self.turn[0] + self.turn[1] * len(views) if iterative else 0.0
            yield Step(index + 1, 1)


@pytest.mark.parametrize(("name", "count"), [("sirt", 720), ("sirt", 120), ("cgls", 10), ("sirt", 5), ("fdk", 720)])
def test_the_estimate_is_the_line_through_two_timings(name, count):
    views, method = circle(CArm(1000, 600, 1, 160, 2.0, 2.0), count), method_of(name)
    clock = Clock((0.5, 0.02), (0.3, 0.01))
    found = estimate(method, views, REGION, clock, clock.run)
    turns = 0 if name == "fdk" else method.iterations * (0.3 + 0.01 * count)
    assert found.seconds == pytest.approx(0.5 + 0.02 * count + turns) and found.memory_bytes == needed_bytes(method, views, REGION)


def test_estimates_run_every_kind_of_method():
    for name in ("fdk", "sirt", "os-sart", "fista", "asd-pocs", "piccs"):
        method = method_of(name)
        assert 0 < estimate(replace(method, iterations=3) if name != "fdk" else method, VIEWS, REGION).seconds < 60


def test_memory_counts_the_sums_of_subsets():
    volume = 4 * np.prod(REGION.shape)
    few, many = (needed_bytes(method_of("os-sart", {"subsets": n}), VIEWS, REGION) for n in (2, 10))
    assert many - few == 8 * volume
    assert needed_bytes(method_of("sart"), VIEWS, REGION) - few == (len(VIEWS) - 2) * volume
