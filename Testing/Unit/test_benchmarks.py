"""The benchmarks' own machinery, on adapters that do nothing: processes, rounds, ratios and verdicts."""
import json
import sys

import numpy as np
import pytest
from Benchmarks import harness, plans, rows
from Benchmarks.cases import ARM, Case
from Benchmarks.rows import FIGURES, Measured

from XRayTomoLib.grids import CartesianGrid

SLEEPER = """
import time
def work(case, seconds=0.0, fail=False):
    if fail:
        raise ValueError("no such method")
    def step():
        print("peers may print")
        time.sleep(seconds)
        return case.mu * 2
    return step
WORKS = {"drr": work}
def target(case):
    return "sleep"
"""


@pytest.fixture
def case(tmp_path):
    grid = CartesianGrid.centred((4, 5, 6), 30.0)
    made = Case("small", grid, ARM.views().resampled((8, 8)), np.arange(120, dtype=np.float32).reshape(grid.shape), np.ones((1, 8, 8), np.float32))
    made.save(tmp_path)
    return made


def measured(name, wall, value=1.0, **more):
    return Measured(name, np.full((4, 4), value), wall, [2 * t for t in wall], **more)


def test_a_case_comes_back_from_its_files(case, tmp_path):
    again = Case.load("small", tmp_path)
    assert again.grid == case.grid and again.views.shape == case.views.shape
    np.testing.assert_array_equal(again.mu, case.mu)
    np.testing.assert_array_equal(again.projections, case.projections)
    np.testing.assert_allclose(again.views.rays()[1], case.views.rays()[1])


def test_processes_work_in_turn_and_failures_are_left_out(case, tmp_path, monkeypatch, capsys):
    (tmp_path / "sleeper.py").write_text(SLEEPER)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    backends = [("fast", "sleeper", "drr", {}), ("slow", "sleeper", "drr", {"seconds": 0.02}), ("broken", "sleeper", "drr", {"fail": True})]
    found = harness.compare(sys.executable, "small", backends, tmp_path, rounds=2)
    assert list(found) == ["fast", "slow"] and "no such method" in capsys.readouterr().err
    assert len(found["slow"].wall) == 14 and min(found["slow"].wall) >= 0.02 and found["slow"].target == "sleep"
    np.testing.assert_array_equal(found["fast"].result, 2 * case.mu)
    assert rows.row("drr", "small", "joseph", found["fast"], found["slow"], 2)["ratio"] > 5


def test_a_row_holds_ratios_of_the_same_rounds_and_can_be_written_as_json():
    line = rows.row("drr", "drr256", "joseph", measured("xraytomo", [1.0, 2.0, 4.0], 1.1, extra_mb=3.0, target="CPU"),
                    measured("rtk", [3.0, 8.0, 5.0], 1.0), 3, exact=np.full((4, 4), 2.0))
    assert (line["ratio"], line["ratio_min"], line["ratio_cpu"], line["ms"], line["peer_ms"]) == (2.5, 3.0, 3.0, 2000.0, 5000.0)
    assert line["difference"] == pytest.approx(0.1) and line["error"] == pytest.approx(0.45) and line["peer_error"] == pytest.approx(0.5)
    assert line["target"] == "CPU" and line["extra_mb"] == 3.0 and line["rounds"] == 3
    assert json.loads(json.dumps(line)) == line


@pytest.mark.parametrize("share, passes", [(0.91, True), (0.89, False)])
def test_a_row_passes_at_nine_tenths_of_its_figure(share, passes):
    figure = FIGURES["peer_time_over_ours_at_least"]["drr"]["drr256"]["rtk"]
    assert rows.verdict("drr", "drr256", "joseph", "rtk", share * figure) == {"figure": f">= {figure}", "passes": passes}


@pytest.mark.parametrize("ours, passes", [(1.49, True), (1.51, False)])
def test_an_upper_bound_has_no_allowance(ours, passes):
    assert rows.verdict("posegrad", "smooth256", "joseph", "plain drr", 1 / ours)["passes"] is passes


def test_rows_without_a_figure_have_no_verdict():
    assert rows.verdict("drr", "drr256", "joseph", "unknown peer", 1.0) == rows.verdict("drr", "drr256", "siddon", "rtk", 1.0) == {}


def test_results_of_different_shape_have_no_difference_and_parts_can_be_compared():
    a, b = np.ones((4, 4)), np.ones((4, 4))
    a[0] = 9
    assert rows.relative(a, np.ones(3)) is None
    assert rows.relative(a, b, (slice(1, None),)) == 0.0 and rows.relative(a, b) == pytest.approx(4.0)


def test_memory_is_held_against_its_bound_for_ours_alone():
    most = FIGURES["extra_mb_below"]["project"]
    assert rows.memory_row("project", "circle90", measured("xraytomo", [1.0], extra_mb=most + 1.0, target="CPU"))["passes"] is False
    assert "passes" not in rows.memory_row("project", "circle90", measured("rtk", [1.0], extra_mb=most + 1.0))


@pytest.mark.parametrize("work", plans.WORKS)
def test_every_plan_names_backends_it_has_and_reaches_every_figure(work):
    cases, peers = plans.WORKS[work]
    reached = set()
    for case in cases:
        plan = plans.plan(work, case, peers)
        names = [name for name, *_ in plan.backends]
        assert len(set(names)) == len(names)
        assert {n for _, _, *pair in plan.pairs for n in pair} == set(names)
        reached |= {(row_case, peer) for row_case, _, _, peer in plan.pairs}
    wanted = {(case, peer) for group in ("peer_time_over_ours_at_least", "our_time_over_peer_at_most")
              for case, figures in FIGURES[group].get(work, {}).items() for peer in figures}
    assert wanted <= reached
