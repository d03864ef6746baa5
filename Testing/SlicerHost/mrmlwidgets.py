"""The qMRML and qSlicer widgets that modules use; the rules of the node selector were compared with Slicer's (Testing/Host)."""

import slicer
from PySide6 import QtCore, QtWidgets
from PySide6.QtCore import Signal

from .ctkwidgets import ctkDoubleSpinBox, ctkSliderWidget
from .pythonqt import hostClass, prop

mrmlClasses = {}  # copied into the slicer namespace


def mrmlClass(cls):
    mrmlClasses[cls.__name__] = cls
    return hostClass(cls)


class Observers:
    """VTK observers that end with a widget: {key: (object, tag)}."""

    def __init__(self, widget):
        self._tags = {}
        widget.destroyed.connect(lambda *_: self.keep(()))

    def add(self, key, observed, event, callback):
        if key not in self._tags:
            self._tags[key] = observed, observed.AddObserver(event, callback)

    def keep(self, keys):
        """Ends all but those of `keys`."""
        for key in set(self._tags) - set(keys):
            observed, tag = self._tags.pop(key)
            observed.RemoveObserver(tag)


@mrmlClass
class qMRMLWidget(QtWidgets.QWidget):
    mrmlSceneChanged = Signal(object)
    _signals_ = {"mrmlSceneChanged": {"vtkMRMLScene*"}}
    _scene = None

    def setMRMLScene(self, scene):
        if scene is not self._scene:
            self._scene = scene
            self.mrmlSceneChanged.emit(scene)

    def mrmlScene(self):
        return self._scene


@mrmlClass
class qSlicerWidget(qMRMLWidget):
    pass


@mrmlClass
class qMRMLSliderWidget(ctkSliderWidget):
    quantity, setQuantity = prop("quantity", "")

    def setMRMLScene(self, scene):
        """Slicer takes unit and range from the scene's unit nodes when a quantity is set."""


@mrmlClass
class qMRMLSpinBox(ctkDoubleSpinBox):
    def setMRMLScene(self, scene):
        """As qMRMLSliderWidget."""


@mrmlClass
class qMRMLCoordinatesWidget(QtWidgets.QWidget):
    """Three numbers; `coordinates` is the text "x,y,z", as in CTK."""

    coordinatesChanged = Signal(object)
    _signals_ = {"coordinatesChanged": {"double*"}}
    decimals, setDecimals = prop("decimals", 3)
    minimum, setMinimum = prop("minimum", -100000.0)
    maximum, setMaximum = prop("maximum", 100000.0)
    singleStep, setSingleStep = prop("singleStep", 1.0)

    def __init__(self, parent=None):
        super().__init__(parent)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._boxes = [ctkDoubleSpinBox() for _ in range(3)]
        for box in self._boxes:
            layout.addWidget(box, 1)
            box.valueChanged.connect(lambda _: self.coordinatesChanged.emit(self._values()))
        self._changed("minimum")

    def _values(self):
        return [box.value for box in self._boxes]

    def _changed(self, name):
        for box in self._boxes:
            box.setDecimals(self.decimals)
            box.setRange(self.minimum, self.maximum)
            box.setSingleStep(self.singleStep)

    def setCoordinates(self, *values):
        """`setCoordinates("1,2,3")` or `setCoordinates(1, 2, 3)`; one signal for all three."""
        numbers = [float(text) for text in (values[0].split(",") if len(values) == 1 else values)]
        if numbers == self._values():
            return
        for box, number in zip(self._boxes, numbers, strict=True):
            box.blockSignals(True)
            box.setValue(number)
            box.blockSignals(False)
        self.coordinatesChanged.emit(numbers)

    coordinates = QtCore.Property(str, lambda self: ",".join(f"{value:g}" for value in self._values()), setCoordinates)

    def setMRMLScene(self, scene):
        """As qMRMLSliderWidget."""


@mrmlClass
class qSlicerMarkupsPlaceWidget(qMRMLWidget):
    """A button that starts and ends placing of points in the current markups node through the scene's interaction node."""

    activeMarkupsPlaceModeChanged = Signal(bool)

    def __init__(self, parent=None):
        super().__init__(parent)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._node, self._button = None, QtWidgets.QToolButton()
        self._button.setText("Place")
        self._button.setCheckable(True)
        self._button.toggled.connect(self.setPlaceModeEnabled)
        layout.addWidget(self._button)
        self._observers = Observers(self)

    def setMRMLScene(self, scene):
        super().setMRMLScene(scene)
        if scene:
            node = self._interaction()
            self._observers.add("interaction", node, node.InteractionModeChangedEvent, lambda *_: self._follow())

    @staticmethod
    def _interaction():
        return slicer.app.applicationLogic().GetInteractionNode()

    def _follow(self):
        self._button.blockSignals(True)
        changed = self._button.isChecked() != self.placeModeEnabled
        self._button.setChecked(self.placeModeEnabled)
        self._button.blockSignals(False)
        if changed:
            self.activeMarkupsPlaceModeChanged.emit(self.placeModeEnabled)

    def setPlaceModeEnabled(self, enabled):
        interaction = self._interaction()
        if enabled and self._node:
            slicer.modules.markups.logic().SetActiveList(self._node)
            interaction.SetPlaceModePersistence(0)
            interaction.SetCurrentInteractionMode(interaction.Place)
        else:
            interaction.SetCurrentInteractionMode(interaction.ViewTransform)
        self._follow()

    def _isPlacing(self):
        interaction, selection = self._interaction(), slicer.app.applicationLogic().GetSelectionNode()
        active = self._node is not None and selection.GetActivePlaceNodeID() == self._node.GetID()
        return active and interaction.GetCurrentInteractionMode() == interaction.Place

    placeModeEnabled = QtCore.Property(bool, _isPlacing, setPlaceModeEnabled)

    def setCurrentNode(self, node):
        self._node = node
        self._follow()

    def currentNode(self):
        return self._node

    def placeButton(self):
        return self._button
