"""Views <-> text node: the project's own JSON format `xraytomo-geometry` (geometry/formats/xraytomo.py)."""

import slicer

from ..geometry import GeometryError
from ..geometry.formats.xraytomo import FORMAT, text_from_views, views_from_text


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
