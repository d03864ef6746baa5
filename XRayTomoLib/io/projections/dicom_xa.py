"""DICOM X-ray angiography and fluoroscopy: XA and RF, enhanced XA and XRF, of one or many frames, one or several files.

The geometry is the nominal one of the headers (DICOM PS3.3 C.8.7.5, C.8.19): a C-arm at its positioner angles, with the patient's isocentre
at the origin of RAS. Table motion, detector rotation and shifts of the field of view are reported, not applied.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...geometry import CArm, GeometryError, Views
from .base import ProjectionError, ProjectionSet
from .dicom_frames import Frames, is_projection_file

TITLE = "DICOM XA, RF, enhanced XA or enhanced XRF"
FILES_LOOKED_AT = 8         # of a folder, to recognise it: a CT series has hundreds
NOT_APPLIED = ("DetectorRotationAngle", "FieldOfViewRotation", "FieldOfViewHorizontalFlip", "TableVerticalIncrement", "TableLateralIncrement",
               "TableLongitudinalIncrement")  # fmt: skip


def recognise(path):
    path = Path(path)
    if not path.is_dir():
        return is_projection_file(path)
    files = sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
    return any(is_projection_file(file) for file in files[:FILES_LOOKED_AT])


def open_projections(path, series=None, pitch_mm=None, sdd_mm=None, sod_mm=None):
    """Frames of an XA or RF file, or of all such files of a folder in the order of their series and instance numbers.

    Args:
        series: series instance UID, where a folder holds several.
        pitch_mm: (column, row) pitch at the detector or one number; sdd_mm, sod_mm: distances; in place of the header's.
    """
    path = Path(path)
    files = [Frames(file) for file in _files(path)]
    files = _chosen_series(path, files, series)
    first = files[0]
    other = next((file for file in files if (file.shape, file.kind) != (first.shape, first.kind)), None)
    if other is not None:
        raise ProjectionError(f"{other.path}: {other.shape} pixels of {other.kind}, {first.path.name} has {first.shape} of {first.kind}; "
                              "put images of one size and kind into a folder, or give one file.")
    given = {"ImagerPixelSpacing": None if pitch_mm is None else np.broadcast_to(np.ravel(pitch_mm)[::-1], 2),
             "DistanceSourceToDetector": sdd_mm, "DistanceSourceToPatient": sod_mm}
    poses = [_pose(file, i, given) for file in files for i in range(file.count)]
    views, found = _views(path, poses, first.shape), _found(files, poses)
    if views is None:
        found["geometry of the files"] = f"not known; {', '.join(poses[0].missing)} missing in the header; give pitch_mm, sdd_mm and sod_mm"
    index = [(file, i) for file in files for i in range(file.count)]
    return ProjectionSet(len(index), first.shape, first.dtype, lambda i: index[i][0].pixels(index[i][1]), str(path), views, first.kind, found=found)


@dataclass(frozen=True)
class _Pose:
    """What the header says of one frame; numbers in mm and degrees, None where it is silent."""

    sdd_mm: float | None
    sod_mm: float | None
    pitch_mm: tuple | None              # (column, row)
    primary_deg: float | None
    secondary_deg: float | None
    frame_of_angles: str = "patient"

    @property
    def missing(self):
        names = {"sdd_mm": "DistanceSourceToDetector", "sod_mm": "DistanceSourceToPatient", "pitch_mm": "ImagerPixelSpacing",
                 "primary_deg": "PositionerPrimaryAngle", "secondary_deg": "PositionerSecondaryAngle"}  # fmt: skip
        return [keyword for name, keyword in names.items() if getattr(self, name) is None]


def _pose(file, index, given):
    """Pose of frame `index`: functional groups of enhanced files first, then the header itself."""
    spacing = given["ImagerPixelSpacing"] if given["ImagerPixelSpacing"] is not None else file.numbers("ImagerPixelSpacing", index, 2)
    sdd = given["DistanceSourceToDetector"] or file.number("DistanceSourceToDetector", index)
    sod = given["DistanceSourceToPatient"] or file.number("DistanceSourceToIsocenter", index) or file.number("DistanceSourceToPatient", index)
    angles, of = [file.angle(f"Positioner{axis}Angle", index) for axis in ("Primary", "Secondary")], "patient"
    if None in angles:
        isocentre = [file.number(f"PositionerIsocenter{axis}Angle", index) for axis in ("Primary", "Secondary")]
        angles, of = (isocentre, "isocentre (patient supine, head first assumed)") if None not in isocentre else (angles, of)
    return _Pose(sdd, sod, None if spacing is None else (float(spacing[1]), float(spacing[0])), *angles, of)


def _views(path, poses, shape):
    """Views of all frames; None where one of them lacks something."""
    if any(pose.missing for pose in poses):
        return None
    try:
        return Views.concatenate([CArm(p.sdd_mm, p.sod_mm, *shape, *p.pitch_mm).views(p.primary_deg, p.secondary_deg) for p in poses])
    except GeometryError as error:
        raise ProjectionError(f"{path}: {error}.") from error


def _found(files, poses):
    first = poses[0]
    found = {"modality": f"{files[0].value('Modality', 0) or 'not said'}, {len(files)} files", "values": files[0].meaning}
    for name, key in (("sdd_mm", "source to detector mm"), ("sod_mm", "source to isocentre mm"), ("pitch_mm", "pitch (column, row) mm")):
        if getattr(first, name) is not None:
            found[key] = getattr(first, name)
    for name in ("primary", "secondary"):
        angles = [angle for pose in poses if (angle := getattr(pose, f"{name}_deg")) is not None]
        if angles:
            found[f"{name} angle deg"] = f"{angles[0]:g}" if len(set(angles)) == 1 else f"{angles[0]:g} to {angles[-1]:g}"
    found["angles relative to"] = first.frame_of_angles
    ignored = [keyword for keyword in NOT_APPLIED if any(_counts(file.value(keyword, 0)) for file in files)]
    if ignored:
        found["in the header, not applied"] = ", ".join(ignored)
    return found


def _counts(value):
    """Whether a value that is not applied would change anything."""
    if value is None or isinstance(value, str):
        return value not in (None, "", "NO")
    return bool(np.any(np.asarray(value, np.float64)))


def _files(path):
    if not path.is_dir():
        return [path]
    files = [file for file in sorted(path.iterdir()) if file.is_file() and is_projection_file(file)]
    if not files:
        raise ProjectionError(f"{path}: the folder holds no DICOM XA or RF images.")
    return files


def _chosen_series(path, files, series):
    uids = dict.fromkeys(str(file.value("SeriesInstanceUID", 0)) for file in files)
    if series is not None:
        files = [file for file in files if str(file.value("SeriesInstanceUID", 0)) == series]
        if not files:
            raise ProjectionError(f"{path}: no series {series}; choose one of: {', '.join(uids)}.")
    elif len({(file.shape, file.kind) for file in files}) > 1 and len(uids) > 1:
        raise ProjectionError(f"{path}: several series with images of different sizes; choose one of: {', '.join(uids)}.")
    return sorted(files, key=lambda file: (file.order("SeriesNumber"), file.order("InstanceNumber"), file.path.name))


