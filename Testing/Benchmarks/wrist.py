"""Registers the radius and the ulna of a real wrist to two calibrated X-rays from rough starts; one JSON line a start and one in all.

    python Testing/Benchmarks/wrist.py --starts 20 --overlay wrist.png

Data: Autoscoper's wrist sample (Brown University): X-rays of frame 0099, cameras' calibrations, CT of both bones, a pose of the radius that
was found by other means. A start counts as found when its gradient NCC is at least 0.99 of that at this pose, over the same pixels: those
that the radius covers there and 2 mm around, binned by 2 (0.34 mm at the bone). mTRE: corners and centre of the CT's middle half.
"""
import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "Testing")]

from XRayTomoLib import jobs  # noqa: E402
from XRayTomoLib.geometry import rigid, transform_points  # noqa: E402
from XRayTomoLib.geometry.formats import read_geometry  # noqa: E402
from XRayTomoLib.grids import CartesianGrid  # noqa: E402
from XRayTomoLib.registration import Case, RegistrationError, RegistrationOptions, register  # noqa: E402
from XRayTomoLib.registration.case import compose  # noqa: E402
from XRayTomoLib.registration.evaluate import middle_half, mtre_mm  # noqa: E402
from XRayTomoLib.registration.footprint import around_object, cropped, reach, within_reach  # noqa: E402
from XRayTomoLib.registration.images import Preparation, prepare  # noqa: E402
from XRayTomoLib.registration.joint import register_bones  # noqa: E402
from XRayTomoLib.registration.objective import Objective  # noqa: E402
from XRayTomoLib.registration.similarity import similarity_of  # noqa: E402

WRIST = ROOT.parent / "shared/data/wrist"
BONES = {"radius": "rad_dcm_cropped.tif", "ulna": "uln_dcm_cropped.tif"}
SPACING_MM = (0.39625, 0.39625, 0.625)
# where a search over +-15 mm and +-25 degrees round its shadow, from six starts, ended within 0.01 mm
ULNA = rigid(np.array([[-0.34292, -0.93335, -0.10616], [-0.16981, -0.04955, 0.98423], [-0.92389, 0.35554, -0.1415]]), [113.086, 160.404, 112.911])
MARGIN_MM, SHIFT_MM, ROTATION_DEG = 2.0, 8.0, 8.0
ENOUGH = 0.99               # of the gradient NCC at the known pose
OPTIONS = RegistrationOptions(footprint_mm=MARGIN_MM, search_shift_mm=SHIFT_MM, search_rotation_deg=10.0)


def xrays(folder, frame="0099"):
    """XRays of both cameras."""
    import SimpleITK as sitk
    found = []
    for number in (1, 2):
        image = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / f"xr_rad_uln_cam0{number}_UND.{frame}.tif"))).astype(float)
        view = read_geometry(folder / f"xr_calib_wrist_cam0{number}.txt", sdd_mm=1500.0)
        found.append(prepare(image, view, Preparation(inverted=True), name=f"camera {number}"))
    return found


def bone(folder, name, images):
    """The Case of a bone, its centre the pivot."""
    import SimpleITK as sitk
    values = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / BONES[name]))).astype(np.float32)
    return Case(CartesianGrid.centred(values.shape, SPACING_MM), torch.from_numpy(values) * 1e-5, images)


def known_pose(folder):
    """The radius' pose of radius_pose_0099.json."""
    known = json.loads((folder / "radius_pose_0099.json").read_text())
    return rigid(np.linalg.inv(np.array(known["R_world_to_vol"])), known["center_world_mm"])


def judge(case, pose):
    """Function of a pose: gradient NCC over the pixels that the bone covers at `pose`, and around."""
    near = around_object(within_reach(case, pose[None], 10.0).level(2, 1), pose, MARGIN_MM)
    objective = Objective(near, similarity_of("gradient-ncc"))
    return lambda other: float(objective(other[None])[0])


def start_near(pose, random):
    return compose(np.r_[np.radians(random.uniform(-ROTATION_DEG, ROTATION_DEG, 3)), random.uniform(-SHIFT_MM, SHIFT_MM, 3)], pose, pose[:3, 3])


def tried(number, cases, truths, gradient_ncc, best):
    """Row of one start of both bones, and the poses [3, 4, 4] at which the radius ended alone, and both together (None where one failed)."""
    random = np.random.default_rng(number)
    starts = [start_near(truth, random) for truth in truths]
    row = {"start": number, "starts_off_mm": [off(*each) for each in zip(cases, starts, truths)]}
    try:
        alone, times = timed(register(cases[0], starts[0], OPTIONS))
        row |= {"radius_alone": round(gradient_ncc(alone.pose) / best, 4), "bar_alone_mm": bar(cases[0], alone.uncertainty),
                "seconds_alone": times[0], "cpu_seconds_alone": times[1]}
        together, times = timed(register_bones(cases, starts, OPTIONS))
    except RegistrationError as error:
        return row | {"error": str(error)}, None
    ends = [off(*each) for each in zip(cases, together.poses, truths)]
    row |= {"radius_together": round(gradient_ncc(together.poses[0]) / best, 4), "ends_off_mm": ends,
            "bars_together_mm": [bar(*each) for each in zip(cases, together.uncertainties)], "seconds_together": times[0],
            "cpu_seconds_together": times[1]}
    return row, np.stack([alone.pose, *together.poses])


def timed(job):
    """What a job returns, and its seconds and processor seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = jobs.run(job)
    return result, (round(time.perf_counter() - wall, 2), round(time.process_time() - cpu, 2))


def bar(case, uncertainty):
    """The largest half axis (mm) of the 95 % ellipsoid at the bone's centre."""
    return round(float(uncertainty.ellipsoid(transform_points(uncertainty.pose, case.grid.centre_ras))[0][0]), 3)


def off(case, pose, other):
    return round(float(mtre_mm(pose, other, middle_half(case.grid))), 4)


def agreement(case, poses):
    """Largest distance (mm) between any two of the poses [n, 4, 4]."""
    return max(float(mtre_mm(poses, pose, middle_half(case.grid)).max()) for pose in poses)


def summary(rows, ends, cases):
    result = {"starts": len(rows)}
    for key, bones in (("alone", {"radius": 0}), ("together", {"radius": 1, "ulna": 2})):
        found = [row["start"] for row in rows if row.get(f"radius_{key}", 0) >= ENOUGH and row["start"] in ends]
        result[f"found_{key}"] = len(found)
        if found:
            poses = np.stack([ends[number] for number in found])
            result |= {f"{name}_{key}_agree_mm": round(agreement(case, poses[:, at]), 4) for (name, at), case in zip(bones.items(), cases)}
    for key in ("seconds_alone", "cpu_seconds_alone", "seconds_together", "cpu_seconds_together"):
        values = [row[key] for row in rows if key in row]
        result |= {f"median_{key}": round(float(np.median(values)), 2), f"most_{key}": max(values)} if values else {}
    return result


def overlay(cases, poses):
    """Picture [rows, cols, 3]: for each X-ray the part with the bones, the same with their outlines, and their radiograph."""
    from scipy.ndimage import binary_erosion
    rows = []
    for x in cases[0].xrays:
        points = np.concatenate([reach(case, pose[None]) for case, pose in zip(cases, poses)])
        part = cropped(x, points, 80)
        picture = np.repeat(levels(part.image.numpy())[..., None], 3, -1)
        outlined, total = picture.copy(), 0.0
        for case, pose, colour in zip(cases, poses, ((1.0, 0.25, 0.2), (0.2, 0.85, 1.0))):
            radiograph = case.with_xrays([part]).render(pose, 0)[0].numpy()
            shadow, total = radiograph > 0.03 * radiograph.max(), total + radiograph
            outlined[shadow & ~binary_erosion(shadow, iterations=2)] = colour
        rows.append(np.concatenate([picture, outlined, np.repeat(levels(total)[..., None], 3, -1)], 1))
    width = max(row.shape[1] for row in rows)
    return np.concatenate([np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0))) for row in rows])


def levels(image):
    low, high = np.percentile(image, [1, 99.5])
    return np.clip((image - low) / (high - low), 0, 1)


def write_picture(path, picture):
    import SimpleITK as sitk
    sitk.WriteImage(sitk.GetImageFromArray((255 * picture).astype(np.uint8), isVector=True), str(path))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starts", type=int, default=20)
    parser.add_argument("--data", type=Path, default=WRIST, help="folder of the wrist data set")
    parser.add_argument("--overlay", type=Path, help="picture of the bones of the last start that is found")
    options = parser.parse_args()
    images = xrays(options.data)
    cases, truths = [bone(options.data, name, images) for name in BONES], [known_pose(options.data), ULNA]
    gradient_ncc = judge(cases[0], truths[0])
    best, rows, ends = gradient_ncc(truths[0]), [], {}
    print(json.dumps({"gradient_ncc_at_the_known_pose": round(best, 4)}), flush=True)
    for number in range(options.starts):
        row, poses = tried(number, cases, truths, gradient_ncc, best)
        rows.append(row)
        if poses is not None:
            ends[number] = poses
        print(json.dumps(row), flush=True)
    print(json.dumps(summary(rows, ends, cases)), flush=True)
    if options.overlay and ends:
        write_picture(options.overlay, overlay(cases, list(ends.values())[-1][1:]))


if __name__ == "__main__":
    main()
