"""From a scanner's `Scan` to its projections."""

from pathlib import Path

import numpy as np

from ...geometry.formats import HEAD_BYTES
from .base import ProjectionSet


def head_of(path):
    """The first bytes of a file, by which it is recognised; none of a folder."""
    if not Path(path).is_file():
        return b""
    with open(path, "rb") as file:
        return file.read(HEAD_BYTES)


def projections_of(path, scan, read_pixels, dtype, **more):
    """ProjectionSet of a `Scan`, whose files read_pixels(file) -> [rows, cols] decodes."""
    return ProjectionSet(len(scan.files), scan.views.shape, np.dtype(dtype), lambda i: read_pixels(scan.files[i]), str(path), views=scan.views,
                         i0=scan.i0, exposure=scan.exposure, found=scan.found, **more)
