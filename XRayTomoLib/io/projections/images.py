"""Folders of pictures (TIFF, PNG, EDF), one projection each, or one picture of many pages, with a list of angles."""

from functools import lru_cache
from pathlib import Path

import numpy as np

from .base import COUNTS, ProjectionError, ProjectionSet
from .hints import hinted_views, is_geometry
from .pixels import EDF, PICTURES, Picture, pictures_of

TITLE = "folder of TIFF, PNG or EDF pictures, one a projection, or one picture of many pages"
ANGLE_FILES = ("angles.txt", "angles.csv", "angles.dat")
DARKS = ("dark", "darks", "di", "dark_field")
FLATS = ("flat", "flats", "io", "flat_field", "white", "open")


def recognise(path):
    path = Path(path)
    return bool(pictures_of(path)) if path.is_dir() else path.suffix.lower() in PICTURES


def open_projections(path, angles=None, pitch_mm=None, sdd_mm=None, sod_mm=None, axis_col=None, reverse=False, flip=False):
    """Pictures in natural order of their names, or the pages of one; pictures called dark* or flat* are the dark and flat images.

    Args:
        angles: sequence, file (one a line) or "START:RANGE", in degrees; by default the file angles.txt of the folder, if there is one.
        pitch_mm, sdd_mm, sod_mm, axis_col, reverse, flip: see `hints.circular_views`.
    """
    path = Path(path)
    files = pictures_of(path) if path.is_dir() else [path]
    darks, flats = (([file for file in files if _is_called(file, names)] if path.is_dir() else []) for names in (DARKS, FLATS))
    files = [file for file in files if file not in darks and file not in flats]
    if not files:
        raise ProjectionError(f"{path}: there are no pictures in the folder; expected {', '.join(PICTURES)}.")
    first = Picture(files[0])
    if len(files) > 1:
        _check_of_one_kind(path, files)
    count, load = (first.count, _pages(first)) if len(files) == 1 else (len(files), lambda i: _only_page(files[i]))
    found = {"pictures": f"{len(files)} {files[0].suffix} files" if len(files) > 1 else f"{first.count} pages"}
    if angles is None and path.is_dir():
        angles = next((path / name for name in ANGLE_FILES if (path / name).is_file()), None)
        if angles is not None:
            found["angles"] = f"from {angles.name}"
    views, missing = hinted_views(path, count, first.shape, angles, pitch_mm, sdd_mm, sod_mm, axis_col, reverse, flip)
    if missing:
        found["geometry of the files"] = missing
    return ProjectionSet(count, first.shape, first.dtype, load, str(path), views, COUNTS, dark=_mean(darks), flat=_mean(flats), found=found)


def _check_of_one_kind(folder, files):
    """Raises ProjectionError for pictures of different sizes; looks at the first, the last, the smallest and the largest file."""
    by_bytes = sorted(files, key=lambda file: file.stat().st_size)
    kinds = {(picture.count, picture.shape): file for file in (by_bytes[0], by_bytes[-1], files[-1], files[0]) for picture in [Picture(file)]}
    if len(kinds) > 1:
        held = ", ".join(f"{file.name}: {count} x {rows} x {cols}" for (count, (rows, cols)), file in kinds.items())
        cameras = "; its camera calibrations are read as a geometry" if is_geometry(folder) else ""
        raise ProjectionError(f"{folder}: not the projections of one scan, its pictures differ in pages x rows x columns ({held}){cameras}; "
                              "put the pictures of one scan into a folder of their own, or give one picture.")
    pages = next(iter(kinds))[0]
    if pages > 1:
        raise ProjectionError(f"{folder}: {len(files)} pictures of {pages} pages each; expected one page in each, or one picture of all.")


def _is_called(file, names):
    """Whether a picture's name is one of `names`, but for digits and signs at its end."""
    return file.stem.lower().rstrip("0123456789_- ") in names


def _only_page(file):
    picture = Picture(file)
    if picture.count != 1:
        raise ProjectionError(f"{file}: {picture.count} pages; expected one in each of several pictures.")
    return picture.page()


def _pages(picture):
    """A loader of pages; a TIFF of many is decoded once and kept."""
    if picture.count == 1 or picture.path.suffix.lower() in EDF:
        return picture.page
    pages = lru_cache(maxsize=1)(picture.pages)
    return lambda index: pages()[index]


def _mean(files):
    if not files:
        return None
    return ProjectionSet(len(files), Picture(files[0]).shape, np.dtype(float), lambda i: _only_page(files[i]), str(files[0])).mean()
