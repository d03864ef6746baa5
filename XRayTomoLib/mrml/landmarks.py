"""CT landmarks at their place in the radiograph, and the rays of points on the radiograph."""

import numpy as np
import slicer
import vtk


def new_points_node(name, colour, locked=False):
    """A fiducial list; a locked one is computed and cannot be dragged."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", name)
    node.CreateDefaultDisplayNodes()
    node.SetLocked(locked)
    display = node.GetDisplayNode()
    display.SetColor(*colour)
    display.SetSelectedColor(*colour)
    display.SetGlyphScale(2.5)
    display.SetTextScale(3)
    return node


def new_rays_node(name, colour=(0.2, 0.9, 0.9)):
    """A model node for rays, drawn as thin lines in 3D."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode", name)
    node.CreateDefaultDisplayNodes()
    node.SetSelectable(False)
    display = node.GetDisplayNode()
    display.SetColor(*colour)
    display.SetLineWidth(2)
    display.SetLighting(False)
    display.SetVisibility2D(True)
    return node


def defined_points(node):
    """Indices of the points that are placed; one that still hangs on the mouse is not."""
    return [i for i in range(node.GetNumberOfControlPoints()) if node.GetNthControlPointPositionStatus(i) == node.PositionDefined]


def points_ras(node):
    """Positions [P, 3] in world RAS and labels of the defined points of a markups node."""
    defined = defined_points(node)
    positions = np.zeros((len(defined), 3))
    for row, i in enumerate(defined):
        node.GetNthControlPointPositionWorld(i, positions[row])
    return positions, [node.GetNthControlPointLabel(i) for i in defined]


def drawn_points_ras(curve_node):
    """Points [P, 3] along a markups curve as it is drawn, in world RAS: ten or so between two control points; a closed one's first is not
    repeated."""
    points = slicer.util.arrayFromMarkupsCurvePoints(curve_node, world=True).astype(np.float64)
    steps = np.linalg.norm(np.diff(points, axis=0, append=points[:1]), axis=1)
    steps[-1] = max(steps[-1], 0.0 if curve_node.IsA("vtkMRMLMarkupsClosedCurveNode") else 1.0)
    return points[steps > 1e-6]


def hang_points_below(node, transform_node):
    """Parents a point list to a transform; its points stay where they are in the world and move with the transform from now on."""
    if node.GetTransformNodeID() == transform_node.GetID():
        return
    places = {i: np.array(node.GetNthControlPointPositionWorld(i)) for i in defined_points(node)}
    with slicer.util.NodeModify(node):
        node.SetAndObserveTransformNodeID(transform_node.GetID())
        for i, place in places.items():
            node.SetNthControlPointPositionWorld(i, vtk.vtkVector3d(place))


def project_landmarks(landmarks_node, views, projected_node):
    """Puts the landmarks that one view sees on its detector in RAS; those outside its picture are left out."""
    positions, labels = points_ras(landmarks_node)
    pixels = views.project(positions)[0] if len(positions) else np.zeros((0, 2))
    rows, cols = views.shape
    seen = ((pixels > -0.5) & (pixels < np.array([rows, cols]) - 0.5)).all(axis=1)
    with slicer.util.NodeModify(projected_node):
        projected_node.RemoveAllControlPoints()
        for (row, col), label, visible in zip(pixels, labels, seen, strict=True):
            if visible:
                projected_node.AddControlPointWorld(vtk.vtkVector3d(views.origin[0] + col * views.u[0] + row * views.v[0]), label)


def rays_through_points(points_node, views, rays_node):
    """Draws the ray from the source through each point to the detector's plane. `views`: one view, in the frame of `rays_node`."""
    positions, _labels = points_ras(points_node)
    local_from_world = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(None, rays_node.GetParentTransformNode(), local_from_world)
    local = np.array([local_from_world.TransformPoint(p) for p in positions]).reshape(-1, 3)
    lines = vtk.vtkAppendPolyData()
    lines.AddInputData(vtk.vtkPolyData())
    for row, col in views.project(local)[0] if len(local) else []:
        if np.isfinite(row) and np.isfinite(col):
            line = vtk.vtkLineSource()
            line.SetPoint1(views.source[0])
            line.SetPoint2(views.origin[0] + col * views.u[0] + row * views.v[0])
            line.Update()
            lines.AddInputData(line.GetOutput())
    lines.Update()
    rays_node.SetAndObservePolyData(lines.GetOutput())
