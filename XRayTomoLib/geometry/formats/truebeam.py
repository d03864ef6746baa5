"""Varian TrueBeam and ProBeam: `Scan.xml` and, after the pixels of each .xim file, its properties.

As RTK reads them: the IEC angle of the source is 180 deg - KVSourceRtn (Varian's own scale runs the other way), the panel's offset is
(KVDetectorLat, KVDetectorLng) in cm, pixels are PixelWidth x PixelHeight in cm; SAD and SID of Scan.xml are the distances in mm. RTK
notes that the sign of the offsets was tried on small ones only; TIGRE mirrors the image and takes -ImagerLat, which is the same side.
RAS: see iec.py; the position of the patient is not in the files.
"""
import os
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import FormatError
from .fields import Fields
from .iec import gantry_views
from .scan import Scan, angles_text, fields_of, file_named, listed, numbered_files, parse_xml, texts_of

TITLE = "Varian TrueBeam or ProBeam projections"
SUFFIXES = ()
MAGIC = b"VMS.XI"
MOST_NAME_BYTES = 1 << 16
NEAR = 0.9                  # of the angle between two frames at full speed: nearer ones were taken while the gantry started or stopped
_NUMBERS = {0: "<i", 1: "<d"}
_LISTS = {4: ("d", 8), 5: ("i", 4)}


@dataclass(frozen=True)
class Xim:
    """What a .xim file tells apart from its pixels: `table` and `data` are (offset, bytes), `table` None where uncompressed."""
    shape: tuple
    bytes_per_pixel: int
    table: tuple | None
    data: tuple
    properties: dict


def recognise(path, head):
    if path.is_file():
        return head.startswith(MAGIC) or path.name.lower() == "scan.xml"
    return bool(_acquisitions_of(path))


def read(path, *, patient_position="HFS", isocentre_ras=(0.0, 0.0, 0.0)):
    """Views of the scan in the folder `path` (that of Scan.xml, or one acquisition's below it)."""
    return read_scan(path, patient_position=patient_position, isocentre_ras=isocentre_ras).views


def read_scan(path, *, patient_position="HFS", isocentre_ras=(0.0, 0.0, 0.0)):
    """The `Scan` of the folder `path`; frames without pixels, which the machine writes when it skips one, are left out and counted."""
    path = Path(path)
    folder = path if path.is_dir() else path.parent
    acquisitions = _acquisitions_of(folder)
    if len(acquisitions) != 1:
        names = ", ".join(files[0].parent.name for files in acquisitions)
        raise FormatError(f"{folder}: {len(acquisitions)} acquisitions (folders of Proj_*.xim) in it; give the folder of "
                          + (f"one: {names}" if names else "Scan.xml"))
    written = acquisitions[0]
    info = scan_file(written[0].parent)
    headers = [(file, read_xim(file)) for file in written]
    headers = [(file, header) for file, header in headers if min(header.shape) > 0]
    if not headers:
        raise FormatError(f"{folder}: none of its {len(written)} .xim files holds pixels; get a complete copy")
    shape = headers[0][1].shape
    for file, header in headers:
        if header.shape != shape:
            raise FormatError(f"{file}: {header.shape[1]} x {header.shape[0]} pixels; expected {shape[1]} x {shape[0]} as in {headers[0][0].name}")
    scan = _scan(info, headers, patient_position, isocentre_ras)
    if len(headers) < len(written):
        scan.found["frames without pixels"] = f"{len(written) - len(headers)}, left out"
    return scan


def scan_file(folder):
    """Scan.xml of the acquisition in `folder`, found there or up to two folders higher."""
    for place in (folder, *folder.absolute().parents[:2]):
        found = file_named(place, "scan.xml")
        if found:
            return found
    raise FormatError(f"{folder}: no Scan.xml in it or above it; copy the one of this scan beside the images")


def has_bowtie(info):
    """Whether Scan.xml names a bowtie filter."""
    return texts_of(parse_xml(info)).get("Bowtie", "none").lower() not in ("none", "no")


def read_xim(path):
    """The `Xim` of a file; every length in it is held against the file's size."""
    try:
        with open(path, "rb") as file:
            return _read_xim(_Cursor(path, file))
    except OSError as error:
        raise FormatError(f"{path}: cannot be read ({error.strerror})") from error


class _Cursor:
    """A position in a file that never passes its end."""

    def __init__(self, path, file):
        self.path, self.file = path, file
        self.size = os.fstat(file.fileno()).st_size

    def take(self, count, field):
        """(offset, count) of the next `count` bytes, which are passed over."""
        at = self.file.tell()
        if not 0 <= count <= self.size - at:
            raise FormatError(f"{self.path}: {field} of {count} bytes at byte {at}, the file has {self.size}; get a complete copy")
        self.file.seek(count, os.SEEK_CUR)
        return at, count

    def read(self, count, field):
        self.file.seek(self.take(count, field)[0])
        return self.file.read(count)

    def number(self, field, form="<i"):
        return struct.unpack(form, self.read(struct.calcsize(form), field))[0]


def _read_xim(cursor):
    if not cursor.read(8, "the identifier").startswith(MAGIC):
        raise FormatError(f"{cursor.path}: does not begin with {MAGIC.decode()}; not a .xim file")
    names = ("version", "width", "height", "bits", "bytes per pixel", "compression")
    _, cols, rows, _, bytes_per_pixel, compressed = (cursor.number(name) for name in names)
    if rows < 0 or cols < 0 or min(rows, cols) == 1 and compressed:
        raise FormatError(f"{cursor.path}: width x height = {cols} x {rows}; expected at least 2 x 2 pixels")
    table = cursor.take(cursor.number("size of the table"), "table") if compressed else None
    data = cursor.take(cursor.number("size of the pixels"), "pixels")
    if compressed:
        cursor.number("uncompressed size")
    elif bytes_per_pixel not in (1, 2, 4) or data[1] != rows * cols * bytes_per_pixel:
        raise FormatError(f"{cursor.path}: width x height x bytes = {cols} x {rows} x {bytes_per_pixel}, but {data[1]} bytes of pixels; "
                          "expected 1, 2 or 4 bytes a pixel and as many as the size asks for")
    cursor.take(4 * cursor.number("bins of the histogram"), "histogram")
    return Xim((rows, cols), bytes_per_pixel, table, data, _properties(cursor))


def _properties(cursor):
    found = {}
    for _ in range(cursor.number("number of properties")):
        length = cursor.number("length of a property's name")
        if length > MOST_NAME_BYTES:
            raise FormatError(f"{cursor.path}: a property's name of {length} bytes; the file is damaged")
        name = cursor.read(length, "a property's name").decode("utf-8", "replace").strip("\0")
        kind = cursor.number(f"type of {name}")
        if kind in _NUMBERS:
            found[name] = cursor.number(name, _NUMBERS[kind])
        elif kind in _LISTS or kind == 2:
            content = cursor.read(cursor.number(f"length of {name}"), name)
            letter, width = _LISTS.get(kind, ("", 1))
            count = len(content) // width
            found[name] = list(struct.unpack(f"<{count}{letter}", content[: count * width])) if letter else content.decode("utf-8", "replace")
        else:
            raise FormatError(f"{cursor.path}: property {name[:40]!r} has the type {kind}; expected 0, 1, 2, 4 or 5")
    return found


def _acquisitions_of(folder):
    """Files of each acquisition: of the folder, or of those in its folder Acquisitions."""
    below = [place for acquisitions in folders_in(folder, "acquisitions") for place in folders_in(acquisitions)]
    return [files for files in (numbered_files(place, (".xim",), "proj_") for place in (folder, *below)) if files]


def folders_in(folder, start=""):
    """Folders in `folder` whose names begin with `start`, whatever their case."""
    return [f for f in listed(folder) if f.name.lower().startswith(start) and f.is_dir()]


def _scan(info, headers, patient_position, isocentre_ras):
    settings = fields_of(str(info), texts_of(parse_xml(info)))
    sdd, sod = settings.number("SID", positive=True), settings.number("SAD", positive=True)
    fields = [Fields(str(file), header.properties) for file, header in headers]
    source = 180.0 - np.array([f.number("KVSourceRtn") for f in fields])
    offset = [10.0 * np.array([f.number(name) for f in fields]) for name in ("KVDetectorLat", "KVDetectorLng")]
    pitch = tuple(10.0 * fields[0].number(name, positive=True) for name in ("PixelWidth", "PixelHeight"))
    found = {"source angle (IEC)": angles_text(source), "fan": str(settings.get("Fan", "not said")), "bowtie": str(settings.get("Bowtie", "none")),
             "detector offset": f"{offset[0].mean():g}, {offset[1].mean():g} mm (sign as RTK has it)",
             "patient position": f"{patient_position} (not in the files)", **_near_duplicates(settings, source)}
    exposure = None
    if all("KVNormChamber" in f for f in fields):
        exposure = np.array([f.number("KVNormChamber", positive=True) for f in fields])
        found["beam monitor"] = f"KVNormChamber {exposure.min():g} to {exposure.max():g}"
    views = gantry_views(info, source, sod, sdd, offset, headers[0][1].shape, pitch, patient_position, isocentre_ras)
    return Scan(tuple(file for file, _ in headers), views, found, exposure)


def _near_duplicates(settings, angles):
    """A line on views that lie nearer to the one before than full speed brings them; nothing where the speed is not told."""
    velocity, rate = settings.number("Velocity", 0.0), settings.number("FrameRate", 0.0)
    if velocity <= 0 or rate <= 0:
        return {}
    threshold = NEAR * velocity / rate
    turned = np.abs((np.diff(angles) + 180) % 360 - 180)
    return {"near-duplicate views": f"{int((turned < threshold).sum())} lie nearer than {threshold:.3f} deg to the one before (kept)"}
