"""Registration from files: a case described in JSON, one run or many starts, and what is written of it."""
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..files import replacing
from ..io import read_volume
from ..io.projections import COUNTS, LINE_INTEGRAL, open_projections
from ..jobs import Step, provenance, run
from ..options import make
from ..physics.attenuation import AttenuationModel
from ..registration import Case, RegistrationError, RegistrationOptions, register
from ..registration.case import compose
from ..registration.evaluate import middle_half, mrpe_mm, mtre_mm
from ..registration.images import Preparation, prepare
from ..registration.poses import checked_pose
from ..registration.starts import pose_at_isocentre
from .overlay import checkerboard, levels

KEYS = {"ct", "attenuation", "xrays", "start", "truth", "options"}
XRAY_KEYS = {"image", "geometry", "view", "preparation", "name"}
ISOCENTRE = "isocentre"


@dataclass(frozen=True, eq=False)
class FileCase:
    """A Case as a JSON file describes it, its start, its true pose (or None), options, and the names of its files."""
    case: Case
    start: np.ndarray
    truth: np.ndarray | None
    options: RegistrationOptions
    inputs: dict


def read_case(path):
    """FileCase of a JSON file; paths in it are relative to its folder.

    {"ct": volume, "attenuation": {"kind", "energy_kev", ...},
     "xrays": [{"image": file, "geometry": file, "view": 0, "name": "AP", "preparation": {...}}],
     "start": 4x4 matrix or "isocentre", "truth": 4x4 matrix, "options": {...}}; all but ct and xrays may be left out.
    """
    path = Path(path)
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise RegistrationError(f"{path}: not JSON ({error}); expected an object with 'ct' and 'xrays'") from error
    _check_keys(given, KEYS, {"ct", "xrays"}, f"{path}")
    if not isinstance(given["xrays"], list) or not given["xrays"]:
        raise RegistrationError(f"{path}: 'xrays' is no list of at least one X-ray")
    volume = read_volume(path.parent / given["ct"])
    xrays = [_xray(x, path.parent, f"{path}: X-ray {i + 1}") for i, x in enumerate(given["xrays"])]
    case = Case(volume.grid, AttenuationModel(**given.get("attenuation", {})).mu(volume.array), xrays)
    start, truth = given.get("start"), given.get("truth")
    views = type(xrays[0].views).concatenate([x.views for x in xrays]) if start == ISOCENTRE else None
    pose = pose_at_isocentre(volume.grid, views) if start == ISOCENTRE else checked_pose(np.eye(4) if start is None else start, f"{path}: the start")
    return FileCase(case, pose, None if truth is None else checked_pose(truth, f"{path}: the truth"),
                    make(RegistrationOptions, given.get("options", {})), {"case": str(path), "ct": given["ct"], "xrays": [x.name for x in xrays]})


def _check_keys(given, known, needed, where):
    if not isinstance(given, dict) or not needed <= set(given) <= known:
        found = ", ".join(map(str, given)) if isinstance(given, dict) else type(given).__name__
        raise RegistrationError(f"{where}: found {found}; expected an object with {', '.join(sorted(needed))}, and perhaps "
                                f"{', '.join(sorted(known - needed))}")


def _xray(given, folder, where):
    _check_keys(given, XRAY_KEYS, {"image"}, where)
    geometry = given.get("geometry")
    stack = open_projections(folder / given["image"], geometry=None if geometry is None else folder / geometry)
    index = int(given.get("view", 0))
    if not 0 <= index < len(stack):
        raise RegistrationError(f"{where}: view {index} of {len(stack)}; expected 0 to {len(stack) - 1}")
    if stack.views is None:
        raise RegistrationError(f"{where}: {given['image']} has no geometry; name its file as 'geometry'")
    values = {"values": "line integrals" if stack.kind == LINE_INTEGRAL else COUNTS} | given.get("preparation", {})
    name = given.get("name", Path(given["image"]).name)
    return prepare(stack[index], stack.views[index], make(Preparation, values), stack.flat, stack.dark, name=name)


def evaluation_starts(pose, pivot, count, rotation_deg, shift_mm, seed=0):
    """Random starts [count, 4, 4], uniform within +-rotation_deg and +-shift_mm about each axis round `pose`."""
    random = np.random.default_rng(seed)
    return np.stack([compose(np.r_[np.radians(random.uniform(-rotation_deg, rotation_deg, 3)), random.uniform(-shift_mm, shift_mm, 3)], pose, pivot)
                     for _ in range(count)])


def evaluate_starts(found, starts):
    """Generator of Steps that returns a row (dictionary) for each start: NCC, seconds, the distance from the best of all answers (mm at the
    targets), and mTRE, mRPE where the file knows the truth. A start that fails has an 'error' in place of them."""
    rows, poses, points = [], [], middle_half(found.case.grid)
    for index, start in enumerate(starts):
        try:
            result = run(register(found.case, start, found.options))
        except RegistrationError as error:
            rows.append({"start": index, "error": str(error)})
        else:
            poses.append((index, result.pose))
            rows.append({"start": index, "local_ncc": float(result.scores.mean()), "seconds": result.seconds, **_errors(found, result.pose, points)})
        yield Step(index + 1, len(starts), None, f"start {index + 1} of {len(starts)}")
    if poses:
        best = max(poses, key=lambda p: rows[p[0]]["local_ncc"])[1]
        for index, pose in poses:
            rows[index]["from_best_mm"] = float(mtre_mm(pose, best, points))
    return rows


def _errors(found, pose, points):
    if found.truth is None:
        return {}
    return {"mtre_mm": float(mtre_mm(pose, found.truth, points)), "mrpe_mm": mrpe_mm(pose, found.truth, points, [x.views for x in found.case.xrays])}


def as_dict(found, result):
    """A Registration as JSON values."""
    lengths, directions = result.uncertainty.ellipsoid(result.target)
    return {"pose": result.pose.tolist(), "start": result.start.tolist(), "covariance": result.uncertainty.covariance.tolist(),
            "pivot_ras": result.uncertainty.pivot.tolist(), "target_ras": result.target.tolist(), "ellipsoid_95_mm": lengths.tolist(),
            "ellipsoid_axes_ras": directions.T.tolist(), "inflation": result.uncertainty.inflation,
            "local_ncc": dict(zip(result.names, result.scores.tolist())), "report": result.report(), **_errors(found, result.pose, result.targets),
            "provenance": provenance("register", found.inputs, vars(found.options))}


def write_transform(path, pose):
    """The pose as a linear transform that Slicer loads: it moves what is placed under it as the pose says.

    ITK files hold the way back, from the moved space to the object, in LPS.
    """
    import SimpleITK as sitk
    flip = np.diag([-1.0, -1.0, 1.0, 1.0])
    back = flip @ np.linalg.inv(pose) @ flip
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(back[:3, :3].ravel().tolist())
    transform.SetTranslation(back[:3, 3].tolist())
    with replacing(path) as temporary:
        sitk.WriteTransform(transform, str(temporary))


def overlay(xray, radiograph, tiles=8):
    """Picture [rows, 3 cols] in 0..1: X-ray, radiograph, and a checkerboard of both; each normalised over the pixels that count."""
    fixed, moving = (levels(np.asarray(image, float), np.asarray(xray.mask)) for image in (xray.image, radiograph))
    return np.concatenate([fixed, moving, checkerboard(fixed, moving, tiles)], 1)
