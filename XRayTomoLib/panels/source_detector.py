"""Section Source and detector: the device, its pose, and what of it is shown in 3D."""

import qt
import slicer
import vtk
from slicer.i18n import tr as _

from ..geometry import GeometryError, device_names, load_device
from ..mrml import acquisition, scene_objects
from ..mrml.choices import IsocentreFrom
from .section import Section, showProblem, showText


class SourceDetectorSection(Section):
    uiFile = "SourceDetector.ui"

    def __init__(self, panel):
        Section.__init__(self, panel)
        self._isQuiet = False

    def setup(self):
        self.ui.deviceComboBox.addItems(device_names())
        self.ui.deviceComboBox.connect("currentIndexChanged(int)", self.onDevice)
        self.ui.handlesCheckBox.connect("toggled(bool)", self.onHandles)
        self.ui.showAllButton.connect("clicked()", self.onShowAll)
        for kind in scene_objects.NAMES:
            self._checkBox(kind).connect("toggled(bool)", lambda on, kind=kind: self.onVisible(kind, on))
            self._colorButton(kind).connect("colorChanged(QColor)", lambda color, kind=kind: self.onColor(kind, color))

    def update(self):
        self._updateDevice()
        self.problem = self._updateScene()
        showProblem(self.ui.geometryMessageLabel, self.problem)
        showText(self.ui.geometrySummaryLabel, "" if self.problem else self._summary())
        self._updateIsocentre()
        self._updateDisplay()
        self._observe()

    def onDevice(self, index):
        if self.parameters is not None and index >= 0 and not self._isQuiet:
            acquisition.apply_device(self.parameters, self.ui.deviceComboBox.itemText(index))

    def onGantryMoved(self, caller, event):
        """The gantry's transform was dragged (what this panel moves itself it does not follow)."""
        if self.panel.isUpdating:
            return
        try:
            self.panel.logic.followGantry(self.parameters)
        except ValueError as error:
            showProblem(self.ui.geometryMessageLabel, str(error))

    def onVisible(self, kind, visible):
        node = self._object(kind)
        if node is not None and not self._isQuiet:
            node.GetDisplayNode().SetVisibility(visible)

    def onColor(self, kind, color):
        node = self._object(kind)
        if node is not None and not self._isQuiet:
            scene_objects.set_colour(node, kind, (color.redF(), color.greenF(), color.blueF()))

    def onHandles(self, visible):
        gantry = self.parameters.gantry if self.parameters else None
        if gantry is not None and not self._isQuiet:
            gantry.GetDisplayNode().SetEditorVisibility(visible)
            gantry.GetDisplayNode().SetEditorVisibility3D(visible)

    def onShowAll(self):
        if slicer.app.layoutManager() is not None:
            slicer.util.resetThreeDViews()

    def onDisplayModified(self, caller=None, event=None):
        self._updateDisplay()

    def _updateScene(self):
        """The objects appear with the first volume; returns what is wrong."""
        p = self.parameters
        if p.inputVolume is None and p.gantry is None or any(section.problem for section in self.panel.sections if section is not self):
            return ""
        try:
            self.panel.logic.updateScene(p)
        except ValueError as error:
            return str(error)
        return ""

    def _checkBox(self, kind):
        return getattr(self.ui, kind + "CheckBox")

    def _colorButton(self, kind):
        return getattr(self.ui, kind + "ColorButton")

    def _object(self, kind):
        return getattr(self.parameters, kind) if self.parameters is not None else None

    def _updateDevice(self):
        p, box = self.parameters, self.ui.deviceComboBox
        self._quietly(box.setCurrentIndex, box.findText(p.device))
        showText(self.ui.deviceNoteLabel, self._deviceNote())

    def _deviceNote(self):
        p = self.parameters
        try:
            device = load_device(p.device)
        except GeometryError as error:  # a scene from a house with devices of its own
            return str(error)
        changed = _("{description}; changed below").format(description=device.description)
        return changed if acquisition.differs_from_device(p, device) else device.description

    def _updateIsocentre(self):
        p = self.parameters
        self.ui.isocentrePointSelector.enabled = p.isocentreFrom == IsocentreFrom.POINT
        for axis in "RAS":
            getattr(self.ui, f"isocentre{axis}SpinBox").enabled = p.isocentreFrom == IsocentreFrom.FREE

    def _updateDisplay(self):
        """Check boxes and colours show the display nodes, which keep them with the scene."""
        for kind in scene_objects.NAMES:
            node, box, button = self._object(kind), self._checkBox(kind), self._colorButton(kind)
            box.enabled = button.enabled = node is not None
            if node is not None:
                self._quietly(box.setChecked, bool(node.GetDisplayNode().GetVisibility()))
                self._quietly(button.setColor, qt.QColor.fromRgbF(*node.GetDisplayNode().GetColor()))
        gantry = self.parameters.gantry if self.parameters else None
        self.ui.handlesCheckBox.enabled = gantry is not None
        if gantry is not None:
            self._quietly(self.ui.handlesCheckBox.setChecked, bool(gantry.GetDisplayNode().GetEditorVisibility()))

    def _quietly(self, setter, value):
        """Sets a widget without telling the scene what it just said."""
        self._isQuiet = True
        try:
            setter(value)
        finally:
            self._isQuiet = False

    def _observe(self):
        p, transformed = self.parameters, slicer.vtkMRMLTransformableNode.TransformModifiedEvent
        self.observe("gantry", p.gantry, transformed, self.onGantryMoved)
        point = p.isocentrePoint if p.isocentreFrom == IsocentreFrom.POINT else None
        for event in ("PointModifiedEvent", "PointPositionDefinedEvent", "PointRemovedEvent"):
            self.observe("point" + event, point, getattr(slicer.vtkMRMLMarkupsNode, event), self.onObservedChange)
        for kind in (*scene_objects.NAMES, "gantry"):
            node = self._object(kind)
            self.observe("display" + kind, node.GetDisplayNode() if node else None, vtk.vtkCommand.ModifiedEvent, self.onDisplayModified)

    def _summary(self):
        p = self.parameters
        magnification = p.sddMm / p.sodMm
        width, height = p.cols * p.colPitchMm / magnification, p.rows * p.rowPitchMm / magnification
        return _("Magnification {magnification:.2f}; the isocentre is seen on {width:.0f} x {height:.0f} mm").format(
            magnification=magnification, width=width, height=height
        )
