"""What moves in a registration: a volume, a segment of it, or a closed model.

A part keeps the volume's values inside and is empty outside. Its node was drawn on the volume: their own frames are the same, and the part's
parent transform says where it lies now.
"""

from dataclasses import dataclass

import numpy as np
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from ..grids import CartesianGrid
from ..grids.resampling import resampled
from ..physics.attenuation import AttenuationModel
from .transforms import array_from_matrix, matrix_from_array, world_from_local
from .volumes import VolumeError, array_from_volume

MODEL_VOXELS = 128  # along the longest side of a model that has no volume
MODEL_PER_MM = 0.05  # attenuation of such a model, about that of bone; registrations do not mind its scale


@dataclass(frozen=True, eq=False)
class MovingObject:
    """Values [k, j, i] and their attenuation on `own_grid` of the node's own frame, `grid` of the world (RAS) where it lies now.

    `node` is what moves, `key` is equal while the values are the same.
    """

    node: object
    values: np.ndarray
    own_grid: object
    grid: object
    attenuation: object
    key: tuple

    @property
    def name(self):
        return self.node.GetName()


def moving_object(volume_node, attenuation, part_node=None, segment_id="", last=None):
    """The MovingObject of a volume, or of a part of it: a segmentation node with a segment, or a closed model. Raises VolumeError.

    A model may stand alone (volume_node None); it is of one material then. last: a MovingObject (or None) whose part is not cut out again while
    nothing of it has changed.
    """
    volume = None
    if volume_node is not None or part_node is None:
        values, own_grid = array_from_volume(volume_node), _local_grid(volume_node)
        volume = volume_node.GetID(), volume_node.GetImageData().GetMTime()
    if part_node is None:
        key = *volume, attenuation
    else:
        key = part_node.GetID(), segment_id, _stamp(part_node, segment_id), volume and (*volume, own_grid), attenuation
        known = last is not None and last.key == key
        values, own_grid = (last.values, last.own_grid) if known else _part(volume_node, attenuation, part_node, segment_id)
        attenuation = AttenuationModel("linear")
    node = volume_node if part_node is None else part_node
    return MovingObject(node, values, own_grid, own_grid.transformed(world_from_local(node)), attenuation, key)


def _part(volume_node, attenuation, part_node, segment_id):
    """(attenuation in 1/mm, grid in the part's own frame)."""
    if part_node.IsA("vtkMRMLSegmentationNode"):
        inside, grid = _segment(part_node, segment_id)
    else:
        inside, grid = _solid(part_node, _local_grid(volume_node) if volume_node is not None else None)
    if not inside.any():
        raise VolumeError(f"'{part_node.GetName()}' holds nothing inside: a part that moves has a volume; draw it, or select another one.")
    if volume_node is None:
        return np.where(inside, np.float32(MODEL_PER_MM), np.float32(0)), grid
    values = resampled(array_from_volume(volume_node), _local_grid(volume_node), grid, outside=-1000.0 if attenuation.kind != "linear" else 0.0)
    mu = np.where(inside, attenuation.mu(values), np.float32(0))
    if not mu.any():
        raise VolumeError(f"'{part_node.GetName()}' lies where the volume '{volume_node.GetName()}' has nothing: select the volume it was drawn on.")
    return mu, grid


def _stamp(node, segment_id):
    """Changes whenever the part's shape does."""
    if not node.IsA("vtkMRMLSegmentationNode"):
        return node.GetPolyData().GetMTime() if node.GetPolyData() is not None else 0
    segmentation = node.GetSegmentation()
    segment = segmentation.GetSegment(segment_id or "")
    source = segment.GetRepresentation(segmentation.GetSourceRepresentationName()) if segment is not None else None
    return source.GetMTime() if source is not None else 0


def _local_grid(node):
    """Grid of a volume node in its own frame."""
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return CartesianGrid(array_from_volume(node).shape, array_from_matrix(matrix))


def _segment(node, segment_id):
    """(mask [k, j, i], grid in the node's frame) of a segment."""
    segment = node.GetSegmentation().GetSegment(segment_id or "")
    if segment is None:
        names = [node.GetSegmentation().GetNthSegment(n).GetName() for n in range(node.GetSegmentation().GetNumberOfSegments())]
        raise VolumeError(f"The segmentation '{node.GetName()}' has no segment '{segment_id}': select one of its own "
                          f"({', '.join(names) or 'none is drawn yet'}).")
    if not node.CreateBinaryLabelmapRepresentation():
        raise VolumeError(f"The segment '{segment.GetName()}' of '{node.GetName()}' cannot be made voxels: draw it as a labelmap.")
    image, matrix = node.GetBinaryLabelmapInternalRepresentation(segment_id), vtk.vtkMatrix4x4()
    shape = image.GetDimensions()[::-1]
    if 0 in shape:
        raise VolumeError(f"The segment '{segment.GetName()}' of '{node.GetName()}' is empty: draw it, or select another one.")
    mask = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(shape) == segment.GetLabelValue()
    image.GetImageToWorldMatrix(matrix)
    start = np.array(image.GetExtent()[::2])
    first = np.argwhere(mask).min(0) if mask.any() else np.zeros(3, int)
    last = np.argwhere(mask).max(0) + 1 if mask.any() else np.array(shape)
    part = mask[tuple(slice(a, b) for a, b in zip(first, last, strict=True))]
    to_local = array_from_matrix(matrix)
    to_local[:3, 3] += to_local[:3, :3] @ (start + first[::-1])
    return part, CartesianGrid(part.shape, to_local)


def _solid(node, volume_grid):
    """(mask, grid in the node's frame) of the inside of a model, on the volume's voxels, or on voxels of its own."""
    surface = node.GetPolyData()
    if surface is None or surface.GetNumberOfPolys() == 0:
        raise VolumeError(f"The model '{node.GetName()}' has no surface: select a closed one.")
    bounds = np.array(surface.GetBounds()).reshape(3, 2)
    if volume_grid is None:
        spacing = np.ptp(bounds, axis=1).max() / MODEL_VOXELS
        volume_grid = CartesianGrid.centred((MODEL_VOXELS + 4,) * 3, spacing, bounds.mean(1))
    to_voxels = vtk.vtkTransformPolyDataFilter()
    turn = vtk.vtkTransform()
    turn.SetMatrix(matrix_from_array(volume_grid.ras_to_ijk))
    to_voxels.SetTransform(turn)
    to_voxels.SetInputData(surface)
    to_voxels.Update()
    box = np.array(to_voxels.GetOutput().GetBounds()).reshape(3, 2)
    start = np.clip(np.floor(box[:, 0]), 0, np.array(volume_grid.shape[::-1]) - 1).astype(int)
    stop = np.clip(np.ceil(box[:, 1]) + 1, start + 1, volume_grid.shape[::-1]).astype(int)
    stencil = vtk.vtkPolyDataToImageStencil()
    stencil.SetInputConnection(to_voxels.GetOutputPort())
    stencil.SetOutputWholeExtent(*np.stack([start, stop - 1], 1).ravel().tolist())
    image = vtk.vtkImageStencilToImage()
    image.SetInputConnection(stencil.GetOutputPort())
    image.SetInsideValue(1)
    image.SetOutsideValue(0)
    image.SetOutputScalarTypeToUnsignedChar()
    image.Update()
    found = image.GetOutput()
    return vtk_to_numpy(found.GetPointData().GetScalars()).reshape(found.GetDimensions()[::-1]) > 0, volume_grid.cropped(start, stop)
