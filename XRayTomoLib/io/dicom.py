"""Series of DICOM slices in a folder, read with GDCM."""

from dataclasses import dataclass

import numpy as np

from .errors import VolumeError
from .itk import last_line, quiet_itk

POSITION, DESCRIPTION, MODALITY = "0020|0032", "0008|103e", "0008|0060"
UNEVEN = 0.05  # of the slice distance: above rounding in the headers, far below a missing slice


@dataclass(frozen=True)
class Series:
    """A series of a folder: its instance UID ('' if the files have none), a text for people, the files sorted by position."""

    uid: str
    description: str
    files: tuple


def find_series(folder):
    """All image series of a folder (not of the folders inside it)."""
    with quiet_itk() as sitk:
        uids = sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder))
        files = {uid: sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), uid) for uid in uids}
        return [Series(uid, _describe(sitk, names), tuple(names)) for uid, names in files.items() if names]


def read_series(folder, uid=None):
    """The image of the series `uid`, which may be left out where there is only one.

    Raises:
        VolumeError: no series, several (they are listed), an unknown UID, unreadable files or slices at uneven distances.
    """
    series = _chosen(folder, find_series(folder), uid)
    with quiet_itk() as sitk:
        reader = sitk.ImageSeriesReader()
        reader.SetFileNames(series.files)
        reader.MetaDataDictionaryArrayUpdateOn()
        try:
            image = reader.Execute()
        except RuntimeError as error:
            raise VolumeError(f"{folder}: series {series.uid} cannot be read ({last_line(error)}); export it again.") from error
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        raise VolumeError(f"{folder}: series {series.uid} is not a stack of grey slices; choose a CT series.")
    _check_slices(reader, len(series.files), folder)
    return image


def _chosen(folder, found, uid):
    if not found:
        raise VolumeError(f"{folder}: the folder holds no DICOM images; give a folder of slices, or a volume file.")
    if uid is None and len(found) == 1:
        return found[0]
    chosen = [series for series in found if series.uid == uid]
    if not chosen:
        listed = "; ".join(f"{series.uid} ({series.description})" for series in found)
        problem = "holds several series" if uid is None else f"has no series {uid}"
        raise VolumeError(f"{folder}: the folder {problem}; choose one of: {listed}.")
    return chosen[0]


def _describe(sitk, files):
    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(files[0])
    reader.ReadImageInformation()
    texts = [reader.GetMetaData(key).strip() for key in (MODALITY, DESCRIPTION) if reader.HasMetaDataKey(key)]
    return ", ".join([*filter(None, texts), f"{len(files)} files"])


def _check_slices(reader, count, folder):
    if count < 2 or not all(reader.HasMetaDataKey(i, POSITION) for i in range(count)):
        return
    positions = np.array([[float(x) for x in reader.GetMetaData(i, POSITION).split("\\")] for i in range(count)])
    steps = np.linalg.norm(np.diff(positions, axis=0), axis=1)
    typical = np.median(steps)
    if np.abs(steps - typical).max() > UNEVEN * typical:
        distances = f"distances from {steps.min():g} to {steps.max():g} mm"
        raise VolumeError(f"{folder}: slices are missing or doubled ({distances}); export the complete series.")
