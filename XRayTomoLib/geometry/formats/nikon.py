"""Nikon (X-Tek) micro-CT: the `.xtekct` file beside the pictures.

As CIL reads it (`NikonDataReader`): the source is at the origin, the beam runs along y to the panel at SrcToDetector, z is up, pixel
(0, 0) is at the panel's top right as seen from the source; the object turns about an axis through (-ObjectOffsetX, SrcToObject, 0),
z leaned by ObjectRoll about y and -ObjectTilt about x, to the angles 180 deg - InitialAngle - i AngularStep. Where ObjectOffsetX or
ObjectRoll is missing it follows from CentreOfRotationTop and CentreOfRotationBottom, which are measured on the panel.
The sign of the centre of rotation is uncertain (TIGRE says so of its own): the hint centre_of_rotation_sign = -1 turns it.
DetectorOffsetX and Y are not used, as in CIL; nor are .ang and _ctdata.txt files, which CIL found unreliable.

RAS is the turning object's own frame: S along the axis of rotation, up; the origin on the axis at the beam's height; A along the beam
where the object's angle is 0. Lengths are millimetres.
"""
import configparser
import logging
import os
from pathlib import Path

import numpy as np

from ..pose import rigid, rotation_about_axis, rotation_from_vector
from ..views import Views
from . import FormatError
from .fields import read_bytes
from .scan import Scan, angles_text, fields_of, numbered_files

TITLE = "Nikon (X-Tek) micro-CT"
SUFFIXES = ()
SECTION = "XTekCT"
PICTURES = (".tif", ".tiff")
LOG = logging.getLogger(__name__)


def recognise(path, head):
    if path.is_dir():
        return bool(numbered_files(path, (".xtekct",)))
    return path.name.lower().endswith(".xtekct") or f"[{SECTION}]".encode() in head


def read(path, *, centre_of_rotation_sign=1):
    """Views of the .xtekct file (or of the one in the folder) `path`; no picture is needed."""
    path = parameter_file(path)
    return _views(path, fields_of(str(path), read_parameters(path)), centre_of_rotation_sign)[0]


def read_scan(path, *, centre_of_rotation_sign=1):
    """The `Scan` of the .xtekct file (or of the one in the folder) `path`: its pictures lie in InputFolderName below it, or beside it."""
    path = parameter_file(path)
    texts = read_parameters(path)
    fields = fields_of(str(path), texts)
    pictures, i0 = _pictures(path, texts, fields.count("Projections")), fields.number("WhiteLevel", positive=True)
    return Scan(pictures, *_views(path, fields, centre_of_rotation_sign), i0=i0)


def parameter_file(path):
    """The .xtekct file itself."""
    path = Path(path)
    if not path.is_dir():
        return path
    found = numbered_files(path, (".xtekct",))
    if len(found) != 1:
        raise FormatError(f"{path}: {len(found)} .xtekct files in it; give one of them: {', '.join(f.name for f in found) or 'there is none'}")
    return found[0]


def read_parameters(path):
    """Name -> text of the section [XTekCT]."""
    parser = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",), allow_no_value=True, default_section="")
    parser.optionxform = str
    try:
        parser.read_string(read_bytes(path).decode("utf-8-sig", "replace"))
    except (configparser.Error, AttributeError) as error:       # the latter for an indented line below a name without a value
        raise FormatError(f"{path}: not an .xtekct file of lines 'name=value' ({str(error).splitlines()[0]})") from error
    if SECTION not in parser:
        raise FormatError(f"{path}: the section [{SECTION}] is missing; not a complete .xtekct file")
    return {name: text.strip() for name, text in parser[SECTION].items() if text and text.strip()}


def _views(path, fields, sign):
    """Views, and what was found."""
    if sign not in (1, -1):
        raise FormatError(f"{path}: centre_of_rotation_sign = {sign!r}; expected 1 or -1")
    count, cols, rows = (fields.count(name) for name in ("Projections", "DetectorPixelsX", "DetectorPixelsY"))
    pu, pv, sod, sdd = (fields.number(name, positive=True) for name in ("DetectorPixelSizeX", "DetectorPixelSizeY", "SrcToObject", "SrcToDetector"))
    if not sod < sdd:
        raise FormatError(f"{path}: 'SrcToObject' = {sod:g} is not below 'SrcToDetector' = {sdd:g}")
    turned = fields.number("InitialAngle") + fields.number("AngularStep") * np.arange(count)
    shift, roll, tilt = _axis(fields, sod / sdd, rows * pv, sign)
    u, v = np.array([-pu, 0.0, 0.0]), np.array([0.0, 0.0, -pv])
    still = Views(source=[0.0, 0.0, 0.0], origin=[0.0, sdd, 0.0] - (cols - 1) / 2 * u - (rows - 1) / 2 * v, u=u, v=v, shape=(rows, cols))
    lean = rotation_about_axis((1, 0, 0), -tilt) @ rotation_about_axis((0, 1, 0), roll)
    object_from_lab = rigid(lean.T, -lean.T @ [-shift, sod, 0.0])
    turns = rotation_from_vector(np.deg2rad(turned - 180.0)[:, None] * [0.0, 0.0, 1.0])
    views = still[np.zeros(count, np.int64)].transformed(rigid(turns, np.zeros((count, 3))) @ object_from_lab)
    return views, _found(path, fields, turned, shift, roll, tilt)


def _axis(fields, magnified, height, sign):
    """Shift (mm, at the object), roll and tilt (deg) of the axis of rotation."""
    top, bottom = fields.number("CentreOfRotationTop", 0.0), fields.number("CentreOfRotationBottom", 0.0)
    shift = fields.number("ObjectOffsetX", (top + bottom) / 2 * magnified)
    roll = fields.number("ObjectRoll", float(np.degrees(np.arctan2(bottom - top, height))))
    return sign * shift, sign * roll, fields.number("ObjectTilt", 0.0)


def _found(path, fields, turned, shift, roll, tilt):
    found = {
        "object's angle": angles_text(turned),
        "axis of rotation": f"shifted by {shift:g} mm, roll {roll:g} deg, tilt {tilt:g} deg (signs as CIL has them; if the reconstruction "
                            "is double, try centre_of_rotation_sign = -1)",
    }
    offset = fields.number("DetectorOffsetX", 0.0), fields.number("DetectorOffsetY", 0.0)
    if any(offset):
        found["detector offset"] = f"{offset[0]:g}, {offset[1]:g} in the file, not used (its sign is not documented)"
        LOG.warning("%s: DetectorOffsetX, DetectorOffsetY = %g, %g are not used; their sign is not documented", path, *offset)
    others = numbered_files(path.parent, (".ang", "_ctdata.txt"))
    if others:
        found["angle files"] = f"{', '.join(f.name for f in others)}: not used, InitialAngle and AngularStep are"
    return found


def _pictures(path, texts, count):
    """The pictures, one a view: of several sets in the folder those that begin with the scan's name."""
    below = path.parent / texts.get("InputFolderName", "").replace("\\", "/")
    for folder in [below, path.parent] if os.path.isdir(below) else [path.parent]:
        named = numbered_files(folder, PICTURES, texts.get("Name", path.stem).lower() + "_")
        found = named or numbered_files(folder, PICTURES)
        if found:
            break
    if len(found) != count:
        raise FormatError(f"{path}: 'Projections' = {count}, but there are {len(found)} .tif pictures in {folder.name}; expected one a view")
    return tuple(found)
