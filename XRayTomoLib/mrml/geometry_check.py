"""Check geometry: chosen 3D points seen through every view, beside the points that were marked on the projections.

Observed points are markups on the detectors. The label of one says which point of the list it shows, its description in which view it was
marked ("view 12", from 0).
"""

import re

import numpy as np

from ..geometry import GeometryError
from ..geometry.check import check_geometry
from .landmarks import defined_points, points_ras, project_landmarks
from .trajectory_display import views_of

_VIEW = re.compile(r"^view (\d+)$")


def check(geometry_node, points_node, observed_node=None):
    """GeometryCheck of the points of a markups node, and of the observed ones where they are given. Raises GeometryError."""
    if geometry_node is None:
        raise GeometryError("No geometry is selected: create a trajectory or import one.")
    if points_node is None or not len(points_ras(points_node)[0]):
        raise GeometryError("There is no point to check: select a point list and place points on the object, or drop known ones in.")
    positions, labels = points_ras(points_node)
    views = views_of(geometry_node)
    observed = observed_pixels(observed_node, views, labels) if observed_node is not None else None
    return check_geometry(views, positions, observed)


def observed_pixels(observed_node, views, labels):
    """Pixels (row, col) [N, P, 2] at which the points called `labels` were marked; NaN where they were not."""
    pixels = np.full((len(views), len(labels), 2), np.nan)
    positions, names = points_ras(observed_node)
    for position, name, view in zip(positions, names, _views_of_points(observed_node), strict=True):
        if name not in labels:
            raise GeometryError(f"The observed point '{name}' has no partner: give it the label of one of the points ({', '.join(labels)}).")
        if view is None or view >= len(views):
            raise GeometryError(f"It is not known in which view the observed point '{name}' was marked: write it as its description, 'view 0'.")
        pixels[view, labels.index(name)] = views[view].project(position[None])[0, 0]
    return pixels if np.isfinite(pixels).any() else None


def name_new_points(observed_node, points_node, index):
    """Notes on points that were just marked their view, and gives each the label of the first point not yet marked there."""
    labels = points_ras(points_node)[1] if points_node is not None else []
    numbers = defined_points(observed_node)
    done = {observed_node.GetNthControlPointLabel(i) for i in numbers if observed_node.GetNthControlPointDescription(i) == f"view {index}"}
    for i in numbers:
        if not _VIEW.match(observed_node.GetNthControlPointDescription(i)):
            observed_node.SetNthControlPointDescription(i, f"view {index}")
            free = [label for label in labels if label not in done]
            if free:
                observed_node.SetNthControlPointLabel(i, free[0])
                done.add(free[0])


def show_observed_of_view(observed_node, index):
    """Of the observed points only those of the current view are seen."""
    for i in defined_points(observed_node):
        visible = observed_node.GetNthControlPointDescription(i) == f"view {index}"
        if observed_node.GetNthControlPointVisibility(i) != visible:
            observed_node.SetNthControlPointVisibility(i, visible)


def show_projected(geometry_node, index, points_node, projected_node):
    """Draws the points at their places in the projection of view `index`."""
    project_landmarks(points_node, views_of(geometry_node)[int(index)], projected_node)


def _views_of_points(node):
    found = [_VIEW.match(node.GetNthControlPointDescription(i)) for i in defined_points(node)]
    return [int(match.group(1)) if match else None for match in found]
