"""Projections on disk: what scanners and cameras write, read view by view.

A reader is a module with
    TITLE                       what users call the scanner or the format
    recognise(path)             whether the file or folder is of this kind
    open_projections(path, **hints) -> ProjectionSet
Hints are what the files do not carry; each reader's open_projections names its own.
"""

import inspect
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from .base import COUNTS, LINE_INTEGRAL, ProjectionError, ProjectionSet, naming
from .hints import views_of_file
from .stacks import open_stack, write_stack

# In the order of recognition: what has an unmistakable sign first, folders of pictures last.
READERS = ("nikon", "varian_obi", "truebeam", "elekta", "zeiss", "bruker", "dxchange", "dicom_xa", "fips", "stacks", "images")

__all__ = [
    "COUNTS", "LINE_INTEGRAL", "READERS", "ProjectionError", "ProjectionSet", "load_reader", "open_projections", "open_stack", "recognise",
    "write_stack",
]  # fmt: skip


def load_reader(name):
    """The module of the reader called `name`."""
    if name not in READERS:
        raise ProjectionError(f"the reader '{name}' is not known; expected one of: {', '.join(READERS)}.")
    return import_module(f".{name}", __name__)


def recognise(path):
    """Name of the reader for the file or folder `path`; ProjectionError lists what was looked for."""
    path = Path(path)
    if not path.exists():
        raise ProjectionError(f"{path}: there is no such file or folder; check the path.")
    for name in READERS:
        with naming(path):
            if load_reader(name).recognise(path):
                return name
    looked_for = "; ".join(f"{name} ({load_reader(name).TITLE})" for name in READERS)
    raise ProjectionError(f"{path}: no projections were recognised; say which reader is to be used. Looked for: {looked_for}.")


def open_projections(path, reader=None, geometry=None, kind=None, dark=None, flat=None, i0=None, **hints):
    """Opens the projections of a file or folder; pixels are read when they are asked for.

    Args:
        reader: one of READERS; by default as recognised.
        geometry: a geometry file that takes the place of the scanner's.
        kind: "counts" or "line integral", where the reader is wrong about it.
        dark, flat: a stack, an image or a folder of them, averaged; in place of the scanner's.
        i0: counts of the open beam.
        hints: what the reader's own open_projections takes.

    Raises:
        ProjectionError: there are none, they are damaged, or what was given does not fit them; so do the set's pixels when they are read.
    """
    path = Path(path)
    name = reader or recognise(path)
    if not path.exists():
        raise ProjectionError(f"{path}: there is no such file or folder; check the path.")
    projections = _call(name, path, hints)
    changes = {"kind": kind, "i0": i0, "dark": _mean_of(dark), "flat": _mean_of(flat)}
    changes = {key: value for key, value in changes.items() if value is not None}
    if "flat" in changes:
        changes["flat_after"] = None
    if geometry is not None:
        changes["views"] = views_of_file(geometry, projections.shape)
    return replace(projections, **changes)


def _call(name, path, hints):
    function = load_reader(name).open_projections
    allowed = list(inspect.signature(function).parameters)[1:]
    for hint in hints:
        if hint not in allowed:
            raise ProjectionError(f"{path}: the reader '{name}' does not use '{hint}'; it takes: {', '.join(allowed) or 'nothing'}.")
    with naming(path):
        return function(path, **hints)


def _mean_of(path):
    return None if path is None else open_projections(path).mean()
