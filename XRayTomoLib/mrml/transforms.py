"""4x4 matrices of nodes in the world, where every parent transform is respected or refused."""

import slicer
import vtk


class TransformError(ValueError):
    """A node's parent transform cannot be used."""


def array_from_matrix(matrix):
    return slicer.util.arrayFromVTKMatrix(matrix)


def matrix_from_array(array):
    return slicer.util.vtkMatrixFromArray(array)


def world_from_local(node):
    """4x4 numpy matrix from the node's own frame to the world (RAS, mm). Raises TransformError for a non-rigid parent."""
    parent = node.GetParentTransformNode()
    matrix = vtk.vtkMatrix4x4()
    if parent is not None:
        if not parent.IsTransformToWorldLinear():
            raise TransformError(
                f"'{node.GetName()}' is under the non-rigid transform '{parent.GetName()}', which has no single matrix: "
                "harden the transform first, or take the node out of it."
            )
        parent.GetMatrixTransformToWorld(matrix)
    return array_from_matrix(matrix)
