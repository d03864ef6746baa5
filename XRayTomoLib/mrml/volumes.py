"""Volume nodes -> arrays and grids; radiographs -> volume nodes that lie on the detector."""

import json

import numpy as np
import slicer
import vtk

from ..grids import CartesianGrid
from ..physics.attenuation import looks_like_hu
from .transforms import array_from_matrix, matrix_from_array, world_from_local

PROVENANCE_ATTRIBUTE = "XRayTomo.Provenance"
VOLUME_ROLE = "XRayTomo.Volume"
GEOMETRY_ROLE = "XRayTomo.Geometry"
_WINDOW_ATTRIBUTE = "XRayTomo.WindowLevel"
RADIOGRAPH_ATTRIBUTE = "XRayTomo.Radiograph"
_BACKGROUND = {"line integral": 0.0, "intensity": 1.0, "inverted": 0.0}


class VolumeError(ValueError):
    """A volume node cannot be X-rayed."""


def array_from_volume(node):
    """The voxels [k, j, i] of a scalar volume node, not copied. Raises VolumeError when there is nothing to X-ray."""
    if node is None:
        raise VolumeError("No volume is selected: load a CT, or take one from Sample Data, and select it under Volume.")
    name, image = node.GetName(), node.GetImageData()
    if image is None or image.GetPointData().GetScalars() is None or 0 in image.GetDimensions():
        raise VolumeError(f"The volume '{name}' is empty: load its image or select another volume.")
    if image.GetNumberOfScalarComponents() != 1:
        raise VolumeError(f"The volume '{name}' has {image.GetNumberOfScalarComponents()} values per voxel: select a volume with one.")
    if min(image.GetDimensions()) < 2:
        size = " x ".join(str(n) for n in image.GetDimensions())
        raise VolumeError(f"The volume '{name}' has {size} voxels: a radiograph needs at least 2 in each direction, select the whole CT.")
    return slicer.util.arrayFromVolume(node)


def grid_from_volume(node):
    """CartesianGrid of a volume node in world RAS; linear parent transforms count, others raise TransformError."""
    shape = array_from_volume(node).shape
    ijk_to_ras = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(ijk_to_ras)
    return CartesianGrid(shape=shape, ijk_to_ras=world_from_local(node) @ array_from_matrix(ijk_to_ras))


def examine_volume(node, attenuation_kind):
    """(summary, problem) of a volume node for the panel: size, spacing, range and unit; what is wrong with it and the remedy."""
    try:
        values = array_from_volume(node)
        grid_from_volume(node)
    except ValueError as error:
        return "", str(error)
    missing = int(np.isnan(values).sum()) if values.dtype.kind == "f" else 0
    if missing:
        return "", f"The volume '{node.GetName()}' has {missing} voxels that are not a number (NaN): replace them, in a CT by -1000 HU."
    low, high = values.min(), values.max()
    is_hu, sentence = looks_like_hu(np.array([low, high]))
    size = " x ".join(str(n) for n in node.GetImageData().GetDimensions())
    spacing = " x ".join(f"{mm:.3g}" for mm in node.GetSpacing())
    summary = f"{size}, {spacing} mm, {low:.4g} to {high:.4g}{' HU' if is_hu else ''}"
    if attenuation_kind == "linear":
        return summary, "The values look like HU, but the model takes them as 1/mm: choose 'Linear in HU'." if is_hu else ""
    return summary, "" if is_hu else f"{sentence[0].upper()}{sentence[1:]}."


def new_radiograph_node(volume_node):
    """An empty volume node for a radiograph of `volume_node`, named after it."""
    name = slicer.mrmlScene.GenerateUniqueName(f"{volume_node.GetName()} radiograph")
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    node.SetAttribute(RADIOGRAPH_ATTRIBUTE, "1")
    return node


def write_radiograph(node, image, views, shows="line integral", adjust_window=True):
    """Puts one radiograph [row, col] into a volume node that then lies on the detector of `views` (one view) in world RAS.

    The node keeps its name, its display colours and a window and level that the user has chosen; `shows` names the quantity.
    """
    matrix = np.linalg.inv(world_from_local(node)) @ views.image_to_ras()
    with slicer.util.NodeModify(node):
        _update_voxels(node, np.ascontiguousarray(image[None], dtype=np.float32))
        node.SetIJKToRASMatrix(matrix_from_array(matrix))
        if node.GetDisplayNode() is None:
            node.CreateDefaultDisplayNodes()
            node.GetDisplayNode().SetAndObserveColorNodeID("vtkMRMLColorTableNodeGrey")
        if adjust_window:
            _adjust_window(node, image, shows)


def record(node, volume_node, geometry_node, provenance):
    """Notes on a result node what it was made from: node references and the provenance as JSON."""
    node.SetNodeReferenceID(VOLUME_ROLE, volume_node.GetID())
    node.SetNodeReferenceID(GEOMETRY_ROLE, geometry_node.GetID() if geometry_node else None)
    node.SetAttribute(PROVENANCE_ATTRIBUTE, json.dumps(provenance))


def _update_voxels(node, voxels):
    """In place where the size stays, so that the display pipeline is not built anew for every live frame."""
    image = node.GetImageData()
    if image is not None and image.GetDimensions() == voxels.shape[::-1] and image.GetScalarType() == vtk.VTK_FLOAT:
        slicer.util.arrayFromVolume(node)[:] = voxels
        slicer.util.arrayFromVolumeModified(node)
    else:
        slicer.util.updateVolumeFromArray(node, voxels)


def _adjust_window(node, image, shows):
    """Window and level from the pixels behind the object, unless the user has changed them since."""
    display = node.GetDisplayNode()
    chosen = f"{shows} {display.GetWindow():.6g} {display.GetLevel():.6g}"
    last = node.GetAttribute(_WINDOW_ATTRIBUTE)
    if last is not None and last.startswith(shows) and last != chosen:
        return
    step = max(1, image.size // 65536)
    pixels = image.ravel()[::step]
    spread = np.ptp(pixels)
    behind = pixels[np.abs(pixels - _BACKGROUND[shows]) > 0.01 * spread]
    if spread == 0 or behind.size == 0:
        return
    low, high = np.percentile(behind, [0.5, 99.5])
    display.AutoWindowLevelOff()
    display.SetWindowLevelMinMax(float(low), float(high))
    node.SetAttribute(_WINDOW_ATTRIBUTE, f"{shows} {display.GetWindow():.6g} {display.GetLevel():.6g}")
