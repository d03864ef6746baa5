"""Memory is planned: portions cover the work and stay in the budget, results do not depend on them, and what does not fit is refused in words."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from Unit.tracing.scenes import GRIDS, VIEWS, noise, relative

from XRayTomoLib import memory
from XRayTomoLib.memory import MemoryPlanError, budget_bytes, plan_listed
from XRayTomoLib.tracing import Projector

few = st.integers(1, 12)


@given(few, few, few, st.integers(300, 200_000))
def test_portions_cover_each_pixel_once_within_the_budget(views, rows, cols, budget):
    row = cols * memory.LISTED_RAY_BYTES
    if row > budget:
        with pytest.raises(MemoryPlanError):
            plan_listed(views, rows, cols, 0, budget)
        return
    plan = plan_listed(views, rows, cols, 0, budget)
    seen = np.zeros((views, rows), int)
    for portion in plan.portions:
        seen[portion] += 1
        size = seen[portion].size * row
        assert 0 < size <= plan.working <= budget
    assert (seen == 1).all()
    largest = max(seen[portion].size for portion in plan.portions)
    assert len(plan.portions) == 1 or (largest + rows) * row > budget          # a view more, or a row, would not fit


def test_budget_is_the_argument_then_the_environment_then_a_share_of_what_is_free(monkeypatch):
    monkeypatch.setattr(memory, "free_bytes", lambda: 1 << 30)
    monkeypatch.delenv("XRAYTOMO_MEMORY_MB", raising=False)
    assert budget_bytes() == 1 << 29
    monkeypatch.setenv("XRAYTOMO_MEMORY_MB", "7.5")
    assert budget_bytes() == 7.5 * 2**20 and budget_bytes(3) == 3 * 2**20


@pytest.mark.parametrize("surface", ["cylindrical", "free"])
@pytest.mark.parametrize("rows_at_a_time", [False, True])
def test_portions_do_not_change_the_result(surface, rows_at_a_time):
    grid, views = GRIDS["oblique"], VIEWS[surface]
    rows, cols = views.shape
    budget = (2 * cols if rows_at_a_time else rows * cols) * memory.LISTED_RAY_BYTES / 2**20 * 1.01
    whole, parts = Projector(grid, views), Projector(grid, views, memory_budget_mb=budget)
    x = noise(grid, torch.float64).requires_grad_()
    assert len(parts._pieces(x[None], 0)) == len(views) * (-(-rows // 2) if rows_at_a_time else 1)
    p, q = whole(x), parts(x)
    y = torch.rand(p.shape, dtype=p.dtype, generator=torch.Generator().manual_seed(2))
    assert p.shape == q.shape and relative(q.detach(), p.detach()) < 1e-13
    assert relative(parts.T(y), whole.T(y)) < 1e-13
    by_whole, by_parts = (torch.autograd.grad((r * y).sum(), x)[0] for r in (p, q))
    assert relative(by_parts, by_whole) < 1e-13


def test_what_does_not_fit_is_refused_with_figures(monkeypatch):
    grid, views = GRIDS["oblique"], VIEWS["cylindrical"]
    with pytest.raises(MemoryPlanError, match=rf"one detector row of {views.shape[1]} pixels needs .* kB of working memory, the budget is 1 kB"):
        Projector(grid, views, memory_budget_mb=1 / 1024)(noise(grid))
    monkeypatch.setattr(memory, "free_bytes", lambda: 1000)
    for surface in ("flat", "cylindrical"):
        with pytest.raises(MemoryPlanError, match=r"the result needs .* but only 1 kB are free; take fewer views at a time"):
            Projector(grid, VIEWS[surface], memory_budget_mb=100)(noise(grid))
