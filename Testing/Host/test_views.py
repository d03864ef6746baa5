"""The views show what the scene holds, and what is dragged in them changes the scene."""

import numpy as np
import pytest
import slicer
import vtk
from SlicerHost import driving

TRANSLATION, ROTATION = 1, 2  # vtkMRMLTransformDisplayNode's handles, by their axis
R, A = 0, 1


@pytest.fixture
def red():
    return slicer.app.layoutManager().sliceWidget("Red").sliceView()


@pytest.fixture
def threeD():
    view = slicer.app.layoutManager().threeDWidget(0).threeDView()
    view.mrmlViewNode().SetBoxVisible(False)
    view.mrmlViewNode().SetAxisLabelsVisible(False)
    return view


@pytest.fixture
def volume():
    """20 mm cube of 100 at window 0 to 200, shown in the slice views; its upper half (S) is 200."""
    array = np.full((20, 20, 20), 100.0, np.float32)
    array[10:] = 200.0
    volume = slicer.util.addVolumeFromArray(array)
    display = volume.GetDisplayNode()
    display.SetAutoWindowLevel(0)
    display.SetWindowLevelMinMax(0, 200)
    slicer.util.setSliceViewerLayers(background=volume, fit=True)
    return volume


def middle(view):
    picture = driving.pixels(view)
    return picture[picture.shape[0] // 2, picture.shape[1] // 2].astype(int)


def test_slice_view_shows_the_volume_at_its_offset(red, volume):
    red.sliceLogic().SetSliceOffset(5)
    assert np.abs(middle(red) - 128).max() <= 2
    red.sliceLogic().SetSliceOffset(15)
    assert middle(red).tolist() == [255, 255, 255]
    red.sliceLogic().SetSliceOffset(40)
    assert middle(red).tolist() == [0, 0, 0]


def test_slider_of_the_slice_view_moves_the_slice(red, volume):
    widget = slicer.app.layoutManager().sliceWidget("Red")
    slider = widget.findChildren("QSlider")[0]
    red.sliceLogic().SetSliceOffset(0)
    slider.setValue(slider.maximum)
    assert red.sliceLogic().GetSliceOffset() == pytest.approx(19, abs=1)


def test_positions_in_a_slice_view(red, volume):
    """R is at the left, A at the top."""
    x0, y0 = driving.position_of(red, (10, 10, 0))
    x1, y1 = driving.position_of(red, (15, 15, 0))
    assert x1 < x0
    assert y1 < y0


def test_3d_view_shows_a_model_where_it_is(threeD):
    sphere = vtk.vtkSphereSource()
    sphere.SetCenter(60, 0, 30)
    sphere.SetRadius(10)
    model = slicer.modules.models.logic().AddModel(sphere.GetOutputPort())
    model.GetDisplayNode().SetColor(1, 0, 0)
    model.GetDisplayNode().SetLighting(False)
    picture = driving.pixels(threeD)
    rows, cols = np.nonzero((picture == [255, 0, 0]).all(axis=2))
    assert np.allclose((cols.mean(), rows.mean()), driving.position_of(threeD, (60, 0, 30)), atol=2)
    model.GetDisplayNode().SetVisibility(False)
    assert not (driving.pixels(threeD) == [255, 0, 0]).all(axis=2).any()


def test_reset_shows_everything(threeD):
    sphere = vtk.vtkSphereSource()
    sphere.SetCenter(5000, 0, 0)
    model = slicer.modules.models.logic().AddModel(sphere.GetOutputPort())
    model.GetDisplayNode().SetColor(0, 1, 0)
    slicer.util.resetThreeDViews()
    assert abs(np.subtract(driving.position_of(threeD, (5000, 0, 0)), (threeD.width / 2, threeD.height / 2))).max() < 3


def test_paused_views_keep_their_picture(red, volume):
    red.sliceLogic().SetSliceOffset(5)
    before = driving.pixels(red)
    with slicer.util.RenderBlocker():
        red.sliceLogic().SetSliceOffset(15)
        assert np.array_equal(driving.pixels(red), before)
    assert not np.array_equal(driving.pixels(red), before)


def test_the_mouse_turns_the_camera(threeD):
    camera = threeD.cameraNode()
    before = np.array(camera.GetPosition())
    driving.drag(threeD, (100, 100), (160, 100))
    assert np.linalg.norm(np.array(camera.GetPosition()) - before) > 10


def test_the_camera_looks_from_an_axis(threeD):
    threeD.rotateToViewAxis(slicer.vtkMRMLCameraNode.Left)
    away = np.subtract(threeD.cameraNode().GetPosition(), threeD.cameraNode().GetFocalPoint())
    assert np.allclose(away / np.linalg.norm(away), [-1, 0, 0], atol=1e-6)
    threeD.rotateToViewAxis(slicer.vtkMRMLCameraNode.Anterior)


@pytest.fixture
def handles():
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Gantry")
    transform.CreateDefaultDisplayNodes()
    transform.GetDisplayNode().SetEditorVisibility(True)
    return transform


def moved(transform):
    matrix = vtk.vtkMatrix4x4()
    transform.GetMatrixTransformToParent(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


def test_handles_of_a_transform_are_dragged(threeD, handles):
    """The camera looks from anterior: R is at the left."""
    x, y = driving.position_of(threeD, (0, 0, 0))
    start = next((x - step, y) for step in range(10, 120, 4) if active_handle(threeD, handles, (x - step, y)) == (TRANSLATION, R))
    driving.drag(threeD, start, (start[0] - 40, y))
    matrix = moved(handles)
    assert matrix[0, 3] > 5
    assert np.allclose(matrix[:3, :3], np.eye(3))
    assert np.allclose(matrix[1:3, 3], 0, atol=1e-6)


def test_handles_turn_a_transform(threeD, handles):
    """The ring that faces the viewer turns about the A axis."""
    x, y = driving.position_of(threeD, (0, 0, 0))
    start = next((x - step, y) for step in range(10, 200, 2) if active_handle(threeD, handles, (x - step, y)) == (ROTATION, A))
    driving.drag(threeD, start, (start[0], y - 40))
    matrix = moved(handles)
    assert np.allclose(matrix[:3, 1], [0, 1, 0], atol=1e-6)
    assert abs(matrix[0, 2]) > 0.1


def active_handle(view, transform, place):
    """(type, axis) of the handle under the mouse."""
    driving.move(view, place)
    display = transform.GetDisplayNode()
    return display.GetActiveInteractionType(), display.GetActiveInteractionIndex()


def test_screenshot_holds_panel_and_views(volume, tmp_path):
    image = driving.screenshot(tmp_path / "window.png")
    assert (tmp_path / "window.png").stat().st_size > 10000
    main, view = slicer.util.mainWindow(), slicer.app.layoutManager().sliceWidget("Red").sliceView()
    centre = view.mapTo(main, view.rect.center())
    assert image.pixelColor(centre).red() in range(100, 256)
