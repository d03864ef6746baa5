"""Projections of Zeiss (Xradia) microscopes: .txrm, an OLE compound file of named streams; needs the package olefile.

As CIL and DXchange read it: StoRADistance and DtoRADistance (mm) from the source and from the detector to the axis of rotation,
PixelSize in micrometres at the axis, Angles in degrees. In the lab the beam runs along y, z is up, pixel (0, 0) is at the bottom left
as seen from the source, and the object turns about z by Angles: the sense of rows and angles is CIL's, the vendor documents neither.
The alignment's x- and y-shifts (pixels, by which the images are to be moved) move the detector instead: no image is resampled.
ReconSettings/CenterShift is reported, not used, as in CIL. RAS is the turning object's frame, as in geometry/formats/nikon.py.
"""

import math
from pathlib import Path
from threading import Lock

import numpy as np

from ...geometry import Views, rigid, rotation_from_vector
from ...geometry.formats.scan import angles_text, numbered_files
from .base import MOST_PROJECTIONS, ProjectionError, ProjectionSet, check_memory
from .scans import head_of

TITLE = "Zeiss (Xradia) microscope, .txrm"
SUFFIX = ".txrm"
MAGIC = bytes.fromhex("d0cf11e0a1b11ae1")
TYPES = {5: np.dtype("<u2"), 10: np.dtype("<f4")}
SETTINGS = {"ImageInfo/Voltage": "tube voltage in kV", "ImageInfo/Current": "tube current in uA",
            "ReconSettings/CenterShift": "centre shift in pixels (not used)"}  # fmt: skip


def recognise(path):
    path = Path(path)
    if path.is_dir():
        return bool(numbered_files(path, (SUFFIX,)))
    return path.suffix.lower() == SUFFIX and head_of(path).startswith(MAGIC)


def open_projections(path):
    """ProjectionSet of the .txrm file (or of the one in the folder); its reference image is the flat."""
    path = Path(path)
    if path.is_dir():
        files = numbered_files(path, (SUFFIX,))
        if len(files) != 1:
            raise ProjectionError(f"{path}: {len(files)} {SUFFIX} files in it; give one of them: {', '.join(f.name for f in files) or 'none'}.")
        path = files[0]
    streams = _Streams(path)
    count, rows, cols = (streams.count(f"ImageInfo/{name}") for name in ("NoOfImages", "ImageHeight", "ImageWidth"))
    form = streams.type_of("ImageInfo/DataType")
    if count > MOST_PROJECTIONS or count * rows * cols * form.itemsize > path.stat().st_size:
        raise ProjectionError(f"{path}: NoOfImages x ImageHeight x ImageWidth = {count} x {rows} x {cols} of {form.itemsize} bytes are more than "
                              f"the file's {path.stat().st_size}; get a complete copy.")
    views, found = _geometry(streams, count, (rows, cols))

    def load(i):
        return streams.pixels(f"ImageData{i // 100 + 1}/Image{i + 1}", form, (rows, cols))

    flat = None
    if "ReferenceData/Image" in streams:
        flat = streams.pixels("ReferenceData/Image", streams.type_of("ReferenceData/DataType"), (rows, cols))
    return ProjectionSet(count, (rows, cols), form.newbyteorder("="), load, str(path), views=views, flat=flat, found=found)


def _geometry(streams, count, shape):
    angles = streams.numbers("ImageInfo/Angles", count)
    pixel_um = streams.number("ImageInfo/PixelSize")
    parallel = streams.number("ImageInfo/XrayGeometry", "<i4") != 1
    sod, odd = (abs(streams.numbers(f"ImageInfo/{name}", count)[0]) for name in ("StoRADistance", "DtoRADistance"))
    if not pixel_um > 0 or not parallel and not min(sod, odd) > 0:
        raise ProjectionError(f"{streams.path}: PixelSize = {pixel_um:g} um, StoRADistance = {sod:g} mm, DtoRADistance = {odd:g} mm; "
                              "expected numbers above 0.")
    pitch = pixel_um / 1000 * (1 if parallel else (sod + odd) / sod)
    shifts = [streams.numbers(f"alignment/{axis}-shifts", count) if f"alignment/{axis}-shifts" in streams else np.zeros(count) for axis in "xy"]
    u, v = np.array([pitch, 0.0, 0.0]), np.array([0.0, 0.0, pitch])
    origin = np.array([0.0, odd, 0.0]) + (shifts[0] - (shape[1] - 1) / 2)[:, None] * u + (shifts[1] - (shape[0] - 1) / 2)[:, None] * v
    beam = {"direction": [0.0, 1.0, 0.0]} if parallel else {"source": [0.0, -sod, 0.0]}
    turns = rotation_from_vector(-np.deg2rad(angles)[:, None] * [0.0, 0.0, 1.0])
    views = Views(origin=origin, u=u, v=v, shape=shape, **beam).transformed(rigid(turns, np.zeros((count, 3))))
    found = {
        "object's angle": f"{angles_text(angles)} (sense of rows and angles as CIL has it; flip if the reconstruction is mirrored)",
        "beam": "parallel" if parallel else f"cone, {sod:g} mm to the axis, {odd:g} mm on to the detector",
        "alignment": f"shifts up to {max(np.abs(shifts[0]).max(), np.abs(shifts[1]).max()):.2f} pixels, moved into the geometry",
    }
    return views, found | {label: f"{streams.number(name):g}" for name, label in SETTINGS.items() if name in streams}


class _Streams:
    """The streams of an OLE file, each read whole and checked; kept open, one reader at a time."""

    def __init__(self, path):
        try:
            import olefile
        except ImportError as error:
            raise ProjectionError(f"{path}: Zeiss files need the package olefile; install it with: pip install olefile") from error
        self.path, self._lock = path, Lock()
        try:
            self._bytes = path.stat().st_size
            self._ole = olefile.OleFileIO(str(path), raise_defects=olefile.DEFECT_INCORRECT)
        except DAMAGE as error:
            raise ProjectionError(f"{path}: not a complete .txrm (OLE) file ({_reason(error)}); get an undamaged copy.") from error

    def __contains__(self, name):
        return self._ole.exists(name)

    def read(self, name, expected):
        """The stream's bytes, `expected` of them."""
        try:
            if name not in self:
                raise ProjectionError(f"{self.path}: the stream {name} is missing; get a complete copy.")
            held = self._ole.get_size(name)
            if held < expected or expected > self._bytes:
                raise ProjectionError(f"{self.path}: the stream {name} has {held} bytes; expected {expected}.")
            with self._lock, self._ole.openstream(name) as stream:
                content = stream.read(expected)
        except DAMAGE as error:
            if isinstance(error, ProjectionError):
                raise
            raise ProjectionError(f"{self.path}: the stream {name} cannot be read ({_reason(error)}); get an undamaged copy.") from error
        if len(content) != expected:
            raise ProjectionError(f"{self.path}: the stream {name} ends after {len(content)} of {expected} bytes; get a complete copy.")
        return content

    def numbers(self, name, count, form="<f4"):
        """`count` finite numbers, float64."""
        values = np.frombuffer(self.read(name, count * np.dtype(form).itemsize), form).astype(np.float64)
        if not np.isfinite(values).all():
            raise ProjectionError(f"{self.path}: the stream {name} has values that are not finite numbers; get an undamaged copy.")
        return values

    def number(self, name, form="<f4"):
        return float(self.numbers(name, 1, form)[0])

    def count(self, name):
        value = int(self.number(name, "<i4"))
        if value < 1:
            raise ProjectionError(f"{self.path}: {name} = {value}; expected a whole number, at least 1.")
        return value

    def type_of(self, name):
        code = int(self.number(name, "<i4"))
        if code not in TYPES:
            raise ProjectionError(f"{self.path}: {name} = {code}; expected 5 (16-bit integers) or 10 (32-bit floating point).")
        return TYPES[code]

    def pixels(self, name, form, shape):
        needed = math.prod(shape) * form.itemsize
        check_memory(2 * needed, self.path)
        return np.frombuffer(self.read(name, needed), form).reshape(shape).astype(form.newbyteorder("="))


# What olefile raises on damaged files, besides its own OSErrors.
DAMAGE = (OSError, ValueError, IndexError, KeyError, TypeError, OverflowError, AttributeError, RecursionError)


def _reason(error):
    return str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
