"""Compiles the CPU kernels that work most often needs, into the user's cache: `python -m XRayTomoLib.tracing.warm`.

A process of its own does it after installation (`in_background`), for compilation holds the interpreter's lock for many seconds.
"""
import subprocess
import time
from pathlib import Path

from ..jobs import interpreter

PACKAGE_ROOT = Path(__file__).resolve().parents[2]


def in_background():
    """Starts the process and returns it (subprocess.Popen)."""
    command = "import sys; sys.path.insert(0, sys.argv[1]); from XRayTomoLib.tracing import warm; warm.compile_all()"
    return subprocess.Popen([interpreter(), "-c", command, str(PACKAGE_ROOT)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL)


def works():
    """(what is compiled, a function that makes it compile), the most wanted first."""
    import torch

    from ..geometry import CArm, circle
    from ..grids import CartesianGrid
    from .backprojection import backproject_voxels
    from .projector import Projector
    grid = CartesianGrid.centred((32, 32, 32), 1.0)
    arm = CArm(sdd_mm=100.0, sod_mm=60.0, rows=8, cols=8, col_pitch_mm=2.0, row_pitch_mm=2.0)
    view, scan, mu = arm.views(30.0, 10.0), circle(arm, 4), torch.ones(grid.shape)
    general, separable = Projector(grid, view), Projector(grid, scan)       # lines long enough for the separable way
    yield "radiographs", lambda: general(mu)
    yield "their gradient by the geometry", lambda: general.jacobian(mu)
    yield "backprojection", lambda: general.T(torch.ones(general.range_shape))
    yield "circular scans", lambda: separable.T(separable(mu))
    yield "filtered backprojection on circles", lambda: backproject_voxels(torch.ones(separable.range_shape), grid, scan)
    yield "filtered backprojection", lambda: backproject_voxels(torch.ones(general.range_shape), grid, view)
    for method in ("siddon", "trilinear", "maximum"):
        yield f"radiographs, {method}", lambda method=method: Projector(grid, view, method)(mu)


def compile_all(report=lambda line: None):
    """Runs each work once on a tiny volume; report(line) after each."""
    for name, work in works():
        start = time.perf_counter()
        work()
        report(f"{name}: {time.perf_counter() - start:.1f} s")


if __name__ == "__main__":
    compile_all(print)
