"""Scans of a real CT with noise, reconstructed on coarser voxels than they were simulated on: errors, and pictures to look at.

    python Testing/Benchmarks/scans.py thorax.nii.gz --pictures folder [--scans full half-fan short helix few]

Cone beams of 800 mm to the axis and 1200 mm to a panel of 4.5 mm pixels, 1e5 photons a pixel: a full turn, a half-fan, a short scan, 40 views.
The helix is that of an industrial scanner for logs: 503 mm to the axis, rows on an arc about the source, +-0.465 rad wide and +-34.5 mm high
at the axis, 106.56 mm a turn (the pixels are ten times as large). One JSON line a scan and method: the relative error, and the root mean square
difference in HU, over a cylinder that all scans see; each picture: an axial and a coronal slice of the truth, the volume and the difference.
"""
import argparse
import json
import math
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT)]

from XRayTomoLib import jobs  # noqa: E402
from XRayTomoLib.geometry import CArm, Cylindrical, circle  # noqa: E402
from XRayTomoLib.geometry.trajectories import Helix  # noqa: E402
from XRayTomoLib.io import read_volume  # noqa: E402
from XRayTomoLib.io.pictures import grey_levels, write_png  # noqa: E402
from XRayTomoLib.physics.attenuation import AttenuationModel  # noqa: E402
from XRayTomoLib.reconstruction import method_of, reconstruct  # noqa: E402
from XRayTomoLib.reconstruction.methods import coarser  # noqa: E402
from XRayTomoLib.tracing import Projector  # noqa: E402

PHOTONS = 1e5
MU_WATER = AttenuationModel().mu_water
RADIUS_MM, HALF_MM = 150.0, 45.0        # the cylinder in which errors are counted
ARM = CArm(1200, 800, 60, 150, 4.5, 4.5)
FAN_DEG = 2 * math.degrees(math.atan(150 * 4.5 / 2 / 1200))
HANN = {"filter": "hann"}
FEW = [("fdk", HANN), ("sirt", {"iterations": 60}), ("fista", {}), ("asd-pocs", {})]


def helix(centre):
    """The scanner's numbers, its virtual detector through the axis moved to twice the distance."""
    cols, rows = 156, 23
    arm = CArm(1006, 503, rows, cols, 2 * 69 / rows, 1006 * 0.930418 / cols)
    views = Helix(count=960, turns=4.0, pitch_mm=106.56).views(arm, isocentre_ras=centre)
    return replace(views, surface=Cylindrical(1006.0, (cols - 1) / 2))


SCANS = {
    "full": (lambda c: circle(ARM, 360, isocentre_ras=c), [("fdk", HANN), ("cgls", {"iterations": 15})]),
    "half-fan": (lambda c: circle(replace(ARM, cols=96, principal_offset_mm=(121.5, 0.0)), 360, isocentre_ras=c), [("fdk", HANN)]),
    "short": (lambda c: circle(ARM, 220, 0, 182 + FAN_DEG, isocentre_ras=c), [("fdk", HANN)]),
    "helix": (helix, [("helical-fdk", HANN), ("cgls", {"iterations": 12})]),
    "few": (lambda c: circle(ARM, 40, isocentre_ras=c), FEW),
}  # fmt: skip


def measured(views, mu, grid, seed=0):
    """Line integrals of PHOTONS a pixel through the fine volume."""
    clean = Projector(grid, views)(mu).double()
    counts = torch.poisson(PHOTONS * torch.exp(-clean), generator=torch.Generator().manual_seed(seed)).clamp_min(1)
    return -torch.log(counts / PHOTONS).float()


def hounsfield(x):
    return 1000 * (np.asarray(x) / MU_WATER - 1)


def picture(path, truth, x):
    """Axial and coronal middle slices of truth, volume and difference; windows of -500 to 500 HU and of +-150 HU."""
    def pair(volume, window):
        slices = volume[volume.shape[0] // 2][::-1], volume[::-1, volume.shape[1] // 2]
        return np.concatenate([grey_levels(each, window) for each in slices])
    shown = [pair(hounsfield(truth), (-500, 500)), pair(hounsfield(x), (-500, 500)), pair(hounsfield(x) - hounsfield(truth), (-150, 150))]
    write_png(path, np.kron(np.concatenate(shown, 1), np.ones((3, 3))), window=(0, 255))


def rows(ct, names, pictures):
    volume = read_volume(ct)
    grid, mu = volume.grid, torch.as_tensor(AttenuationModel().mu(volume.array))
    coarse = coarser(grid)
    truth = torch.nn.functional.adaptive_avg_pool3d(mu[None], coarse.shape)[0].numpy()
    k, j, i = np.indices(coarse.shape)
    offset = coarse.ras_from_ijk(np.stack([i, j, k], -1).astype(float)) - grid.centre_ras
    inside = (np.hypot(offset[..., 0], offset[..., 1]) < RADIUS_MM) & (np.abs(offset[..., 2]) < HALF_MM)
    for name in names:
        make, methods = SCANS[name]
        views = make(grid.centre_ras)
        p = measured(views, mu, grid)
        for method, options in methods:
            clock = time.process_time()
            x = jobs.run(reconstruct(method_of(method, options), views, p, coarse)).numpy()
            d = (x - truth)[inside]
            if pictures:
                picture(Path(pictures) / f"{name}-{method}.png", truth, x)
            yield {"scan": name, "views": len(views), "method": method, "options": options,
                   "error": round(float(np.linalg.norm(d) / np.linalg.norm(truth[inside])), 4),
                   "rms_hu": round(1000 / MU_WATER * float(np.sqrt((d ** 2).mean())), 1), "bias_hu": round(1000 / MU_WATER * float(d.mean()), 1),
                   "processor_s": round(time.process_time() - clock, 1)}


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ct", help="a CT in HU")
    parser.add_argument("--scans", nargs="+", default=list(SCANS), choices=list(SCANS))
    parser.add_argument("--pictures", help="folder for pictures")
    options = parser.parse_args(arguments)
    if options.pictures:
        Path(options.pictures).mkdir(parents=True, exist_ok=True)
    for row in rows(options.ct, options.scans, options.pictures):
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
