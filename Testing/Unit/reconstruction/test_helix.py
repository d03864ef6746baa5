"""Helical inversion on exact line integrals of Gaussian blobs, off centre, over three turns."""
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from XRayTomoLib import jobs
from XRayTomoLib.geometry import CArm, Cylindrical, circle, pose_about
from XRayTomoLib.geometry.trajectories import Helix
from XRayTomoLib.grids import CartesianGrid
from XRayTomoLib.reconstruction import ReconstructionError
from XRayTomoLib.reconstruction.analytic import HelicalFDK, Katsevich

ARM = CArm(500, 300, 64, 128, 1.3, 1.3)
BLOBS = [((20, -10, 5), 8.0, 1.0), ((-15, 12, -9), 6.0, 0.7), ((0, 25, 3), 5.0, -0.3)]
GRID = CartesianGrid.centred((12, 72, 72), 1.0)
UNMOVED = np.eye(4)


def projections(views, move=UNMOVED):
    start, end = views.rays()
    direction = (end - start) / np.linalg.norm(end - start, axis=-1, keepdims=True)
    total = 0.0
    for centre, sigma, height in BLOBS:
        offset = move[:3, :3] @ np.array(centre, float) + move[:3, 3] - start
        square = (offset ** 2).sum(-1) - (offset * direction).sum(-1) ** 2
        total = total + height * sigma * math.sqrt(2 * math.pi) * np.exp(-square / (2 * sigma ** 2))
    return torch.as_tensor(total, dtype=torch.float32)


def truth(grid=GRID):
    k, j, i = np.indices(grid.shape)
    points = np.stack([i, j, k], -1) @ grid.ijk_to_ras[:3, :3].T + grid.ijk_to_ras[:3, 3]
    return sum(a * np.exp(-((points - np.array(c)) ** 2).sum(-1) / (2 * s ** 2)) for c, s, a in BLOBS)


def error(method, views, p=None):
    x = jobs.run(method.run(views, projections(views) if p is None else p, GRID)).numpy()
    return np.linalg.norm(x - truth()) / np.linalg.norm(truth())


def test_katsevich_is_exact_where_fdk_shows_its_cone():
    views = Helix(count=210, turns=3, pitch_mm=70).views(ARM)
    exact, approximate = error(Katsevich(), views), error(HelicalFDK(), views)
    assert exact < 0.014
    assert approximate > 2.4 * exact


def test_error_falls_with_the_angular_step():
    """Of second order: 210 views instead of 150 leave (150 / 210)^2 = 0.51 of the error."""
    errors = [error(Katsevich(), Helix(count=n, turns=3, pitch_mm=40).views(ARM)) for n in (150, 210)]
    assert errors[1] < 0.65 * errors[0]


def test_left_handed_backward_flipped_and_curved():
    views = Helix(count=150, turns=3, pitch_mm=40).views(ARM)
    reference = error(Katsevich(), views)
    assert reference < 0.022
    assert error(Katsevich(), Helix(count=150, turns=3, pitch_mm=-40).views(ARM)) < 0.022
    assert error(Katsevich(), Helix(count=150, turns=3, pitch_mm=40).views(replace(ARM, flipped=True))) == pytest.approx(reference, rel=1e-3)
    assert error(Katsevich(), views[np.arange(len(views))[::-1]]) == pytest.approx(reference, rel=1e-3)
    assert error(Katsevich(), replace(views, surface=Cylindrical(500.0, 63.5))) < 0.024


def test_approximate_helices_take_half_a_turn_where_the_panel_is_low():
    """Panels of 50 and 25 mm, as they are at the axis: the error grows with the pitch, and not where a turn leaves the panel."""
    low = replace(ARM, rows=32)
    scans = [Helix(count=150, turns=3, pitch_mm=pitch).views(arm) for pitch, arm in ((20, ARM), (40, ARM), (40, low), (55, low))]
    errors = [error(HelicalFDK(), views) for views in scans]
    assert errors == sorted(errors) and errors[0] < 0.015 and errors[2] < 0.024 and errors[3] < 0.04


def test_what_no_view_sees_stays_zero():
    """Layers beyond the ends of the helix, voxels beyond the fan."""
    views = Helix(count=100, turns=1.5, pitch_mm=40).views(replace(ARM, rows=32))
    grid = CartesianGrid.centred((21, 40, 40), (6.0, 6.0, 8.0))
    x = jobs.run(HelicalFDK().run(views, torch.ones(100, 32, 128), grid)).numpy()
    assert np.abs(x[10, 20, 20]) > 0.001 and not x[0].any() and not x[-1].any() and not x[:, 0, 0].any()


def test_approximate_helices_are_filtered_along_their_arcs():
    views = Helix(count=120, turns=3, pitch_mm=20).views(ARM)
    arc = replace(views, surface=Cylindrical(500.0, 63.5))
    along = error(HelicalFDK(), arc)
    assert along == pytest.approx(error(HelicalFDK(), views), rel=0.05)
    assert error(HelicalFDK(), arc[np.arange(120)[::-1]]) == pytest.approx(along, rel=1e-3)


def test_a_helix_about_any_axis():
    move = pose_about((0.4, -0.7, 0.3), (12, 5, -8), (0, 0, 0))
    views = Helix(count=150, turns=3, pitch_mm=40).views(ARM).transformed(move)
    there = CartesianGrid(GRID.shape, move @ GRID.ijk_to_ras)
    x = jobs.run(Katsevich().run(views, projections(views, move), there)).numpy()
    assert np.linalg.norm(x - truth()) / np.linalg.norm(truth()) < 0.022


def test_what_is_no_helix_or_too_steep_is_refused():
    with pytest.raises(ReconstructionError, match="no common axis|do not run on an evenly stepped helix"):
        error(Katsevich(), circle(ARM, 60), torch.zeros(60, 64, 128))
    with pytest.raises(ReconstructionError, match=r"too low for a table feed of 90\.0 mm"):
        error(Katsevich(), Helix(count=100, turns=3, pitch_mm=90).views(ARM), torch.zeros(100, 64, 128))


@pytest.mark.parametrize(("method", "pitch"), [(HelicalFDK(), 20), (HelicalFDK(), 60), (Katsevich(), 40)], ids=["turns", "half turns", "exact"])
def test_a_shifted_panel_is_refused(method, pitch):
    """30 mm of 166: what leaves its narrow side came out up to 1.2 times as dense (FDK), or 0.6 times. 2 mm are the play of a scanner."""
    p = torch.zeros(100, 64, 128)
    for shift in (30.0, -30.0):
        views = Helix(count=100, turns=3, pitch_mm=pitch).views(replace(ARM, principal_offset_mm=(shift, 0.0)))
        with pytest.raises(ReconstructionError, match="the detector is shifted: .* take an iterative method"):
            error(method, views, p)
    assert error(method, Helix(count=100, turns=3, pitch_mm=pitch).views(replace(ARM, principal_offset_mm=(2.0, 0.0))), p) == 1.0
