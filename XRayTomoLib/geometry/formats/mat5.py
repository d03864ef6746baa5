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

HEADER_BYTES, COMPRESSED, MATRIX = 128, 15, 14
STRUCT, CHAR = 2, 4
NUMBERS = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}      # classes of arrays
STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}           # types of data elements
TEXTS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16"}
MOST_NESTED = 16
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
    if not content.startswith(b"MATLAB 5.0") or content[126:128] not in (b"IM", b"MI"):
        raise FormatError(f"{path}: not a MATLAB file of version 5; save it with '-v7'")
    order = "<" if content[126:128] == b"IM" else ">"
    try:
        return _variables(content, order, most_bytes)
    except (struct.error, zlib.error, ValueError, LookupError, UnicodeDecodeError) as error:
        raise FormatError(f"{path}: the MATLAB file is cut short, damaged or too large ({error})") from error


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
    _, flags, at = _element(data, 0, order)
    _, dims, at = _element(data, at, order)
    _, name, at = _element(data, at, order)
    flags = struct.unpack_from(order + "I", flags)[0]
    shape = tuple(np.frombuffer(dims, order + "i4").tolist())
    kind, name = flags & 0xFF, name.decode("latin-1")
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


def _struct(data, at, order, depth):
    if depth > MOST_NESTED:
        raise ValueError(f"structs nested more than {MOST_NESTED} times")
    _, length, at = _element(data, at, order)
    length = struct.unpack_from(order + "i", length)[0]
    _, names, at = _element(data, at, order)
    if length < 1:
        raise ValueError(f"field names of length {length}")
    found = {}
    for i in range(0, len(names), length):
        kind, value, at = _element(data, at, order)
        if kind != MATRIX:
            raise ValueError(f"a field of type {kind}")
        found[names[i : i + length].split(b"\0")[0].decode("latin-1")] = _matrix(value, order, depth + 1)[1] if value else None
    return found


def _squeezed(array):
    array = array.squeeze()
    return array.item() if array.ndim == 0 else array
