"""Registers simulated X-rays to real CTs, one JSON line a case and one a group; needs two quiet cores for its times.

    python Testing/Benchmarks/registration.py --cts chest,abdomen,thorax --views 1,2 --cases 30
    python Testing/Benchmarks/registration.py --track 20                    a sequence of fluoroscopy
    ENVIRONMENT/bin/python Testing/Benchmarks/registration.py --cts abdomen --cases 3 --diffdrr 600        and each case with DiffDRR's own loop,
                                                        in the peers' environment (run.py setup), ended after so many seconds

The X-rays are harder than the model that is registered: voxels of another energy, traced with another method, beam hardening, scatter of
30 % of the primary, noise of 5000 photons a pixel, blur of 0.5 mm. mTRE and mRPE: corners and centre of the CT's middle half.
"""
import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "Testing")]

from XRayTomoLib import jobs  # noqa: E402
from XRayTomoLib.geometry import CArm  # noqa: E402
from XRayTomoLib.io import read_volume  # noqa: E402
from XRayTomoLib.io.samples import fetch_sample  # noqa: E402
from XRayTomoLib.physics.attenuation import AttenuationModel  # noqa: E402
from XRayTomoLib.registration import Case, RegistrationOptions, XRay, register  # noqa: E402
from XRayTomoLib.registration.case import compose  # noqa: E402
from XRayTomoLib.registration.evaluate import middle_half, mrpe_mm, mtre_mm  # noqa: E402
from XRayTomoLib.registration.tracking import track  # noqa: E402
from XRayTomoLib.tracing import Projector  # noqa: E402

DATA = ROOT.parent / "shared/data/ct"
CTS = {"chest": None, "abdomen": DATA / "abdomen_3mm.nii.gz", "thorax": DATA / "thorax_1p5mm.nii.gz"}
ARM = CArm(1020.0, 530.0, 256, 256, 1.2, 1.2)
PHOTONS, SCATTER, HARDENING, BLUR_MM, LIMIT_MM = 5000, 0.3, 0.03, 0.5, 1.0


def simulated(volume, pose, view, random):
    """Line integrals [rows, cols] as a detector sees them."""
    mu = torch.as_tensor(AttenuationModel(energy_kev=60).mu(volume.array))
    p = Projector(volume.grid, view.transformed(np.linalg.inv(pose)), "trilinear")(mu)[0].numpy()
    p = np.minimum(p, 8.0)
    primary = np.exp(-(p - HARDENING * p**2))
    smooth = gaussian_filter(primary, 30)
    counts = random.poisson(PHOTONS * (primary + SCATTER * primary.mean() * smooth / smooth.mean())) / PHOTONS
    return torch.as_tensor(-np.log(np.clip(gaussian_filter(counts, BLUR_MM / ARM.col_pitch_mm), 1e-4, None)), dtype=torch.float32)


def truth_and_start(pivot, random):
    pose = compose(np.r_[np.radians(random.uniform(-8, 8, 3)), random.uniform(-10, 10, 3)], np.eye(4), pivot)
    return pose, compose(np.r_[np.radians(random.uniform(-20, 20, 3)), random.uniform(-30, 30, 3)], pose, pivot)


def case_number(volume, number, views, random):
    pivot = volume.grid.centre_ras
    truth, start = truth_and_start(pivot, random)
    first = random.uniform(-30, 30)
    scene = ARM.views([first, first + 90.0][:views], 0.0, pivot)
    xrays = [XRay(simulated(volume, truth, view, random), view, name=f"view {i + 1}") for i, view in enumerate(scene)]
    return Case(volume.grid, AttenuationModel(energy_kev=80).mu(volume.array), xrays, pivot), truth, start


def measured(name, volume, views, number):
    random = np.random.default_rng([number, views, *name.encode()])
    case, truth, start = case_number(volume, number, views, random)
    cpu, wall = time.process_time(), time.perf_counter()
    found = jobs.run(register(case, start, RegistrationOptions()))
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    points = middle_half(case.grid)
    moved = [T[:3, :3] @ points.T + T[:3, 3:] for T in (found.pose, truth)]
    errors, bars = list(zip(moved[0].T, (moved[0] - moved[1]).T)), found.uncertainty
    chi = [e @ np.linalg.solve(bars.at(at), e) for at, e in errors]
    return {"ct": name, "views": views, "case": number, "start_mtre_mm": round(float(mtre_mm(start, truth, points)), 2),
            "mtre_mm": round(float(mtre_mm(found.pose, truth, points)), 4), "mrpe_mm": round(mrpe_mm(found.pose, truth, points, scene_of(case)), 4),
            "covered": round(float(np.mean([bars.holds(at, e) for at, e in errors])), 3), "chi_square": round(float(np.median(chi)), 2),
            "inflation": round(bars.inflation, 2), "seconds": round(wall, 2), "cpu_seconds": round(cpu, 2)}


def with_diffdrr(name, volume, views, number, limit_s):
    """The same case with DiffDRR's loop."""
    from Benchmarks.backends.diffdrr_registration import registered
    case, truth, start = case_number(volume, number, views, np.random.default_rng([number, views, *name.encode()]))
    pose, steps, each, seconds = registered(case, start, limit_s)
    points = middle_half(case.grid)
    return {"ct": name, "views": views, "case": number, "with": "DiffDRR", "mtre_mm": round(float(mtre_mm(pose, truth, points)), 3),
            "mrpe_mm": round(mrpe_mm(pose, truth, points, scene_of(case)), 3), "steps": steps, "seconds_a_step": round(each, 2),
            "seconds": round(seconds, 1)}


def scene_of(case):
    return [x.views for x in case.xrays]


def summary(rows):
    error = np.array([row["mrpe_mm" if row["views"] == 1 else "mtre_mm"] for row in rows])
    return {"ct": rows[0]["ct"], "views": rows[0]["views"], "cases": len(rows), "under_1_mm": round(float((error < LIMIT_MM).mean()), 3),
            "median_mm": round(float(np.median(error)), 4), "worst_mm": round(float(error.max()), 3),
            "median_mtre_mm": round(float(np.median([row["mtre_mm"] for row in rows])), 4),
            "covered": round(float(np.mean([row["covered"] for row in rows])), 3),
            "median_inflation": round(float(np.median([row["inflation"] for row in rows])), 2),
            "most_cpu_seconds": max(row["cpu_seconds"] for row in rows),
            "median_seconds": round(float(np.median([row["seconds"] for row in rows])), 2), "most_seconds": max(row["seconds"] for row in rows)}


def tracked(volume, frames):
    """A body that breathes and turns, seen at 15 frames a second by one view."""
    random, pivot = np.random.default_rng(1), volume.grid.centre_ras
    view = ARM.views([0.0], 0.0, pivot)
    times = np.arange(frames) / 15
    poses = [compose(np.r_[0.03 * np.sin(2 * t), 0, 0.05 * t, 6 * np.sin(3 * t), 0, 8 * np.sin(2 * t)], np.eye(4), pivot) for t in times]
    sequence = [[XRay(simulated(volume, pose, view, random), view)] for pose in poses]
    case = Case(volume.grid, AttenuationModel(energy_kev=80).mu(volume.array), sequence[0], pivot)
    result, points = jobs.run(track(case, sequence, poses[0])), middle_half(volume.grid)
    errors = [mrpe_mm(found, pose, points, view) for found, pose in zip(result.poses, poses)]
    return {"track": frames, "frames_per_second": round(frames / result.seconds.sum(), 2), "median_frames_per_second": round(float(
            1 / np.median(result.seconds)), 2), "median_mrpe_mm": round(float(np.median(errors)), 3), "worst_mrpe_mm": round(max(errors), 3)}


def opened(name):
    return read_volume(CTS[name] or fetch_sample("chest-ct"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cts", default="chest,abdomen,thorax", help="some of chest, abdomen, thorax")
    parser.add_argument("--views", default="1,2")
    parser.add_argument("--cases", type=int, default=30)
    parser.add_argument("--diffdrr", type=float, default=0, metavar="SECONDS", help="each case also with DiffDRR's loop, ended after SECONDS")
    parser.add_argument("--track", type=int, default=0, metavar="FRAMES", help="tracks a sequence instead")
    options = parser.parse_args()
    for name in options.cts.split(","):
        volume = opened(name)
        if options.track:
            print(json.dumps({"ct": name} | tracked(volume, options.track)), flush=True)
            continue
        for views in map(int, options.views.split(",")):
            rows = []
            for number in range(options.cases):
                rows.append(measured(name, volume, views, number))
                print(json.dumps(rows[-1]), flush=True)
                if options.diffdrr:
                    print(json.dumps(with_diffdrr(name, volume, views, number, options.diffdrr)), flush=True)
            print(json.dumps(summary(rows)), flush=True)


if __name__ == "__main__":
    main()
