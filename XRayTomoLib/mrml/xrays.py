"""X-rays of a registration as nodes: any number, each with its own geometry of one view, its own preparation, and whether it takes part.

The parameter node refers to them in their order; what belongs to an image is noted on its node, so that it goes along into other scenes.
"""

from dataclasses import dataclass, field

import numpy as np
import slicer
from slicer.i18n import tr as _

from . import stack
from .acquisition import put_into_folder
from .geometry_node import new_geometry_node, views_from_node, write_geometry
from .projection import view_words
from .stored_options import read_options, write_options
from .trajectory_display import views_of
from .transforms import matrix_from_array, world_from_local
from .volumes import GEOMETRY_ROLE, RADIOGRAPH_ATTRIBUTE, VolumeError, write_radiograph

ROLE = "XRayTomo.XRays"
UNUSED_ATTRIBUTE = "XRayTomo.XRayUnused"
PREPARATION_ATTRIBUTE = "XRayTomo.Preparation"
OWN_ATTRIBUTE = "XRayTomo.XRayGeometry"  # of a geometry node that belongs to an X-ray
SIDE_ROLES = {"flat": "XRayTomo.Flat", "dark": "XRayTomo.Dark", "bad": "XRayTomo.BadPixels", "mask": "XRayTomo.Mask"}
_PREPARATION = "preparation"


@dataclass(frozen=True, eq=False)
class StoredXRay:
    """An image [row, col] as it is stored, its one view, the values of its Preparation, and its side images by name ("flat", "mask", ...)."""

    image: np.ndarray
    views: object
    name: str
    preparation: dict = field(default_factory=dict)
    sides: dict = field(default_factory=dict)

    def prepared(self):
        """The registration.XRay; touches no node. Raises RegistrationError or OptionError."""
        from ..options import make
        from ..registration.images import Preparation, prepare

        return prepare(self.image, self.views, make(Preparation, self.preparation), name=self.name, **self.sides)


def xrays_of(p):
    """The X-ray nodes of the panel, in their order."""
    node = p.parameterNode
    found = [node.GetNthNodeReference(ROLE, n) for n in range(node.GetNumberOfNodeReferences(ROLE))]
    return [each for each in found if each is not None]


def used_xrays_of(p):
    """Those of them that take part."""
    return [node for node in xrays_of(p) if is_used(node)]


def is_used(node):
    return node.GetAttribute(UNUSED_ATTRIBUTE) is None


def use(node, on):
    """Lets an X-ray take part, or not."""
    if on:
        node.RemoveAttribute(UNUSED_ATTRIBUTE)
    else:
        node.SetAttribute(UNUSED_ATTRIBUTE, "1")


def add_xray(p, node, view_index=0):
    """Takes a volume node into the panel's X-rays; returns the node that was taken.

    A node whose picture changes with the panel (a stack, the projection of its current view, the live radiograph) stays what it is: its
    picture is taken into a new node, with a geometry of its own. view_index: of the stack.
    """
    if node.GetAttribute(stack.STACK_ATTRIBUTE):
        node = _still(node, stack.projection_of(node, view_index), views_of(stack.stack_geometry(node))[int(view_index)], f"view {view_index}")
    elif node.GetAttribute(stack.PROJECTION_ATTRIBUTE):
        node = _still(node, _image(node), views_of(_geometry(node))[int(p.viewIndex)], f"view {p.viewIndex}")
    elif node.GetAttribute(RADIOGRAPH_ATTRIBUTE) and node is p.radiograph:
        node = _still(node, *image_and_view(node), "still")
    _image(node)
    if node not in xrays_of(p):
        p.parameterNode.AddNodeReferenceID(ROLE, node.GetID())
    return node


def remove_xray(p, node):
    """Takes a node out of the panel's X-rays; it stays in the scene."""
    references = p.parameterNode
    for n in reversed(range(references.GetNumberOfNodeReferences(ROLE))):
        if references.GetNthNodeReferenceID(ROLE, n) == node.GetID():
            references.RemoveNthNodeReferenceID(ROLE, n)


def set_geometry(node, geometry_node, view_index=0):
    """Gives an X-ray a copy of one view of a geometry node as its own, and puts it onto that view's detector."""
    views, image = views_of(geometry_node), _image(node)
    if not 0 <= view_index < len(views):
        raise VolumeError(f"The geometry '{geometry_node.GetName()}' has {len(views)} views, view {view_index} is not among them.")
    if views.shape != image.shape:
        raise VolumeError(f"The X-ray '{node.GetName()}' has {image.shape[0]} x {image.shape[1]} pixels (rows x columns), the geometry "
                          f"'{geometry_node.GetName()}' {views.shape[0]} x {views.shape[1]}: select the geometry of this image.")
    _own_geometry(node, views[int(view_index)])
    local = np.linalg.inv(world_from_local(node)) @ views[int(view_index)].image_to_ras()
    node.SetIJKToRASMatrix(matrix_from_array(local))


def view_of(node):
    """The one view of an X-ray's volume node, as large as its image. Raises VolumeError."""
    geometry = _geometry(node)
    image, views = _image(node), views_from_node(geometry)
    if len(views) != 1 or image.shape != views.shape:
        raise VolumeError(f"The X-ray '{node.GetName()}' has {image.shape[0]} x {image.shape[1]} pixels, its geometry '{geometry.GetName()}' "
                          f"{len(views)} views of {views.shape[0]} x {views.shape[1]}: one image and one view of the same size are needed.")
    return views


def image_and_view(node):
    """(copy of the image [row, col], its one view) of an X-ray's volume node. Raises VolumeError."""
    views = view_of(node)
    return np.array(_image(node), np.float32), views


def stored_xray(node, preparation=None):
    """The StoredXRay of a node. preparation: values in place of those noted on the node."""
    values = preparation_of(node) if preparation is None else dict(preparation)
    sides = {name: _side(node, name) for name in SIDE_ROLES if node.GetNodeReference(SIDE_ROLES[name]) is not None}
    return StoredXRay(*image_and_view(node), node.GetName(), values, sides)


def preparation_of(node):
    """All values of the registration.images.Preparation of an X-ray's node."""
    from ..registration.images import Preparation

    return read_options(node.GetAttribute(PREPARATION_ATTRIBUTE) or "", _PREPARATION, Preparation)


def set_preparation(node, values):
    node.SetAttribute(PREPARATION_ATTRIBUTE, write_options("", _PREPARATION, values))


def describe_xray(node):
    """(sentence on where the X-ray was taken from, what is wrong with it or "")."""
    try:
        views = view_of(node)
    except ValueError as error:
        return "", str(error)
    return ", ".join(view_words(views)), ""


def changed_key(node):
    """Equal while the X-ray and what belongs to it are the same."""
    others = [node.GetNodeReference(role) for role in (GEOMETRY_ROLE, *SIDE_ROLES.values())]
    return (node.GetID(), node.GetImageData().GetMTime() if node.GetImageData() else 0, node.GetAttribute(PREPARATION_ATTRIBUTE),
            *((other.GetID(), other.GetMTime()) if other is not None else None for other in others))


def _geometry(node):
    geometry = node.GetNodeReference(GEOMETRY_ROLE)
    if geometry is None:
        raise VolumeError(f"The X-ray '{node.GetName()}' has no geometry: select one under Geometry, or import the image with its geometry.")
    return geometry


def _image(node):
    """The one image [row, col] of a volume node, not copied."""
    if node.GetImageData() is None:
        raise VolumeError(f"The X-ray '{node.GetName()}' is empty: select another one.")
    image = slicer.util.arrayFromVolume(node)
    if image.ndim != 3 or image.shape[0] != 1:
        raise VolumeError(f"'{node.GetName()}' has {' x '.join(map(str, image.shape))} values: an X-ray is one image, with one value a pixel.")
    return image[0]


def _still(node, image, views, what):
    """A new node with a picture that stays, and a geometry of its own."""
    still = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", slicer.mrmlScene.GenerateUniqueName(f"{node.GetName()} {what}"))
    put_into_folder(still)
    write_radiograph(still, np.array(image, np.float32), views)
    _own_geometry(still, views)
    return still


def _own_geometry(node, views):
    """Puts one view into the geometry that this function made for the node before, and for no other since, else into a new one."""
    geometry = node.GetNodeReference(GEOMETRY_ROLE)
    users = [each for each in slicer.util.getNodesByClass("vtkMRMLVolumeNode") if each.GetNodeReference(GEOMETRY_ROLE) is geometry]
    if geometry is None or not geometry.GetAttribute(OWN_ATTRIBUTE) or users != [node]:
        geometry = new_geometry_node(slicer.mrmlScene.GenerateUniqueName(_("{name} geometry").format(name=node.GetName())))
        geometry.SetAttribute(OWN_ATTRIBUTE, "1")
        put_into_folder(geometry)
        node.SetNodeReferenceID(GEOMETRY_ROLE, geometry.GetID())
    write_geometry(geometry, views)


def _side(node, name):
    """A side image [row, col]: a volume of one slice, or for masks also a segmentation drawn on the X-ray, of which all segments count."""
    other = node.GetNodeReference(SIDE_ROLES[name])
    if other.IsA("vtkMRMLSegmentationNode"):
        return _drawn(other, node)
    image = _image(other)
    return image != 0 if name in ("bad", "mask") else np.array(image, np.float64)


def _drawn(segmentation, node):
    segments = segmentation.GetSegmentation()
    drawn = np.zeros(_image(node).shape, bool)
    for n in range(segments.GetNumberOfSegments()):
        drawn |= slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, segments.GetNthSegmentID(n), node)[0] != 0
    return drawn


def plane_distance_mm(views, points):
    """Distances [P] of points (RAS) from the detector's plane of one view."""
    return np.abs((np.asarray(points) - views.centre[0]) @ views.normal[0])
