"""Small polydata from numpy points: polygons, lines, spheres and arrows."""

import numpy as np
import vtk
from vtk.util.numpy_support import numpy_to_vtk


def points_from_array(points):
    """vtkPoints of [N, 3], double precision."""
    found = vtk.vtkPoints()
    found.SetDataTypeToDouble()
    found.SetData(numpy_to_vtk(np.ascontiguousarray(points, dtype=np.float64), deep=True))
    return found


def polygons(points, faces):
    """Surface of `points` [N, 3] with `faces`, lists of point numbers."""
    polydata = vtk.vtkPolyData()
    polydata.SetPoints(points_from_array(points))
    polydata.SetPolys(_cells(faces))
    return polydata


def lines(points, paths):
    """Polylines through `points` [N, 3]; `paths` are lists of point numbers."""
    polydata = vtk.vtkPolyData()
    polydata.SetPoints(points_from_array(points))
    polydata.SetLines(_cells(paths))
    return polydata


def sheet(points, texture):
    """Quads between the points [R, C, 3] of a surface; `texture` [R, C, 2] are its texture coordinates."""
    rows, cols = points.shape[:2]
    number = np.arange(rows * cols).reshape(rows, cols)
    faces = np.stack([number[:-1, :-1], number[:-1, 1:], number[1:, 1:], number[1:, :-1]], -1).reshape(-1, 4)
    polydata = polygons(points.reshape(-1, 3), faces.tolist())
    coordinates = numpy_to_vtk(np.ascontiguousarray(texture.reshape(-1, 2), dtype=np.float32), deep=True)
    coordinates.SetName("TextureCoordinates")
    polydata.GetPointData().SetTCoords(coordinates)
    return polydata


def sphere(centre, radius):
    source = vtk.vtkSphereSource()
    source.SetCenter(*centre)
    source.SetRadius(radius)
    source.SetThetaResolution(32)
    source.SetPhiResolution(16)
    source.Update()
    return source.GetOutput()


def ellipsoid(centre, half_axes, directions):
    """Ellipsoid with half axes [3] along the columns of `directions` [3, 3]."""
    matrix = np.eye(4)
    matrix[:3, :3] = directions * np.maximum(half_axes, 1e-6)
    matrix[:3, 3] = centre
    transform = vtk.vtkTransform()
    transform.SetMatrix(matrix.ravel().tolist())
    moved = vtk.vtkTransformPolyDataFilter()
    moved.SetTransform(transform)
    moved.SetInputData(sphere((0.0, 0.0, 0.0), 1.0))
    moved.Update()
    return moved.GetOutput()


def arrow(start, vector):
    """An arrow from `start` along `vector`, as long as it."""
    length = float(np.linalg.norm(vector))
    source = vtk.vtkArrowSource()  # from the origin along x, length 1
    source.SetTipResolution(24)
    source.SetShaftResolution(16)
    x = np.asarray(vector) / length
    y = np.cross(x, np.eye(3)[np.argmin(np.abs(x))])
    y /= np.linalg.norm(y)
    matrix = vtk.vtkMatrix4x4()
    for row in range(3):
        for column, value in enumerate((x[row] * length, y[row] * length, np.cross(x, y)[row] * length, start[row])):
            matrix.SetElement(row, column, float(value))
    transform = vtk.vtkTransform()
    transform.SetMatrix(matrix)
    placed = vtk.vtkTransformPolyDataFilter()
    placed.SetTransform(transform)
    placed.SetInputConnection(source.GetOutputPort())
    placed.Update()
    return placed.GetOutput()


def level_surface(values, centre, half, level):
    """Where `values` [k, j, i], samples of the box about `centre` with half edges `half` (along R, A, S), pass `level`."""
    count = np.array(values.shape[::-1])
    image = vtk.vtkImageData()
    image.SetDimensions(*(int(n) for n in count))
    image.SetOrigin(*(np.asarray(centre) - half))
    image.SetSpacing(*(2 * np.asarray(half) / (count - 1)))
    image.GetPointData().SetScalars(numpy_to_vtk(np.ascontiguousarray(values, dtype=np.float32).ravel(), deep=True))
    contour = vtk.vtkFlyingEdges3D()
    contour.SetInputData(image)
    contour.SetValue(0, level)
    contour.ComputeScalarsOff()
    contour.Update()
    return contour.GetOutput()


def _cells(cells):
    array = vtk.vtkCellArray()
    for cell in cells:
        array.InsertNextCell(len(cell), list(cell))
    return array
