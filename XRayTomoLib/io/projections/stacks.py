"""Stacks [view, row, col] in one file: NRRD, MetaImage, NIfTI and numpy, mapped into memory and read view by view; written as NRRD.

XRayTomo's own stack is an NRRD file with a raw, attached body, so that a view is a contiguous piece of the file, and the geometry in a
file of its own beside it. Key/value fields say the rest: XRayTomo.kind, XRayTomo.geometry (a file name), XRayTomo.provenance (JSON) and
XRayTomo.sha256 (of the pixels).
"""

import hashlib
import json
import zlib
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import numpy as np

from ...files import check_target, replacing, stem_of, suffix_of
from ...geometry.formats import write_geometry
from ...jobs import Step, provenance
from .base import COUNTS, LINE_INTEGRAL, ProjectionError, ProjectionSet
from .headers import NRRD_TYPES, STACKS, read_layout
from .hints import hinted_views, is_geometry, views_of_file
from .scans import head_of

TITLE = "stack in one file: NRRD, MetaImage, NIfTI or numpy [view, row, col]"
PREFIX = "XRayTomo."
BESIDE = (".geometry.json", ".json", ".xml")
CHUNK = 1 << 20
EITHER_HEADER = 47      # zlib: a header of gzip or of zlib
WRITTEN_TYPES = {code: names[0] for code, names in NRRD_TYPES.items()}


def recognise(path):
    """A volume has the same files: a stack is one by XRayTomo's own fields (complete or not), by a geometry beside it, or as a .npy file."""
    path = Path(path)
    if path.is_dir() or suffix_of(path) not in STACKS:
        return False
    if suffix_of(path) == ".npy" or f"{PREFIX}kind:=".encode() in head_of(path):
        return True
    try:
        return PREFIX + "kind" in read_layout(path).fields or _geometry_beside(path, {}) is not None
    except ProjectionError:
        return False


def open_projections(path, angles=None, pitch_mm=None, sdd_mm=None, sod_mm=None, axis_col=None, reverse=False, flip=False):
    """As `open_stack`; where no geometry lies beside the stack, the hints make one (see `hints.circular_views`)."""
    stack = open_stack(path)
    if angles is None and pitch_mm is None and stack.views is not None:
        return stack
    views, missing = hinted_views(path, stack.count, stack.shape, angles, pitch_mm, sdd_mm, sod_mm, axis_col, reverse, flip)
    if missing:
        stack.found["geometry of the files"] = missing
    return stack.with_views(views)


def open_stack(path, geometry=None, kind=None):
    """Opens a stack without reading its pixels (a compressed one is unpacked as a whole at the first view).

    Args:
        geometry: file of the geometry; by default the one that the stack names, or <name>.geometry.json, .json or .xml beside it.
        kind: "counts" or "line integral"; by default what the stack says, else counts for whole numbers and line integrals for others.

    Raises:
        ProjectionError: a broken or incomplete file, one too large for the memory when compressed, or a geometry of another scan.
    """
    path = Path(path)
    layout = read_layout(path)
    found = {name.removeprefix(PREFIX): text for name, text in layout.fields.items() if name.startswith(PREFIX) and name != PREFIX + "geometry"}
    stored = found.pop("kind", None)
    if kind is None and stored is None:
        stored = COUNTS if layout.dtype.kind in "iu" and layout.scale == (1.0, 0.0) else LINE_INTEGRAL
        found["kind"] = f"{stored}, assumed from the type of number"
    file = Path(geometry) if geometry is not None else _geometry_beside(path, layout.fields)
    known = {"pitch_mm": layout.spacing_mm, "origin_mm": layout.origin_mm}
    views = None if file is None else views_of_file(file, layout.shape[1:], **known)
    if file is not None:
        found["geometry file"] = file.name
    dtype = layout.dtype.newbyteorder("=") if layout.scale == (1.0, 0.0) else np.dtype(np.float32)
    return ProjectionSet(layout.shape[0], layout.shape[1:], dtype, _loader(layout), str(path), views, kind or stored, found=found)


def write_stack(path, stack, views=None, kind=LINE_INTEGRAL, provenance=None, geometry_path=None):
    """Writes projections as a stack, view by view, and their geometry beside it.

    Args:
        path: a .nrrd file.
        stack: array [view, row, col], a ProjectionSet, or any sequence of images [row, col] with a length.
        views: geometry, written to `geometry_path` (default <name>.geometry.json).

    Raises:
        ProjectionError: another suffix, images of different sizes or numbers that the first one's type cannot hold, or a file that cannot be
            written.
    """
    if len(stack) == 0:
        raise ProjectionError(f"{path}: there is no projection to write.")
    first = np.asarray(stack[0])
    with writing_stack(path, len(stack), first.shape, first.dtype, views, kind, provenance, geometry_path) as append:
        for index in range(len(stack)):
            append(stack[index])


def store(projections, path, geometry_path=None, parameters=None):
    """Job: streams a ProjectionSet as it is to the stack `path` (.nrrd) with its geometry; yields a Step a view.

    parameters: how the projections were opened, name -> value, for the provenance.
    """
    origin = provenance("import", {"projections": projections.source}, {"kind": projections.kind} | (parameters or {}))
    count, dtype = len(projections), projections.dtype
    with writing_stack(path, count, projections.shape, dtype, projections.views, projections.kind, origin, geometry_path) as append:
        for index in range(count):
            append(projections[index])
            yield Step(index + 1, count, message=f"view {index + 1} of {count}")


@contextmanager
def writing_stack(path, count, shape, dtype=np.float32, views=None, kind=LINE_INTEGRAL, provenance=None, geometry_path=None):
    """Yields append(image [rows, cols]), to be called `count` times; stack and geometry appear when the block ends without an error."""
    path = Path(path)
    check_target(path, (".nrrd",))
    dtype = np.dtype(np.float32 if dtype == np.float16 else dtype).newbyteorder("<")
    if dtype.str[1:] not in WRITTEN_TYPES or len(shape) != 2:
        raise ProjectionError(f"{path}: images of {dtype} and shape {shape} cannot be written; expected numbers, rows x columns.")
    if views is not None and (len(views), views.shape) != (count, tuple(shape)):
        raise ProjectionError(f"{path}: the geometry has {len(views)} views of {views.shape} pixels, the stack {count} of {tuple(shape)}.")
    geometry_path = None if views is None else Path(geometry_path or path.with_name(stem_of(path) + BESIDE[0]))
    try:
        with replacing(path) as temporary:
            with open(temporary, "wb") as file:
                writer = _Writer(file, path, count, tuple(shape), dtype)
                writer.header(_fields(path, kind, provenance, geometry_path), views)
                yield writer.append
                writer.end()
            if views is not None:
                write_geometry(geometry_path, views)
    except OSError as error:
        raise ProjectionError(f"{path}: cannot be written ({error.strerror or error}); choose another folder.") from error


class _Writer:
    """Header, images and, at the end, the hash of the pixels in the place that the header kept for it."""

    def __init__(self, file, path, count, shape, dtype):
        self.file, self.path, self.count, self.shape, self.dtype = file, path, count, shape, dtype
        self.written, self.digest = 0, hashlib.sha256()

    def header(self, fields, views):
        pitch = (1.0, 1.0) if views is None else [float(p[0]) for p in views.pitch_mm]
        sizes = f"{self.shape[1]} {self.shape[0]} {self.count}"
        spacings = f"spacings: {pitch[0]!r} {pitch[1]!r} 1"
        pairs = [f"{PREFIX}{name}:={_escaped(text)}" for name, text in fields.items()]
        lines = ["NRRD0005", f"type: {WRITTEN_TYPES[self.dtype.str[1:]]}", "dimension: 3", f"sizes: {sizes}", spacings,
                 'labels: "col" "row" "view"', "endian: little", "encoding: raw", *pairs]
        self.file.write("\n".join([*lines, f"{PREFIX}sha256:="]).encode())
        self.hash_at = self.file.tell()
        self.file.write(b"0" * 64 + b"\n\n")

    def append(self, image):
        image = np.asarray(image)
        if image.shape != self.shape or self.written == self.count:
            raise ProjectionError(f"{self.path}: image {self.written} of shape {image.shape}; expected {self.count} images of {self.shape}.")
        with np.errstate(invalid="ignore", over="ignore"):
            pixels = np.ascontiguousarray(image.real, self.dtype)
        if not _holds(pixels, image):
            raise ProjectionError(f"{self.path}: image {self.written} holds numbers that {self.dtype.name} cannot; expected a stack of one type.")
        self.digest.update(pixels)
        self.file.write(pixels)
        self.written += 1

    def end(self):
        if self.written != self.count:
            raise ProjectionError(f"{self.path}: {self.written} images were given, {self.count} were announced.")
        self.file.seek(self.hash_at)
        self.file.write(self.digest.hexdigest().encode())


def _holds(pixels, image):
    """Whether the pixels are the image's numbers, rounded where they are floats."""
    if image.dtype.kind == "c":
        return False
    return np.array_equal(pixels, image) if pixels.dtype.kind in "iu" else np.array_equal(np.isfinite(pixels), np.isfinite(image))


def _escaped(text):
    """As NRRD's key/value pairs want it: one line, backslashes doubled."""
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _fields(path, kind, provenance, geometry_path):
    fields = {"kind": kind}
    if geometry_path is not None and geometry_path.resolve().parent == path.resolve().parent:
        fields["geometry"] = geometry_path.name
    if provenance is not None:
        fields["provenance"] = json.dumps(provenance)
    return fields


def _geometry_beside(path, fields):
    """The geometry file that the stack names (in its own folder), else one of its name."""
    named = fields.get(PREFIX + "geometry")
    if named is not None:
        if Path(named).name != named or not (path.parent / named).is_file():
            raise ProjectionError(f"{path}: its geometry file '{named}' is not in its folder; put it there or give the geometry.")
        return path.parent / named
    beside = (path.with_name(stem_of(path) + suffix) for suffix in BESIDE)
    return next((file for file in beside if file.is_file() and is_geometry(file)), None)


def _loader(layout):
    """load(i) of the stack's views, in native byte order; a mapped file costs memory for the view alone."""
    scale, offset = layout.scale
    native = layout.dtype.newbyteorder("=")
    if layout.compressed:
        views = lru_cache(maxsize=1)(lambda: _unpacked(layout))
    else:
        mapped = np.memmap(layout.data, layout.dtype, "r", layout.offset, layout.shape)

        def views():
            return mapped

    def load(index):
        pixels = np.array(views()[index], native)
        return pixels if layout.scale == (1.0, 0.0) else (pixels * scale + offset).astype(np.float32)

    return load


def _unpacked(layout):
    """All pixels of a file compressed by gzip or zlib, to the check sum at its end; exactly what the header promises."""
    whole_file = suffix_of(layout.data) == ".nii.gz"
    skip = layout.offset if whole_file else 0
    pixels, filled, unpacker = bytearray(skip + layout.nbytes), 0, zlib.decompressobj(EITHER_HEADER)
    with open(layout.data, "rb") as file:
        file.seek(0 if whole_file else layout.offset)
        try:
            while filled < len(pixels) or not unpacker.eof:
                packed = unpacker.unconsumed_tail or unpacker.unused_data or file.read(CHUNK)
                if not packed:
                    raise zlib.error("it ends too early")
                if unpacker.eof:                        # another member of a gzip file
                    unpacker = zlib.decompressobj(EITHER_HEADER)
                part = unpacker.decompress(packed, min(CHUNK, len(pixels) - filled) or 1)
                if filled + len(part) > len(pixels):
                    raise zlib.error("it holds more than its header promises")
                pixels[filled : filled + len(part)] = part
                filled += len(part)
        except zlib.error as error:
            raise ProjectionError(f"{layout.data}: the compressed pixels are broken ({error}); get a complete copy.") from error
    return np.frombuffer(pixels, layout.dtype, offset=skip).reshape(layout.shape)
