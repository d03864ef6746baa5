"""Checked reading of what geometry files are made of: JSON objects, numbers in text, arrays in .npy files.

Nothing is allocated from a number that a file claims, and every refusal is a FormatError that names the file and the field.
"""
import ast
import json
import math

import numpy as np

from . import FormatError

MOST_BYTES = 1 << 28
LARGEST = 1e60
NPY_MAGIC = b"\x93NUMPY"
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
    text = read_text(path)
    try:
        return json.loads(text)
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
    """The numbers of a .npy file as float64; its size must be what its header says, before anything is made of it."""
    data = read_bytes(path)
    shape, dtype, fortran, start = npy_header(path, data)
    expected = start + math.prod(shape) * dtype.itemsize
    if len(data) != expected:
        raise FormatError(f"{path}: has {len(data)} bytes, its header of shape {shape} asks for {expected}; is it cut off?")
    values = np.frombuffer(data, dtype, math.prod(shape), start)
    return finite(path, values.reshape(shape, order="F" if fortran else "C"))


def npy_header(path, data):
    """(shape, dtype, fortran order, where the numbers begin) of a .npy file, of which `data` are all or the first bytes.

    Layout: numpy.org, "numpy.lib.format": magic, version, length of the header, a Python dictionary as text.
    """
    length = 4 if data[6:7] >= b"\x02" else 2
    start = 8 + length + int.from_bytes(data[8:8 + length], "little")
    if not data.startswith(NPY_MAGIC) or start > min(len(data), 10_000):
        raise FormatError(f"{path}: not a .npy file of numbers (its first bytes are damaged)")
    try:
        header = ast.literal_eval(data[8 + length:start].decode("latin-1").strip())
        shape, dtype, fortran = tuple(header["shape"]), np.dtype(header["descr"]), header["fortran_order"]
    except (ValueError, SyntaxError, TypeError, KeyError, MemoryError, RecursionError) as error:
        raise FormatError(f"{path}: not a .npy file of numbers (its header is damaged)") from error
    if dtype.kind not in "iuf" or not all(type(n) is int and n >= 0 for n in shape):
        raise FormatError(f"{path}: holds values of type {dtype} in the shape {shape}; expected numbers")
    return shape, dtype, fortran, start


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
    if (abs(array) > LARGEST).any():
        raise FormatError(f"{what}: has values beyond {LARGEST:g}, which no geometry has; is the file damaged?")
    return array


def shown(value):
    """`value` as one line of at most 60 characters, for messages."""
    return " ".join(str(value).split())[:60]


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
            raise FormatError(f"{self.where}: '{name}' = {shown(value)}; expected one number{' above 0' if positive else ''}")
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
            raise FormatError(f"{self.where}: '{name}' = {shown(value)}; expected true or false")
        return value

    def choice(self, name, choices, default=_REQUIRED):
        """One of `choices` (texts, or None for null)."""
        value = self.values[name] if name in self.values else self.get(name, default)
        if not isinstance(value, (str, type(None))) or value not in choices:
            raise FormatError(f"{self.where}: '{name}' = {shown(value)}; expected one of {', '.join(map(str, choices))}")
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
