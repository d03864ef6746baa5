"""4x4 matrices of nodes in the world, where every parent transform is respected or refused."""

import numpy as np
import slicer


class TransformError(ValueError):
    """A node's parent transform cannot be used."""


def array_from_matrix(matrix):
    return slicer.util.arrayFromVTKMatrix(matrix)


def matrix_from_array(array):
    return slicer.util.vtkMatrixFromArray(array)


def world_from_local(node):
    """4x4 numpy matrix from the node's own frame to the world (RAS, mm). Raises TransformError for a non-rigid parent."""
    parent = node.GetParentTransformNode()
    if parent is None:
        return np.eye(4)
    if not parent.IsTransformToWorldLinear():
        raise TransformError(
            f"'{node.GetName()}' is under the non-rigid transform '{parent.GetName()}', which has no single matrix: "
            "harden the transform first, or take the node out of it."
        )
    return matrix_of(parent, to_world=True)


def matrix_of(transform_node, to_world=False):
    """4x4 numpy matrix of a transform node to its parent, or through all its parents to the world (RAS, mm). Raises TransformError where there
    is none: the node, or with to_world one above it, is non-rigid."""
    if not (transform_node.IsTransformToWorldLinear() if to_world else transform_node.IsLinear()):
        raise TransformError(f"The transform '{transform_node.GetName()}' is non-rigid or under such a transform: select a linear one.")
    return slicer.util.arrayFromTransformMatrix(transform_node, toWorld=to_world)
