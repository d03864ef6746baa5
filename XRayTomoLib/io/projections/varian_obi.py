"""Projections of Varian OBI: .hnd (compressed, 32 bits) and .hnc (16 bits); geometry/formats/varian_obi.py reads their geometry."""

from pathlib import Path

import numpy as np

from ...geometry.formats.varian_obi import DATA_OFFSET, IMAGES, TITLE, read_header, read_scan
from ...geometry.formats.varian_obi import recognise as recognise_geometry
from .scans import head_of, projections_of
from .varian import check_compressed, decode, table_bytes

__all__ = ["IMAGES", "TITLE", "open_projections", "read_pixels", "recognise"]


def recognise(path):
    return recognise_geometry(Path(path), head_of(path))


def open_projections(path, patient_position="HFS", isocentre_ras=(0.0, 0.0, 0.0)):
    """ProjectionSet of the folder (or of a file in it); hints: see geometry/formats/iec.py."""
    scan = read_scan(path, patient_position=patient_position, isocentre_ras=isocentre_ras)
    dtype = np.uint32 if scan.files[0].suffix.lower() == ".hnd" else np.uint16
    return projections_of(path, scan, read_pixels, dtype)


def read_pixels(path):
    """Pixels [rows, cols] of one .hnd (uint32) or .hnc (uint16) file."""
    path = Path(path)
    header = read_header(path)
    shape = (int(header["SizeY"]), int(header["SizeX"]))
    suffix = path.suffix.lower()
    start = DATA_OFFSET[suffix]
    if suffix == ".hnc":
        return np.fromfile(path, "<u2", offset=start).reshape(shape)
    check_compressed(path, shape, path.stat().st_size - start)
    content = np.fromfile(path, np.uint8, offset=start)
    return decode(path, content[: table_bytes(shape)], content[table_bytes(shape) :], shape)
