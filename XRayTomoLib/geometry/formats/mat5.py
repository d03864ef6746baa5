"""MATLAB's .mat files of version 5 (saved with -v7 or -v6): numbers, texts and structs ("MAT-File Format", The MathWorks, chapter 1).

Read here rather than by scipy, whose reader ends the whole process on some broken files. Everything that is read is bounded by the bytes
that are there, and what compressed variables unpack to by `most_bytes`.
"""
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from ...memory import budget_bytes
from . import FormatError

MAGIC = b"MATLAB 5.0"
HEADER_BYTES, COMPRESSED, MATRIX = 128, 15, 14
STRUCT, CHAR = 2, 4
NUMBERS = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}      # classes of arrays
STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}           # types of data elements
TEXTS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16"}
MOST_NESTED = 16
NAMES_BYTES = 1 << 16   # the first of a variable, which hold its name and those of its fields
COPIES = 3              # of a variable at a time: unpacked, as its numbers are stored, and as their class has them


def read_mat5(path, most_bytes=None):
    """The variables of a .mat file, name -> array of its numbers, text, or dictionary (a struct of one element).

    Arrays of one number become floats or ints, those of one row or column lose that axis. Cells, sparse and complex arrays, objects and
    arrays of structs are left out.

    most_bytes: of the file, and of all that it unpacks to; by default what the memory's budget allows.

    Raises:
        FormatError: not such a file, too large, cut short or damaged.
    """
    path = Path(path)
    most_bytes = budget_bytes() // COPIES if most_bytes is None else most_bytes
    try:
        if path.stat().st_size > most_bytes:
            raise FormatError(f"{path}: {path.stat().st_size} bytes, which are read as a whole; at most {most_bytes} fit into the memory's budget")
        content = path.read_bytes()
    except OSError as error:
        raise FormatError(f"{path}: cannot be read ({error.strerror})") from error
    if not content.startswith(MAGIC) or content[126:128] not in (b"IM", b"MI"):
        raise FormatError(f"{path}: not a MATLAB file of version 5; save it with '-v7'")
    order = "<" if content[126:128] == b"IM" else ">"
    try:
        return _variables(content, order, most_bytes)
    except (struct.error, zlib.error, ValueError, LookupError, UnicodeDecodeError) as error:
        raise FormatError(f"{path}: the MATLAB file is cut short, damaged or too large ({error})") from error


def names_in_mat5(path):
    """The variables' names, each with the names of its fields (none but for a struct), up to where the file is cut short or damaged.

    Only the first bytes of each variable are unpacked. Empty for other files; OSError where it cannot be read.
    """
    found = {}
    with open(path, "rb") as file:
        header = file.read(HEADER_BYTES)
        order = {b"IM": "<", b"MI": ">"}.get(header[126:]) if header.startswith(MAGIC) else None
        while order and len(tag := file.read(8)) == 8:
            kind, size = struct.unpack(order + "II", tag)
            after = file.tell() + size + (-size % 8 if kind == MATRIX else 0)
            data = file.read(min(size, NAMES_BYTES))
            try:
                name, fields = _names(kind, data, order)
            except (struct.error, zlib.error, ValueError, LookupError):
                break
            found[name] = fields
            file.seek(after)
    return found


def _names(kind, data, order):
    """(name, names of the fields) of a variable of which `data` are the first bytes."""
    if kind == COMPRESSED:
        data = zlib.decompressobj().decompress(data, NAMES_BYTES)[8:]
    elif kind != MATRIX:
        raise ValueError(f"a variable of type {kind}")
    flags, _, name, at = _head(data, order)
    return name, _fields(data, at, order)[0] if flags & 0xFF == STRUCT else []


def _variables(content, order, most_bytes):
    found, at, left = {}, HEADER_BYTES, most_bytes
    while at < len(content):
        kind, data, at = _element(content, at, order)
        if kind == COMPRESSED:
            unpacker = zlib.decompressobj()
            size = struct.unpack(order + "II", unpacker.decompress(data, 8))[1]
            if size > left:
                raise ValueError(f"a variable unpacks to {size} bytes; at most {left} more fit into the memory's budget")
            left -= size
            data, kind = unpacker.decompress(unpacker.unconsumed_tail, size or 1), MATRIX
            if len(data) < size:
                raise ValueError("a compressed variable ends too early")
        if kind == MATRIX:
            name, value = _matrix(data, order, 0)
            if value is not None:
                found[name] = value
    return found


def _element(content, at, order):
    """(type, bytes, offset of the next element)."""
    word, size = struct.unpack_from(order + "II", content, at)
    if word >> 16:                                  # a small element: type and length in one word, up to four bytes in the next
        kind, size, start, after = word & 0xFFFF, word >> 16, at + 4, at + 8
    else:
        kind, start = word, at + 8
        after = start + size + (-size % 8 if kind != COMPRESSED else 0)
    if start + size > len(content) or word >> 16 and size > 4:
        raise ValueError(f"an element of {size} bytes at byte {at} of {len(content)}")
    return kind, content[start : start + size], after


def _matrix(data, order, depth):
    """(name, value) of one array; value None for what is left out."""
    flags, shape, name, at = _head(data, order)
    kind = flags & 0xFF
    if min(shape, default=0) < 0 or len(shape) < 2 or flags & 0x800:
        return name, None
    if kind == STRUCT:
        return name, _struct(data, at, order, depth) if math.prod(shape) == 1 else None
    if kind not in NUMBERS and kind != CHAR:
        return name, None
    stored, values, _ = _element(data, at, order)
    if kind == CHAR:
        coding = TEXTS[stored]
        return name, values.decode(coding if coding != "utf-16" else f"utf-16-{'le' if order == '<' else 'be'}")
    numbers = np.frombuffer(values, order + STORED[stored])
    return name, _squeezed(numbers.reshape(shape, order="F").astype(NUMBERS[kind]))


def _head(data, order):
    """(flags, shape, name, where the contents begin) of one array."""
    _, flags, at = _element(data, 0, order)
    _, dims, at = _element(data, at, order)
    _, name, at = _element(data, at, order)
    return struct.unpack_from(order + "I", flags)[0], tuple(np.frombuffer(dims, order + "i4").tolist()), name.decode("latin-1"), at


def _fields(data, at, order):
    """(names of the fields, where their values begin) of a struct."""
    _, length, at = _element(data, at, order)
    length = struct.unpack_from(order + "i", length)[0]
    _, names, at = _element(data, at, order)
    if length < 1:
        raise ValueError(f"field names of length {length}")
    return [names[i : i + length].split(b"\0")[0].decode("latin-1") for i in range(0, len(names), length)], at


def _struct(data, at, order, depth):
    if depth > MOST_NESTED:
        raise ValueError(f"structs nested more than {MOST_NESTED} times")
    found = {}
    names, at = _fields(data, at, order)
    for name in names:
        kind, value, at = _element(data, at, order)
        if kind != MATRIX:
            raise ValueError(f"a field of type {kind}")
        found[name] = _matrix(value, order, depth + 1)[1] if value else None
    return found


def _squeezed(array):
    array = array.squeeze()
    return array.item() if array.ndim == 0 else array
