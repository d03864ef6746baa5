"""Reads volumes from NRRD, NIfTI, MetaImage and DICOM folders and writes them; RAS inside, LPS in the files."""

import json
import logging
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..files import check_target, replacing, stem_of, suffix_of
from ..grids.cartesian import CartesianGrid, GridError
from .dicom import read_series
from .errors import VolumeError
from .itk import last_line, quiet_itk
from .sizes import check_claimed_size, check_nifti_is_complete

LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
READERS = {
    ".nrrd": "NrrdImageIO", ".nhdr": "NrrdImageIO", ".nii": "NiftiImageIO", ".nii.gz": "NiftiImageIO",
    ".mha": "MetaImageIO", ".mhd": "MetaImageIO",
}  # fmt: skip
# What the first bytes of a file must hold. The readers would find out too, but print their own lines on stderr.
SIGNATURES = {"NrrdImageIO": b"NRRD0", "MetaImageIO": b"NDims"}
WRITTEN = (".nrrd", ".mha", ".nii.gz", ".nii")
FIELD_PREFIX = "XRayTomo."


@dataclass(frozen=True, eq=False)
class Volume:
    """Voxels `array` [k, j, i] on their `grid`; `fields` are the texts that XRayTomo left in the file (provenance)."""

    array: np.ndarray
    grid: CartesianGrid
    name: str
    fields: dict = field(default_factory=dict)


def read_volume(path, series=None):
    """Reads a volume and checks that it can be traced.

    Args:
        path: a .nrrd, .nhdr, .nii, .nii.gz, .mha or .mhd file, or a folder of DICOM files.
        series: the series instance UID, where a folder holds several series.

    Raises:
        VolumeError: the file is missing, broken, no volume, has one slice, or holds voxels that are no numbers.
    """
    volume = read_image(path, series)
    check_voxels(volume.array, str(path))
    return volume


def read_image(path, series=None):
    """As `read_volume`, without the check of the voxels: a radiograph is an image of one slice."""
    path = Path(path)
    if not path.exists():
        raise VolumeError(f"{path}: there is no such file or folder; check the path.")
    if series is not None and not path.is_dir():
        raise VolumeError(f"{path}: a series can be chosen in a folder of DICOM files only; leave it out for a file.")
    image = read_series(path, series) if path.is_dir() else _read_file(path)
    return _volume_from(image, path)


def check_voxels(array, name):
    """Raises VolumeError where rays cannot be traced through `array` [k, j, i]; `name` is what the message calls it."""
    if min(array.shape) < 2:
        size = " x ".join(map(str, array.shape[::-1]))
        raise VolumeError(f"{name}: {size} voxels are not a volume; at least 2 slices along each axis are needed.")
    if array.dtype.kind == "f" and not np.isfinite(array.sum(dtype=np.float64)):
        broken = int((~np.isfinite(array)).sum())
        if broken:
            raise VolumeError(f"{name}: {broken} voxels are not finite numbers (NaN or infinite); replace them, for example by -1000 HU.")


def write_volume(path, array, grid, fields=None):
    """Writes `array` [k, j, i] on `grid` to a .nrrd, .mha, .nii or .nii.gz file, completely or not at all.

    Args:
        fields: provenance, a dict of texts or of what JSON can say, kept as key/value fields; NIfTI has no place for them (logged).

    Raises:
        VolumeError: another suffix, a shape that is not the grid's, a grid that the format cannot hold, or a folder that cannot be written.
    """
    path, array = Path(path), _storable(np.asarray(array))
    check_target(path, WRITTEN)
    if array.shape != grid.shape:
        raise VolumeError(f"{path}: the array has shape {array.shape}, its grid {grid.shape}; they must be the same.")
    texts = {FIELD_PREFIX + key: value if isinstance(value, str) else json.dumps(value) for key, value in (fields or {}).items()}
    write = _write_nrrd if suffix_of(path) == ".nrrd" else _write_with_itk
    try:
        with replacing(path) as temporary:
            write(temporary, array, grid, texts)
    except OSError as error:
        raise VolumeError(f"{path}: cannot be written ({error.strerror or error}); choose another folder.") from error


def _read_file(path):
    if suffix_of(path) not in READERS:
        raise VolumeError(f"{path}: '{suffix_of(path)}' is not a volume format; expected {', '.join(READERS)} or a folder of DICOM files.")
    if path.stat().st_size == 0:
        raise VolumeError(f"{path}: the file is empty; save or download it again.")
    if READERS[suffix_of(path)] == "NiftiImageIO":
        check_nifti_is_complete(path)
    else:
        _check_signature(path)
    with quiet_itk() as sitk:
        reader = sitk.ImageFileReader()
        reader.SetImageIO(READERS[suffix_of(path)])
        reader.SetFileName(str(path))
        try:
            reader.ReadImageInformation()
            _check_dimensions(reader, path)
            check_claimed_size(reader, path)
            return reader.Execute()
        except RuntimeError as error:
            reason = last_line(error)
            raise VolumeError(f"{path}: not a readable volume, or cut short ({reason}); save or download it again.") from error


def _check_signature(path):
    signature = SIGNATURES[READERS[suffix_of(path)]]
    with open(path, "rb") as file:
        if signature not in file.read(4096):
            raise VolumeError(f"{path}: the content is not that of a {suffix_of(path)} file; save or download it again.")


def _check_dimensions(reader, path):
    size = reader.GetSize()
    if len(size) != 3:
        raise VolumeError(f"{path}: the image has {len(size)} dimensions; expected a volume of 3, export one time point.")
    components = reader.GetNumberOfComponents()
    if components != 1:
        raise VolumeError(f"{path}: {components} values per voxel (colour or vectors); expected one, export a scalar volume.")


def _volume_from(image, path):
    import SimpleITK as sitk

    lps_from_ijk = np.eye(4)
    lps_from_ijk[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    lps_from_ijk[:3, 3] = image.GetOrigin()
    array = sitk.GetArrayFromImage(image)
    if array.dtype.kind == "c":
        raise VolumeError(f"{path}: the voxels are complex numbers; expected real ones, export the magnitude.")
    keys = [key for key in image.GetMetaDataKeys() if key.startswith(FIELD_PREFIX)]
    fields = {key.removeprefix(FIELD_PREFIX): image.GetMetaData(key) for key in keys}
    try:
        grid = CartesianGrid(array.shape, LPS_FROM_RAS @ lps_from_ijk)
    except GridError as error:
        raise VolumeError(f"{path}: {error}.") from error
    return Volume(array, grid, path.resolve().name if path.is_dir() else stem_of(path), fields)


def _storable(array):
    """Types that no volume format knows become the next wider one."""
    if array.dtype == np.float16:
        return array.astype(np.float32)
    return array.astype(np.uint8) if array.dtype == bool else array


def _write_nrrd(path, array, grid, texts):
    import nrrd

    lps_from_ijk = LPS_FROM_RAS @ grid.ijk_to_ras
    header = {
        "space": "left-posterior-superior",
        "kinds": ["domain"] * 3,
        "space directions": lps_from_ijk[:3, :3].T,
        "space origin": lps_from_ijk[:3, 3],
        "encoding": "gzip",
        **texts,
    }
    nrrd.write(str(path), array.transpose(2, 1, 0), header, index_order="F", compression_level=4)


def _write_with_itk(path, array, grid, texts):
    import SimpleITK as sitk

    if not np.allclose(grid.directions.T @ grid.directions, np.eye(3), atol=1e-5):
        raise VolumeError(f"{path}: this format cannot hold a sheared grid; choose a .nrrd file.")
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(grid.spacing_mm.tolist())
    image.SetDirection((LPS_FROM_RAS[:3, :3] @ grid.directions).ravel().tolist())
    image.SetOrigin((LPS_FROM_RAS @ grid.ijk_to_ras)[:3, 3].tolist())
    if suffix_of(path) == ".mha":
        for key, text in texts.items():
            image.SetMetaData(key, text)
    elif texts:
        logging.getLogger(__name__).warning("NIfTI has no place for provenance; it is left out. Choose .nrrd to keep it.")
    try:
        sitk.WriteImage(image, str(path), True)
    except RuntimeError as error:
        raise OSError(last_line(error)) from error
