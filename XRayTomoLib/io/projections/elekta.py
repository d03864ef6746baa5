"""Projections of Elekta Synergy (.his, 16 bits); geometry/formats/elekta.py reads their geometry."""

from pathlib import Path

import numpy as np

from ...geometry.formats.elekta import TITLE, read_scan, read_shape
from ...geometry.formats.elekta import recognise as recognise_geometry
from .scans import head_of, projections_of

__all__ = ["TITLE", "counts", "open_projections", "read_pixels", "recognise"]

FULL_RANGE = 65536


def recognise(path):
    return recognise_geometry(Path(path), head_of(path))


def open_projections(path, sod_mm=1000.0, sdd_mm=1536.0, patient_position="HFS", isocentre_ras=(0.0, 0.0, 0.0)):
    """ProjectionSet of the folder (or of a file in it), as counts that fall with attenuation; see `counts`.

    Args:
        sod_mm, sdd_mm: distance from the source to the isocentre and to the panel.
        patient_position, isocentre_ras: see geometry/formats/iec.py.
    """
    scan = read_scan(path, sod_mm=sod_mm, sdd_mm=sdd_mm, patient_position=patient_position, isocentre_ras=isocentre_ras)
    return projections_of(path, scan, lambda file: counts(read_pixels(file)), np.uint16)


def read_pixels(path):
    """Pixels [rows, cols], uint16, of one .his file as stored: they grow with attenuation."""
    path = Path(path)
    offset, shape = read_shape(path)
    return np.fromfile(path, "<u2", offset=offset).reshape(shape)


def counts(stored):
    """65536 - stored, uint16; the ends of the range, 0 and 65535, mean no signal and count as open beam (as RTK has it)."""
    ends = (stored == 0) | (stored == FULL_RANGE - 1)
    return np.where(ends, FULL_RANGE - 1, FULL_RANGE - stored.astype(np.int32)).astype(np.uint16)
