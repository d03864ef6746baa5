"""Checked hints: what a format does not carry and the reader must be told."""
import numpy as np

from . import FormatError
from .fields import MOST_COUNT, finite, shown


def shape_hint(where, shape):
    """(rows, cols) from the hint `shape`; FormatError when it is missing or cannot be."""
    sizes = finite(f"{where}: 'shape'", () if shape is None else shape)
    if sizes.shape != (2,) or (sizes != sizes // 1).any() or not ((1 <= sizes) & (sizes <= MOST_COUNT)).all():
        raise FormatError(f"{where}: the file does not hold the detector's size; give 'shape' = (rows, cols), not {shape}")
    return tuple(int(n) for n in sizes)


def pitch_hint(where, pitch_mm):
    """(column pitch, row pitch) in mm from the hint `pitch_mm`, one number or two."""
    if pitch_mm is None:
        raise FormatError(f"{where}: the file does not hold the pixel pitch; give 'pitch_mm', one number or (column, row)")
    pitch = lengths_hint(where, "pitch_mm", pitch_mm, (1, 2))
    return float(pitch[0]), float(pitch[-1])


def lengths_hint(where, name, value, counts):
    """Lengths in mm, as many as one of `counts`, from the hint `name`."""
    lengths = np.ravel(finite(f"{where}: '{name}'", value))
    if len(lengths) not in counts or not (lengths > 0).all():
        raise FormatError(f"{where}: '{name}' = {shown(value)}; expected lengths above 0 mm, {' or '.join(map(str, counts))} of them")
    return lengths
