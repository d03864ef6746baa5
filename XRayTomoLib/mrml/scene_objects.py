"""Source, cone of view, detector and beam axis as model nodes under the gantry's transform."""

import numpy as np
import slicer
import vtk

COLOURS = {"source": (1.0, 0.75, 0.1), "cone": (1.0, 0.9, 0.4), "detector": (1.0, 1.0, 1.0), "axis": (0.9, 0.2, 0.2)}
NAMES = {"source": "X-ray source", "cone": "Cone of view", "detector": "Detector", "axis": "Beam axis"}
_SHAPE_ATTRIBUTE = "XRayTomo.Shape"


def new_object_node(kind):
    """An empty model node of `kind` (a key of NAMES) with its colours."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode", NAMES[kind])
    node.CreateDefaultDisplayNodes()
    node.SetSelectable(kind == "detector")  # a point placed in the 3D view must land on the detector, not on the cone before it
    set_colour(node, kind, COLOURS[kind])
    display = node.GetDisplayNode()
    display.SetVisibility2D(False)
    display.SetBackfaceCulling(False)
    if kind == "cone":
        display.SetOpacity(0.2)
        display.SetEdgeVisibility(True)
    elif kind == "detector":
        display.SetLighting(False)
        display.SetEdgeVisibility(True)
        display.SetEdgeColor(0.5, 0.5, 0.5)
    elif kind == "axis":
        display.SetLineWidth(2)
    return node


def set_colour(node, kind, rgb):
    """Colour of the whole object; the cone's edges have it too."""
    display = node.GetDisplayNode()
    with slicer.util.NodeModify(display):
        display.SetColor(*rgb)
        if kind == "cone":
            display.SetEdgeColor(*rgb)


def update_object(node, kind, views, gantry_node):
    """Gives the node its shape for the one view in the gantry frame and parents it; an unchanged shape is left alone."""
    shape = repr([a.tolist() for a in (views.source, views.corners())])
    if node.GetAttribute(_SHAPE_ATTRIBUTE) != shape or node.GetPolyData() is None:
        node.SetAndObservePolyData(_SHAPES[kind](views))
        node.SetAttribute(_SHAPE_ATTRIBUTE, shape)
    if node.GetTransformNodeID() != gantry_node.GetID():
        node.SetAndObserveTransformNodeID(gantry_node.GetID())


def show_on_detector(detector_node, radiograph_node):
    """Textures the detector with the radiograph as its display node shows it (window, level, colours); None takes it off."""
    display = detector_node.GetDisplayNode()
    picture = radiograph_node.GetDisplayNode() if radiograph_node and radiograph_node.GetImageData() else None
    connection = picture.GetImageDataConnection() if picture else None
    if display.GetTextureImageDataConnection() is not connection:
        display.SetTextureImageDataConnection(connection)


def source_shape(views):
    sphere = vtk.vtkSphereSource()
    sphere.SetCenter(views.source[0])
    sphere.SetRadius(0.012 * float(views.sdd_mm[0]))
    sphere.SetThetaResolution(32)
    sphere.SetPhiResolution(16)
    sphere.Update()
    return sphere.GetOutput()


def cone_shape(views):
    """The four sides of the pyramid from the source to the detector's outer corners."""
    points = np.vstack([views.source, views.corners()[0]])
    return _polydata(points, [(0, 1 + n, 1 + (n + 1) % 4) for n in range(4)])


def detector_shape(views):
    """The detector's area with texture coordinates: (0, 0) at the outer corner of pixel (0, 0), s along columns, t along rows."""
    polydata = _polydata(views.corners()[0], [(0, 1, 2, 3)])
    coordinates = vtk.vtkFloatArray()
    coordinates.SetName("TextureCoordinates")
    coordinates.SetNumberOfComponents(2)
    for s, t in ((0, 0), (1, 0), (1, 1), (0, 1)):
        coordinates.InsertNextTuple2(s, t)
    polydata.GetPointData().SetTCoords(coordinates)
    return polydata


def axis_shape(views):
    """The central ray: from the source perpendicular to the detector's plane."""
    source, normal = views.source[0], views.normal[0]
    foot = source + normal * float(normal @ (views.origin[0] - source))
    line = vtk.vtkLineSource()
    line.SetPoint1(source)
    line.SetPoint2(foot)
    line.Update()
    return line.GetOutput()


_SHAPES = {"source": source_shape, "cone": cone_shape, "detector": detector_shape, "axis": axis_shape}


def _polydata(points, faces):
    vertices, cells = vtk.vtkPoints(), vtk.vtkCellArray()
    vertices.SetDataTypeToDouble()
    for point in points:
        vertices.InsertNextPoint(*point)
    for face in faces:
        cells.InsertNextCell(len(face), face)
    polydata = vtk.vtkPolyData()
    polydata.SetPoints(vertices)
    polydata.SetPolys(cells)
    return polydata
