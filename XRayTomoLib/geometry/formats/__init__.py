"""Acquisition geometries in files: one module a format, each with the same few functions.

A module `formats/<name>.py` has
    TITLE       what users call the format
    SUFFIXES    how its files' names end (lower case)
    recognise(path, head)       whether the file (its first 4096 bytes in `head`) or folder is of this format
    read(path, **hints)         -> Views in RAS
    write(path, views, **hints) only where the format can be written; what it cannot hold raises FormatError. `path` is a temporary
                file: the registry puts the name of the real one before the message
    IS_FOLDER   True where write() gets the real path and makes a folder of it
    KEEPS       those of `times` and `weights` that its files have a place for (default: neither)
`fields.py` has what readers share. Hints are what a format does not carry: `shape` = (rows, cols), `pitch_mm` = one number or (column,
row), `sdd_mm`, ...; each module's read() names its own.
"""
import inspect
import logging
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

from ...files import replacing
from ..arrays import GeometryError

__all__ = ["FORMATS", "FormatError", "format_of_suffix", "hints_of", "load_format", "lost_in", "recognise_format", "read_geometry", "write_geometry"]

FORMATS = ("xraytomo", "rtk", "astra", "leap", "tigre", "cil", "odl", "varian_obi", "truebeam", "elekta", "nikon", "krt", "matrices",
           "nerfstudio", "mito", "nanodrr", "deepdrr", "diffdrr")
HEAD_BYTES = 4096
LOG = logging.getLogger(__name__)


class FormatError(GeometryError):
    """A geometry file that cannot be read or written; the message names the file, the field and the remedy."""


def load_format(name):
    """The module of the format called `name`."""
    if name not in FORMATS:
        raise FormatError(f"geometry format '{name}' is not known; expected one of: {', '.join(FORMATS)}")
    return import_module(f".{name}", __name__)


def recognise_format(path):
    """Name of the format that the file or folder `path` is of."""
    path = Path(path)
    if not path.exists():
        raise FormatError(f"{path}: there is no such file or folder")
    head = b""
    if path.is_file():
        with open(path, "rb") as file:
            head = file.read(HEAD_BYTES)
    for name in FORMATS:
        if load_format(name).recognise(path, head):
            return name
    raise FormatError(f"{path}: not recognised as a geometry; say which format it has, one of: {', '.join(FORMATS)}")


def read_geometry(path, format=None, **hints):
    """Views of a geometry file (or folder); `format` by default as recognised. See the format's read() for its hints."""
    path = Path(path)
    name = format or recognise_format(path)
    with _naming(path):
        return _call(name, load_format(name).read, path, **hints)


def write_geometry(path, views, format=None, **hints):
    """Writes `views` to `path`, whole or not at all; `format` by default by the name's suffix. What is lost is logged."""
    path = Path(path)
    name = format or format_of_suffix(path)
    module = load_format(name)
    if not hasattr(module, "write"):
        raise FormatError(f"{path}: geometries in the format '{name}' can be read, not written")
    if getattr(module, "IS_FOLDER", False):
        with _naming(path):
            _call(name, module.write, path, views, **hints)
    else:
        with _naming(path), replacing(path) as temporary:
            _call(name, module.write, temporary, views, **hints)
    lost = lost_in(name, views)
    if lost:
        LOG.warning("%s: the format '%s' has no place for %s of the views; they are not in the file", path, name, " and ".join(lost))


def lost_in(name, views):
    """Those of `times` and `weights` that the views have and files of the format have no place for."""
    keeps = getattr(load_format(name), "KEEPS", ())
    return [value for value in ("times", "weights") if getattr(views, value) is not None and value not in keeps]


@contextmanager
def _naming(path):
    """Errors inside say which file they are about."""
    try:
        yield
    except GeometryError as error:
        text = str(error)
        raise FormatError(text if text.startswith(str(path)) else f"{path}: {text}") from error
    except OSError as error:
        raise FormatError(f"{path}: {error.strerror or error}; check the path and its folder") from error


def hints_of(function):
    """Names of the hints that a format's read() or write() takes."""
    return [p.name for p in inspect.signature(function).parameters.values() if p.kind is p.KEYWORD_ONLY or p.default is not p.empty]


def _call(name, function, *given, **hints):
    allowed = hints_of(function)
    for hint in hints:
        if hint not in allowed:
            raise FormatError(f"geometry format '{name}' does not use '{hint}'; it takes: {', '.join(allowed) or 'nothing'}")
    return function(*given, **hints)


def format_of_suffix(path):
    """Name of the format in which a file of this name is written."""
    known = [(len(suffix), name) for name in FORMATS for suffix in load_format(name).SUFFIXES if path.name.lower().endswith(suffix)]
    if known:
        longest = max(length for length, _ in known)
        return next(name for length, name in known if length == longest)
    raise FormatError(f"{path}: the name does not say in which format to write; give one of: {', '.join(FORMATS)}")
