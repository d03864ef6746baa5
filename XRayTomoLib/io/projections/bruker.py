"""Bruker (SkyScan) micro-CT: the .log file of a scan beside its projections <prefix>0000.tif, <prefix>0001.tif, ...

Keys and their meaning as in logs of SkyScan 1172, 1272 and 1275 and in NRecon's notes. Two lengths could be the detector's pixel: the
camera's (times binning) and the image's, which counts at the object; the latter is what the maker calibrates, so pitch = image pixel size
x camera distance / object distance. The object turns; `Rotation Direction=CC` is taken as counter-clockwise seen from above, which the
maker does not document: the reader says so in `found`, and `reverse` changes it.
"""

import configparser
import math
from pathlib import Path

from ...geometry import GeometryError
from .base import COUNTS, MOST_PROJECTIONS, ProjectionError, ProjectionSet
from .hints import circular_views
from .pixels import PICTURES, Picture

TITLE = "Bruker SkyScan (.log and pictures)"
LOG_LIMIT = 1 << 20
SHOWN = {
    "Scanner": "scanner", "Source Voltage (kV)": "voltage kV", "Source Current (uA)": "current uA", "Exposure (ms)": "exposure ms",
    "Filter": "filter", "Camera binning": "binning", "Flat Field Correction": "flat field correction",
    "Image Rotation": "image rotation (not applied) deg",
}  # fmt: skip


def recognise(path):
    return _log_of(Path(path)) is not None


def open_projections(path, axis_col=None, reverse=False, flip=False):
    """A SkyScan scan from its .log file or its folder.

    Args:
        axis_col: column of the rotation axis (default: the middle of the picture).
        reverse, flip: see `hints.circular_views`.
    """
    path = Path(path)
    log = _log_of(path)
    if log is None:
        raise ProjectionError(f"{path}: no .log file of a SkyScan scan with the section [Acquisition]; give the file or its folder.")
    values = _Log(log)
    shape = (values.whole("Number of Rows"), values.whole("Number of Columns"))
    files = _pictures(log, values)
    first = Picture(files[0])
    if first.shape != shape:
        raise ProjectionError(f"{files[0]}: {first.shape} pixels, {log.name} says {shape} (Number of Rows, Number of Columns); get the scan's own.")
    views, found = _views(log, values, len(files), shape, axis_col, reverse, flip)
    i0 = values.number("Reference Intensity", None) if values.text("Flat Field Correction", "OFF").upper().startswith("ON") else None
    return ProjectionSet(len(files), shape, first.dtype, lambda i: Picture(files[i]).page(), str(log), views, COUNTS, i0=i0, found=found)


def _views(log, values, count, shape, axis_col, reverse, flip):
    """(Views, what was found)."""
    sod, sdd = values.number("Object to Source (mm)"), values.number("Camera to Source (mm)")
    pixel_um, step = values.number("Image Pixel Size (um)"), values.number("Rotation Step (deg)")
    ratio = values.number("Camera X/Y Ratio", 1.0)
    if min(sod, pixel_um, ratio) <= 0:
        raise ProjectionError(f"{log}: Object to Source, Image Pixel Size and Camera X/Y Ratio must be above 0.")
    pitch = pixel_um / 1000 * sdd / sod
    direction = values.text("Rotation Direction", "CC").upper()
    turns_cc = direction != "CW"
    angles = [values.number("Scanning Start Angle", 0.0) + step * i for i in range(count)]
    line = values.number("Optical Axis (line)", None)
    row = None if line is None else shape[0] - 1 - line         # lines are counted from below
    try:
        views = circular_views(count, shape, angles, (pitch, pitch * ratio), sdd, sod, axis_col, turns_cc != reverse, flip, row)
    except GeometryError as error:
        raise ProjectionError(f"{log}: {error}.") from error
    found = {name: text for key, name in SHOWN.items() if (text := values.text(key, ""))}
    found |= {"source to object mm": sod, "source to camera mm": sdd, "pitch mm": f"{pitch:.6g}", "step deg": step,
              "optical axis": "the middle row" if line is None else f"line {line:g}, counted from below (assumed)",
              "rotation": f"{direction}, taken as {'counter-clockwise' if turns_cc else 'clockwise'} of the object seen from above (assumed)"}
    return views, found


def _log_of(path):
    """The .log file of a scan: `path` itself or the only one in the folder; None if there is none."""
    if path.is_dir():
        logs = [file for file in sorted(path.iterdir()) if file.suffix.lower() == ".log" and _is_log(file)]
        return logs[0] if len(logs) == 1 else next((file for file in logs if not file.stem.endswith("_rec")), None)
    return path if path.suffix.lower() == ".log" and _is_log(path) else None


def _is_log(path):
    try:
        with open(path, "rb") as file:
            head = file.read(LOG_LIMIT)
    except OSError:
        return False
    return b"[Acquisition]" in head and b"Object to Source (mm)" in head


def _pictures(log, values):
    """Files of the projections in order; the last ones of `Number of Files` may be missing where the log counts the reference picture."""
    prefix, count = values.text("Filename Prefix", log.stem), values.whole("Number of Files")
    if count > MOST_PROJECTIONS:
        raise ProjectionError(f"{log}: Number of Files = {count}; expected at most {MOST_PROJECTIONS}.")
    numbered = {}
    for file in log.parent.iterdir():
        digits = file.stem[len(prefix) :]
        if file.name.startswith(prefix) and digits.isascii() and digits.isdigit() and file.suffix.lower() in PICTURES:
            numbered[int(digits)] = file
    files = [numbered[i] for i in range(count) if i in numbered]
    if not files:
        raise ProjectionError(f"{log}: there are no pictures {prefix}0000.tif, ... beside it; put the log beside the projections.")
    missing = [i for i in range(len(files)) if i not in numbered]
    if missing or count - len(files) > 1:
        lost = next(i for i in range(count) if i not in numbered)
        raise ProjectionError(f"{log}: {count} pictures are announced, number {lost} of {prefix}*{files[0].suffix} is missing; get a complete copy.")
    return files


class _Log:
    """The keys of all sections, without regard to case; errors name the file and the key."""

    def __init__(self, path):
        self.path = path
        parser = configparser.RawConfigParser(strict=False, allow_no_value=True, delimiters=("=",), comment_prefixes=(";",))
        try:
            parser.read_string(path.read_bytes()[:LOG_LIMIT].decode("latin-1"))
        except (configparser.Error, AttributeError) as error:       # the latter for an indented line below a key without a value
            raise ProjectionError(f"{path}: not a SkyScan log ({str(error).splitlines()[0]}); get a complete copy.") from error
        self.values = {}
        for section in parser.sections():
            for key, text in parser.items(section):
                self.values.setdefault(key.lower(), (text or "").strip())

    def text(self, key, default):
        return self.values.get(key.lower(), default)

    def number(self, key, *default):
        """A finite number; without a default it has to be there."""
        text = self.values.get(key.lower())
        if text is None:
            if default:
                return default[0]
            raise ProjectionError(f"{self.path}: '{key}' is missing in the log; get a complete copy.")
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise ProjectionError(f"{self.path}: {key} = {text[:40]!r}; expected a number.")
        return value

    def whole(self, key):
        value = self.number(key)
        if value != int(value) or value < 1:
            raise ProjectionError(f"{self.path}: {key} = {value:g}; expected a whole number above 0.")
        return int(value)
