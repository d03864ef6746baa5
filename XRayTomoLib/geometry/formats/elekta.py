"""Elekta Synergy (XVI): `_Frames.xml` and a header in each .his file.

As RTK reads them (its XVI 5 reader): GantryAngle is the IEC angle of the source, UCentre and VCentre are where the central ray meets
the panel, so the panel's offset is their negative; the distances, 1000 and 1536 mm, and the panel's width, 409.6 mm, are not in the
files. As in RTK a .his header's ULX and BRX count rows, ULY and BRY columns; the panels are square, so that it has not mattered yet.
RAS: see iec.py; the position of the patient is not in the files.
"""
import struct
from pathlib import Path

import numpy as np

from . import FormatError
from .iec import gantry_views
from .scan import Scan, angles_text, fields_of, file_named, numbered_files, parse_xml, texts_of

TITLE = "Elekta Synergy (XVI) projections"
SUFFIXES = ()
IMAGES = (".his",)
MAGIC = bytes([0, 112, 68, 0])
HEADER_BYTES = 68
PANEL_MM = 409.6
OPEN_BEAM = 65536.0
# Tags as written, and as they are in some anonymised files (a letter lost; RTK accepts the same).
ALIASES = {"GantryAngle": ("GantryAngle", "Angle", "antryAngle", "Gantryngle"), "UCentre": ("UCentre", "Uentre"), "VCentre": ("VCentre", "Ventre")}
SETTINGS = {"kV": "tube voltage", "mA": "tube current", "ms": "pulse length", "AcquisitionPresetName": "preset"}


def recognise(path, head):
    if path.is_file():
        return head.startswith(MAGIC) and path.name.lower().endswith(IMAGES) or path.name.lower() == "_frames.xml"
    return bool(numbered_files(path, IMAGES)) and file_named(path, "_frames.xml") is not None


def read(path, *, sod_mm=1000.0, sdd_mm=1536.0, patient_position="HFS", isocentre_ras=(0.0, 0.0, 0.0)):
    """Views of the scan in the folder `path` (or of one of its files)."""
    return read_scan(path, sod_mm=sod_mm, sdd_mm=sdd_mm, patient_position=patient_position, isocentre_ras=isocentre_ras).views


def read_scan(path, *, sod_mm=1000.0, sdd_mm=1536.0, patient_position="HFS", isocentre_ras=(0.0, 0.0, 0.0)):
    """The `Scan` of the folder `path`; sod_mm, sdd_mm: from the source to the isocentre, to the panel."""
    path = Path(path)
    folder = path if path.is_dir() else path.parent
    files = numbered_files(folder, IMAGES)
    if not files:
        raise FormatError(f"{folder}: no .his files in it; give the folder of the scan")
    info = file_named(folder, "_frames.xml")
    if info is None:
        raise FormatError(f"{folder}: no _Frames.xml in it; copy the one of this scan beside the images")
    root = parse_xml(info)
    frames = [fields_of(f"{info}: frame {i + 1}", texts_of(frame)) for i, frame in enumerate(root.iter("Frame"))]
    if len(frames) != len(files):
        raise FormatError(f"{info}: {len(frames)} frames, but the folder holds {len(files)} .his files; expected one file a frame")
    shapes = [read_shape(file)[1] for file in files]
    for file, shape in zip(files, shapes):
        if shape != shapes[0]:
            raise FormatError(f"{file}: {shape[1]} x {shape[0]} pixels; expected {shapes[0][1]} x {shapes[0][0]} as in {files[0].name}")
    angle, u, v = (np.array([_value(frame, name) for frame in frames]) for name in ALIASES)
    pitch = (PANEL_MM / shapes[0][1], PANEL_MM / shapes[0][0])
    views = gantry_views(info, angle, sod_mm, sdd_mm, (-u, -v), shapes[0], pitch, patient_position, isocentre_ras)
    return Scan(tuple(files), views, _found(root, angle, u, v, sod_mm, sdd_mm, patient_position), i0=OPEN_BEAM)


def read_shape(path):
    """(offset of the pixels, (rows, cols)) of a .his file, whose size must be what its header asks for."""
    try:
        with open(path, "rb") as file:
            header = file.read(HEADER_BYTES)
        size = path.stat().st_size
    except OSError as error:
        raise FormatError(f"{path}: cannot be read ({error.strerror})") from error
    if not header.startswith(MAGIC):
        raise FormatError(f"{path}: does not begin with the bytes {' '.join(map(str, MAGIC))}; not an Elekta .his file")
    if len(header) < HEADER_BYTES:
        raise FormatError(f"{path}: the file ends within its header of {HEADER_BYTES} bytes; get a complete copy")
    more, left, top, right, bottom, frames = struct.unpack_from("<6H", header, 10)
    rows, cols = right - left + 1, bottom - top + 1
    if frames != 1 or rows < 1 or cols < 1:
        raise FormatError(f"{path}: {frames} frames of corners ({left}, {top}) to ({right}, {bottom}); expected one frame of at least 1 x 1 pixels")
    offset = HEADER_BYTES + more
    if size != offset + 2 * rows * cols:
        raise FormatError(f"{path}: the header asks for {offset + 2 * rows * cols} bytes ({cols} x {rows} pixels), the file has {size}; "
                          "get a complete copy")
    return offset, (rows, cols)


def _value(frame, name):
    written = next((alias for alias in ALIASES[name] if alias in frame), name)
    return frame.number(written)


def _found(root, angle, u, v, sod_mm, sdd_mm, patient_position):
    texts = texts_of(root)
    return {
        "source angle (IEC)": angles_text(angle),
        "panel centre": f"U {u.min():g} to {u.max():g} mm, V {v.min():g} to {v.max():g} mm",
        "distances": f"{sod_mm:g} and {sdd_mm:g} mm (not in the files)",
        "panel": f"{PANEL_MM:g} mm wide (not in the files)",
        "patient position": f"{patient_position} (not in the files)",
        "open beam": f"{OPEN_BEAM:g} counts (the full range; not in the files)",
        **{label: texts[tag] for tag, label in SETTINGS.items() if tag in texts},
    }
