"""Projection stacks as nodes: [view, row, col] in memory, or, when large, a file of which one projection at a time is read.

A stack node is a scalar volume node with the attribute XRayTomo.Stack and a reference to its geometry node. With the attribute
XRayTomo.StackFile it has no voxels: they stay in that file, mapped into memory, and the view slider fills the projection node from it.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from .acquisition import put_into_folder
from .trajectory_display import display_node, views_of
from .transforms import matrix_from_array
from .volumes import GEOMETRY_ROLE, VolumeError, write_radiograph

STACK_ATTRIBUTE = "XRayTomo.Stack"
FILE_ATTRIBUTE = "XRayTomo.StackFile"
PROJECTION_ATTRIBUTE = "XRayTomo.Projection"
LIMIT_BYTES = 2_000_000_000  # above it a stack stays in its file


def stack_bytes(views):
    """Bytes of the line integrals of all `views`."""
    return 4 * len(views) * views.shape[0] * views.shape[1]


def new_stack_node(name):
    """An empty stack node with a name of its own."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", slicer.mrmlScene.GenerateUniqueName(name))
    node.SetAttribute(STACK_ATTRIBUTE, "1")
    put_into_folder(node)
    return node


def new_stack_image(shape, dtype=np.float32):
    """(vtkImageData, array [view, row, col]) on the same memory: a job fills the array, the node then takes the image without a copy."""
    kinds = {np.dtype(np.float32): vtk.VTK_FLOAT, np.dtype(np.uint16): vtk.VTK_UNSIGNED_SHORT}
    image = vtk.vtkImageData()
    image.SetDimensions(*shape[::-1])
    image.AllocateScalars(kinds[np.dtype(dtype)], 1)
    return image, vtk_to_numpy(image.GetPointData().GetScalars()).reshape(shape)


def fill_stack_node(node, image, geometry_node):
    """Gives a stack node its image (of new_stack_image) and its geometry; shown as radiographs are, columns to the right, rows down."""
    cols, rows, _count = image.GetDimensions()
    u, v = (float(pitch[0]) for pitch in views_of(geometry_node).pitch_mm) if geometry_node else (1.0, 1.0)
    matrix = np.diag([-u, -v, 1.0, 1.0])
    matrix[:2, 3] = u * (cols - 1) / 2, v * (rows - 1) / 2
    with slicer.util.NodeModify(node):
        node.RemoveAttribute(FILE_ATTRIBUTE)
        node.SetAndObserveImageData(image)
        node.SetIJKToRASMatrix(matrix_from_array(matrix))
        _refer(node, geometry_node)
        if node.GetDisplayNode() is None:
            node.CreateDefaultDisplayNodes()
            node.GetDisplayNode().SetAndObserveColorNodeID("vtkMRMLColorTableNodeGrey")


def link_stack_node(node, path, geometry_node):
    """Makes the node stand for the stack file `path`, which is read view by view."""
    with slicer.util.NodeModify(node):
        node.SetAndObserveImageData(None)
        node.SetAttribute(FILE_ATTRIBUTE, str(Path(path).resolve()))
        _refer(node, geometry_node)
    _opened.cache_clear()


def stack_geometry(node):
    """The geometry node of a stack node. Raises VolumeError when it has none."""
    geometry = node.GetNodeReference(GEOMETRY_ROLE)
    if geometry is None:
        raise VolumeError(f"The stack '{node.GetName()}' has no geometry: import or create one with as many views, and select it.")
    return geometry


def stack_shape(node):
    """(views, rows, cols) of a stack node."""
    if node.GetAttribute(FILE_ATTRIBUTE):
        stack = _stack_file(node)
        return stack.count, *stack.shape
    if node.GetImageData() is None:
        raise VolumeError(f"The stack '{node.GetName()}' is empty: simulate a scan into it, or import projections.")
    return node.GetImageData().GetDimensions()[::-1]


def projection_of(node, index):
    """Image [row, col] of one view of a stack node: part of the node's own array, or read from the stack's file."""
    count = stack_shape(node)[0]
    if not 0 <= index < count:
        raise VolumeError(f"The stack '{node.GetName()}' has {count} views, view {index} is not among them: choose the geometry of this stack.")
    if node.GetAttribute(FILE_ATTRIBUTE):
        return _stack_file(node)[index]
    return slicer.util.arrayFromVolume(node)[index]


def new_projection_node(name):
    """An empty node for one projection, which will lie on its detector."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", slicer.mrmlScene.GenerateUniqueName(name))
    node.SetAttribute(PROJECTION_ATTRIBUTE, "1")
    put_into_folder(node)
    return node


def show_projection(projection_node, image, geometry_node, index, shows="line integral", adjust_window=True, views=None):
    """Puts an image [row, col] onto the detector of view `index`: into the projection node, and as texture onto the detector in 3D.

    views: the single view when the image has fewer pixels than it (a coarse picture). A curved detector's picture lies on its tangent plane.
    """
    write_radiograph(projection_node, image, views or views_of(geometry_node)[int(index)], shows, adjust_window)
    projection_node.SetNodeReferenceID(GEOMETRY_ROLE, geometry_node.GetID())
    detector = display_node(geometry_node, "detector")
    if detector is not None:
        connection = projection_node.GetDisplayNode().GetImageDataConnection()
        if detector.GetDisplayNode().GetTextureImageDataConnection() is not connection:
            detector.GetDisplayNode().SetTextureImageDataConnection(connection)


def _refer(node, geometry_node):
    node.SetAttribute(STACK_ATTRIBUTE, "1")
    node.SetNodeReferenceID(GEOMETRY_ROLE, geometry_node.GetID() if geometry_node else None)


def _stack_file(node):
    path = Path(node.GetAttribute(FILE_ATTRIBUTE))
    if not path.is_file():
        raise VolumeError(f"The projections of '{node.GetName()}' are no longer at {path}: put the file there, or import it again.")
    return _opened(str(path), path.stat().st_mtime_ns)


@lru_cache(maxsize=2)
def _opened(path, _changed):
    from ..io.projections.stacks import open_stack

    return open_stack(path)
