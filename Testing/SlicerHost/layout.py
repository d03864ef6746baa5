"""The layout manager: Qt widgets from the layout description of the real vtkMRMLLayoutNode."""

import xml.etree.ElementTree as ET

import slicer
import vtk
from PySide6 import QtCore, QtWidgets
from PySide6.QtCore import Qt

from .mrmlwidgets import mrmlClass
from .views import qMRMLSliceView, qMRMLThreeDView


def _bar(node):
    bar, label = QtWidgets.QWidget(), QtWidgets.QLabel(node.GetLayoutLabel())
    red, green, blue = (int(255 * part) for part in node.GetLayoutColor())
    label.setStyleSheet(f"background: rgb({red},{green},{blue}); color: black; padding: 1px 8px")
    layout = QtWidgets.QHBoxLayout(bar)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.addWidget(label)
    return bar


@mrmlClass
class qMRMLThreeDWidget(QtWidgets.QWidget):
    def __init__(self, node, appLogic):
        super().__init__()
        self._view, self._controller = qMRMLThreeDView(node, appLogic), _bar(node)
        self._controller.layout().addStretch(1)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._controller)
        layout.addWidget(self._view, 1)

    def threeDView(self):
        return self._view

    def threeDController(self):
        return self._controller

    def mrmlViewNode(self):
        return self._view.mrmlViewNode()


@mrmlClass
class qMRMLSliceWidget(QtWidgets.QWidget):
    """Slice view with a slider for the offset."""

    def __init__(self, node, appLogic):
        super().__init__()
        self._view, self._controller = qMRMLSliceView(node, appLogic), _bar(node)
        self._slider, self._text = QtWidgets.QSlider(Qt.Horizontal), QtWidgets.QLabel()
        self._slider.valueChanged.connect(self._slid)
        self._text.setMinimumWidth(80)
        self._text.setAlignment(Qt.AlignRight | Qt.AlignVCenter)
        self._controller.layout().addWidget(self._slider, 1)
        self._controller.layout().addWidget(self._text)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._controller)
        layout.addWidget(self._view, 1)
        self.sliceLogic().AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._follow())
        node.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._follow())
        self._follow()

    def _slid(self, step):
        low, _, spacing = self._range()
        self.sliceLogic().SetSliceOffset(low + step * spacing)

    def _range(self):
        bounds = [0.0] * 6
        self.sliceLogic().GetLowestVolumeSliceBounds(bounds)
        spacing = self.sliceLogic().GetLowestVolumeSliceSpacing()[2] or 1.0
        return bounds[4], bounds[5], spacing

    def _follow(self):
        offset, (low, high, spacing) = self.sliceLogic().GetSliceOffset(), self._range()
        self._slider.blockSignals(True)
        self._slider.setRange(0, max(0, round((high - low) / spacing)))
        self._slider.setValue(round((offset - low) / spacing))
        self._slider.blockSignals(False)
        self._text.setText(f"{offset:.2f} mm")

    def sliceView(self):
        return self._view

    def sliceController(self):
        return self._controller

    def sliceLogic(self):
        return self._view.sliceLogic()

    def mrmlSliceNode(self):
        return self._view.mrmlSliceNode()


class LayoutManager(QtCore.QObject):
    layoutChanged = QtCore.Signal(int)
    tableViewCount = plotViewCount = 0
    _widgetClasses = {"vtkMRMLSliceNode": qMRMLSliceWidget, "vtkMRMLViewNode": qMRMLThreeDWidget}

    def __init__(self, appLogic, scene):
        super().__init__()
        self._appLogic, self._scene, self._widgets, self._shown = appLogic, scene, {}, None
        self._logic = slicer.vtkMRMLLayoutLogic()
        self._logic.SetMRMLApplicationLogic(appLogic)
        self._logic.SetMRMLScene(scene)
        self._viewport = QtWidgets.QWidget()
        QtWidgets.QVBoxLayout(self._viewport).setContentsMargins(0, 0, 0, 0)
        self._node = self._logic.GetLayoutNode()
        self._node.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._update())

    def _update(self):
        description = self._node.GetCurrentLayoutDescription()
        if self._shown == self._node.GetViewArrangement() or not description:
            return
        self._shown = self._node.GetViewArrangement()
        old = self._viewport.layout().takeAt(0)
        root = self._build(ET.fromstring(description))
        self._viewport.layout().addWidget(root)
        root.show()
        if old and old.widget() is not root:
            old.widget().hide()
        self.layoutChanged.emit(self._shown)

    def _build(self, element):
        if element.tag == "view":
            return self._viewWidget(element.get("singletontag"), element.get("class"))
        splitter = QtWidgets.QSplitter(Qt.Vertical if element.get("type") == "vertical" else Qt.Horizontal)
        for item in element.findall("item"):
            child = self._build(item[0])
            splitter.addWidget(child)
            child.show()
        splitter.setSizes([10000] * splitter.count())  # equal shares
        return splitter

    def _viewWidget(self, tag, className):
        node = self._scene.GetSingletonNode(tag, className)
        if node is None or className not in self._widgetClasses:
            return QtWidgets.QLabel(f"{className} {tag}: not shown by the host")
        if node.GetID() not in self._widgets:
            self._widgets[node.GetID()] = self._widgetClasses[className](node, self._appLogic)
        return self._widgets[node.GetID()]

    def _of(self, cls):
        return [widget for widget in self._widgets.values() if isinstance(widget, cls)]

    def setLayout(self, layout):
        self._node.SetViewArrangement(layout)

    layout = property(lambda self: self._node.GetViewArrangement(), setLayout)
    threeDViewCount = property(lambda self: len(self._of(qMRMLThreeDWidget)))

    def viewport(self):
        return self._viewport

    def layoutLogic(self):
        return self._logic

    def sliceViewNames(self):
        return tuple(widget.mrmlSliceNode().GetLayoutName() for widget in self._of(qMRMLSliceWidget))

    def sliceWidget(self, name):
        return self._widgets.get("vtkMRMLSliceNode" + name)

    def threeDWidget(self, which):
        return self._widgets.get("vtkMRMLViewNode" + which) if isinstance(which, str) else self._of(qMRMLThreeDWidget)[which]

    def mrmlSliceLogics(self):
        return self._appLogic.GetSliceLogics()

    def resetThreeDViews(self):
        for widget in self._of(qMRMLThreeDWidget):
            widget.threeDView().resetFocalPoint()

    def resetSliceViews(self):
        for widget in self._of(qMRMLSliceWidget):
            widget.sliceLogic().FitSliceToBackground()

    def setRenderPaused(self, pause):
        for widget in self._widgets.values():
            widget._view.setRenderPaused(pause)
