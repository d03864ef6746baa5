"""The project's own JSON, `xraytomo-geometry`: everything that `Views` holds, exact to the last bit.

{"format": "xraytomo-geometry", "version": 2, "shape": [rows, cols], "surface": {"kind": "cylindrical", "radius_mm": ..., "apex_col": ...},
 "source": [[R, A, S], ...] or "direction": [...] for parallel rays, "origin", "u", "v": one row a view,
 "times", "weights": one number a view, or null}. Lengths are mm in world RAS, times seconds.

Resources/Schemas/xraytomo-geometry.schema.json describes it for other programs. Version 1 knew flat detectors only.
"""
import json
from importlib.util import find_spec

from ...resources import resource_path
from ..arrays import GeometryError, to_numpy
from ..detectors import Surface
from ..views import Views
from . import FormatError
from .fields import Fields, read_text, shown

TITLE = "XRayTomo geometry"
SUFFIXES = (".json",)
KEEPS = ("times", "weights")
FORMAT = "xraytomo-geometry"
VERSION = 2
_READ = (1, 2)
_VECTORS = ("source", "direction", "origin", "u", "v")
_NUMBERS = ("times", "weights")
_KEYS = {"format", "version", "shape", "surface", *_VECTORS, *_NUMBERS}


def recognise(path, head):
    return head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") and f'"{FORMAT}"'.encode() in head


def read(path):
    """Views of the file, which is also held to the schema where jsonschema is installed."""
    text = read_text(path)
    views = views_from_text(text, str(path))
    if find_spec("jsonschema"):
        _validate(str(path), json.loads(text))
    return views


def write(path, views):
    path.write_text(text_from_views(views), encoding="utf-8")


def text_from_views(views):
    """The JSON text of `views`; Python writes floats so that they read back exactly."""
    document = {"format": FORMAT, "version": VERSION, "shape": list(views.shape), "surface": views.surface.as_dict()}
    for name in _VECTORS + _NUMBERS:
        value = getattr(views, name)
        document[name] = None if value is None else to_numpy(value).astype(float).tolist()
    try:
        lines = [f"{json.dumps(name)}: {json.dumps(value, allow_nan=False)}" for name, value in document.items()]
    except ValueError as error:
        raise FormatError("the geometry has values that are not finite numbers; they cannot be written") from error
    return "{" + ",\n ".join(lines) + "}\n"


def views_from_text(text, where="the geometry"):
    """Views from the JSON text; FormatError names `where` and the field that is wrong."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{where}: not complete, valid JSON ({error}); export it again from XRayTomo") from error
    fields = Fields(where, document)
    if fields.values.get("format") != FORMAT:
        raise FormatError(f"{where}: not an acquisition geometry; its 'format' must be '{FORMAT}'")
    if fields.values.get("version") not in _READ:
        version = shown(fields.values.get("version"))
        raise FormatError(f"{where}: has the version {version}, this XRayTomo reads {_READ[0]} to {VERSION}; update XRayTomo")
    unknown = set(document) - _KEYS
    if unknown:
        raise FormatError(f"{where}: the field '{shown(sorted(unknown)[0])}' is not known; expected some of {', '.join(sorted(_KEYS))}")
    vectors = {name: fields.array(name, (None, 3), None) for name in _VECTORS}
    numbers = {name: fields.array(name, (None,), None) for name in _NUMBERS}
    shape = fields.array("shape", (2,))
    try:
        return Views(**vectors, **numbers, shape=tuple(shape), surface=Surface.from_dict(fields.get("surface")))
    except GeometryError as error:
        raise FormatError(f"{where}: {error}") from error


def _validate(where, document):
    import jsonschema
    schema = json.loads(resource_path("Schemas/xraytomo-geometry.schema.json").read_text(encoding="utf-8"))
    try:
        jsonschema.validate(_shortened(document), schema)
    except jsonschema.ValidationError as error:
        raise FormatError(f"{where}: '{'.'.join(map(str, error.absolute_path))}': {error.message[:200]}") from error


def _shortened(value):
    """`value` with a few items of each list, which stand for all: tables were read as arrays, so that their rows are alike."""
    if isinstance(value, dict):
        return {key: _shortened(item) for key, item in value.items()}
    return [_shortened(item) for item in value[:3]] if isinstance(value, list) else value
