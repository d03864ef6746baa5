"""Checked reading of what geometry files are made of: JSON objects, numbers in text, arrays in .npy files.

Nothing is allocated from a number that a file claims, and every refusal is a FormatError that names the file and the field.
"""
import json
import math

import numpy as np

from . import FormatError

MOST_BYTES = 1 << 28
MOST_COUNT = 1_000_000
_REQUIRED = object()


def read_bytes(path):
    """The bytes of the file; FormatError when it is not there or too large for a geometry."""
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise FormatError(f"{path}: {size >> 20} MiB are too many for a geometry (at most {MOST_BYTES >> 20} MiB); is it another kind of file?")
        return path.read_bytes()
    except OSError as error:
        raise FormatError(f"{path}: cannot be read ({error.strerror})") from error


def read_text(path):
    """The file's text (UTF-8)."""
    try:
        return read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError(f"{path}: not a text file (byte {error.start} is not UTF-8)") from error


def read_json(path):
    """The value in a JSON file."""
    try:
        return json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path}: not complete, valid JSON ({error})") from error


def read_object(path):
    """The `Fields` of a file that holds one JSON object."""
    return Fields(str(path), read_json(path))


def keys_of(head):
    """Names that the beginning of a JSON object mentions, for recognition: a set, empty when `head` does not begin an object."""
    text = head.decode("utf-8", "replace").lstrip("\ufeff \t\r\n")
    return {part for i, part in enumerate(text.split('"')) if i % 2} if text.startswith("{") else set()


def read_npy(path):
    """The numbers of a .npy file as float64; its size must be what its header says, before anything is read."""
    form = np.lib.format
    readers = {(1, 0): form.read_array_header_1_0, (2, 0): form.read_array_header_2_0}
    try:
        with open(path, "rb") as file:
            shape, _, dtype = readers[form.read_magic(file)](file)
            start = file.tell()
    except OSError as error:
        raise FormatError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError, SyntaxError, RecursionError, MemoryError) as error:
        raise FormatError(f"{path}: not a .npy file of numbers ({error})") from error
    if dtype.kind not in "iuf":
        raise FormatError(f"{path}: holds values of type {dtype}; expected numbers")
    size, expected = path.stat().st_size, start + math.prod(shape) * dtype.itemsize
    if size != expected:
        raise FormatError(f"{path}: has {size} bytes, its header of shape {shape} asks for {expected}; the file is damaged")
    if size > MOST_BYTES:
        raise FormatError(f"{path}: {size >> 20} MiB are too many for a geometry (at most {MOST_BYTES >> 20} MiB)")
    return finite(f"{path}", np.load(path, allow_pickle=False))


def shape_hint(where, shape):
    """(rows, cols) from the hint `shape` that the format needs; FormatError when it is missing or cannot be."""
    sizes = finite(f"{where}: 'shape'", () if shape is None else shape)
    if sizes.shape != (2,) or (sizes != sizes // 1).any() or not ((1 <= sizes) & (sizes <= MOST_COUNT)).all():
        raise FormatError(f"{where}: the file does not hold the detector's size; give 'shape' = (rows, cols), not {shape}")
    return tuple(int(n) for n in sizes)


def pitch_hint(where, pitch_mm):
    """(column pitch, row pitch) in mm from the hint `pitch_mm`, one number or two."""
    pitch = np.atleast_1d(finite(f"{where}: 'pitch_mm'", () if pitch_mm is None else pitch_mm))
    if pitch.shape not in ((1,), (2,)) or not (pitch > 0).all():
        raise FormatError(f"{where}: the file does not hold the pixel pitch; give 'pitch_mm', one number above 0 or (column, row), not {pitch_mm}")
    return float(pitch[0]), float(pitch[-1])


def finite(what, value):
    """`value` as float64, all numbers finite."""
    try:
        array = np.asarray(value)
    except ValueError:
        raise FormatError(f"{what}: expected a full table of numbers, its rows have different lengths") from None
    if array.dtype.kind not in "iuf" and array.size:
        raise FormatError(f"{what}: expected numbers")
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise FormatError(f"{what}: has values that are not finite numbers")
    return array


class Fields:
    """One JSON object of a file, read field by field; `where` names the file and the place in it."""

    def __init__(self, where, values):
        if not isinstance(values, dict):
            raise FormatError(f"{where}: expected a JSON object {{...}}, found {type(values).__name__}")
        self.where, self.values = where, values

    def __contains__(self, name):
        return self.values.get(name) is not None

    def get(self, name, default=_REQUIRED):
        """The value as it stands; without a default the field must be there."""
        value = self.values.get(name)
        if value is None and default is _REQUIRED:
            raise FormatError(f"{self.where}: '{name}' is missing")
        return default if value is None else value

    def number(self, name, default=_REQUIRED, positive=False):
        """A finite number."""
        value = self.get(name, default)
        if value is default:
            return value
        number = finite(f"{self.where}: '{name}'", value)
        if number.ndim or positive and not number > 0:
            raise FormatError(f"{self.where}: '{name}' = {str(value)[:60]}; expected one number{' above 0' if positive else ''}")
        return float(number)

    def count(self, name, default=_REQUIRED):
        """A whole number from 1 to MOST_COUNT."""
        value = self.number(name, default)
        if value is not default and (value != int(value) or not 1 <= value <= MOST_COUNT):
            raise FormatError(f"{self.where}: '{name}' = {value:.10g}; expected a whole number from 1 to {MOST_COUNT}")
        return value if value is default else int(value)

    def flag(self, name, default=_REQUIRED):
        """true or false."""
        value = self.get(name, default)
        if not isinstance(value, bool):
            raise FormatError(f"{self.where}: '{name}' = {str(value)[:60]}; expected true or false")
        return value

    def choice(self, name, choices, default=_REQUIRED):
        """One of `choices` (texts, or None for null)."""
        value = self.values[name] if name in self.values else self.get(name, default)
        if not isinstance(value, (str, type(None))) or value not in choices:
            raise FormatError(f"{self.where}: '{name}' = {str(value)[:60]}; expected one of {', '.join(map(str, choices))}")
        return value

    def array(self, name, shape, default=_REQUIRED):
        """Finite float64 numbers of `shape`, in which None stands for any length."""
        value = self.get(name, default)
        if value is default:
            return value
        array = finite(f"{self.where}: '{name}'", value)
        if array.ndim != len(shape) or any(n is not None and n != m for n, m in zip(shape, array.shape)):
            expected = " x ".join("N" if n is None else str(n) for n in shape)
            raise FormatError(f"{self.where}: '{name}' has the shape {array.shape}; expected {expected}")
        return array

    def per_view(self, name, size, default=_REQUIRED):
        """`size` numbers for all views, [1, size], or for each of them, [N, size]."""
        value = self.get(name, default)
        if value is default:
            return value
        array = finite(f"{self.where}: '{name}'", value)
        if array.size == size or array.ndim == 1 and size == 1:
            array = array.reshape(-1, size)
        if array.ndim != 2 or array.shape[1] != size or not len(array):
            raise FormatError(f"{self.where}: '{name}' has the shape {array.shape}; expected {size} numbers, or {size} for each view")
        return array

    def objects(self, name):
        """The list of objects called `name`, as Fields that say which of them they are."""
        items = self.get(name)
        if not isinstance(items, list) or not items:
            raise FormatError(f"{self.where}: '{name}': expected a list of objects, at least one")
        return [Fields(f"{self.where}: {name}[{i}]", item) for i, item in enumerate(items)]
