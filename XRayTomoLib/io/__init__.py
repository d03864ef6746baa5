"""Volumes, pictures and sample data on disk (floor 2). LPS, the convention of the files, is known here alone."""

from .errors import VolumeError
from .pictures import write_png
from .samples import SampleError, fetch_sample, sample_names
from .volumes import Volume, check_voxels, read_image, read_volume, write_volume

__all__ = [
    "SampleError", "Volume", "VolumeError", "check_voxels", "fetch_sample", "read_image", "read_volume", "sample_names",
    "write_png", "write_volume",
]  # fmt: skip
