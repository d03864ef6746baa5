"""Counts to line integrals: the formula, defective pixels, clipping, the open beam, and the streamed job."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from Unit.io.projections import stack_kit as kit

from XRayTomoLib import jobs
from XRayTomoLib.counts import bad_pixels, line_integral, repair
from XRayTomoLib.io.projections import ProjectionError, ProjectionSet, open_projections, open_stack
from XRayTomoLib.io.projections.normalise import Normalisation, flat_at, to_line_integrals
from XRayTomoLib.options import OptionError, make

TOOTH = Path(__file__).resolve().parents[5] / "shared/data/tooth/tooth.h5"


def scan(p, dark=None, flat=None, i0=None, flat_after=None, kind="counts", views=None):
    """Projections whose pixels are `p` [view, row, col]."""
    p = np.asarray(p)
    return ProjectionSet(len(p), p.shape[1:], p.dtype, lambda i: p[i], "scan", views, kind, dark, flat, flat_after, i0)


def run(tmp_path, projections, **options):
    """(stack, report)"""
    report = jobs.run(to_line_integrals(projections, tmp_path / "s.nrrd", make(Normalisation, options)))
    return open_stack(tmp_path / "s.nrrd").to_array(), report


@settings(max_examples=50, deadline=None)
@given(p=st.floats(0, 8), dark=st.floats(0, 300), flat=st.floats(1000, 60000))
def test_the_law_of_attenuation_is_inverted(p, dark, flat):
    counts = dark + (flat - dark) * np.exp(-p)
    found, clipped = line_integral(np.full((2, 3), counts), flat, dark)
    np.testing.assert_allclose(found, p, atol=1e-6)
    assert found.dtype == np.float32 and clipped == 0


def test_counts_without_signal_are_clipped_and_counted():
    counts = np.array([[0.0, 100.0, 99.0, np.nan, 600.0]])
    p, clipped = line_integral(counts, 1100.0, 100.0, least_transmission=1e-3)
    assert clipped == 4
    np.testing.assert_allclose(p, [[-np.log(1e-3)] * 4 + [np.log(2)]], rtol=1e-6)


def test_flat_between_before_and_after():
    before, after = np.full((2, 2), 100.0), np.full((2, 2), 80.0)
    assert [flat_at(i, 5, before, after)[0, 0] for i in range(5)] == [100, 95, 90, 85, 80]
    assert flat_at(3, 5, before)[0, 0] == 100 and flat_at(0, 1, before, after)[0, 0] == 100


def test_bad_pixels_are_found_in_a_smooth_noisy_flat():
    random = np.random.default_rng(3)
    flat = 1000 + 300 * np.linspace(0, 1, 40)[:, None] + 3 * random.standard_normal((40, 50))
    flat[5, 7], flat[0, 0], flat[20, 30] = 0, 3000, np.nan
    assert sorted(map(tuple, np.argwhere(bad_pixels(flat, 8)))) == [(0, 0), (5, 7), (20, 30)]
    dark = np.full((40, 50), 100.0)
    dark[3, 3] = 101
    assert not bad_pixels(dark, 8, least=10).any()


def test_repair_takes_the_median_of_the_nearest_good_neighbours():
    image = np.arange(49.0).reshape(7, 7)
    bad = np.zeros((7, 7), bool)
    bad[0, 0] = bad[3, 3] = True
    damaged = np.where(bad, -999, image)
    repaired = repair(damaged, bad)
    assert repaired[3, 3] == np.median([16, 17, 18, 23, 25, 30, 31, 32]) and repaired[0, 0] == np.median([1, 7, 8])
    np.testing.assert_array_equal(repaired[~bad], image[~bad])
    block = np.zeros((7, 7), bool)
    block[1:6, 1:6] = True                    # the centre's first good neighbours are three pixels away
    assert repair(np.where(block, -999, 5.0), block)[3, 3] == 5.0


def test_job_streams_steps_and_reports(tmp_path):
    flat, views = np.full((4, 5), 1100.0), kit.cone_views()
    truth = np.linspace(0.1, 3, 60).reshape(3, 4, 5)
    counts = 100 + 1000 * np.exp(-truth)
    counts[1, 2, 3] = 50
    projections = scan(counts, np.full((4, 5), 100.0), flat, views=views)
    steps = []
    report = jobs.run(to_line_integrals(projections, tmp_path / "s.nrrd"), steps.append)
    stack = open_stack(tmp_path / "s.nrrd")
    truth[1, 2, 3] = -np.log(1e-6)
    np.testing.assert_allclose(stack.to_array(), truth, rtol=1e-6)
    assert [(step.index, step.total) for step in steps] == [(1, 3), (2, 3), (3, 3)]
    assert (report.clipped, report.values, report.open_beam, report.bad) == (1, 60, "flat", 0)
    assert stack.kind == "line integral" and len(stack.views) == 3
    assert json.loads(stack.found["provenance"])["parameters"]["open_beam"] == "automatic"


def test_a_job_that_is_given_up_leaves_nothing(tmp_path):
    job = to_line_integrals(scan(kit.counts(), i0=5000.0), tmp_path / "s.nrrd")
    next(job)
    job.close()
    assert list(tmp_path.iterdir()) == []


def test_drifting_flat(tmp_path):
    counts = np.stack([np.full((4, 5), c) for c in (500.0, 450.0, 400.0)])
    p, _ = run(tmp_path, scan(counts, flat=np.full((4, 5), 1000.0), flat_after=np.full((4, 5), 800.0)))
    np.testing.assert_allclose(p, np.log(2), rtol=1e-6)


def test_exposure_of_each_view(tmp_path):
    exposure = np.array([1.0, 0.5, 2.0])
    counts = 100 + 500 * exposure[:, None, None] * np.ones((3, 4, 5))
    projections = replace(scan(counts, np.full((4, 5), 100.0), np.full((4, 5), 1100.0)), exposure=exposure)
    p, _ = run(tmp_path, projections)
    np.testing.assert_allclose(p, np.log(2), rtol=1e-6)


@pytest.mark.parametrize("options, i0, expected, used", [
    ({}, 2000.0, 2000.0, "number"),
    ({"i0": 4000.0}, 2000.0, 4000.0, "number"),
    ({"region_rows": 2, "region_cols": 1, "region_row": 1, "region_col": 4}, None, 800.0, "region"),
    ({}, None, 800.0, "brightest"),
    ({"open_beam": "brightest"}, 2000.0, 800.0, "brightest"),
])  # fmt: skip
def test_open_beam(tmp_path, options, i0, expected, used):
    counts = np.full((3, 4, 5), 200.0)
    counts[:, :, 4] = 800.0
    p, report = run(tmp_path, scan(counts, i0=i0), **options)
    np.testing.assert_allclose(p, np.log(expected / counts), rtol=1e-6, atol=1e-7)
    assert report.open_beam == used


def test_defects_of_the_detector_do_not_reach_the_line_integrals(tmp_path):
    random = np.random.default_rng(0)
    gain = 1 + 0.01 * random.standard_normal((30, 30))
    gain[4, 5] = 0
    mask = np.zeros((30, 30), bool)
    mask[20, 20] = True
    counts = 100 + 10000 * gain * np.exp(-1.0) * np.ones((2, 1, 1))
    counts[:, 20, 20] = 60000
    projections = scan(counts, np.full((30, 30), 100.0), 100 + 10000 * gain)
    report = jobs.run(to_line_integrals(projections, tmp_path / "s.nrrd", bad=mask))
    p = open_stack(tmp_path / "s.nrrd").to_array()
    assert report.bad == 2 and report.clipped == 0
    np.testing.assert_allclose(p, 1.0, atol=0.03)
    np.testing.assert_allclose(p[:, ~(mask | (gain == 0))], 1.0, rtol=1e-6)


def test_line_integrals_are_kept(tmp_path):
    p, report = run(tmp_path, scan(kit.counts(dtype=np.float32), kind="line integral"))
    np.testing.assert_array_equal(p, kit.counts(dtype=np.float32))
    assert str(report) == "line integrals as they were; 0 defective pixels repaired in each view"


@pytest.mark.parametrize("options, message", [
    ({"open_beam": "flat"}, "needs a flat image"),
    ({"open_beam": "region"}, "needs region_rows"),
    ({"region_rows": 9, "region_cols": 2}, "region of air leaves the detector"),
])  # fmt: skip
def test_what_is_refused(tmp_path, options, message):
    with pytest.raises(ProjectionError, match=message):
        run(tmp_path, scan(kit.counts()), **options)
    assert list(tmp_path.iterdir()) == []


def test_options_are_checked():
    for values in ({"least_transmission": 0.0}, {"open_beam": "sky"}, {"bad_sigma": -1.0}, {"unknown": 1}):
        with pytest.raises(OptionError):
            make(Normalisation, values)
    with pytest.raises(ProjectionError, match="mask of bad pixels has the shape"):
        next(to_line_integrals(scan(kit.counts()), "s.nrrd", bad=np.zeros((2, 2))))
    with pytest.raises(ProjectionError, match="the kind 'grey' is not known"):
        replace(scan(kit.counts()), kind="grey")


@pytest.mark.skipif(not TOOTH.exists(), reason="shared/data/tooth is not there")
def test_tooth(tmp_path):
    """Air beside the tooth has no attenuation; the sum over a parallel view is the same in all views (the sample is not truncated)."""
    projections = open_projections(TOOTH, pitch_mm=1.0).picked(slice(0, 181, 30))
    p, report = run(tmp_path, projections)
    assert report.clipped == 0 and report.open_beam == "flat"
    assert abs(np.median(p[:, :, :20])) < 0.1 and 0.5 < np.percentile(p, 99) < 8
    total = p.sum((1, 2))
    assert total.std() / total.mean() < 0.05
