"""How good a registration is: a table node of what is known of the object's place, where a true transform or landmarks exist."""

import json

import numpy as np
import slicer
import vtk

from .acquisition import put_into_folder
from .landmarks import points_ras
from .registration_start import marked_pixels
from .tables import fill_table
from .transforms import matrix_of, world_from_local
from .volumes import PROVENANCE_ATTRIBUTE, VolumeError
from .xrays import view_of

COLUMNS = ("quantity", "value", "unit")


def evaluation_rows(moving, xray_nodes, truth_node=None, landmarks_node=None, points_node=None):
    """Rows (quantity, value, unit) of a MovingObject where it lies now. Raises a ValueError where nothing is known.

    truth_node: the linear transform under which the object would lie where it truly is. landmarks_node: points on the object, the targets
    (default: corners and centre of the middle half of its box); points_node: where they are seen on the X-rays.
    """
    from ..registration.evaluate import evaluate, misses_px

    if truth_node is None and (landmarks_node is None or points_node is None):
        raise VolumeError("Nothing is known to compare with: select the true transform, or landmarks on the object and on the X-rays.")
    names, views = [node.GetName() for node in xray_nodes], [view_of(node) for node in xray_nodes]
    points, labels = points_ras(landmarks_node) if landmarks_node is not None else (None, [])
    points = points if len(labels) else None
    pixels = marked_pixels(points_node, labels, names, views) if points is not None and points_node is not None else None
    found = evaluate(np.eye(4), views, moving.grid, _truth(moving, truth_node), points, pixels)
    rows = [("mTRE", found.mtre_mm, "mm"), ("mRPE", found.mrpe_mm, "mm"), ("landmarks, all X-rays", found.reprojection_px, "px")]
    if pixels is not None:
        for name, miss in zip(names, misses_px(np.eye(4), points, pixels, views), strict=True):
            rows.append((f"landmarks, {name}", np.sqrt(np.nanmean(miss**2)) if np.isfinite(miss).any() else None, "px"))
    return [(what, float(value), unit) for what, value, unit in rows if value is not None]


def scores_of(transform):
    """Rows (quantity, value, unit) of the local NCC that the last registration reached, from the provenance of its transform node."""
    text = transform.GetAttribute(PROVENANCE_ATTRIBUTE) if transform is not None else None
    scores = json.loads(text)["parameters"].get("scores", {}) if text else {}
    return [(f"local NCC, {name}", float(value), "") for name, value in scores.items()]


def show_evaluation(rows, node=None):
    """The rows as a table node (made when it is None), which is returned."""
    if node is None or not slicer.mrmlScene.IsNodePresent(node):
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", slicer.mrmlScene.GenerateUniqueName("Registration evaluation"))
        put_into_folder(node)
    makes = vtk.vtkStringArray, vtk.vtkDoubleArray, vtk.vtkStringArray
    fill_table(node, list(zip(COLUMNS, makes, zip(*rows, strict=True), strict=False)))
    return node


def rows_of(node):
    """The rows of an evaluation's table node, as texts."""
    return [tuple(node.GetCellText(row, column) for column in range(len(COLUMNS))) for row in range(node.GetNumberOfRows())]


def _truth(moving, truth_node):
    """The pose that takes the object from where it lies to where it truly is."""
    from ..registration.poses import checked_pose

    if truth_node is None:
        return None
    return checked_pose(matrix_of(truth_node, to_world=True) @ np.linalg.inv(world_from_local(moving.node)), f"the way to '{truth_node.GetName()}'")
