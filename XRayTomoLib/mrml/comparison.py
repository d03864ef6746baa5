"""A volume against a reference: figures, the difference as a volume, and profiles along a line, as nodes."""

from dataclasses import asdict, dataclass

import numpy as np
import slicer
import vtk

from ..grids.resampling import resampled, sampled
from ..jobs import Step
from ..physics.attenuation import AttenuationModel, looks_like_hu
from .acquisition import put_into_folder
from .stack import new_stack_image
from .tables import add_chart, fill_table, remove_chart
from .transforms import matrix_from_array
from .volumes import VolumeError, array_from_volume, grid_from_volume

DIFFERENCE_ATTRIBUTE = "XRayTomo.Difference"
REFERENCE_ROLE = "XRayTomo.Reference"
PROFILE_ROLE = "XRayTomo.Profile"
_SAMPLES_PER_VOXEL = 2


@dataclass(frozen=True, eq=False)
class Comparison:
    """Figures (reconstruction.quality.Difference), the difference (vtkImageData on `grid`), profiles [N] by distance (mm), and the unit."""

    figures: object
    image: object
    grid: object
    distance_mm: np.ndarray
    profile: np.ndarray
    reference_profile: np.ndarray
    unit: str


def comparison_steps(volume_node, reference_node, line_node=None, attenuation=None):
    """Generator of Steps that returns a Comparison; reads the nodes now and touches none later. Raises VolumeError.

    Where one volume is in HU and the other in 1/mm, `attenuation` (default: AttenuationModel()) turns HU into 1/mm.
    line_node: markups line of the profiles; by default through the volume's centre along its columns.
    """
    if volume_node is reference_node and volume_node is not None:
        raise VolumeError("A volume is compared with itself: select another reference.")
    volumes = [array_from_volume(node).astype(np.float32) for node in (volume_node, reference_node)]
    grids = [grid_from_volume(node) for node in (volume_node, reference_node)]
    return _steps(volumes, grids, _ends(line_node, grids[0]), attenuation or AttenuationModel())


def _ends(line_node, grid):
    if line_node is None:
        j, k = (grid.shape[1] - 1) / 2, (grid.shape[0] - 1) / 2
        return grid.ras_from_ijk(np.array([[0.0, j, k], [grid.shape[2] - 1.0, j, k]]))
    if line_node.GetNumberOfDefinedControlPoints() != 2:
        raise VolumeError(f"The line '{line_node.GetName()}' has no two points: place both ends.")
    return slicer.util.arrayFromMarkupsControlPoints(line_node, world=True)


def _steps(volumes, grids, ends, attenuation):
    from ..reconstruction.quality import difference

    yield Step(0, 3, message="same unit")
    in_hu = [looks_like_hu(values)[0] for values in volumes]
    if in_hu[0] != in_hu[1]:
        volumes = [attenuation.mu(values) if hu else values for values, hu in zip(volumes, in_hu, strict=True)]
    yield Step(1, 3, message="same grid")
    reference = resampled(volumes[1], grids[1], grids[0], outside=np.nan)
    mask = np.isfinite(reference)
    yield Step(2, 3, message="difference")
    figures = difference(volumes[0], np.where(mask, reference, 0.0), mask)
    image, array = new_stack_image(grids[0].shape)
    array[:] = np.where(mask, volumes[0] - reference, 0.0)
    length = float(np.linalg.norm(ends[1] - ends[0]))
    count = 2 + int(_SAMPLES_PER_VOXEL * length / grids[0].spacing_mm.min())
    points = ends[0] + np.linspace(0, 1, count)[:, None] * (ends[1] - ends[0])
    profiles = [sampled(values, grid, points) for values, grid in zip(volumes, grids, strict=True)]
    return Comparison(figures, image, grids[0], np.linspace(0, length, count), *profiles, "HU" if all(in_hu) else "1/mm")


def show_comparison(comparison, volume_node, reference_node, node=None):
    """Puts the difference into `node` (made when it is None), in the middle of its grey levels, and the profiles into its table and chart."""
    if node is None:
        name = slicer.mrmlScene.GenerateUniqueName(f"{volume_node.GetName()} - {reference_node.GetName()}")
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
        put_into_folder(node)
    if node.GetDisplayNode() is None:
        node.CreateDefaultDisplayNodes()
    node.SetAttribute(DIFFERENCE_ATTRIBUTE, "1")
    spread = 3 * comparison.figures.deviation or 1.0
    with slicer.util.NodeModify(node):
        node.GetDisplayNode().AutoWindowLevelOff()
        node.GetDisplayNode().SetWindowLevelMinMax(-spread, spread)
        node.SetAndObserveImageData(comparison.image)
        node.SetIJKToRASMatrix(matrix_from_array(comparison.grid.ijk_to_ras))
        node.SetAndObserveTransformNodeID(None)
        node.SetNodeReferenceID(REFERENCE_ROLE, reference_node.GetID())
    _show_profiles(node, comparison, (volume_node.GetName(), reference_node.GetName()))
    return node


def profile_table(node):
    """The table of the profiles of a difference node, or None."""
    return node.GetNodeReference(PROFILE_ROLE) if node is not None else None


def _show_profiles(node, comparison, names):
    table = profile_table(node)
    titles = ("distance (mm)", names[0], names[1] if names[1] != names[0] else f"{names[1]} (reference)")
    if table is not None:
        remove_chart(table)
    else:
        table = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", slicer.mrmlScene.GenerateUniqueName(f"{node.GetName()} profile"))
        node.SetNodeReferenceID(PROFILE_ROLE, table.GetID())
    values = comparison.distance_mm, comparison.profile, comparison.reference_profile
    fill_table(table, [(title, vtk.vtkDoubleArray, each) for title, each in zip(titles, values, strict=True)])
    add_chart(table, titles[0], {title: comparison.unit for title in titles[1:]})


def compare_now(volume_node, reference_node, line_node, attenuation, node, run):
    """The whole comparison now; returns (figures as a dictionary, difference node). run: jobs.run."""
    comparison = run(comparison_steps(volume_node, reference_node, line_node, attenuation))
    return asdict(comparison.figures), show_comparison(comparison, volume_node, reference_node, node)
