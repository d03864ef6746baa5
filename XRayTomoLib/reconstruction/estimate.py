"""How long a reconstruction will take, from a few of its views."""
import time
from dataclasses import dataclass, replace

import numpy as np
import torch

from .grids import needed_bytes
from .methods import is_iterative, reconstruct

SHARE = 32              # a share 1 / SHARE of the views is timed, and twice as many
LEAST_VIEWS = 8


@dataclass(frozen=True)
class Estimate:
    """Seconds until the result, and bytes of memory beyond the projections."""
    seconds: float
    memory_bytes: int


def estimate(method, views, grid, clock=time.perf_counter, run=reconstruct):
    """Estimate of `method` on `grid`: two parts of the views are reconstructed, each for three iterations, and the time of the start and of an
    iteration is taken as linear in the number of views. Ordered subsets are one and two of the method's own. First use compiles outside the
    timing.
    """
    counts = _counts(method, len(views))
    _timed(method, views, grid, counts[0], clock, run)
    starts, turns = np.array([_timed(method, views, grid, count, clock, run) for count in counts]).T
    iterations = method.iterations if is_iterative(method) else 0
    seconds = _at(len(views), counts, starts) + iterations * _at(len(views), counts, turns)
    return Estimate(float(seconds), needed_bytes(method, views, grid))


def _counts(method, views):
    """How many views are timed: one number, or two of which the second is twice the first."""
    few = max(LEAST_VIEWS, views // SHARE)
    if getattr(method, "subsets", 0) > 1:
        few = max(1, views // method.subsets)
    return [views] if few >= views else [few, 2 * few] if 2 * few < views else [few, views]


def _at(count, counts, seconds):
    """The line through one or two measurements, at `count`; it neither falls nor starts below zero."""
    if len(counts) == 1:
        return seconds[0]
    slope = min(max((seconds[1] - seconds[0]) / (counts[1] - counts[0]), 0.0), seconds[1] / counts[1])
    return seconds[1] + slope * (count - counts[1])


def _timed(method, views, grid, count, clock, run):
    """(seconds before the first iteration, seconds of an iteration) with `count` of the views; of methods without iterations (all, 0)."""
    picked = np.unique(np.linspace(0, len(views), count, endpoint=False).astype(int))
    if is_iterative(method):
        method = replace(method, iterations=min(3, method.iterations), stop_residual=0.0, stop_change=0.0)
        if getattr(method, "subsets", 0) > 1:
            method = replace(method, subsets=max(1, round(method.subsets * len(picked) / len(views))))
    marks = [clock()]
    known = {"prior": torch.zeros(grid.shape)} if type(method).__name__ == "PICCS" else {}
    for _ in run(method, views[picked], torch.ones(len(picked), *views.shape), grid, **known):
        marks.append(clock())
    if not is_iterative(method):
        return clock() - marks[0], 0.0
    turn = min(np.diff(marks)[1:], default=0.0)
    return max(marks[1] - marks[0] - turn, 0.0), turn
