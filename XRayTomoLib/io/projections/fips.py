"""Fan-beam data of the University of Helsinki (FIPS), among them the Helsinki Tomography Challenge 2022: a struct CtData... in a .mat file.

The struct holds `sinogram` [view, column] (line integrals) and `parameters`. Column j of view t lies at (j - (n - 1) / 2) pixels along
(cos t, sin t), the source at distanceSourceOrigin (sin t, -cos t); with it the challenge's own reconstructions are reproduced.
"""

import struct
import zlib
from pathlib import Path

import numpy as np

from ...geometry import GeometryError
from .base import LINE_INTEGRAL, ProjectionError, ProjectionSet, check_memory
from .hints import angles_from, circular_views

TITLE = "fan-beam sinogram of the University of Helsinki (CtData in a .mat file)"
HEADER_BYTES, COMPRESSED, MATRIX = 128, 15, 14
SHOWN = ("projectName", "scanner", "date", "target", "voltage", "voltageUnit", "xRayFilter", "xRayFilterThickness")


def recognise(path):
    path = Path(path)
    if path.is_dir() or path.suffix.lower() != ".mat":
        return False
    try:
        return b"CtData" in _beginning(path, 512)[1]
    except (OSError, ProjectionError):
        return False


def open_projections(path):
    """The sinogram as views of one row; all of it is read at once."""
    path = Path(path)
    sinogram, parameters = _read(path)
    if sinogram.ndim != 2 or sinogram.dtype.kind not in "iuf" or 0 in sinogram.shape:
        raise ProjectionError(f"{path}: sinogram of shape {sinogram.shape} and type {sinogram.dtype}; expected numbers [view, column].")
    pitch = _number(path, parameters, "pixelSizePost" if hasattr(parameters, "pixelSizePost") else "pixelSize")
    distances = [_number(path, parameters, name) for name in ("distanceSourceDetector", "distanceSourceOrigin")]
    count, cols = sinogram.shape
    try:
        angles = angles_from(np.asarray(getattr(parameters, "angles", ()), np.float64), count, path)
        views = circular_views(count, (1, cols), angles, pitch, *distances, flip=True)
    except (GeometryError, TypeError) as error:
        raise ProjectionError(f"{path}: {error}.") from error
    found = {name: value for name in SHOWN if isinstance(value := getattr(parameters, name, None), str) and value}
    found |= {"source to detector mm": distances[0], "source to axis mm": distances[1], "pitch mm": pitch}
    return ProjectionSet(count, (1, cols), sinogram.dtype, lambda i: sinogram[i : i + 1], str(path), views, LINE_INTEGRAL, found=found)


def _read(path):
    """(sinogram, parameters) of the first struct whose name begins with CtData."""
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    size, _ = _beginning(path, 0)
    check_memory(2 * size, path)
    try:
        contents = loadmat(path, struct_as_record=False, squeeze_me=True)
        data = next(value for name, value in contents.items() if name.startswith("CtData"))
        return np.atleast_2d(data.sinogram), data.parameters
    except StopIteration:
        raise ProjectionError(f"{path}: no struct CtData... in the file; expected one with sinogram and parameters.") from None
    except (OSError, ValueError, TypeError, AttributeError, LookupError, NotImplementedError, MemoryError, OverflowError, zlib.error,
            MatReadError) as error:
        raise ProjectionError(f"{path}: not a readable .mat file of a CtData struct ({error}); get a complete copy.") from error


def _beginning(path, count):
    """(bytes of the first variable when unpacked, its first `count` bytes) of a MATLAB 5 file; nothing is unpacked but these."""
    with open(path, "rb") as file:
        head, tag, body = file.read(HEADER_BYTES), file.read(8), file.read(4096)
    if not head.startswith(b"MATLAB 5.0") or len(tag) < 8 or head[126:128] not in (b"IM", b"MI"):
        raise ProjectionError(f"{path}: not a MATLAB 5 file; save it with '-v7'.")
    order = "<" if head[126:128] == b"IM" else ">"
    kind, size = struct.unpack(order + "II", tag)
    if kind == COMPRESSED:
        try:
            body = zlib.decompressobj().decompress(body, count + 8)
        except zlib.error as error:
            raise ProjectionError(f"{path}: the compressed variable is broken ({error}); get a complete copy.") from error
        if len(body) < 8:
            raise ProjectionError(f"{path}: the file ends too early; get a complete copy.")
        kind, size = struct.unpack(order + "II", body[:8])
    if kind != MATRIX:
        raise ProjectionError(f"{path}: the first variable is no matrix (type {kind}); expected a struct CtData....")
    return size, body[:count]


def _number(path, parameters, name):
    value = getattr(parameters, name, None)
    if not isinstance(value, (int, float, np.number)) or not np.isfinite(value):
        raise ProjectionError(f"{path}: parameters.{name} = {str(value)[:40]}; expected a finite number.")
    return float(value)
