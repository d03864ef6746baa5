"""Section Geometry checks: points in every projection, coverage maps, and warnings."""

import slicer
from slicer.i18n import tr as _

from ..geometry.warnings import Gantry
from ..mrml import coverage, geometry_check
from ..mrml.landmarks import new_points_node
from ..mrml.stored_options import instance_from_options, read_options, write_options
from ..mrml.trajectory import device_from_parameters
from ..mrml.trajectory_display import views_of
from .form import Form
from .job_bar import JobBar
from .section import Section, showProblem, showText

_GANTRY = "gantry"  # its name among the stored options


class GeometryChecksSection(Section):
    uiFile = "GeometryChecks.ui"

    def __init__(self, panel):
        Section.__init__(self, panel)
        self._warned = self._map = None
        self._failure = ""

    def setup(self):
        self.form = Form(self.ui.gantryWidget, self._store)
        self.job = JobBar(self.ui.coverageProgressBar, self.ui.cancelCoverageButton, self.ui.coverageStatusLabel, self.onMapEnd)
        self.ui.placeCheckPointButton.connect("clicked()", self.onPlacePoint)
        self.ui.placeObservedButton.connect("clicked()", self.onMark)
        self.ui.checkGeometryButton.connect("clicked()", self.onCheck)
        self.ui.coverageButton.connect("clicked()", self.onMap)
        self.ui.cancelCoverageButton.connect("clicked()", self.update)

    def connect(self):
        Section.connect(self)
        self._warned = None

    def update(self):
        p = self.parameters
        self.job.show()
        self.form.show(Gantry, read_options(p.scanOptions, _GANTRY, Gantry))
        self.observePoints("checkPoints", "observedPoints")
        ready = p.scanGeometry is not None
        self.ui.checkGeometryButton.enabled = ready and p.checkPoints is not None
        self.ui.placeObservedButton.enabled = ready and p.projection is not None
        self.ui.coverageButton.enabled = ready and (p.coverageRoi or p.inputVolume) is not None and not self.job.running
        problem = self._updatePoints() if ready else ""
        self._updateWarnings()
        showProblem(self.ui.checksMessageLabel, self._failure or problem)

    def onPlacePoint(self):
        self.placePoints("checkPoints", _("Known points"), (0.2, 0.9, 0.2))

    def onMark(self):
        self.placePoints("observedPoints", _("Observed points"), (0.2, 0.8, 0.9))

    def onCheck(self):
        """Report of all views; the points of the current view are drawn on its projection."""
        p, self._failure = self.parameters, ""
        if p.projectedCheckPoints is None:
            p.projectedCheckPoints = new_points_node(_("{name} in the projection").format(name=p.checkPoints.GetName()), (1.0, 0.6, 0.0), locked=True)
        try:
            showText(self.ui.checkReportLabel, geometry_check.check(p.scanGeometry, p.checkPoints, p.observedPoints).report())
        except ValueError as error:
            self._failure = str(error)
        self.update()

    def onMap(self):
        p, self._failure = self.parameters, ""
        try:
            grid = coverage.map_grid(coverage.box_of_node(p.coverageRoi or p.inputVolume), p.coverageSpacingMm)
            self._map = grid, p.coverageKind.value, p.scanGeometry
            self.job.start(coverage.map_steps(views_of(p.scanGeometry), grid, p.coverageKind.value))
        except ValueError as error:
            self._failure = str(error)
        self.update()

    def onMapEnd(self, values, error):
        p = self.parameters
        if error is not None:
            self._failure = _("No map: {error}").format(error=error)
        elif slicer.mrmlScene.IsNodePresent(self._map[2]):
            p.coverageMap = coverage.show_map(values, *self._map)
        self.panel.update()

    def _updatePoints(self):
        """Marks belong to the view in which they were made; known points follow the current view once they were checked."""
        p = self.parameters
        try:
            if p.observedPoints is not None:
                geometry_check.name_new_points(p.observedPoints, p.checkPoints, p.viewIndex)
                geometry_check.show_observed_of_view(p.observedPoints, p.viewIndex)
            if p.projectedCheckPoints is not None and p.checkPoints is not None:
                geometry_check.show_projected(p.scanGeometry, p.viewIndex, p.checkPoints, p.projectedCheckPoints)
        except ValueError as error:
            return str(error)
        return ""

    def _updateWarnings(self):
        """Looked for anew when the geometry, the object, the table or the machine changed."""
        p = self.parameters
        if not p.warn or p.scanGeometry is None or not p.scanGeometry.GetText():
            self._warned = None
            showText(self.ui.warningsLabel, "")
            return
        nodes = p.scanGeometry, p.inputVolume, p.tableRoi
        now = *((node.GetID(), node.GetMTime()) if node is not None else None for node in nodes), p.scanOptions
        if now == self._warned:
            return
        self._warned = now
        try:
            gantry = instance_from_options(p.scanOptions, _GANTRY, Gantry)
            found = coverage.warnings(p.scanGeometry, p.inputVolume, gantry, p.tableRoi, device_from_parameters(p))
            showProblem(self.ui.warningsLabel, "\n".join(found))
        except ValueError as error:
            showProblem(self.ui.warningsLabel, str(error))

    def _store(self, values):
        p = self.parameters
        p.scanOptions = write_options(p.scanOptions, _GANTRY, values)
