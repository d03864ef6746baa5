"""DXchange: HDF5 files of synchrotrons with /exchange/data, data_white, data_dark and theta (De Carlo et al., 2014).

Beams are taken as parallel and the sample as turning by theta, counter-clockwise seen from above, so that views turn by -theta. The format
says neither in which sense theta grows nor on which side column 0 lies: `found` says what was assumed, `reverse` and `flip` change it.
"""

from pathlib import Path

import numpy as np

from .base import COUNTS, MOST_PROJECTIONS, ProjectionError, ProjectionSet, check_memory
from .hints import hinted_views
from .pixels import COMPRESSION_LIMIT

TITLE = "DXchange HDF5 (/exchange/data, data_white, data_dark, theta)"
SUFFIXES = (".h5", ".hdf5", ".hdf", ".dxf")
MAGIC = b"\x89HDF\r\n\x1a\n"
DATA = "exchange/data"
BROKEN = (OSError, RuntimeError, LookupError, ValueError, TypeError, AttributeError, OverflowError)     # what h5py makes of broken files
PIXEL_SIZES = tuple(f"measurement/instrument/{place}/pixel_size_{axis}" for place in ("detector", "detection_system/detector") for axis in "xy")
TO_MM = {"m": 1e3, "mm": 1.0, "um": 1e-3, "micron": 1e-3, "microns": 1e-3, "µm": 1e-3, "nm": 1e-6}


def recognise(path):
    path = Path(path)
    if path.is_dir() or path.suffix.lower() not in SUFFIXES or not _has_magic(path):
        return False
    try:
        with _h5py(path).File(path, "r") as file:
            return DATA in file
    except BROKEN:
        return False


def open_projections(path, angles=None, pitch_mm=None, axis_col=None, reverse=False, flip=False):
    """Projections, mean dark and flat images and angles of a DXchange file.

    Args:
        angles: in place of theta, see `hints.angles_from`.
        pitch_mm: pixel size at the sample, where the file does not tell it.
        axis_col: column of the rotation axis (default: the middle).
        reverse, flip: see `hints.circular_views`.
    """
    path = Path(path)
    if not _has_magic(path):
        raise ProjectionError(f"{path}: not an HDF5 file; get a complete copy.")
    try:
        with _h5py(path).File(path, "r") as file:
            count, *shape = _dataset(file, DATA, 3, path).shape
            dtype = file[DATA].dtype
            dark, flat = (_mean(file, f"exchange/{name}", path) for name in ("data_dark", "data_white"))
            theta = angles if angles is not None else _theta(file, path)
            pitch = pitch_mm if pitch_mm is not None else _pixel_size(file)
    except ProjectionError:
        raise
    except BROKEN as error:
        raise ProjectionError(f"{path}: the HDF5 file is broken ({_first_line(error)}); get a complete copy.") from error
    views, missing = hinted_views(path, count, tuple(shape), theta, pitch, axis_col=axis_col, reverse=not reverse, flip=flip)
    found = {"beam": "parallel (assumed)", "sense of theta": "the sample turns counter-clockwise seen from above (assumed)"}
    if missing:
        found["geometry of the files"] = missing
    return ProjectionSet(count, tuple(shape), dtype, _loader(path), str(path), views, COUNTS, dark, flat, found=found)


def _loader(path):
    h5py = _h5py(path)

    def load(index):
        try:
            with h5py.File(path, "r") as file:
                return file[DATA][index]
        except BROKEN as error:
            raise ProjectionError(f"{path}: projection {index} cannot be read ({_first_line(error)}); get a complete copy.") from error

    return load


def _dataset(file, name, dimensions, path):
    """The dataset `name`, which must hold numbers along `dimensions` axes, no more than the file can hold, in chunks that fit into memory."""
    if name not in file:
        raise ProjectionError(f"{path}: no dataset /{name}; expected a DXchange file.")
    data = file[name]
    if not hasattr(data, "shape") or data.ndim != dimensions or data.dtype.kind not in "iuf" or 0 in data.shape:
        raise ProjectionError(f"{path}: /{name} is no table of numbers with {dimensions} axes; expected a DXchange file.")
    promised, held = int(np.prod(data.shape, dtype=object)) * data.dtype.itemsize, path.stat().st_size
    elsewhere = data.is_virtual or data.external
    if data.shape[0] > MOST_PROJECTIONS or promised > COMPRESSION_LIMIT * held and not elsewhere:
        raise ProjectionError(f"{path}: /{name} promises {' x '.join(map(str, data.shape))} numbers ({promised} bytes), the file has {held} bytes; "
                              f"expected at most {MOST_PROJECTIONS} images, and so many as it can hold; get a complete copy.")
    image = int(np.prod(data.chunks or data.shape[1:], dtype=object)) * data.dtype.itemsize
    check_memory(max(image, int(np.prod(data.shape[1:], dtype=object)) * data.dtype.itemsize), f"{path}, one piece of /{name}")
    return data


def _mean(file, name, path):
    """Mean image of a stack of dark or flat images, added one by one; None where there is none."""
    if name not in file:
        return None
    data = _dataset(file, name, 3, path)
    total = np.zeros(data.shape[1:])
    for index in range(data.shape[0]):
        total += data[index]
    return total / data.shape[0]


def _theta(file, path):
    """Angles in degrees, or None."""
    if "exchange/theta" not in file:
        return None
    data = _dataset(file, "exchange/theta", 1, path)
    check_memory(data.shape[0] * 8, f"{path}, /exchange/theta")
    theta = data[:].astype(np.float64)
    return np.rad2deg(theta) if _units(data).startswith("rad") else theta


def _pixel_size(file):
    """(column, row) pitch in mm, or None where it is not there with a unit that is known."""
    found = [file[name] for name in PIXEL_SIZES if name in file]
    sizes = [float(np.ravel(data[()])[0]) * TO_MM[_units(data)] for data in found[:2] if _units(data) in TO_MM and data.size == 1]
    return tuple(sizes) if len(sizes) == 2 and min(sizes) > 0 else sizes[0] if sizes and sizes[0] > 0 else None


def _units(data):
    text = data.attrs.get("units", "")
    return (text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)).strip().lower()


def _has_magic(path):
    try:
        with open(path, "rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def _first_line(error):
    return (str(error).splitlines() or ["no reason given"])[0].rstrip(".")


def _h5py(path):
    try:
        import h5py
    except ModuleNotFoundError as error:
        raise ProjectionError(f"{path}: HDF5 files need the Python package h5py; install it with: pip install h5py.") from error
    return h5py
