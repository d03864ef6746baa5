"""EDF, the images of the ESRF: a text header `{ key = value ; ... }` and its pixels, one or several times in a file."""

import math
import re

import numpy as np

from .base import ProjectionError

HEADER_LIMIT = 1 << 16
DTYPES = {
    "signedbyte": "i1", "unsignedbyte": "u1", "signedshort": "i2", "unsignedshort": "u2",
    "signedinteger": "i4", "unsignedinteger": "u4", "signedlong": "i4", "unsignedlong": "u4", "signed64": "i8", "unsigned64": "u8",
    "floatvalue": "f4", "float": "f4", "real": "f4", "floatieee32": "f4", "doublevalue": "f8", "double": "f8", "floatieee64": "f8",
}  # fmt: skip
ORDERS = {"lowbytefirst": "<", "highbytefirst": ">"}


def is_edf(path):
    """Whether the file begins like an EDF header (two words of many formats: the keys decide)."""
    with open(path, "rb") as file:
        head = file.read(4096)
    return head.lstrip()[:1] == b"{" and b"dim_1" in head.lower() and b"datatype" in head.lower()


def edf_frames(path):
    """Where the images of an EDF file lie: a list of (offset, dtype, (rows, cols)); no pixel is read.

    Raises:
        ProjectionError: a header that cannot be read, or pixels that the file does not hold.
    """
    frames, size = [], path.stat().st_size
    with open(path, "rb") as file:
        at = 0
        while at < size:
            header, start = _header(file, at, path)
            dtype, shape = _layout(header, path)
            end = start + math.prod(shape) * dtype.itemsize
            if end > size:
                raise ProjectionError(f"{path}: image {len(frames)} of {shape[0]} x {shape[1]} pixels ends at byte {end}, "
                                      f"the file has {size}; get a complete copy.")
            frames.append((start, dtype, shape))
            at = start + _stored_bytes(header, end - start, path)
            file.seek(at)
            if not file.read(HEADER_LIMIT).strip(b"\0 \r\n"):
                break
    return frames


def read_edf_frame(path, frame):
    """Pixels [rows, cols] of one of `edf_frames(path)`."""
    offset, dtype, shape = frame
    with open(path, "rb") as file:
        file.seek(offset)
        pixels = np.frombuffer(file.read(math.prod(shape) * dtype.itemsize), dtype)
    return pixels.reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def _header(file, at, path):
    """(keys in lower case -> text, offset of the pixels) of the header at byte `at`."""
    file.seek(at)
    block = file.read(HEADER_LIMIT)
    begin, close = block.find(b"{"), block.find(b"}")
    if begin < 0 or block[:begin].strip() or close < begin:
        raise ProjectionError(f"{path}: no EDF header '{{ ... }}' at byte {at}; get a complete copy.")
    ending = re.match(rb"[ ]*\r?\n", block[close + 1 : close + 64])
    text = block[begin + 1 : close].decode("latin-1")
    pairs = [item.split("=", 1) for item in text.split(";") if "=" in item]
    header = {key.strip().lower(): value.strip() for key, value in pairs}
    return header, at + close + 1 + (ending.end() if ending else 0)


def _layout(header, path):
    if header.get("compression", "none").lower() not in ("none", "nocompression", ""):
        raise ProjectionError(f"{path}: the EDF image is compressed ({header['compression'][:40]!r}); store it uncompressed.")
    kind = DTYPES.get(_required(header, "datatype", path).replace("_", "").lower())
    order = ORDERS.get(header.get("byteorder", "LowByteFirst").lower())
    if kind is None or order is None:
        raise ProjectionError(f"{path}: DataType {header['datatype'][:40]!r} with ByteOrder {header.get('byteorder', '')[:40]!r} is not known; "
                              f"expected for example UnsignedShort or FloatValue, LowByteFirst or HighByteFirst.")
    shape = tuple(_integer(header, key, path) for key in ("dim_2", "dim_1"))
    if "dim_3" in header and _integer(header, "dim_3", path) != 1:
        raise ProjectionError(f"{path}: the EDF image has three dimensions (Dim_3 = {header['dim_3']}); store one image a header.")
    return np.dtype(order + kind), shape


def _stored_bytes(header, pixels, path):
    for key in ("edf_binarysize", "size"):
        if key in header:
            return max(_integer(header, key, path), pixels)
    return pixels


def _integer(header, key, path):
    text = _required(header, key, path)
    if not re.fullmatch(r"[0-9]{1,12}", text) or int(text) == 0:
        raise ProjectionError(f"{path}: {key} = '{text[:40]}' in the EDF header; expected a whole number above 0.")
    return int(text)


def _required(header, key, path):
    if key not in header:
        raise ProjectionError(f"{path}: the EDF header lacks '{key}'; get a complete copy.")
    return header[key]
