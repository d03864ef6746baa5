"""A slice view that looks at the radiograph: columns to the right, rows downwards, as it is displayed."""

import numpy as np
import slicer

from .transforms import array_from_matrix, matrix_from_array

_SIZE_ATTRIBUTE = "XRayTomo.DetectorSize"


def align_slice(slice_node, radiograph_node, views):
    """Turns the slice view onto the detector of the one view; a newly shown radiograph or a detector of another size is fitted to it."""
    u, v = (a[0] / np.linalg.norm(a[0]) for a in (views.u, views.v))
    slice_to_ras = np.eye(4)
    slice_to_ras[:3, 0], slice_to_ras[:3, 1], slice_to_ras[:3, 2] = u, -v, np.cross(u, -v)
    slice_to_ras[:3, 3] = views.centre[0]
    composite = _composite_node(slice_node)
    size_mm = repr([round(float(pitch[0]) * count, 3) for pitch, count in zip(views.pitch_mm, views.shape[::-1], strict=True)])
    shown = composite is None or composite.GetBackgroundVolumeID() == radiograph_node.GetID()
    if not shown:
        composite.SetBackgroundVolumeID(radiograph_node.GetID())
    if not shown or slice_node.GetAttribute(_SIZE_ATTRIBUTE) != size_mm:
        slice_node.SetAttribute(_SIZE_ATTRIBUTE, size_mm)
        _fit(slice_node, views)
    if not np.allclose(array_from_matrix(slice_node.GetSliceToRAS()), slice_to_ras, rtol=0, atol=1e-9):
        slice_node.GetSliceToRAS().DeepCopy(matrix_from_array(slice_to_ras))
        slice_node.UpdateMatrices()


def release_slice(slice_node, volume_node):
    """Gives the slice view back to the CT in its own orientation."""
    slice_node.SetOrientationToDefault()
    composite = _composite_node(slice_node)
    if composite is not None:
        composite.SetBackgroundVolumeID(volume_node.GetID() if volume_node else None)


def _composite_node(slice_node):
    nodes = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    return next((n for n in nodes if n.GetLayoutName() == slice_node.GetLayoutName()), None)


def _fit(slice_node, views):
    width, height, _depth = slice_node.GetDimensions()
    column_mm, row_mm = (float(pitch[0]) for pitch in views.pitch_mm)
    rows, cols = views.shape
    mm_per_pixel = max(cols * column_mm / max(width, 1), rows * row_mm / max(height, 1))
    slice_node.SetFieldOfView(mm_per_pixel * width, mm_per_pixel * height, slice_node.GetFieldOfView()[2])
