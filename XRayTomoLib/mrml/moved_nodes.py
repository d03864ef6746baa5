"""Nodes that a registration moves: put under its transform node, taken back, or left there for good."""

import json

import numpy as np
import slicer

from .acquisition import put_into_folder
from .landmarks import hang_points_below
from .transforms import matrix_from_array, matrix_of, world_from_local
from .volumes import VolumeError

BEFORE_ROLE = "XRayTomo.TransformBefore"
MOVED_ATTRIBUTE = "XRayTomo.Moved"
MATRIX_ATTRIBUTE = "XRayTomo.MatrixBefore"


def move(nodes, world_matrix, transform=None):
    """Puts nodes that share a place under a transform node (made when it is None) with a matrix to the world; returns it.

    Where they were before is noted once, until `revert` or `accept`. Raises VolumeError where the transform node moved another object.
    """
    check_free(transform, nodes)
    if transform is None or not slicer.mrmlScene.IsNodePresent(transform):
        transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", slicer.mrmlScene.GenerateUniqueName("Registration"))
        put_into_folder(transform)
    for node in nodes:
        before = node.GetParentTransformNode()
        if before is not transform:
            node.SetAttribute(MOVED_ATTRIBUTE, "1")
            node.SetNodeReferenceID(BEFORE_ROLE, before.GetID() if before is not None else None)
            transform.RemoveAttribute(MATRIX_ATTRIBUTE)
    transform.SetMatrixTransformToParent(matrix_from_array(np.linalg.inv(world_from_local(transform)) @ np.asarray(world_matrix)))
    for node in nodes:
        node.SetAndObserveTransformNodeID(transform.GetID())
    return transform


def check_free(transform, nodes):
    """Raises VolumeError where a transform node (None: a new one) moved another object, which would be dragged along."""
    moved = _moved_by(transform) if transform is not None and slicer.mrmlScene.IsNodePresent(transform) else []
    if moved and all(node.GetParentTransformNode() is not transform for node in nodes):
        raise VolumeError(f"'{moved[0].GetName()}' was moved by '{transform.GetName()}' and is neither accepted nor reverted: do one of both, then "
                          f"move '{nodes[0].GetName()}'.")


def together(node, companions):
    """A node and its companions, point lists on it (None: left out), that move with it.

    Points that were placed on a node which had been moved already hang below the same transform from now on, where they lie, and are taken
    back with it.
    """
    above, found = node.GetParentTransformNode(), [node]
    for other in companions:
        if other is not None and above is not None and other.GetParentTransformNode() is None:
            hang_points_below(other, above)
            if node.GetAttribute(MOVED_ATTRIBUTE):
                other.SetAttribute(MOVED_ATTRIBUTE, "1")
                other.SetNodeReferenceID(BEFORE_ROLE, node.GetNodeReferenceID(BEFORE_ROLE))
        if other is not None and other.GetParentTransformNode() is above:
            found.append(other)
    return found


def show_handles(transform, centre_ras):
    """Handles in 3D about a point of the world, with which the transform node is moved."""
    if transform.GetDisplayNode() is None:
        transform.CreateDefaultDisplayNodes()
    local = np.linalg.inv(matrix_of(transform, to_world=True)) @ np.append(centre_ras, 1.0)
    transform.SetCenterOfTransformation(*local[:3])
    _set_handles(transform.GetDisplayNode(), True)


def hide_handles(transform):
    """Takes the handles of a transform node (or None) off."""
    if transform is not None and transform.GetDisplayNode() is not None:
        _set_handles(transform.GetDisplayNode(), False)


def _set_handles(display, on):
    display.SetEditorVisibility(on)
    display.SetEditorVisibility3D(on)


def note_place(transform):
    """Before a further run: `revert` then goes back to where the transform node stands now."""
    if transform is not None and _moved_by(transform):
        transform.SetAttribute(MATRIX_ATTRIBUTE, json.dumps(matrix_of(transform).tolist()))


def can_revert(transform):
    """Whether there is something that `revert` would take back."""
    return transform is not None and slicer.mrmlScene.IsNodePresent(transform) and bool(_moved_by(transform))


def revert(transform):
    """Takes what the transform node moved back to where it was before the last run."""
    if not can_revert(transform):
        return
    if transform.GetAttribute(MATRIX_ATTRIBUTE):
        transform.SetMatrixTransformToParent(matrix_from_array(np.array(json.loads(transform.GetAttribute(MATRIX_ATTRIBUTE)))))
        transform.RemoveAttribute(MATRIX_ATTRIBUTE)
        return
    hide_handles(transform)
    for node in _moved_by(transform):
        before = node.GetNodeReference(BEFORE_ROLE)
        _forget(node)
        node.SetAndObserveTransformNodeID(before.GetID() if before is not None else None)


def accept(transform):
    """What the transform node moved stays, and is no longer taken back."""
    transform.RemoveAttribute(MATRIX_ATTRIBUTE)
    hide_handles(transform)
    for node in _moved_by(transform):
        _forget(node)


def _forget(node):
    node.RemoveAttribute(MOVED_ATTRIBUTE)
    node.SetNodeReferenceID(BEFORE_ROLE, None)


def _moved_by(transform):
    nodes = slicer.util.getNodesByClass("vtkMRMLTransformableNode")
    return [node for node in nodes if node.GetParentTransformNode() is transform and node.GetAttribute(MOVED_ATTRIBUTE)]
