"""LEAP's configuration text ("key = value"): parallel, fan, cone (flat or curved) and modular beams.

Frame: LEAP's x, y, z are R, A, S; lengths in mm, angles in degrees. With f = phi - 90 degrees, e = (cos f, sin f, 0):
    u = (-sin f cos t, cos f cos t, sin t), v = (sin f sin t, -cos f sin t, cos t), t = tiltAngle
    source = sod e + tau (sin f, -cos f, 0) + z,  detector = (sod - sdd) e + tau (sin f, -cos f, 0) + z,  z = helicalPitch (f - middle f) in rad
    pixel = detector + pixelWidth (col - centerCol) u + pixelHeight (row - centerRow) v
Curved detectors have equal steps atan(pixelWidth / sdd) round the source. Parallel rays run along -e, their detector passes through the
isocentre. Fans lie in planes of z. Modular beams give source, moduleCenters, rowVectors (v) and colVectors (u) of each view.
Formulas: LEAP's parameters.cpp (convert_conebeam_to_modularbeam, set_angles, set_helicalPitch).
"""
import re
from dataclasses import replace

import numpy as np

from ..arrays import GeometryError, norm, to_numpy, unit
from ..detectors import Cylindrical, Flat, FreePixels
from ..views import Views
from . import FormatError
from .comparing import same_views
from .fields import MOST_COUNT, Fields, read_text

TITLE = "LEAP configuration"
SUFFIXES = (".cfg", ".txt")
KINDS = ("parallel", "fan", "cone", "modular")
_OLD = {"proj_geometry": "geometry", "proj_nangles": "numAngles", "proj_nrows": "numRows", "proj_ncols": "numCols", "proj_pheight": "pixelHeight",
        "proj_pwidth": "pixelWidth", "proj_crow": "centerRow", "proj_ccol": "centerCol", "proj_arange": "angularRange", "proj_phis": "phis",
        "proj_sod": "sod", "proj_sdd": "sdd", "proj_tau": "tau", "proj_helicalpitch": "helicalPitch", "proj_srcpos": "sourcePositions",
        "proj_modcenter": "moduleCenters", "proj_rowvec": "rowVectors", "proj_colvec": "colVectors"}
_STEEPEST = 1e9          # mm in a radian; a steeper rise between views is no helix
_TEXTS = ("geometry", "detectorType")
_MODULAR = ("sourcePositions", "moduleCenters", "rowVectors", "colVectors")


def recognise(path, head):
    return re.search(rb"^[ \t]*(proj_)?geometry[ \t]*=[ \t]*(parallel|fan|cone|modular)", head, re.MULTILINE | re.IGNORECASE) is not None


def read(path):
    """Views of a LEAP configuration; what it says of the volume is passed over."""
    return _views(_fields(path, read_text(path)))


def _views(fields):
    kind = fields.choice("geometry", KINDS)
    shape = fields.count("numRows"), fields.count("numCols")
    pitch = fields.number("pixelWidth", positive=True), fields.number("pixelHeight", positive=True)
    middle = fields.number("centerCol", (shape[1] - 1) / 2), fields.number("centerRow", (shape[0] - 1) / 2)
    if kind == "modular":
        source, centre, v, u = (_triples(fields, name) for name in _MODULAR)
        if not len(source) == len(centre) == len(v) == len(u):
            raise FormatError(f"{fields.where}: {', '.join(_MODULAR)} are of different lengths; expected three numbers for each view in each")
        return _flat(source, centre, pitch[0] * u, pitch[1] * v, shape, middle)
    views = _circular(fields, kind, shape, pitch, middle)
    return _fans(fields.where, views) if kind == "fan" else views


def write(path, views):
    """Writes the views, as cone or parallel beam where these hold them exactly, else as modular beam. Times and weights are lost."""
    candidates = [_parallel_document] if views.source is None else [_cone_document, _modular_document]
    if not isinstance(views.surface, (Flat, Cylindrical)):
        raise FormatError(f"LEAP holds flat and cylindrical detectors, not a {type(views.surface).__name__}")
    if isinstance(views.surface, Cylindrical):
        candidates = candidates[:1]
    for make in candidates:
        text = "".join(f"{name} = {_words(value)}\n" for name, value in make(views).items())
        if _holds(text, views):
            path.write_text(text, encoding="ascii")
            return
    raise FormatError("LEAP holds flat panels without shear and with one pixel pitch, cylinders about the source on a circle or helix about z, "
                      "and parallel rays at right angles to z and to the detector; these views are none of them")


def _fields(where, text):
    """The "key = value" lines as Fields, with the names of today; lists of numbers as arrays."""
    values = {}
    for line in text.splitlines():
        name, found, value = line.split("#")[0].partition("=")
        name = _OLD.get(name.strip(), name.strip())
        if not found or not name:
            continue
        words = value.replace(",", " ").strip(" []\t").split()
        if name in _TEXTS:
            values[name] = value.strip().lower()
            continue
        try:
            numbers = [float(word) for word in words]
        except ValueError:
            numbers = value.strip()
        values[name] = numbers[0] if len(numbers) == 1 else numbers or None
    return Fields(where, values)


def _triples(fields, name):
    numbers = fields.array(name, (None,))
    if len(numbers) % 3 or not len(numbers):
        raise FormatError(f"{fields.where}: '{name}' has {len(numbers)} numbers; expected three for each view")
    return numbers.reshape(-1, 3)


def _angles(fields):
    """f [N] in rad."""
    if "phis" in fields:
        phis = np.atleast_1d(fields.get("phis"))
        phis = Fields(fields.where, {"phis": phis}).array("phis", (None,))
        if "numAngles" in fields and fields.count("numAngles") != len(phis):
            raise FormatError(f"{fields.where}: 'phis' has {len(phis)} angles, 'numAngles' says {fields.count('numAngles')}")
    else:
        count = fields.count("numAngles")
        phis = np.arange(count) * fields.number("angularRange") / count
    return np.radians(phis - 90)


def _circular(fields, kind, shape, pitch, middle):
    f = _angles(fields)
    t = np.radians(fields.number("tiltAngle", 0.0)) if kind == "cone" else 0.0
    zero, one = 0 * f, 1 + 0 * f
    e = np.stack([np.cos(f), np.sin(f), zero], -1)
    u = np.stack([-np.sin(f) * np.cos(t), np.cos(f) * np.cos(t), np.sin(t) * one], -1)
    v = np.stack([np.sin(f) * np.sin(t), -np.cos(f) * np.sin(t), np.cos(t) * one], -1)
    if kind == "parallel":
        return _flat(None, 0 * e, pitch[0] * u, pitch[1] * v, shape, middle, direction=-e)
    sod, sdd = fields.number("sod", positive=True), fields.number("sdd", positive=True)
    aside = fields.number("tau", 0.0) * np.stack([np.sin(f), -np.cos(f), zero], -1)
    if kind == "cone":
        aside[:, 2] = fields.number("helicalPitch", 0.0) * (f - (f[0] + f[-1]) / 2)
    source, centre = sod * e + aside, (sod - sdd) * e + aside
    if fields.choice("detectorType", ("flat", "curved"), "flat") == "flat":
        return _flat(source, centre, pitch[0] * u, pitch[1] * v, shape, middle)
    return _flat(source, centre, sdd * np.arctan(pitch[0] / sdd) * u, pitch[1] * v, shape, middle, surface=Cylindrical(sdd, middle[0]))


def _flat(source, centre, u, v, shape, middle, direction=None, surface=None):
    return Views(source, direction, centre - middle[0] * u - middle[1] * v, u, v, shape, surface or Flat())


def _fans(where, views):
    """Every row has a source of its own at the row's height: fans stacked along z."""
    if views.shape[0] == 1:
        return replace(views, source=np.concatenate([views.source[:, :2], views.origin[:, 2:]], 1))
    if len(views) * views.shape[0] * views.shape[1] > 10 * MOST_COUNT:
        raise FormatError(f"{where}: {len(views)} views of {views.shape[0]} x {views.shape[1]} pixels are too many fan rays to list; "
                          "use fewer rows ('numRows')")
    targets = views.surface.points(views)
    sources = np.broadcast_to(views.source[:, None, None], targets.shape).copy()
    sources[..., 2] = targets[..., 2]
    return replace(views, surface=FreePixels(targets, sources))


def _parallel_document(views):
    return _document(views, "parallel", _plane_angles(views.u))


def _cone_document(views):
    u = to_numpy(views.u)
    f = _plane_angles(u)
    source = to_numpy(views.source)
    across = np.stack([np.sin(f), -np.cos(f)], -1)
    sod = (source[0, :2] * [np.cos(f[0]), np.sin(f[0])]).sum()
    span = f[-1] - f[0]
    rise = source[-1, 2] - source[0, 2]
    pitch = rise / span if abs(rise) < _STEEPEST * abs(span) else 0.0
    document = _document(views, "cone", f)
    document |= {"sod": sod, "sdd": float(views.sdd_mm[0]), "tau": (source[0, :2] * across[0]).sum(),
                 "tiltAngle": np.degrees(np.arcsin(unit(u)[0, 2])), "helicalPitch": pitch}
    if isinstance(views.surface, Cylindrical):
        sdd = views.surface.radius_mm
        document |= {"detectorType": "curved", "sdd": sdd, "pixelWidth": abs(sdd) * np.tan(norm(u)[0] / abs(sdd))}
    return document | _centres(views, document["sdd"], sod, f)


def _document(views, kind, f):
    u, v = to_numpy(views.u), to_numpy(views.v)
    document = {"geometry": kind, "numAngles": len(views), "numRows": views.shape[0], "numCols": views.shape[1],
                "pixelHeight": norm(v)[0], "pixelWidth": norm(u)[0]}
    if f is not None:
        document["phis"] = np.degrees(f) + 90
    if kind == "parallel":
        origin = to_numpy(views.origin)[0]
        document |= {"centerCol": -(origin @ u[0]) / (u[0] @ u[0]), "centerRow": -(origin @ v[0]) / (v[0] @ v[0])}
    return document


def _centres(views, sdd, sod, f):
    """centerCol and centerRow: the pixel at LEAP's detector point of the first view."""
    u, v, source = (to_numpy(a)[0] for a in (views.u, views.v, views.source))
    offset = source - sdd * np.array([np.cos(f[0]), np.sin(f[0]), 0.0]) - to_numpy(views.origin)[0]
    return {"centerCol": offset @ u / (u @ u), "centerRow": offset @ v / (v @ v)}


def _modular_document(views):
    rows = (to_numpy(views.source), to_numpy(views.centre), unit(to_numpy(views.v)), unit(to_numpy(views.u)))
    return _document(views, "modular", None) | {name: a.reshape(-1) for name, a in zip(_MODULAR, rows)}


def _plane_angles(u):
    u = to_numpy(u)
    return np.unwrap(np.arctan2(-u[:, 0], u[:, 1]))


def _words(value):
    return value if isinstance(value, str) else ", ".join(f"{x:.17g}" for x in np.atleast_1d(value))


def _holds(text, views):
    """Whether `text` reads as `views` to rounding, but for the depth of the detector along parallel rays."""
    try:
        again = _views(_fields("LEAP", text))
    except GeometryError:
        return False
    return same_views(again, views)
