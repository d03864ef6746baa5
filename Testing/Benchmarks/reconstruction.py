"""Measures reconstruction: errors and speed against RTK, all methods in one table, where the time goes. One JSON line a row.

    .venv-benchmarks/bin/python Testing/Benchmarks/reconstruction.py errors      FDK's relative errors, ours and RTK's
    .venv-benchmarks/bin/python Testing/Benchmarks/reconstruction.py speed       FDK, a SIRT iteration and CGLS against RTK
    python Testing/Benchmarks/reconstruction.py methods                          every method: phantom, iterations, error, processor seconds
    python Testing/Benchmarks/reconstruction.py profile                          shares of FDK and SIRT, peak memory

`run.py setup` makes the environment with RTK. Times are the least of `--rounds` interleaved ones, wall and processor seconds.
"""
import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "Testing")]

from Benchmarks.worker import Peak  # noqa: E402
from XRayTomoLib import jobs  # noqa: E402
from XRayTomoLib.geometry import CArm, circle  # noqa: E402
from XRayTomoLib.geometry.trajectories import Helix  # noqa: E402
from XRayTomoLib.grids import CartesianGrid, chest, shepp_logan  # noqa: E402
from XRayTomoLib.reconstruction import CGLS, FDK, METHODS, SIRT, Problem, iterate, reconstruct  # noqa: E402
from XRayTomoLib.reconstruction.grids import needed_bytes  # noqa: E402
from XRayTomoLib.tracing import Projector  # noqa: E402

HEAD = shepp_logan(), circle(CArm(1000, 600, 64, 80, 6.5, 6.5), 90), CartesianGrid.centred((64, 64, 64), 3.2)
TRUNK = chest(), circle(CArm(1200, 800, 45, 60, 11.0, 11.0), 16), CartesianGrid.centred((40, 60, 72), (5.0, 4.2, 6.0))


def relative_error(x, truth):
    return float(np.linalg.norm(np.asarray(x) - truth) / np.linalg.norm(truth))


def exact(phantom, views):
    return np.concatenate([phantom.line_integrals(*view.rays()) for view in views]).astype(np.float32)


def errors(rounds):
    """FDK on exact line integrals of the phantoms that Testing/Unit/reconstruction/test_fdk_errors.py holds ours to."""
    from Benchmarks.backends import rtk
    for phantom, views, grid in (HEAD, TRUNK):
        p, truth = exact(phantom, views), phantom.voxelise(grid, 4)
        peer = np.array(rtk.fdk(SimpleNamespace(views=views, grid=grid, projections=p))())
        yield {"phantom": phantom.name, "rtk": relative_error(peer, truth), "ours": relative_error(jobs.run(FDK().run(views, p, grid)), truth)}


def least(rounds, **works):
    """name -> [wall, processor] seconds, least of `rounds` interleaved calls after a first one that compiles."""
    best = {name: [np.inf, np.inf] for name in works}
    for turn in range(rounds + 1):
        for name, work in works.items():
            clocks = time.perf_counter(), time.process_time()
            work()
            took = time.perf_counter() - clocks[0], time.process_time() - clocks[1]
            if turn:
                best[name] = [round(min(a, b), 4) for a, b in zip(best[name], took)]
    return best


def speed(rounds):
    from Benchmarks.backends import rtk
    grid = CartesianGrid.centred((256, 256, 256), 1.0)
    views = circle(CArm(1536, 1000, 256, 256, 1.6, 1.6), 180)
    p = np.random.default_rng(0).random((180, 256, 256), np.float32)
    peer = rtk.fdk(SimpleNamespace(views=views, grid=grid, projections=p))
    yield against_rtk("FDK 256^3, 180 views", least(rounds, rtk=peer, ours=lambda: jobs.run(FDK().run(views, p, grid))))
    views = views[::2]
    problem = Problem(Projector(grid, views), torch.from_numpy(p[::2].copy()))
    case = SimpleNamespace(views=views, grid=grid, projections=p[::2], mu=p[:1] * 0 + np.zeros(grid.shape, np.float32),
                           random_projections=lambda: p[::2])
    forward, adjoint = rtk.project(case), rtk.adjoint(case)
    steps = iterate(SIRT(iterations=1000), problem)
    yield against_rtk("SIRT iteration 256^3, 90 views", least(rounds, rtk=lambda: (forward(), adjoint()), ours=lambda: next(steps)))
    grid = CartesianGrid.centred((128, 128, 128), 2.0)
    problem = Problem(Projector(grid, views.binned((2, 2))), torch.rand(90, 128, 128))
    yield {"work": "CGLS 128^3, 90 views, 10 iterations", **least(rounds, ours=lambda: jobs.run(iterate(CGLS(iterations=10), problem)))}


def against_rtk(work, times):
    return {"work": work, **times, "ratio": round(times["rtk"][0] / times["ours"][0], 2)}


def methods(rounds):
    phantom, views, grid = HEAD
    helix = Helix(count=240, turns=4.0, pitch_mm=60.0).views(CArm(1000, 600, 64, 80, 6.5, 6.5))
    truth = phantom.voxelise(grid, 4)
    data = {False: torch.from_numpy(exact(phantom, views)), True: torch.from_numpy(exact(phantom, helix))}
    for name, kind in METHODS.items():
        spiral = name in ("helical-fdk", "katsevich")
        known = {"prior": jobs.run(FDK("hann").run(views, data[False], grid))} if name == "piccs" else {}
        short = replace(kind(), iterations=1) if hasattr(kind, "iterations") else kind()
        jobs.run(reconstruct(short, helix if spiral else views, data[spiral], grid, **known))        # compiles
        clock = time.process_time()
        with Peak() as peak:
            x = jobs.run(reconstruct(kind(), helix if spiral else views, data[spiral], grid, **known))
        yield {"method": name, "phantom": phantom.name, "views": len(helix if spiral else views), "iterations": getattr(kind(), "iterations", None),
               "error": round(relative_error(x, truth), 4), "processor_s": round(time.process_time() - clock, 2),
               "peak_mb": peak.mb and round(peak.mb), "planned_mb": round(needed_bytes(kind(), views, grid) / 2**20)}


def profile(rounds):
    grid = CartesianGrid.centred((256, 256, 256), 1.0)
    views = circle(CArm(1536, 1000, 256, 256, 1.6, 1.6), 180)
    p, filtering = torch.rand(180, 256, 256), Stopwatch(sys.modules[FDK.__module__].filtered)
    sys.modules[FDK.__module__].filtered = filtering
    jobs.run(FDK().run(views, p, grid))
    filtering.seconds, clock = 0.0, time.perf_counter()
    with Peak() as peak:
        jobs.run(FDK().run(views, p, grid))
    whole = time.perf_counter() - clock
    yield {"work": "FDK 256^3, 180 views", "seconds": round(whole, 3), "share of filtering": round(filtering.seconds / whole, 3),
           "peak_mb": round(peak.mb), "planned_mb": round(needed_bytes(FDK(), views, grid) / 2**20)}
    A = Projector(grid, views[::2])
    forward, adjoint = A.forward, A.adjoint
    A.forward, A.adjoint = Stopwatch(forward), Stopwatch(adjoint)
    steps = iterate(replace(SIRT(), iterations=1000), Problem(A, p[::2].clone()))
    next(steps)
    A.forward.seconds = A.adjoint.seconds = 0.0
    clock = time.perf_counter()
    with Peak() as peak:
        for _ in range(rounds):
            next(steps)
    whole = time.perf_counter() - clock
    products = A.forward.seconds + A.adjoint.seconds
    yield {"work": "SIRT iteration 256^3, 90 views", "seconds": round(whole / rounds, 3), "beyond A and A.T": round(whole / products - 1, 3),
           "peak_mb": round(peak.mb)}


class Stopwatch:
    """A function that sums the seconds it takes."""

    def __init__(self, function):
        self.function, self.seconds = function, 0.0

    def __call__(self, *args):
        clock = time.perf_counter()
        result = self.function(*args)
        self.seconds += time.perf_counter() - clock
        return result


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", choices=("errors", "speed", "methods", "profile"))
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(arguments)
    for row in globals()[options.work](options.rounds):
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
