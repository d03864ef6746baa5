"""Memory is planned before anything is allocated: what a call needs, in which portions it is computed, and a clear error when it cannot be."""
import ctypes
import logging
import os
import sys
from dataclasses import dataclass

LOG = logging.getLogger(__name__)
SHARE_OF_FREE = 0.5             # of the free memory may be working memory, unless a budget is given
ASSUMED_FREE = 4 << 30          # where the system does not tell
LISTED_RAY_BYTES = 300          # a ray of a curved detector while it is made: ends in float64 and what led to them


class MemoryPlanError(MemoryError):
    """A call that does not fit in memory; the message holds the figures."""


@dataclass(frozen=True)
class Plan:
    """How a call runs: portions [(views, rows)] as slices, working bytes of the largest portion, bytes of the result."""
    portions: tuple
    working: int
    result: int


def free_bytes():
    """Memory that can be had without swapping (Linux, Windows; elsewhere an assumed figure, logged once a call)."""
    if sys.platform.startswith("linux"):
        with open("/proc/meminfo", encoding="ascii") as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    if sys.platform == "win32":
        return _windows_free()
    LOG.debug("free memory is not known on %s; %d GB are assumed", sys.platform, ASSUMED_FREE >> 30)
    return ASSUMED_FREE


def _windows_free():
    class Status(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ulong), ("load", ctypes.c_ulong)] + [(name, ctypes.c_ulonglong) for name in (
            "total", "free", "total_page", "free_page", "total_virtual", "free_virtual", "extended")]
    status = Status(length=ctypes.sizeof(Status))
    ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))
    return int(status.free)


def budget_bytes(budget_mb=None):
    """Working memory that may be used: the given MB, else XRAYTOMO_MEMORY_MB, else a share of what is free."""
    chosen = budget_mb if budget_mb is not None else os.environ.get("XRAYTOMO_MEMORY_MB")
    return int(float(chosen) * 2**20) if chosen is not None else int(SHARE_OF_FREE * free_bytes())


def plan_listed(views, rows, cols, result, budget, bytes_per_ray=LISTED_RAY_BYTES):
    """Plan for rays that have to be listed: whole views while they fit, else rows of one view."""
    row = cols * bytes_per_ray
    check(result, row, budget, f"one detector row of {cols} pixels")
    if rows * row <= budget:
        at_once = max(1, budget // (rows * row))
        portions = [(slice(i, min(i + at_once, views)), slice(0, rows)) for i in range(0, views, at_once)]
        return Plan(tuple(portions), min(at_once, views) * rows * row, result)
    at_once = max(1, budget // row)
    portions = [(slice(i, i + 1), slice(r, min(r + at_once, rows))) for i in range(views) for r in range(0, rows, at_once)]
    return Plan(tuple(portions), at_once * row, result)


def check(result, working, budget, smallest):
    """Raises MemoryPlanError when the result does not fit in what is free, or the smallest portion not in the budget."""
    free = free_bytes()
    if working > budget:
        raise MemoryPlanError(f"{smallest} needs {megabytes(working)} of working memory, the budget is {megabytes(budget)}; "
                              "raise memory_budget_mb or XRAYTOMO_MEMORY_MB, or use a coarser detector (views.binned)")
    if result + working > free:
        raise MemoryPlanError(f"the result needs {megabytes(result)} and the work {megabytes(working)}, but only {megabytes(free)} are free; "
                              "take fewer views at a time (A[:10]), a coarser grid or a coarser detector (views.binned)")


def megabytes(n):
    return f"{n / 2**20:,.0f} MB" if n >= 2**20 else f"{n / 2**10:,.0f} kB"
