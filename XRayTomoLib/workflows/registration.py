"""Registration from files: a case described in JSON, one run or many starts, and what is written of it."""
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..files import replacing
from ..geometry import transform_points
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

BONE_KEYS = {"ct", "attenuation", "start", "truth"}
KEYS = {*BONE_KEYS, "bones", "xrays", "options"}
XRAY_KEYS = {"image", "geometry", "view", "preparation", "name"}
ISOCENTRE = "isocentre"


@dataclass(frozen=True, eq=False)
class FileCase:
    """A Case as a JSON file describes it, its start, its true pose (or None), options, the names of its files, and its own name."""
    case: Case
    start: np.ndarray
    truth: np.ndarray | None
    options: RegistrationOptions
    inputs: dict
    name: str = ""


def read_cases(path):
    """The FileCases of a JSON file, one for each of its bones, which share their X-rays; paths in it are relative to its folder.

    {"ct": volume, "attenuation": {"kind", "energy_kev", ...},
     "xrays": [{"image": file, "geometry": file, "view": 0, "name": "AP", "preparation": {...}}],
     "start": 4x4 matrix or "isocentre", "truth": 4x4 matrix, "options": {...}}; all but ct and xrays may be left out.
    Several bones: "bones": [{"name": "radius", "ct", "attenuation", "start", "truth"}, ...] in place of these four.
    """
    path = Path(path)
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise RegistrationError(f"{path}: not JSON ({error}); expected an object with 'ct' and 'xrays'") from error
    several = isinstance(given, dict) and "bones" in given
    _check_keys(given, KEYS - BONE_KEYS if several else KEYS - {"bones"}, {"bones" if several else "ct", "xrays"}, f"{path}")
    for key in ("xrays", "bones") if several else ("xrays",):
        if not isinstance(given[key], list) or not given[key]:
            raise RegistrationError(f"{path}: '{key}' is no list of at least one {'X-ray' if key == 'xrays' else 'bone'}")
    xrays = [_xray(x, path.parent, f"{path}: X-ray {i + 1}") for i, x in enumerate(given["xrays"])]
    options = make(RegistrationOptions, given.get("options", {}))
    if not several:
        return [_file_case({key: given[key] for key in BONE_KEYS & set(given)}, "", xrays, options, path, f"{path}: the ")]
    for i, one in enumerate(given["bones"], 1):
        _check_keys(one, {*BONE_KEYS, "name"}, {"ct"}, f"{path}: bone {i}")
    names = [str(one.get("name", Path(one["ct"]).name)) for one in given["bones"]]
    if len(set(names)) < len(names) or any(not name or Path(name).name != name for name in names):
        raise RegistrationError(f"{path}: the bones are called {', '.join(names)}; give each its own 'name' that a file can have")
    return [_file_case(one, name, xrays, options, path, f"{path}: {name}: the ") for one, name in zip(given["bones"], names)]


def _file_case(given, name, xrays, options, path, where):
    volume = read_volume(path.parent / given["ct"])
    case = Case(volume.grid, AttenuationModel(**given.get("attenuation", {})).mu(volume.array), xrays)
    start, truth = given.get("start"), given.get("truth")
    if start == ISOCENTRE:
        pose = pose_at_isocentre(volume.grid, type(xrays[0].views).concatenate([x.views for x in xrays]))
    else:
        pose = checked_pose(np.eye(4) if start is None else start, f"{where}start")
    return FileCase(case, pose, None if truth is None else checked_pose(truth, f"{where}truth"), options,
                    {"case": str(path), "ct": given["ct"], "xrays": [x.name for x in xrays]}, name)


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
    return {**_pose_dict(found, result.pose, result.uncertainty), "start": result.start.tolist(), "report": result.report(),
            "local_ncc": dict(zip(result.names, result.scores.tolist())), "provenance": provenance("register", found.inputs, vars(found.options))}


def bones_dict(bones, result):
    """A JointRegistration of FileCases as JSON values: "bones" by their names, and what they have in common."""
    inputs = bones[0].inputs | {"ct": [bone.inputs["ct"] for bone in bones]}
    each = {bone.name: {**_pose_dict(bone, pose, bars), "start": bone.start.tolist(), "report": bars.report(_target(bone, pose), bone.case.xrays)}
            for bone, pose, bars in zip(bones, result.poses, result.uncertainties)}
    return {"bones": each, "local_ncc": dict(zip([x.name for x in bones[0].case.xrays], result.scores.tolist())),
            "provenance": provenance("register", inputs, vars(bones[0].options))}


def _pose_dict(found, pose, bars):
    target = _target(found, pose)
    lengths, directions = bars.ellipsoid(target)
    return {"pose": pose.tolist(), "covariance": bars.covariance.tolist(), "pivot_ras": bars.pivot.tolist(), "target_ras": target.tolist(),
            "ellipsoid_95_mm": lengths.tolist(), "ellipsoid_axes_ras": directions.T.tolist(), "inflation": bars.inflation,
            **_errors(found, pose, middle_half(found.case.grid))}


def _target(found, pose):
    """Where the centre of the object lies at `pose` (RAS)."""
    return transform_points(pose, found.case.grid.centre_ras)


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
