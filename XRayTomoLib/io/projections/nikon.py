"""Projections of Nikon (X-Tek) micro-CT: TIFF pictures; geometry/formats/nikon.py reads their geometry."""

from pathlib import Path

from ...geometry.formats.nikon import TITLE, read_scan
from ...geometry.formats.nikon import recognise as recognise_geometry
from .base import ProjectionError
from .pixels import Picture
from .scans import head_of, projections_of

__all__ = ["TITLE", "open_projections", "read_pixels", "recognise"]


def recognise(path):
    return recognise_geometry(Path(path), head_of(path))


def open_projections(path, centre_of_rotation_sign=1):
    """ProjectionSet of the .xtekct file (or of the folder that holds it); WhiteLevel is the open beam.

    Args:
        centre_of_rotation_sign: -1 turns the sign of the centre of rotation, see geometry/formats/nikon.py.
    """
    scan = read_scan(path, centre_of_rotation_sign=centre_of_rotation_sign)
    first = Picture(scan.files[0])
    if first.shape != scan.views.shape:
        rows, cols = scan.views.shape
        raise ProjectionError(f"{scan.files[0]}: {first.shape[1]} x {first.shape[0]} pixels; expected DetectorPixelsX x DetectorPixelsY = "
                              f"{cols} x {rows} of the .xtekct file; keep the pictures of this scan.")
    return projections_of(path, scan, read_pixels, first.dtype)


def read_pixels(path):
    """Pixels [rows, cols] of one picture as stored."""
    return Picture(path).page()
