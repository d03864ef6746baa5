"""Whether a file can hold the volume that its header promises, found out before memory is asked for it."""

import gzip
import math
import struct
import zlib
from pathlib import Path

from ..files import suffix_of
from .errors import VolumeError

DEFLATE_LIMIT = 1032  # the highest ratio that deflate, the compression of all these formats, can reach
DETACHED = (".nhdr", ".mhd")
NIFTI_HEADER_BYTES = 348
# (type, byte) of dim, bitpix and vox_offset in the header, by its length: NIfTI-1 and NIfTI-2.
NIFTI_LAYOUTS = {348: (("8h", 40), ("h", 72), ("f", 108)), 540: (("8q", 16), ("h", 14), ("q", 168))}


def check_claimed_size(reader, path):
    """Raises VolumeError if `reader` (header read) promises more voxels than the file could hold."""
    import SimpleITK as sitk

    bytes_per_voxel = sitk.Image(1, 1, 1, reader.GetPixelID()).GetSizeOfPixelComponent()
    claimed = math.prod(reader.GetSize()) * bytes_per_voxel
    path = Path(path)
    # A detached header names data files of any number beside it.
    files = [file for file in path.parent.iterdir() if file.is_file()] if suffix_of(path) in DETACHED else [path]
    held = sum(file.stat().st_size for file in files)
    if claimed > DEFLATE_LIMIT * held:
        sizes = f"{claimed / 1e6:.0f} MB of voxels, the file has {held / 1e6:.3f} MB"
        raise VolumeError(f"{path}: the header promises {sizes}; get a complete copy.")


def check_nifti_is_complete(path):
    """Raises VolumeError if a NIfTI file ends before its last voxel (ITK would fill the rest with zeros and say nothing)."""
    promised = _promised_bytes(path)
    if not _holds(path, promised):
        raise VolumeError(f"{path}: the file ends before the last of its {promised} bytes; save or download it again.")


def _promised_bytes(path):
    """Length of the uncompressed file by its header."""
    try:
        with open_unpacked(path) as file:
            header = file.read(NIFTI_HEADER_BYTES)
        order = next(order for order in "<>" if struct.unpack_from(order + "i", header)[0] in NIFTI_LAYOUTS)
        layout = NIFTI_LAYOUTS[struct.unpack_from(order + "i", header)[0]]
        dim, (bits,), (offset,) = (struct.unpack_from(order + kind, header, at) for kind, at in layout)
        if not 1 <= dim[0] <= 7:
            raise struct.error(f"{dim[0]} dimensions")
        offset = int(offset)
    except (OSError, EOFError, zlib.error, struct.error, StopIteration, ValueError, OverflowError) as error:
        raise VolumeError(f"{path}: the header is not that of a NIfTI file; save or download it again.") from error
    return offset + math.prod(dim[1 : dim[0] + 1]) * bits // 8


def open_unpacked(path):
    return gzip.open(path, "rb") if suffix_of(path) == ".nii.gz" else open(path, "rb")


def _holds(path, promised):
    if suffix_of(path) == ".nii":
        return Path(path).stat().st_size >= promised
    # gzip ends with the length of what it holds; several members (or bytes after the last voxel) have to be unpacked to be counted.
    with open(path, "rb") as file:
        file.seek(-4, 2)
        if struct.unpack("<I", file.read(4))[0] == promised % 2**32:
            return True
    try:
        with gzip.open(path, "rb") as file:
            counted = 0
            while block := file.read(1 << 20):
                counted += len(block)
    except (OSError, EOFError, zlib.error):
        return False
    return counted >= promised
