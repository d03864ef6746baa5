"""Views <-> text node: the project's own JSON format `xraytomo-geometry`, exact to the last bit.

{"format": "xraytomo-geometry", "version": 1, "shape": [rows, cols], "surface": {"kind": "flat"},
 "source": [[R, A, S], ...] or "direction": [...] for parallel rays, "origin", "u", "v": one row a view,
 "times", "weights": one number a view, or null}. Lengths are mm in world RAS.
"""

import json

import numpy as np
import slicer

from ..geometry import Flat, GeometryError, Views

FORMAT = "xraytomo-geometry"
VERSION = 1
_VECTORS = ("source", "direction", "origin", "u", "v")
_NUMBERS = ("times", "weights")


def text_from_views(views):
    """The JSON text of `views`; Python writes floats so that they read back exactly."""
    if not isinstance(views.surface, Flat):
        raise GeometryError(f"{FORMAT} version {VERSION} holds flat detectors, not a {type(views.surface).__name__}.")
    document = {"format": FORMAT, "version": VERSION, "shape": [int(n) for n in views.shape], "surface": {"kind": "flat"}}
    for name in _VECTORS + _NUMBERS:
        value = getattr(views, name)
        document[name] = None if value is None else np.asarray(value, dtype=float).tolist()
    return json.dumps(document)


def views_from_text(text):
    """Views from the JSON text. Raises GeometryError with what is wrong with the text."""
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise GeometryError(f"The geometry text is not JSON ({error}): export it again from XRayTomo.") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise GeometryError(f"The text is not an acquisition geometry: its \"format\" must be \"{FORMAT}\".")
    if document.get("version") != VERSION:
        raise GeometryError(f"The geometry has version {document.get('version')}, this XRayTomo reads version {VERSION}: update XRayTomo.")
    if document.get("surface") != {"kind": "flat"}:
        raise GeometryError(f"The geometry has the detector surface {document.get('surface')}, only {{'kind': 'flat'}} can be read.")
    try:
        values = {name: None if document.get(name) is None else np.array(document[name], dtype=float) for name in _VECTORS + _NUMBERS}
        shape = tuple(int(n) for n in document["shape"])
    except (KeyError, TypeError, ValueError) as error:
        raise GeometryError(f"The geometry text is damaged ({error}): export it again from XRayTomo.") from error
    return Views(**values, shape=shape)


def write_geometry(node, views):
    """Puts `views` into a text node; an unchanged geometry does not modify the node."""
    text = text_from_views(views)
    if node.GetText() != text:
        node.SetText(text)
    node.SetAttribute("XRayTomo.Format", FORMAT)


def new_geometry_node(name):
    """An empty geometry node, stored with the scene as a .json file."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTextNode", name)
    node.SetForceCreateStorageNode(slicer.vtkMRMLTextNode.CreateStorageNodeAlways)
    node.AddDefaultStorageNode()
    node.GetStorageNode().SetDefaultWriteFileExtension("json")
    return node


def views_from_node(node):
    """Views of a geometry node, in world RAS (a text node cannot be under a transform)."""
    if not node.GetText():
        raise GeometryError(f"The geometry node '{node.GetName()}' is empty.")
    return views_from_text(node.GetText())
