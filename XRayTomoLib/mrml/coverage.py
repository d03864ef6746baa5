"""Coverage and completeness of a geometry as volumes, and what does not fit the object, the table or the machine."""

import json

import numpy as np
import slicer

from ..geometry import GeometryError
from ..geometry.boxes import OrientedBox
from ..geometry.coverage import complete_share, coverage, incompleteness_deg
from ..geometry.warnings import find_problems
from ..grids import CartesianGrid
from ..jobs import Step, provenance
from .acquisition import put_into_folder
from .trajectory_display import views_of
from .transforms import array_from_matrix, matrix_from_array
from .volumes import GEOMETRY_ROLE, PROVENANCE_ATTRIBUTE, grid_from_volume

KINDS = {"coverage": coverage, "completeness": complete_share, "incompleteness": incompleteness_deg}
NAMES = {"coverage": "coverage", "completeness": "completeness", "incompleteness": "incompleteness (deg)"}
MOST_VOXELS = 20_000_000
_MOST_VIEWS = 600  # that are looked at for warnings


def box_of_node(node):
    """OrientedBox in world RAS of a volume node or a markups ROI node."""
    if node.IsA("vtkMRMLMarkupsROINode"):
        matrix = array_from_matrix(node.GetObjectToWorldMatrix())
        scale = np.linalg.norm(matrix[:3, :3], axis=0)
        return OrientedBox(matrix[:3, 3], (matrix[:3, :3] / scale).T, scale * np.array(node.GetSize()) / 2)
    return OrientedBox.of_grid(grid_from_volume(node))


def grid_of_box(box, spacing_mm):
    """CartesianGrid of cubes of `spacing_mm` that fills an OrientedBox, along its axes."""
    count = np.maximum(1, np.ceil(2 * box.half_mm / spacing_mm - 1e-6)).astype(int)
    matrix = np.eye(4)
    matrix[:3, :3] = box.axes.T * spacing_mm
    matrix[:3, 3] = box.centre_ras - matrix[:3, :3] @ ((count - 1) / 2)
    return CartesianGrid(tuple(int(n) for n in count[::-1]), matrix)


def map_grid(box, spacing_mm):
    """The grid of a map; GeometryError when its voxels are too many."""
    grid = grid_of_box(box, spacing_mm)
    if np.prod(grid.shape) > MOST_VOXELS:
        size = " x ".join(map(str, grid.shape[::-1]))
        raise GeometryError(f"A map of {size} voxels is too large (at most {MOST_VOXELS}): choose larger voxels or a region.")
    return grid


def map_steps(views, grid, kind):
    """Job: yields a Step a slice, returns the map [k, j, i] float32. kind: a key of KINDS."""
    if kind not in KINDS:
        raise GeometryError(f"There is no map '{kind}'; expected one of: {', '.join(KINDS)}.")
    values = np.empty(grid.shape, np.float32)
    for k in range(grid.shape[0]):
        values[k] = KINDS[kind](views, grid.slice_centres(k).reshape(-1, 3)).reshape(grid.shape[1:])
        yield Step(k + 1, grid.shape[0], message=f"slice {k + 1} of {grid.shape[0]}")
    return values


def show_map(values, grid, kind, geometry_node, node=None):
    """The map as a volume node in colours, with its provenance; a node that is given is filled."""
    if node is None:
        name = slicer.mrmlScene.GenerateUniqueName(f"{geometry_node.GetName()} {NAMES[kind]}")
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
        put_into_folder(node)
    with slicer.util.NodeModify(node):
        slicer.util.updateVolumeFromArray(node, values)
        node.SetIJKToRASMatrix(matrix_from_array(grid.ijk_to_ras))
        node.SetNodeReferenceID(GEOMETRY_ROLE, geometry_node.GetID())
        made = provenance("coverage", {"geometry": geometry_node.GetName()}, {"kind": kind, "shape": list(grid.shape)})
        node.SetAttribute(PROVENANCE_ATTRIBUTE, json.dumps(made))
    _show_colours(node, values)
    return node


def warnings(geometry_node, volume_node, gantry, table_node, device):
    """Sentences (XRayTomoLib.geometry.warnings) about the views round the volume's box and the table's; parallel rays have no gantry.

    Of very many views only some are looked at, and that is said.
    """
    views = views_of(geometry_node)
    step = -(-len(views) // _MOST_VIEWS)
    views = views[::step]
    box = box_of_node(volume_node) if volume_node is not None else None
    obstacles = {} if table_node is None else {"table": box_of_node(table_node)}
    if box is not None:
        obstacles["patient"] = box
    found = find_problems(views, box, gantry=gantry if views.source is not None else None, obstacles=obstacles, carm=device)
    note = [f"Only every {step}th view was looked at; the numbers count those."] if found and step > 1 else []
    return [finding.sentence for finding in found] + note


def _show_colours(node, values):
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetAndObserveColorNodeID("vtkMRMLColorTableNodeRainbow")
    display.AutoWindowLevelOff()
    low, high = float(values.min()), float(values.max())
    display.SetWindowLevelMinMax(low, high if high > low else low + 1)


def map_of(geometry_node, region_node, kind, spacing_mm, run, node=None):
    """The whole way for scripts: `run` runs the job (jobs.run). region_node: a volume or an ROI."""
    if region_node is None:
        raise GeometryError("There is no region for the map: select a volume or a region of interest.")
    grid = map_grid(box_of_node(region_node), spacing_mm)
    return show_map(run(map_steps(views_of(geometry_node), grid, kind)), grid, kind, geometry_node, node)
