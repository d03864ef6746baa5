"""Section Simulate scan: the volume's projections along all views, made in a worker thread."""

from slicer.i18n import tr as _

from ..mrml import scan_job, stack
from ..mrml.trajectory_display import views_of
from . import dependencies
from .job_bar import JobBar
from .section import Section, showProblem, showText


class ScanSection(Section):
    uiFile = "Scan.ui"

    def __init__(self, panel):
        Section.__init__(self, panel)
        self._scan = None
        self._failure = ""

    def setup(self):
        self.job = JobBar(self.ui.scanProgressBar, self.ui.cancelScanButton, self.ui.scanStatusLabel, self.onEnd)
        self.ui.stackSelector.addAttribute("vtkMRMLScalarVolumeNode", stack.STACK_ATTRIBUTE, "1")
        self.ui.stackPath.connect("currentPathChanged(QString)", self.onPath)
        self.ui.simulateButton.connect("clicked()", self.onSimulate)
        self.ui.cancelScanButton.connect("clicked()", self.update)

    def update(self):
        p = self.parameters
        self.job.show()
        if self.ui.stackPath.currentPath != p.stackFile:
            self.ui.stackPath.setCurrentPath(p.stackFile)
        ready = p.inputVolume is not None and p.scanGeometry is not None and not self.panel.sections[0].problem
        self.ui.simulateButton.enabled = ready and not self.job.running
        self.ui.simulateButton.toolTip = _("Projects the volume along all views.") if ready else _("Select a volume and create a trajectory first.")
        showText(self.ui.scanNeedsLabel, self._needs() if ready else "")
        showProblem(self.ui.scanMessageLabel, self._failure)

    def onPath(self, path):
        if self.parameters is not None:
            self.parameters.stackFile = path

    def onSimulate(self):
        p, self._failure = self.parameters, ""
        if not dependencies.offer():
            self._failure = dependencies.missingSentence()
        else:
            try:
                self._scan = scan_job.ScanJob(scan_job.request_from_parameters(p), p.inputVolume, p.scanGeometry)
                self.job.start(self._scan.steps)
            except ValueError as error:
                self._failure = str(error)
        self.update()

    def onEnd(self, target, error):
        p, scan = self.parameters, self._scan
        self._scan = None
        if error is not None:
            self._failure = _("No scan: {error}").format(error=error)
        elif not scan.is_present():
            self._failure = _("No scan: its volume or geometry was removed meanwhile.")
        else:
            p.projectionStack = scan.finish(target, p.projectionStack)
        self.panel.update()

    def _needs(self):
        """Size of the stack that a scan would make."""
        try:
            views = views_of(self.parameters.scanGeometry)
        except ValueError:
            return ""
        size = stack.stack_bytes(views)
        text = _("{count} projections of {rows} x {cols} pixels, {size:.4g} MB").format(
            count=len(views), rows=views.shape[0], cols=views.shape[1], size=size / 1e6
        )
        return text + (_("; choose a file for them") if size > stack.LIMIT_BYTES and not self.parameters.stackFile else "")
