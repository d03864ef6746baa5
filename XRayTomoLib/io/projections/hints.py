"""Geometry of projections that come without one: from a list of angles, the pixel pitch and, for cone beams, two distances."""

import inspect
import math
import re
from pathlib import Path

import numpy as np

from ...geometry import CArm, GeometryError, Views, rotation_about_axis
from ...geometry.formats import FormatError, load_format, read_geometry, recognise_format
from .base import ProjectionError

ANGLES_LIMIT = 64 << 20     # bytes of a list of angles


def circular_views(count, shape, angles_deg, pitch_mm, sdd_mm=None, sod_mm=None, axis_col=None, reverse=False, flip=False, axis_row=None):
    """Views on a circle about the S axis: a cone beam where both distances are given, parallel rays where none is.

    At angle 0 the source is posterior, u runs to the patient's left and v downwards (the C-arm convention); positive angles turn the
    detector from anterior to left, as the primary angle (LAO) does. A scanner that turns the object does the opposite: `reverse`.

    Args:
        angles_deg: [count] angles.
        pitch_mm: one number, or (column pitch, row pitch) at the detector.
        axis_col: column onto which the rotation axis falls (default: the middle); it may lie between two pixels.
        axis_row: row that the central ray meets (default: the middle).
        flip: columns run the other way (the picture as seen from the source).
    """
    angles = np.asarray(angles_deg, np.float64)
    if angles.shape != (count,):
        raise GeometryError(f"{angles.size} angles for {count} projections; expected one angle for each")
    pitch = np.atleast_1d(np.asarray(pitch_mm, np.float64))
    if pitch.size not in (1, 2) or not (np.isfinite(pitch).all() and (pitch > 0).all()):
        raise GeometryError(f"pixel pitch {pitch_mm} mm: expected one number above 0, or column and row pitch")
    if (sdd_mm is None) != (sod_mm is None):
        raise GeometryError("a cone beam needs both sdd_mm (source to detector) and sod_mm (source to axis); parallel rays need neither")
    rows, cols = shape
    middle = (cols - 1) / 2
    axis = middle if axis_col is None else (cols - 1 - axis_col if flip else axis_col)
    angles = -angles if reverse else angles
    row = (rows - 1) / 2 if axis_row is None else axis_row
    if sdd_mm is not None:
        offset = ((axis - middle) * pitch[0], (row - (rows - 1) / 2) * pitch[-1])
        arm = CArm(sdd_mm, sod_mm, rows, cols, pitch[0], pitch[-1], principal_offset_mm=offset, flipped=flip)
        return arm.views(primary_deg=angles)
    turns = np.stack([rotation_about_axis((0, 0, 1), angle) for angle in angles])
    u, v = turns @ np.array([-pitch[0], 0.0, 0.0]), np.array([0.0, 0.0, -pitch[-1]])
    views = Views(direction=turns @ np.array([0.0, 1.0, 0.0]), origin=-axis * u - row * v, u=u, v=v, shape=shape)
    return views.flipped() if flip else views


def angles_from(angles, count, source):
    """[count] angles in degrees from a sequence, a file of them, or a text "START:RANGE" (equal steps; a full turn does not repeat the first).

    Raises:
        ProjectionError: a file or text that is no list of numbers, or another number of angles.
    """
    if isinstance(angles, (str, Path)):
        angles = _range(str(angles), count) if re.fullmatch(r"[-+.0-9eE]+:[-+.0-9eE]+", str(angles)) else read_angles(angles)
    angles = np.asarray(angles, np.float64).ravel()
    if len(angles) != count:
        raise ProjectionError(f"{source}: {len(angles)} angles for {count} projections; give one angle for each.")
    if not np.isfinite(angles).all():
        raise ProjectionError(f"{source}: angle {int(np.argmin(np.isfinite(angles)))} is not a finite number.")
    return angles


def read_angles(path):
    """Angles in degrees from a text file: one a line, the last column of it; empty lines and lines that begin with # are left out."""
    path = Path(path)
    try:
        if path.stat().st_size > ANGLES_LIMIT:
            raise ProjectionError(f"{path}: too long for a list of angles; expected one number a line.")
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ProjectionError(f"{path}: the list of angles cannot be read ({error.strerror or error}); check the path.") from error
    except UnicodeDecodeError as error:
        raise ProjectionError(f"{path}: not a text file; expected one angle a line.") from error
    angles = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            angles.append(float(re.split(r"[\s,;]+", line.strip().rstrip(",;"))[-1]))
            if not math.isfinite(angles[-1]):
                raise ValueError
        except ValueError as error:
            raise ProjectionError(f"{path}: line {number}, '{line.strip()[:60]}', does not end with an angle in degrees.") from error
    return np.array(angles)


def _range(text, count):
    try:
        start, extent = map(float, text.split(":"))
    except ValueError as error:
        raise ProjectionError(f"angles '{text}': expected START:RANGE in degrees, for example 0:360.") from error
    full = abs(abs(extent) - 360) < 1e-9
    return start + extent / (count if full else max(count - 1, 1)) * np.arange(count)


def hinted_views(source, count, shape, angles=None, pitch_mm=None, sdd_mm=None, sod_mm=None, axis_col=None, reverse=False, flip=False):
    """(views or None, what is missing as a sentence or None) by the hints of a reader whose files tell no geometry."""
    missing = [name for name, value in (("angles", angles), ("pitch_mm", pitch_mm)) if value is None]
    if missing:
        return None, f"not known; give {' and '.join(missing)} (and sdd_mm and sod_mm for a cone beam), or a geometry file"
    try:
        return circular_views(count, shape, angles_from(angles, count, source), pitch_mm, sdd_mm, sod_mm, axis_col, reverse, flip), None
    except GeometryError as error:
        raise ProjectionError(f"{source}: {error}.") from error


def is_geometry(file):
    """Whether the file is of a geometry format that is known."""
    try:
        return bool(recognise_format(file))
    except FormatError:
        return False


def views_of_file(file, shape, **known):
    """Views of a geometry file; its format is given those of `shape` and `known` (name -> value or None) that it takes as hints."""
    try:
        name = recognise_format(file)
        takes = inspect.signature(load_format(name).read).parameters
        hints = {hint: value for hint, value in ({"shape": tuple(shape)} | known).items() if hint in takes and value is not None}
        return read_geometry(file, name, **hints)
    except GeometryError as error:
        raise ProjectionError(f"{str(error).rstrip('.')}.") from error
