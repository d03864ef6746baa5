"""Fan-beam data of the University of Helsinki (FIPS), among them the Helsinki Tomography Challenge 2022: a struct CtData... in a .mat file.

The struct holds `sinogram` [view, column] (line integrals) and `parameters`. Column j of view t lies at (j - (n - 1) / 2) pixels along
(cos t, sin t), the source at distanceSourceOrigin (sin t, -cos t); with it the challenge's own reconstructions are reproduced.
"""

from pathlib import Path

import numpy as np

from ...geometry import GeometryError
from ...geometry.formats import FormatError
from ...geometry.formats.mat5 import names_in_mat5, read_mat5
from .base import LINE_INTEGRAL, ProjectionError, ProjectionSet
from .hints import angles_from, circular_views

TITLE = "fan-beam sinogram of the University of Helsinki (CtData in a .mat file)"
SHOWN = ("projectName", "scanner", "date", "target", "voltage", "voltageUnit", "xRayFilter", "xRayFilterThickness")


def recognise(path):
    """By the names of its variables, which may be cut short: reading them says so."""
    path = Path(path)
    return path.is_file() and path.suffix.lower() == ".mat" and any(name.startswith("CtData") for name in names_in_mat5(path))


def open_projections(path):
    """The sinogram as views of one row; all of it is read at once."""
    path = Path(path)
    sinogram, parameters = _read(path)
    if sinogram.ndim != 2 or sinogram.dtype.kind not in "iuf" or 0 in sinogram.shape:
        raise ProjectionError(f"{path}: sinogram of shape {sinogram.shape} and type {sinogram.dtype}; expected numbers [view, column].")
    pitch = _number(path, parameters, "pixelSizePost" if "pixelSizePost" in parameters else "pixelSize")
    distances = [_number(path, parameters, name) for name in ("distanceSourceDetector", "distanceSourceOrigin")]
    count, cols = sinogram.shape
    try:
        angles = angles_from(np.asarray(parameters.get("angles", ()), np.float64), count, path)
        views = circular_views(count, (1, cols), angles, pitch, *distances, flip=True)
    except (GeometryError, TypeError) as error:
        raise ProjectionError(f"{path}: {error}.") from error
    found = {name: value for name in SHOWN if isinstance(value := parameters.get(name), str) and value}
    found |= {"source to detector mm": distances[0], "source to axis mm": distances[1], "pitch mm": pitch}
    return ProjectionSet(count, (1, cols), sinogram.dtype, lambda i: sinogram[i : i + 1], str(path), views, LINE_INTEGRAL, found=found)


def _read(path):
    """(sinogram, parameters) of the first struct whose name begins with CtData."""
    try:
        contents = read_mat5(path)
    except FormatError as error:
        raise ProjectionError(f"{error}.") from error
    data = next((value for name, value in contents.items() if name.startswith("CtData") and isinstance(value, dict)), {})
    if not isinstance(data.get("sinogram"), np.ndarray) or not isinstance(data.get("parameters"), dict):
        raise ProjectionError(f"{path}: no struct CtData... with a table sinogram and a struct parameters in the file.")
    return data["sinogram"], data["parameters"]


def _number(path, parameters, name):
    value = parameters.get(name)
    if not isinstance(value, (int, float)) or not np.isfinite(value):
        raise ProjectionError(f"{path}: parameters.{name} = {str(value)[:40]}; expected a finite number.")
    return float(value)
