"""How long a reconstruction will take, from a few of its views."""
import time
from dataclasses import dataclass, replace

import numpy as np
import torch

from .grids import needed_bytes
from .methods import is_iterative, reconstruct

FEW, MANY = 32, 16          # shares 1 / FEW and 1 / MANY of the views are timed
LEAST_VIEWS = 8


@dataclass(frozen=True)
class Estimate:
    """Seconds until the result, and bytes of memory beyond the projections."""
    seconds: float
    memory_bytes: int


def estimate(method, views, grid, clock=time.perf_counter, run=reconstruct):
    """Estimate of `method` on `grid`: two parts of the views are reconstructed, each for two iterations, and the time of the start and of an
    iteration is taken as linear in the number of views. Ordered subsets keep their number of views. First use compiles outside the timing.
    """
    counts = sorted({min(len(views), max(LEAST_VIEWS, len(views) // share)) for share in (FEW, MANY)})
    if len(counts) == 1 and counts[0] < len(views):
        counts.append(min(len(views), 2 * counts[0]))
    _timed(method, views, grid, counts[0], clock, run)
    starts, turns = np.array([_timed(method, views, grid, count, clock, run) for count in counts]).T
    iterations = method.iterations if is_iterative(method) else 0
    seconds = _at(len(views), counts, starts) + iterations * _at(len(views), counts, turns)
    return Estimate(float(seconds), needed_bytes(method, views, grid))


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
        method = replace(method, iterations=min(2, method.iterations), stop_residual=0.0, stop_change=0.0)
        if getattr(method, "subsets", 0) > 1:
            method = replace(method, subsets=max(1, round(method.subsets * len(picked) / len(views))))
    marks = [clock()]
    known = {"prior": torch.zeros(grid.shape)} if type(method).__name__ == "PICCS" else {}
    for _ in run(method, views[picked], torch.ones(len(picked), *views.shape), grid, **known):
        marks.append(clock())
    if not is_iterative(method):
        return clock() - marks[0], 0.0
    turn = marks[-1] - marks[-2] if len(marks) > 2 else 0.0
    return max(marks[1] - marks[0] - turn, 0.0), turn
