"""Section Trajectory: the way of source and detector, its views in 3D, and the projection of the current one."""

import qt
import slicer
from slicer.i18n import tr as _

from ..geometry.detector_options import DetectorOptions
from ..geometry.trajectories import TRAJECTORIES, Jitter
from ..mrml import scene_objects, trajectory, trajectory_display
from ..mrml.geometry_node import FORMAT
from ..mrml.stored_options import read_options, write_options
from ..mrml.trajectory_display import GROUPS
from .form import Form
from .geometry_files import GeometryFiles
from .projection import ProjectionFollower
from .section import Section, showProblem, showText

_PLAY_MS = 60


class TrajectorySection(Section):
    uiFile = "Trajectory.ui"

    def __init__(self, panel):
        Section.__init__(self, panel)
        self._isQuiet = False
        self._failure = ""
        self._shown = self._drawn = None
        self.projection = ProjectionFollower(self)
        self.files = GeometryFiles(self)
        self.playTimer = qt.QTimer()
        self.playTimer.setInterval(_PLAY_MS)

    def setup(self):
        self.ui.trajectoryComboBox.addItems([t.TITLE for t in TRAJECTORIES.values()])
        self.ui.scanGeometrySelector.addAttribute("vtkMRMLTextNode", "XRayTomo.Format", FORMAT)
        self.form = Form(self.ui.optionsWidget, lambda values: self._store(self.parameters.trajectory, values))
        self.detectorForm = Form(self.ui.detectorWidget, lambda values: self._store(trajectory.DETECTOR, values))
        self.jitterForm = Form(self.ui.jitterWidget, lambda values: self._store(trajectory.JITTER, values))
        self.files.setup()
        self.ui.trajectoryComboBox.connect("currentIndexChanged(int)", self.onTrajectory)
        self.ui.createButton.connect("clicked()", self.onCreate)
        self.ui.drawCurveButton.connect("clicked()", self.onDrawCurve)
        self.ui.viewSlider.connect("valueChanged(double)", self.onView)
        self.ui.playButton.connect("toggled(bool)", self.onPlay)
        self.playTimer.connect("timeout()", self.onPlayTick)
        for group in GROUPS:
            self._checkBox(group).connect("toggled(bool)", lambda on, group=group: self.onVisible(group, on))

    def connect(self):
        Section.connect(self)
        self._shown = self._drawn = None
        self.projection.reset()

    def disconnect(self):
        self.ui.playButton.setChecked(False)
        self.projection.discard()
        Section.disconnect(self)

    def cleanup(self):
        self.playTimer.stop()
        self.projection.close()

    def update(self):
        p = self.parameters
        self._updateForms()
        self.projection.followStack()
        self.observe("scanGeometry", p.scanGeometry, slicer.vtkMRMLTextNode.TextModifiedEvent, self.onObservedChange)
        views, problem = self._views()
        if views is not None:
            self._updateView(views)
            problem = self.projection.update(views)
        for widget in (self.ui.viewSlider, self.ui.playButton, self.ui.exportButton, self.ui.flipButton):
            widget.enabled = views is not None
        showText(self.ui.trajectorySummaryLabel, self._summary(views) if views is not None else "")
        showProblem(self.ui.trajectoryMessageLabel, self._failure or problem)
        self._updateChecks()

    def onTrajectory(self, index):
        if self.parameters is not None and index >= 0 and not self._isQuiet:
            self.parameters.trajectory = list(TRAJECTORIES)[index]

    def onCreate(self):
        p = self.parameters
        try:
            with slicer.util.NodeModify(p.parameterNode):
                trajectory.create_from_parameters(p)
                p.viewIndex = 0
        except ValueError as error:
            self.fail(error)
            return
        self.geometryMade()

    def geometryMade(self):
        """A new geometry is in the scene: the device's own source and detector step back."""
        p, self._failure = self.parameters, ""
        for kind in scene_objects.NAMES:
            node = getattr(p, kind)
            if node is not None:
                node.GetDisplayNode().SetVisibility(False)
        self.panel.update()

    def fail(self, error):
        """Says what went wrong until the next attempt."""
        self._failure = str(error)
        showProblem(self.ui.trajectoryMessageLabel, self._failure)

    def onDrawCurve(self):
        p = self.parameters
        if p.trajectoryCurve is None:
            p.trajectoryCurve = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsCurveNode", _("Source path"))
            p.trajectoryCurve.CreateDefaultDisplayNodes()
        self.place(p.trajectoryCurve)

    def onView(self, value):
        if self.parameters is not None and not self._isQuiet:
            self.parameters.viewIndex = int(round(value))

    def onPlay(self, on):
        self.ui.playButton.setText(_("Stop") if on else _("Play"))
        if on:
            self.playTimer.start()
        else:
            self.playTimer.stop()

    def onPlayTick(self):
        """The next view, once the picture of the present one is there."""
        views, _problem = self._views() if self.parameters is not None else (None, "")
        if views is None:
            self.ui.playButton.setChecked(False)
        elif not self.projection.busy:
            self.parameters.viewIndex = (self.parameters.viewIndex + 1) % len(views)

    def onVisible(self, group, visible):
        p = self.parameters
        if p is not None and p.scanGeometry is not None and not self._isQuiet:
            trajectory_display.set_group_visible(p.scanGeometry, group, visible)

    def _store(self, name, values):
        p = self.parameters
        p.scanOptions = write_options(p.scanOptions, name, values)

    def _updateForms(self):
        p = self.parameters
        described = TRAJECTORIES.get(p.trajectory)
        self._quietly(self.ui.trajectoryComboBox.setCurrentIndex, list(TRAJECTORIES).index(p.trajectory) if described else -1)
        self.form.show(described, read_options(p.scanOptions, p.trajectory, described) if described else {})
        self.detectorForm.show(DetectorOptions, read_options(p.scanOptions, trajectory.DETECTOR, DetectorOptions))
        self.jitterForm.show(Jitter, read_options(p.scanOptions, trajectory.JITTER, Jitter))
        self.files.update()
        for widget in (self.ui.curveSelectorLabel, self.ui.curveSelector, self.ui.drawCurveButton):
            widget.setVisible(p.trajectory == trajectory.FREE)

    def _views(self):
        """(Views of the selected geometry, "") or (None, what is wrong with it)."""
        node = self.parameters.scanGeometry
        if node is None or not node.GetText():
            return None, ""
        try:
            return trajectory_display.views_of(node), ""
        except ValueError as error:
            return None, str(error)

    def _updateView(self, views):
        """Slider and 3D follow the current view; a geometry that changed is drawn anew."""
        p, node = self.parameters, self.parameters.scanGeometry
        if p.viewIndex >= len(views):
            p.viewIndex = 0
        self._quietly(self.ui.viewSlider.setRange, 0, len(views) - 1)
        self._quietly(self.ui.viewSlider.setValue, p.viewIndex)
        if (node.GetID(), node.GetMTime()) != self._drawn:
            self._drawn = node.GetID(), node.GetMTime()
            self._shown = None
            if not trajectory_display.is_drawn(node):
                trajectory_display.show_trajectory(node)
        if p.viewIndex != self._shown:
            self._shown = p.viewIndex
            trajectory_display.show_view(node, p.viewIndex)

    def _updateChecks(self):
        node = self.parameters.scanGeometry
        for group in GROUPS:
            box = self._checkBox(group)
            box.enabled = node is not None and trajectory_display.display_node(node, GROUPS[group][0]) is not None
            self._quietly(box.setChecked, box.enabled and trajectory_display.is_group_visible(node, group))

    def _summary(self, views):
        rows, cols = views.shape
        surface = {"flat": _("flat"), "cylindrical": _("cylindrical"), "spherical": _("spherical")}.get(views.surface.kind, views.surface.kind)
        return _("{count} views of {rows} x {cols} pixels, {surface} detector").format(count=len(views), rows=rows, cols=cols, surface=surface)

    def _checkBox(self, group):
        return getattr(self.ui, group + "CheckBox")

    def _quietly(self, setter, *values):
        """Sets a widget without telling the scene what it just said."""
        before, self._isQuiet = self._isQuiet, True
        try:
            setter(*values)
        finally:
            self._isQuiet = before
