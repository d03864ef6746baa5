"""Slice and 3D views: Slicer's own displayable managers, rendered off screen and painted into a QWidget.

Painting the image instead of embedding a native OpenGL window works on every platform plugin of Qt, `offscreen` included,
and QWidget.grab() contains what VTK drew.
"""

import numpy as np
import slicer
import vtk
from PySide6 import QtGui, QtWidgets
from PySide6.QtCore import Qt
from vtk.util.numpy_support import vtk_to_numpy

from .mrmlwidgets import mrmlClass

_EVERYWHERE = ["MarkupsDisplayableManager", "OrientationMarkerDisplayableManager", "RulerDisplayableManager",
               "LinearTransformsDisplayableManager", "ColorLegendDisplayableManager"]  # fmt: skip
_IN_3D = ["VolumeRenderingDisplayableManager", "CameraDisplayableManager", "ViewDisplayableManager", "ModelDisplayableManager",
          "ThreeDReformatDisplayableManager", "CrosshairDisplayableManager3D", "SegmentationsDisplayableManager3D",
          "TransformsDisplayableManager3D"]  # fmt: skip
_IN_SLICES = ["CrosshairDisplayableManager", "ModelSliceDisplayableManager", "VolumeGlyphSliceDisplayableManager",
              "ScalarBarDisplayableManager", "SegmentationsDisplayableManager2D", "TransformsDisplayableManager2D"]  # fmt: skip
_BUTTONS = {Qt.LeftButton: "Left", Qt.RightButton: "Right", Qt.MiddleButton: "Middle"}
_KEYS = {Qt.Key_Delete: "Delete", Qt.Key_Backspace: "BackSpace", Qt.Key_Escape: "Escape", Qt.Key_Return: "Return"}


class MRMLView(QtWidgets.QWidget):
    """What both kinds of views share; the subclass gives `managers`, `factory` and _setup(appLogic)."""

    def __init__(self, node, appLogic):
        super().__init__()
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.StrongFocus)
        self.setMinimumSize(120, 120)
        self._node, self._image, self._paused, self._stale = node, None, 0, True
        self._window, self._renderer = vtk.vtkRenderWindow(), vtk.vtkRenderer()
        self._window.SetOffScreenRendering(1)
        self._window.SetMultiSamples(0)
        self._window.AddRenderer(self._renderer)
        self._interactor = vtk.vtkGenericRenderWindowInteractor()
        self._interactor.SetRenderWindow(self._window)
        self._interactor.EnableRenderOff()  # styles ask for frames through the displayable managers' UpdateEvent
        self._interactor.Initialize()
        self._group = self._displayableManagers(appLogic)
        self._group.AddObserver(vtk.vtkCommand.UpdateEvent, lambda *_: self.scheduleRender())
        self._setup(appLogic)
        self._group.SetMRMLDisplayableNode(node)

    def _displayableManagers(self, appLogic):
        factory = self.factory.GetInstance()
        factory.SetMRMLApplicationLogic(appLogic)
        for name in self.managers:
            if not factory.IsDisplayableManagerRegistered("vtkMRML" + name):
                factory.RegisterDisplayableManager("vtkMRML" + name)
        group = slicer.vtkMRMLDisplayableManagerGroup()
        group.SetRenderer(self._renderer)
        group.Initialize(factory, self._renderer)
        return group

    # -- rendering: a stale view renders when it is next painted, by the event loop or by grab()
    def scheduleRender(self):
        self._stale = True
        self.update()

    def forceRender(self):
        self._render()
        self.repaint()

    def setRenderPaused(self, pause):
        self._paused += 1 if pause else -1
        self.update()

    def _render(self):
        self._stale = False
        self._window.SetSize(*self._pixelSize())
        self._window.Render()
        grab = vtk.vtkWindowToImageFilter()
        grab.SetInput(self._window)
        grab.ReadFrontBufferOff()
        grab.ShouldRerenderOff()
        grab.Update()
        width, height, _ = grab.GetOutput().GetDimensions()
        pixels = vtk_to_numpy(grab.GetOutput().GetPointData().GetScalars()).reshape(height, width, 3)
        self._pixels = np.ascontiguousarray(pixels[::-1])  # QImage does not copy
        self._image = QtGui.QImage(self._pixels.data, width, height, 3 * width, QtGui.QImage.Format_RGB888)

    def _pixelSize(self):
        ratio = self.devicePixelRatioF()
        return max(int(self.width * ratio), 10), max(int(self.height * ratio), 10)

    def paintEvent(self, event):
        if self._stale and self._paused == 0 or self._image is None:
            self._render()
        QtGui.QPainter(self).drawImage(self.rect, self._image)

    def resizeEvent(self, event):
        self._interactor.UpdateSize(*self._pixelSize())
        self._resized()
        self.scheduleRender()

    def _resized(self):
        """For views whose node follows the size."""

    # -- events
    def _send(self, event, *names, key="\0", symbol=None):
        x, y = self._interactor.GetEventPosition()
        modifiers = event.modifiers() if hasattr(event, "modifiers") else Qt.NoModifier
        if hasattr(event, "position"):
            ratio = self.devicePixelRatioF()
            x, y = int(event.position().x() * ratio), int((self.height - event.position().y()) * ratio) - 1
        control, shift = bool(modifiers & Qt.ControlModifier), bool(modifiers & Qt.ShiftModifier)
        self._interactor.SetEventInformation(x, y, int(control), int(shift), key, 0, symbol)
        for name in names:
            self._interactor.InvokeEvent(name)

    def mousePressEvent(self, event):
        self._send(event, _BUTTONS[event.button()] + "ButtonPressEvent")

    def mouseReleaseEvent(self, event):
        self._send(event, _BUTTONS[event.button()] + "ButtonReleaseEvent")

    def mouseDoubleClickEvent(self, event):
        self._send(event, _BUTTONS[event.button()] + "ButtonDoubleClickEvent")

    def mouseMoveEvent(self, event):
        self._send(event, "MouseMoveEvent")

    def wheelEvent(self, event):
        self._send(event, "MouseWheelForwardEvent" if event.angleDelta().y() > 0 else "MouseWheelBackwardEvent")

    def keyPressEvent(self, event):
        self._send(event, "KeyPressEvent", "CharEvent", key=event.text()[:1] or "\0", symbol=_KEYS.get(event.key(), event.text()))

    def keyReleaseEvent(self, event):
        self._send(event, "KeyReleaseEvent", key=event.text()[:1] or "\0", symbol=_KEYS.get(event.key(), event.text()))

    def enterEvent(self, event):
        self._send(event, "EnterEvent")

    def leaveEvent(self, event):
        self._send(event, "LeaveEvent")

    # -- the API of ctkVTKAbstractView and qMRML*View
    def renderWindow(self):
        return self._window

    def renderer(self):
        return self._renderer

    def interactor(self):
        return self._interactor

    def displayableManagerByClassName(self, name):
        return self._group.GetDisplayableManagerByClassName(name)


@mrmlClass
class qMRMLThreeDView(MRMLView):
    managers, factory = _IN_3D + _EVERYWHERE, slicer.vtkMRMLThreeDViewDisplayableManagerFactory

    def _setup(self, appLogic):
        self._logic = slicer.vtkMRMLViewLogic()
        self._logic.SetMRMLApplicationLogic(appLogic)
        self._logic.SetMRMLScene(slicer.mrmlScene)
        appLogic.GetViewLogics().AddItem(self._logic)
        self._renderer.GradientBackgroundOn()
        self._interactor.SetInteractorStyle(vtk.vtkInteractorStyle3D())
        self._style = slicer.vtkMRMLThreeDViewInteractorStyle()
        self._style.SetDisplayableManagers(self._group)
        self._style.SetInteractor(self._interactor)

    def mrmlViewNode(self):
        return self._node

    def cameraNode(self):
        return self.displayableManagerByClassName("vtkMRMLCameraDisplayableManager").GetCameraNode()

    def resetFocalPoint(self):
        """The camera on all that is visible, the box and its labels left out."""
        shown = self._node.GetBoxVisible(), self._node.GetAxisLabelsVisible()
        self._node.SetBoxVisible(0)
        self._node.SetAxisLabelsVisible(0)
        self._renderer.ResetCamera()
        self._node.SetBoxVisible(shown[0])
        self._node.SetAxisLabelsVisible(shown[1])
        self._node.InvokeEvent(slicer.vtkMRMLViewNode.ResetFocalPointRequestedEvent)
        self.scheduleRender()

    resetCamera = resetFocalPoint

    def rotateToViewAxis(self, direction):
        """Looks from a direction of vtkMRMLCameraNode: Right, Left, Posterior, Anterior, Inferior, Superior."""
        self.cameraNode().RotateTo(direction)
        self.scheduleRender()


@mrmlClass
class qMRMLSliceView(MRMLView):
    managers, factory = _IN_SLICES + _EVERYWHERE, slicer.vtkMRMLSliceViewDisplayableManagerFactory

    def _setup(self, appLogic):
        self._renderer.GetActiveCamera().ParallelProjectionOn()
        self._logic = slicer.vtkMRMLSliceLogic()
        self._logic.SetMRMLApplicationLogic(appLogic)
        self._logic.SetMRMLScene(slicer.mrmlScene)
        self._logic.SetSliceNode(self._node)
        appLogic.GetSliceLogics().AddItem(self._logic)
        mapper = vtk.vtkImageMapper()
        mapper.SetColorWindow(255)
        mapper.SetColorLevel(127.5)
        self._actor = vtk.vtkActor2D()
        self._actor.SetMapper(mapper)
        self._actor.GetProperty().SetDisplayLocationToBackground()
        self._renderer.AddViewProp(self._actor)
        self._interactor.SetInteractorStyle(vtk.vtkInteractorStyleUser())
        self._style = slicer.vtkMRMLSliceViewInteractorStyle()
        self._style.SetSliceLogic(self._logic)
        self._style.SetDisplayableManagers(self._group)
        self._style.SetInteractor(self._interactor)
        self._logic.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._connectImage())
        self._connectImage()

    def _connectImage(self):
        connection = self._logic.GetImageDataConnection()
        self._actor.GetMapper().SetInputConnection(connection)
        self._actor.SetVisibility(connection is not None)
        self.scheduleRender()

    def _resized(self):
        self._logic.ResizeSliceNode(*self._pixelSize())

    def sliceLogic(self):
        return self._logic

    def mrmlSliceNode(self):
        return self._node
