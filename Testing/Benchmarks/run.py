"""Measures XRayTomo against other packages, one JSON line a case and peer.

    python Testing/Benchmarks/run.py setup                               makes the environment of the peers
    python Testing/Benchmarks/run.py drr --peers diffdrr,nanodrr,rtk     a radiograph
    python Testing/Benchmarks/run.py posegrad|project|adjoint|fdk        its gradient by the pose; scans
    python Testing/Benchmarks/run.py memory                              peak memory of all of these
    python Testing/Benchmarks/run.py large                               memory for 1024^3 voxels and 2048^2 pixels
    python Testing/Benchmarks/run.py live                                what the panel's live picture needs

`ratio` is the peer's median time over ours, `difference` that of the results, `error` and `peer_error` those against the exact answer.
Documentation/performance.md explains the cases and what to watch for.
"""
import argparse
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "Testing")]

from Benchmarks import cases, environment, large, live  # noqa: E402
from Benchmarks.backends import PEERS  # noqa: E402
from Benchmarks.harness import BackendError, compare  # noqa: E402
from Benchmarks.plans import WORKS, plan  # noqa: E402
from Benchmarks.rows import memory_row, row  # noqa: E402


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", choices=[*WORKS, "memory", "large", "live", "setup"])
    parser.add_argument("--peers", help=f"some of {','.join(PEERS)}, or none; default: all that can do the work")
    parser.add_argument("--cases", help="some of the work's cases, with commas")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--environment", type=Path, default=ROOT / ".venv-benchmarks", help="folder of the peers' environment")
    options = parser.parse_args(arguments)
    if options.work == "setup":
        return environment.make(options.environment)
    try:
        for line in lines(options):
            print(json.dumps(line), flush=True)
    except BackendError as problem:
        raise SystemExit(f"stopped while measuring: {problem}") from problem
    return 0


def lines(options):
    """What the work prints."""
    if options.work == "live":
        return live.measure(options.rounds)
    return large.measure() if options.work == "large" else compared(options)


def compared(options):
    """All rows of the work; "memory": of all works."""
    memory = options.work == "memory"
    works = list(WORKS) if memory else [options.work]
    known = list(dict.fromkeys(case for work in works for case in WORKS[work][0]))
    wanted, peers = chosen("cases", options.cases, known), chosen("peers", options.peers, list(PEERS))
    python = environment.interpreter(options.environment, needed=bool(peers))
    for work in works:
        able = [p for p in peers if p in WORKS[work][1]]
        for case in (c for c in WORKS[work][0] if c in wanted):
            yield from measure(work, case, able, python, options.rounds, memory)


def chosen(what, text, known):
    """The names in `text` (with commas), or all."""
    names = known if text is None else [n for n in text.split(",") if n not in ("", "none")]
    if unknown := set(names) - set(known):
        raise SystemExit(f"--{what} {','.join(sorted(unknown))}: not known; choose from {','.join(known)}.")
    return names


def measure(work, name, peers, python, rounds, memory):
    """The rows of one case: of speed, or of memory, for which the first run in a process counts."""
    with tempfile.TemporaryDirectory(prefix="xraytomo-benchmark-") as folder:
        case, thing = cases.build(name)
        if work == "fdk":
            case = replace(case, projections=cases.exact_projections(case, thing).astype(np.float32))
        case.save(folder)
        p = plan(work, name, peers)
        measured = compare(python, name, p.backends, folder, 0 if memory else rounds)
    if memory:
        yield from (memory_row(work, name, m) for m in measured.values())
        return
    exact = exact_answer(work, case, thing)
    inside = (slice(2, -2),) * 3 if work == "adjoint" else ...      # RTK treats the two outer layers of voxels differently
    for row_case, method, ours, peer in p.pairs:
        if ours in measured and peer in measured:
            yield row(work, row_case, method, measured[ours], measured[peer], rounds, exact, inside)


def exact_answer(work, case, thing):
    """The true result where the object is analytic, else None."""
    if thing is None or work not in ("drr", "project", "posegrad"):
        return None
    return cases.exact_pose_gradient(case, thing) if work == "posegrad" else cases.exact_projections(case, thing)


if __name__ == "__main__":
    sys.exit(main())
