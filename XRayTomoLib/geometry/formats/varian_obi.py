"""Varian OBI: `ProjectionInfo.xml` and a header of fixed layout in each .hnd (compressed) or .hnc file.

Angles and offsets as RTK reads them: dCTProjectionAngle is the IEC angle of the source; the panel's offset is CalibratedDetectorOffsetX
(with DetectorPosLat added where FanType is HalfFan) and CalibratedDetectorOffsetY; CalibratedSAD and CalibratedSID are the distances
from the source to the isocentre and to the panel. RAS: see iec.py; the position of the patient is not in the files.
"""
import os
from pathlib import Path

import numpy as np

from . import FormatError
from .fields import finite
from .iec import gantry_views
from .scan import Scan, angles_text, fields_of, file_named, listed, numbered_files, parse_xml, texts_of

TITLE = "Varian OBI projections"
SUFFIXES = ()
IMAGES = (".hnd", ".hnc")
MAGIC = b"VARIAN_VA_INTERNAL"
DATA_OFFSET = {".hnd": 1024, ".hnc": 512}
OPEN_BEAM = 139000.0        # RTK's default for .hnd; the files tell no open beam
_DOUBLES = (
    "GantryRtn SAD SFD CollX1 CollX2 CollY1 CollY2 CollRtn FieldX FieldY BladeX1 BladeX2 BladeY1 BladeY2 IDUPosLng IDUPosLat IDUPosVrt "
    "IDUPosRtn PatientSupportAngle TableTopEccentricAngle CouchVrt CouchLng CouchLat IDUResolutionX IDUResolutionY ImageResolutionX "
    "ImageResolutionY Energy DoseRate XRayKV XRayMA MetersetExposure AcqAdjustment CTProjectionAngle CTNormChamber GatingTimeTag "
    "Gating4DInfoX Gating4DInfoY Gating4DInfoZ Gating4DInfoTime").split()
HEADER = np.dtype([
    ("FileType", "S32"), ("FileLength", "<u4"), ("ChecksumSpec", "S4"), ("CheckSum", "<u4"), ("CreationDate", "S8"), ("CreationTime", "S8"),
    ("PatientID", "S16"), ("PatientSer", "<u4"), ("SeriesID", "S16"), ("SeriesSer", "<u4"), ("SliceID", "S16"), ("SliceSer", "<u4"),
    ("SizeX", "<u4"), ("SizeY", "<u4"), ("SliceZPos", "<f8"), ("Modality", "S16"), ("Window", "<u4"), ("Level", "<u4"), ("PixelOffset", "<u4"),
    ("ImageType", "S4"), *((name, "<f8") for name in _DOUBLES)])


def recognise(path, head):
    if path.is_file():
        return path.name.lower() == "projectioninfo.xml" or path.name.lower().endswith(IMAGES) and head.startswith(MAGIC)
    return bool(_sets_of_images(path))


def read(path, *, patient_position="HFS", isocentre_ras=(0.0, 0.0, 0.0)):
    """Views of the scan in the folder `path` (or of one of its files)."""
    return read_scan(path, patient_position=patient_position, isocentre_ras=isocentre_ras).views


def read_scan(path, *, patient_position="HFS", isocentre_ras=(0.0, 0.0, 0.0)):
    """The `Scan` of the folder `path`: images in it or in one folder below, ProjectionInfo.xml in it or beside the images."""
    path = Path(path)
    folder = path if path.is_dir() else path.parent
    sets = _sets_of_images(folder)
    if len(sets) != 1:
        names = ", ".join(files[0].parent.name for files in sets)
        raise FormatError(f"{folder}: {len(sets)} folders in it hold {' or '.join(IMAGES)} files; give that of the scan" + f" ({names})" * bool(sets))
    files = sets[0]
    places = dict.fromkeys([folder, files[0].parent, folder.parent])
    info = next((xml for xml in (file_named(place, "projectioninfo.xml") for place in places) if xml), None)
    if info is None:
        raise FormatError(f"{folder}: no ProjectionInfo.xml in it; copy the one of this scan beside the images")
    headers = [read_header(file) for file in files]
    shape = (int(headers[0]["SizeY"]), int(headers[0]["SizeX"]))
    for file, header in zip(files, headers):
        if (int(header["SizeY"]), int(header["SizeX"])) != shape:
            raise FormatError(f"{file}: SizeX x SizeY = {header['SizeX']} x {header['SizeY']}; "
                              f"expected {shape[1]} x {shape[0]} as in {files[0].name}")
    return _scan(info, files, headers, shape, patient_position, isocentre_ras)


def read_header(path):
    """The header (a record of `HEADER`) of a .hnd or .hnc file; for what is uncompressed its size is held against the file's."""
    try:
        with open(path, "rb") as file:
            content = file.read(HEADER.itemsize)
        size = path.stat().st_size
    except OSError as error:
        raise FormatError(f"{path}: cannot be read ({error.strerror})") from error
    if not content.startswith(MAGIC):
        raise FormatError(f"{path}: does not begin with {MAGIC.decode()}; not a Varian .hnd or .hnc file")
    if len(content) < HEADER.itemsize:
        raise FormatError(f"{path}: the file ends within its header of {HEADER.itemsize} bytes; get a complete copy")
    header = np.frombuffer(content, HEADER)[0]
    rows, cols = int(header["SizeY"]), int(header["SizeX"])
    if rows < 2 or cols < 2:
        raise FormatError(f"{path}: SizeX x SizeY = {cols} x {rows}; expected at least 2 x 2 pixels")
    expected = DATA_OFFSET[".hnc"] + 2 * rows * cols
    if path.suffix.lower() == ".hnc" and size != expected:
        raise FormatError(f"{path}: SizeX x SizeY = {cols} x {rows} ask for {expected} bytes, the file has {size}; get a complete copy")
    return header


def _sets_of_images(folder):
    """Images of the folder, else of each folder right below it that has some."""
    here = numbered_files(folder, IMAGES)
    below = [] if here else [f for f in listed(folder) if f.is_dir() and os.access(f, os.R_OK | os.X_OK)]
    return [files for files in (here, *(numbered_files(f, IMAGES) for f in below)) if files]


def _scan(info, files, headers, shape, patient_position, isocentre_ras):
    texts = texts_of(parse_xml(info))
    fields = fields_of(str(info), texts)
    sdd, sod = fields.number("CalibratedSID", positive=True), fields.number("CalibratedSAD", positive=True)
    fan = str(fields.get("FanType"))
    lateral = fields.number("DetectorPosLat") if fan.lower() == "halffan" else 0.0
    offset = (fields.number("CalibratedDetectorOffsetX") + lateral, fields.number("CalibratedDetectorOffsetY"))
    angles = np.array([_number(file, header, "CTProjectionAngle") for file, header in zip(files, headers)])
    pitch = tuple(_number(files[0], headers[0], name) for name in ("IDUResolutionX", "IDUResolutionY"))
    if not min(pitch) > 0:
        raise FormatError(f"{files[0]}: IDUResolutionX, IDUResolutionY = {pitch[0]:g}, {pitch[1]:g}; expected a pixel pitch in mm above 0")
    found = {"source angle (IEC)": angles_text(angles), "fan": fan, "detector offset": f"{offset[0]:g}, {offset[1]:g} mm",
             "patient position": f"{patient_position} (not in the files)"}
    i0 = None
    if files[0].suffix.lower() == ".hnd":
        i0, found["open beam"] = OPEN_BEAM, f"{OPEN_BEAM:g} counts assumed (RTK's default; not in the files)"
    views = gantry_views(info, angles, sod, sdd, offset, shape, pitch, patient_position, isocentre_ras)
    return Scan(tuple(files), views, found, i0=i0)


def _number(path, header, name):
    return float(finite(f"{path}: {name}", header[name]))
