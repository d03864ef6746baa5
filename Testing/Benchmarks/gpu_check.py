"""What a machine with an NVIDIA GPU shows: agreement of the CUDA kernels with the CPU's, and their speed. One JSON line a check.

    python Testing/Benchmarks/gpu_check.py                 both parts
    python Testing/Benchmarks/gpu_check.py parity          agreement alone; exit code 1 when a check fails
    python Testing/Benchmarks/gpu_check.py speed --size 512 --views 360

`difference` is |gpu - cpu| / |cpu|. `gpu_ms` is the time between two events on the GPU, `wall_ms` that of the caller until the result is
there; medians. `bytes_gathered_per_s` counts four voxels a sample, caches or not, and `share_of_copy` is the least traffic to memory
(volume and pixels once) per second as a share of what a copy on the same device moves.
"""
import argparse
import json
import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT)]

from XRayTomoLib.geometry import CArm, Cylindrical, Views, circle, pose_about  # noqa: E402
from XRayTomoLib.grids import CartesianGrid  # noqa: E402
from XRayTomoLib.tracing import METHODS, Projector, TargetMissing  # noqa: E402
from XRayTomoLib.tracing.backprojection import backproject_voxels  # noqa: E402
from XRayTomoLib.tracing.ops import list_rays  # noqa: E402
from XRayTomoLib.tracing.projector import choose_backend  # noqa: E402
from XRayTomoLib.tracing.reference import lengths_mm  # noqa: E402

TOLERANCE = {"float32": 1e-4, "float16": 1e-4, "float64": 1e-10}
ARM = CArm(sdd_mm=1020.0, sod_mm=700.0, rows=256, cols=256, col_pitch_mm=2.0, row_pitch_mm=2.0)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", choices=["parity", "speed"])
    parser.add_argument("--size", type=int, default=256, help="voxels a side of the measured volume, of 256 mm")
    parser.add_argument("--views", type=int, default=90, help="views of the measured scan")
    parser.add_argument("--rounds", type=int, default=11)
    options = parser.parse_args(arguments)
    try:
        choose_backend("cuda")
    except TargetMissing as reason:
        print(f"gpu_check: nothing was checked, for {reason}", file=sys.stderr)
        return 2
    say(device=torch.cuda.get_device_name(), torch=torch.__version__, cuda=torch.version.cuda)
    failed = [line for line in parity("cuda") if not line["passed"]] if options.part != "speed" else []
    if options.part != "parity":
        speed("cuda", options)
    return 1 if failed else 0


def say(**line):
    print(json.dumps(line), flush=True)
    return line


# -- parity
def parity(device):
    """Every method, work, type of number and kind of detector, on a small volume of noise."""
    grid = CartesianGrid.centred((61, 64, 67), (3.1, 2.9, 3.3))
    arm = replace(ARM, rows=48, cols=56, col_pitch_mm=9.0, row_pitch_mm=9.0, in_plane_deg=5.0)
    flat = arm.views([20.0, 70.0, 200.0], [10.0, -7.0, 30.0])
    kinds = {"flat": flat, "cylindrical": replace(flat, surface=Cylindrical(1020.0, 9.0)),
             "parallel": Views(direction=flat.centre - flat.source, origin=flat.origin, u=flat.u, v=flat.v, shape=flat.shape)}
    noise = torch.rand(2, *grid.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    lines = []
    for name in TOLERANCE:
        x = noise.to(getattr(torch, name))
        for kind, views in kinds.items():
            for method in METHODS:
                for work, results in works(grid, views, method, x).items():
                    lines.append(compare(results, device, work=work, method=method, views=kind, number=name))
    p = torch.rand(len(flat), *flat.shape, generator=torch.Generator().manual_seed(1))
    for kind in ("flat", "parallel"):
        lines.append(compare(lambda where, views=kinds[kind]: backproject_voxels(p.to(where), grid, views), device,
                             work="backproject_voxels", views=kind, number="float32"))
    return lines


def works(grid, views, method, x):
    """Name -> function of the device, for what `method` can do with voxels like x."""
    A = Projector(grid, views, method=method)
    found = {"forward": lambda where: A(x.to(where)), "jacobian": lambda where: A.jacobian(x.to(where))[1]}
    if x.dtype == torch.float16:
        return found
    y = torch.rand(len(x), *A.range_shape, generator=torch.Generator().manual_seed(2), dtype=x.dtype)
    found["gradient by the volume"] = lambda where: gradient_by_volume(A, x.to(where), y.to(where))
    if method != "maximum":
        found["adjoint"] = lambda where: A.T(y.to(where))
        found["gradient by the pose"] = lambda where: gradient_by_pose(grid, views, method, x.to(where), y.to(where))
    return found


def gradient_by_volume(A, x, y):
    x = x.requires_grad_()
    return torch.autograd.grad((A(x) * y).sum(), x)[0]


def gradient_by_pose(grid, views, method, x, y=None):
    pose = torch.zeros(6, dtype=torch.float64, requires_grad=True)
    p = Projector(grid, views.transformed(pose_about(pose[:3], pose[3:])), method=method)(x)
    return torch.autograd.grad((p if y is None else p * y).sum(), pose)[0]


def compare(result, device, **what):
    ours, cpu = result(device).cpu().double(), result("cpu").double()
    difference = float((ours - cpu).norm() / cpu.norm())
    return say(check="parity", **what, difference=difference, passed=difference <= TOLERANCE[what["number"]])


# -- speed
def speed(device, options):
    """Times of a radiograph, its gradient, a scan, its adjoint and filtered backprojection's last step."""
    grid = CartesianGrid.centred((options.size,) * 3, 256.0 / options.size)
    x = torch.rand(grid.shape, generator=torch.Generator().manual_seed(0)).to(device)
    view, scan = replace(ARM, in_plane_deg=5.0).views(70.0, 10.0, (5.0, -3.0, 4.0)), circle(ARM, options.views)
    copied = copy_rate(device, options.rounds)
    say(check="speed", work="copy", bytes_per_s=copied)
    for method in METHODS:
        measure(Projector(grid, view, method=method), x, "drr", copied, options.rounds)
    measure(Projector(grid, view), x.half(), "drr", copied, options.rounds)
    taken = times(lambda: gradient_by_pose(grid, view, "joseph", x), device, options.rounds)
    report("drr with the pose's gradient", taken, method="joseph")
    A = Projector(grid, scan)
    measure(A, x, "project", copied, options.rounds)
    y = torch.rand(A.range_shape, generator=torch.Generator().manual_seed(1)).to(device)
    report("adjoint", times(lambda: A.T(y), device, options.rounds), method="joseph", deposits=4 * samples(A, x))
    report("backproject_voxels", times(lambda: backproject_voxels(y, grid, scan), device, options.rounds), updates=x.numel() * len(scan))


def measure(A, x, work, copied, rounds):
    taken = times(lambda: A(x), x.device, rounds)
    least = x.numel() * x.element_size() + 4 * A(x).numel()
    gathered = {"bytes_gathered": 4 * x.element_size() * samples(A, x)} if A.method == "joseph" else {}
    share = least / taken["gpu_ms"] * 1e3 / copied
    report(work, taken, **gathered, method=A.method, number=str(x.dtype).removeprefix("torch."), share_of_copy=share)


def report(work, taken, **facts):
    """A line; what was counted is told as a rate."""
    for name in facts.keys() & {"bytes_gathered", "deposits", "updates"}:
        facts[f"{name}_per_s"] = facts.pop(name) / taken["gpu_ms"] * 1e3
    say(check="speed", work=work, **taken, **facts)


def samples(A, x):
    """Number of planes that all rays of A together cross within the volume."""
    rays = list_rays(A._rays(x.device), A.views.shape)
    d = rays[:, 1] - rays[:, 0]
    chords = A(torch.ones_like(x, dtype=torch.float32)).flatten()
    return float((chords * d.abs().amax(1) / lengths_mm(d, A.metric)).sum())


def copy_rate(device, rounds):
    """Bytes read and written a second by a copy of 1 GiB."""
    source = torch.zeros(1 << 28, device=device)
    target = torch.empty_like(source)
    return 2 * source.numel() * 4 / times(lambda: target.copy_(source), device, rounds)["gpu_ms"] * 1e3


def times(work, device, rounds):
    """First call (compiles), then medians: on the GPU and for the caller, in ms."""
    torch.cuda.synchronize(device)
    start = time.perf_counter()
    work()
    torch.cuda.synchronize(device)
    first = time.perf_counter() - start
    gpu, wall = [], []
    for _ in range(rounds):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start = time.perf_counter()
        begin.record()
        work()
        end.record()
        torch.cuda.synchronize(device)
        wall.append(time.perf_counter() - start)
        gpu.append(begin.elapsed_time(end))
    return {"first_s": round(first, 2), "gpu_ms": statistics.median(gpu), "wall_ms": 1e3 * statistics.median(wall)}


if __name__ == "__main__":
    sys.exit(main())
