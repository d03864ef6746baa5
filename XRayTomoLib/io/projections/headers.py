"""Where the pixels of a stack lie in a file: headers of NRRD, MetaImage, NIfTI and numpy, read without touching a pixel."""

import ast
import math
import re
import struct
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ...files import suffix_of
from ..sizes import DEFLATE_LIMIT, NIFTI_LAYOUTS
from .base import ProjectionError, check_memory

HEADER_LIMIT = 1 << 20
STACKS = (".nrrd", ".nhdr", ".mha", ".mhd", ".nii", ".nii.gz", ".npy")
NRRD_TYPES = {
    "i1": ("signed char", "int8", "int8_t"), "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "i4": ("int", "signed int", "int32", "int32_t"), "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
    "i8": ("longlong", "long long", "long long int", "signed long long", "int64", "int64_t"),
    "u8": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    "f4": ("float",), "f8": ("double",),
}  # fmt: skip
META_TYPES = {
    "MET_CHAR": "i1", "MET_UCHAR": "u1", "MET_SHORT": "i2", "MET_USHORT": "u2", "MET_INT": "i4", "MET_UINT": "u4", "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8", "MET_FLOAT": "f4", "MET_DOUBLE": "f8",
}  # fmt: skip
NIFTI_TYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8"}


@dataclass(frozen=True)
class Layout:
    """shape = (views, rows, cols) of `dtype` (with byte order) from byte `offset` of the file `data` on; `compressed`: how, or ''.

    fields: key/value texts of the header. spacing_mm, origin_mm: (col, row) where the header has them (RTK counts them as geometry).
    """

    data: Path
    offset: int
    dtype: np.dtype
    shape: tuple
    compressed: str = ""
    fields: dict = field(default_factory=dict)
    spacing_mm: tuple | None = None
    origin_mm: tuple | None = None
    scale: tuple = (1.0, 0.0)

    @property
    def nbytes(self):
        return math.prod(self.shape) * self.dtype.itemsize


def read_layout(path):
    """Layout of a stack file, checked against the size of the file.

    An uncompressed file must have exactly the size that its header promises; a compressed one must be able to hold it, and it must fit
    into the memory planner's budget.

    Raises:
        ProjectionError: no such file, an unknown or broken header, not three dimensions, or another size.
    """
    path = Path(path)
    readers = {".nrrd": _nrrd, ".nhdr": _nrrd, ".mha": _meta, ".mhd": _meta, ".nii": _nifti, ".nii.gz": _nifti, ".npy": _numpy}
    if suffix_of(path) not in readers:
        raise ProjectionError(f"{path}: '{suffix_of(path)}' is not a stack of projections; expected one of: {', '.join(STACKS)}.")
    try:
        layout = readers[suffix_of(path)](path)
        held = layout.data.stat().st_size
    except OSError as error:
        raise ProjectionError(f"{error.filename or path}: cannot be read ({error.strerror or error}); check the path.") from error
    if layout.compressed:
        if layout.nbytes > DEFLATE_LIMIT * held:
            raise ProjectionError(f"{path}: the header promises {layout.nbytes} bytes, the file of {held} cannot hold them; get a complete copy.")
        check_memory(layout.nbytes, path)
    elif layout.offset + layout.nbytes != held:
        raise ProjectionError(f"{path}: the header promises {layout.nbytes} bytes of pixels after byte {layout.offset}, "
                              f"the file has {held} bytes; get a complete copy.")
    return layout


def shape_of(path, sizes):
    """(views, rows, cols) of the header's sizes, the fastest axis first; two axes are one view."""
    sizes = [*sizes]
    while len(sizes) > 3 and sizes[-1] == 1:
        sizes.pop()
    sizes = sizes + [1] if len(sizes) == 2 else sizes
    if len(sizes) != 3 or min(sizes) < 1:
        raise ProjectionError(f"{path}: the sizes {' x '.join(map(str, sizes))} are no stack; expected columns x rows x views, all above 0.")
    return tuple(sizes[::-1])


def _nrrd(path):
    lines, offset = _lines(path, rb"\r?\n\r?\n", b"NRRD000")
    keys, fields = {}, {}
    for line in lines[1:]:
        name, separator, text = line.rstrip("\r").partition(":")
        if line.startswith("#") or not separator:
            continue
        if text.startswith("="):
            fields[name] = re.sub(r"\\(n|\\)", lambda found: "\n" if found[1] == "n" else "\\", text[1:])
        else:
            keys[name.strip().lower().replace(" ", "")] = text.strip()
    kind = next((code for code, names in NRRD_TYPES.items() if keys.get("type", "").lower() in names), None)
    if kind is None:
        raise ProjectionError(f"{path}: type '{keys.get('type', '')}' in the NRRD header; expected a type of number such as 'float' or 'ushort'.")
    shape = shape_of(path, _integers(path, "sizes", keys.get("sizes", "")))
    encoding = keys.get("encoding", "").lower()
    if encoding not in ("raw", "gzip", "gz"):
        raise ProjectionError(f"{path}: encoding '{encoding}' in the NRRD header; expected raw or gzip.")
    order = ">" if keys.get("endian", "little").lower() == "big" else "<"
    data, offset = _beside(path, keys.get("datafile"), offset)
    if keys.get("lineskip", "0") != "0":
        raise ProjectionError(f"{path}: 'line skip' in the NRRD header is not read; store the stack with an attached header.")
    skip = _integers(path, "byte skip", keys.get("byteskip", "0"), allowed=-1)[0]
    if encoding == "raw":
        offset = _skipped(data, offset, skip, math.prod(shape) * np.dtype(kind).itemsize)
    elif skip:
        raise ProjectionError(f"{path}: 'byte skip' of a compressed NRRD file is not read; store it raw.")
    spacing = _floats(keys.get("spacings", ""))[:2] or tuple(math.hypot(*vector) for vector in _vectors(keys.get("spacedirections", ""))[:2])
    origin = next(iter(_vectors(keys.get("spaceorigin", ""))), None)
    return Layout(data, offset, np.dtype(order + kind), shape, "" if encoding == "raw" else "gzip", fields, spacing or None,
                  None if origin is None else tuple(origin[:2]))


def _meta(path):
    lines, offset = _lines(path, rb"ElementDataFile[ \t]*=[^\n]*\n", None, keep=True)
    keys = {name.strip(): text.strip() for name, _, text in (line.partition("=") for line in lines)}
    if "NDims" not in keys or "DimSize" not in keys:
        raise ProjectionError(f"{path}: no NDims and DimSize in the header of the MetaImage; get a complete copy.")
    kind = META_TYPES.get(keys.get("ElementType"))
    if kind is None or keys.get("ElementNumberOfChannels", "1") != "1":
        raise ProjectionError(f"{path}: ElementType {keys.get('ElementType')} with {keys.get('ElementNumberOfChannels', '1')} channels; "
                              "expected one number a pixel, such as MET_FLOAT or MET_USHORT.")
    big = keys.get("ElementByteOrderMSB", keys.get("BinaryDataByteOrderMSB", "False")).lower() in ("true", "1")
    file = keys.get("ElementDataFile", "")
    data, offset = _beside(path, None if file == "LOCAL" else file, offset)
    shape = shape_of(path, _integers(path, "DimSize", keys["DimSize"]))
    compressed = keys.get("CompressedData", "False").lower() in ("true", "1")
    skip = _integers(path, "HeaderSize", keys.get("HeaderSize", "0"), allowed=-1)[0]
    offset = _skipped(data, offset, skip, math.prod(shape) * np.dtype(kind).itemsize)
    spacing, origin = _floats(keys.get("ElementSpacing", ""))[:2], _floats(keys.get("Offset", keys.get("Position", "")))[:2]
    own = {name: text for name, text in keys.items() if name.startswith("XRayTomo.")}
    return Layout(data, offset, np.dtype((">" if big else "<") + kind), shape, "zlib" if compressed else "", own,
                  spacing or None, origin or None)


def _nifti(path):
    from ..errors import VolumeError
    from ..sizes import check_nifti_is_complete, open_unpacked

    try:
        check_nifti_is_complete(path)
    except VolumeError as error:
        raise ProjectionError(str(error)) from error
    with open_unpacked(path) as file:
        header = file.read(352)
    order = next(order for order in "<>" if struct.unpack_from(order + "i", header)[0] in NIFTI_LAYOUTS)
    first = struct.unpack_from(order + "i", header)[0] == 348
    (dims, at), _, (offset_kind, offset_at) = NIFTI_LAYOUTS[348 if first else 540]
    dim = struct.unpack_from(order + dims, header, at)
    code = struct.unpack_from(order + "h", header, 70 if first else 12)[0]
    if code not in NIFTI_TYPES:
        raise ProjectionError(f"{path}: NIfTI data type {code}; expected one number a pixel.")
    scale = struct.unpack_from(order + ("2f" if first else "2d"), header, 112 if first else 176)
    scale = scale if scale[0] not in (0, 1) or scale[0] and scale[1] else (1.0, 0.0)
    if not all(map(math.isfinite, scale)):
        raise ProjectionError(f"{path}: scl_slope and scl_inter {scale} in the NIfTI header; expected finite numbers.")
    compressed = "gzip" if suffix_of(path) == ".nii.gz" else ""
    offset = int(struct.unpack_from(order + offset_kind, header, offset_at)[0])
    return Layout(path, offset, np.dtype(order + NIFTI_TYPES[code]), shape_of(path, dim[1 : dim[0] + 1]), compressed, scale=scale)


def _numpy(path):
    """numpy's own format, versions 1 to 3: magic, version, length, a dictionary as text (numpy.lib.format)."""
    with open(path, "rb") as file:
        start = file.read(12)
        wide = start[6:7] in (b"\2", b"\3")
        if start[:6] != b"\x93NUMPY" or len(start) < 12 or start[6:7] not in (b"\1", b"\2", b"\3"):
            raise ProjectionError(f"{path}: the content is not that of a .npy file; get a complete copy.")
        length, at = (struct.unpack_from("<I", start, 8)[0], 12) if wide else (struct.unpack_from("<H", start, 8)[0], 10)
        file.seek(at)
        text = file.read(min(length, HEADER_LIMIT)).decode("latin-1")
    try:
        header = ast.literal_eval(text)
        dtype, fortran, sizes = np.dtype(header["descr"]), header["fortran_order"], tuple(header["shape"])
    except (ValueError, SyntaxError, KeyError, TypeError, MemoryError, RecursionError) as error:
        raise ProjectionError(f"{path}: the header of the .npy file is broken; get a complete copy.") from error
    if dtype.kind not in "iuf" or dtype.fields or dtype.subdtype or fortran or any(type(n) is not int for n in sizes):
        raise ProjectionError(f"{path}: an array of type {dtype}{' in Fortran order' if fortran else ''}; expected numbers in C order "
                              "(np.ascontiguousarray), [view, row, col].")
    return Layout(path, at + length, dtype, shape_of(path, sizes[::-1]))


def _lines(path, end, magic, keep=False):
    """(lines of a text header, offset after it); `end` is the pattern that ends it, a part of it if `keep`."""
    with open(path, "rb") as file:
        head = file.read(HEADER_LIMIT)
    if magic and not head.startswith(magic):
        raise ProjectionError(f"{path}: the content is not that of a {suffix_of(path)} file; get a complete copy.")
    found = re.search(end, head)
    if found is None and b"\0" not in head and len(head) < HEADER_LIMIT:    # a detached header may end with the file
        return head.decode("utf-8", "replace").split("\n"), len(head)
    if found is None:
        raise ProjectionError(f"{path}: the header does not end; get a complete copy.")
    return head[: found.end() if keep else found.start()].decode("utf-8", "replace").split("\n"), found.end()


def _beside(path, name, offset):
    """(file of the pixels, offset in it): `path` itself, or the one file that a detached header names, in the same folder."""
    if name is None:
        return path, offset
    if not name or name.startswith("LIST") or "%" in name or "\0" in name or Path(name).name != name:
        raise ProjectionError(f"{path}: the data file '{name[:60]}' of the header is not read; expected one file in the same folder.")
    return path.parent / name, 0


def _skipped(data, offset, skip, nbytes):
    """Offset of the pixels after `skip` bytes; -1 means that they are the file's last ones."""
    return max(data.stat().st_size - nbytes, offset) if skip == -1 else offset + skip


def _integers(path, key, text, allowed=0):
    if not re.fullmatch(r"\s*-?[0-9]{1,12}(\s+-?[0-9]{1,12})*\s*", text) or min(map(int, text.split())) < allowed:
        raise ProjectionError(f"{path}: {key} '{text[:60]}' in the header; expected whole numbers.")
    return [int(n) for n in text.split()]


def _floats(text):
    """Numbers of a header line; none where it holds something else (such as 'nan' for an axis without spacing)."""
    try:
        values = tuple(float(x) for x in text.split())
    except ValueError:
        return ()
    return values if all(map(math.isfinite, values[:2])) else ()


def _vectors(text):
    return [values for part in re.findall(r"\(([^()]*)\)", text) if (values := _floats(part.replace(",", " ")))]
