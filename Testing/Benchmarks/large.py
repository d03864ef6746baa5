"""Volumes and detectors as large as the promise of memory: 1024^3 voxels and 2048^2 pixels within 2 GB beyond inputs and outputs."""
import time

import torch

from XRayTomoLib.geometry import CArm, circle
from XRayTomoLib.grids import CartesianGrid
from XRayTomoLib.memory import free_bytes
from XRayTomoLib.tracing import Projector
from XRayTomoLib.tracing.backprojection import backproject_voxels

from .cases import arbitrary_views
from .rows import rounded
from .worker import Peak

BUDGET_MB = 2048
VIEWS = 4
MOST_VOXELS = 1024
ROOM = 2.5                      # volumes that have to fit into the free memory: input, output and work


def measure():
    """One row a work: seconds and memory beyond inputs and outputs."""
    n = MOST_VOXELS
    while ROOM * 4 * n**3 > free_bytes():
        n //= 2
    grid = CartesianGrid.centred((n, n, n), 256.0 / n)
    arm = CArm(sdd_mm=1020.0, sod_mm=700.0, rows=2 * n, cols=2 * n, col_pitch_mm=256.0 / n, row_pitch_mm=256.0 / n)
    scans = {"circle": circle(arm, VIEWS), "arbitrary views": arbitrary_views(VIEWS).resampled((2 * n, 2 * n))}
    for name, views in scans.items():
        yield from scan_rows(f"{n}^3, {VIEWS} views of {2 * n}^2, {name}", grid, views)


def scan_rows(case, grid, views):
    """The rows of one scan."""
    A = Projector(grid, views, memory_budget_mb=BUDGET_MB)
    volume = torch.full(grid.shape, 0.01)
    image = A[:1]
    weights = torch.ones(A.range_shape)
    works = {"forward": lambda: A(volume), "Jacobian of one view": lambda: image.jacobian(volume),
             "adjoint": lambda: A.T(weights), "filtered backprojection": lambda: backproject_voxels(weights, grid, views)}
    for work, step in works.items():
        start = time.perf_counter()
        with Peak() as peak:
            result = step()
        parts = result if isinstance(result, tuple) else (result,)
        output_mb = sum(part.numel() * part.element_size() for part in parts) / 2**20
        extra_mb = None if peak.mb is None else max(0.0, peak.mb - output_mb)
        del result, parts
        yield rounded({"work": "large", "case": f"{case}: {work}", "seconds": time.perf_counter() - start, "extra_mb": extra_mb,
                       "output_mb": output_mb, "figure": f"<= {BUDGET_MB} MB", "passes": extra_mb is None or extra_mb <= BUDGET_MB})
