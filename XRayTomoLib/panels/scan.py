"""Section Simulate scan: the volume's projections along all views, made in a worker thread."""

from slicer.i18n import tr as _

from ..mrml import scan_job, stack
from ..mrml.trajectory_display import views_of
from . import dependencies
from .section import Section, showProblem, showText
from .worker_timer import WorkerTimer


class ScanSection(Section):
    uiFile = "Scan.ui"

    def __init__(self, panel):
        Section.__init__(self, panel)
        self.job = None
        self._failure = ""
        self.timer = WorkerTimer(self.follow)

    def setup(self):
        self.ui.stackSelector.addAttribute("vtkMRMLScalarVolumeNode", stack.STACK_ATTRIBUTE, "1")
        self.ui.stackPath.connect("currentPathChanged(QString)", self.onPath)
        self.ui.simulateButton.connect("clicked()", self.onSimulate)
        self.ui.cancelScanButton.connect("clicked()", self.onCancel)

    def disconnect(self):
        """A scan belongs to the scene that goes: it ends."""
        self._stop()
        Section.disconnect(self)

    def cleanup(self):
        self._stop()

    def update(self):
        p = self.parameters
        if self.ui.stackPath.currentPath != p.stackFile:
            self.ui.stackPath.setCurrentPath(p.stackFile)
        running = self.job is not None
        ready = p.inputVolume is not None and p.scanGeometry is not None and not self.panel.sections[0].problem
        self.ui.simulateButton.enabled = ready and not running
        self.ui.simulateButton.toolTip = _("Projects the volume along all views.") if ready else _("Select a volume and create a trajectory first.")
        self.ui.cancelScanButton.enabled = running
        self.ui.scanProgressBar.setVisible(running)
        if not running:
            showText(self.ui.scanStatusLabel, self._needs() if ready else "")
        showProblem(self.ui.scanMessageLabel, self._failure)

    def onPath(self, path):
        if self.parameters is not None:
            self.parameters.stackFile = path

    def onSimulate(self):
        self._failure = ""
        if not dependencies.offer():
            self._failure = dependencies.missingSentence()
        else:
            try:
                request = scan_job.request_from_parameters(self.parameters)
                self.job = scan_job.ScanJob(request, self.parameters.inputVolume, self.parameters.scanGeometry).start()
            except ValueError as error:
                self._failure = str(error)
        if self.job is not None:
            self.ui.scanProgressBar.setRange(0, len(self.job.request.views))
            self.ui.scanProgressBar.setValue(0)
            showText(self.ui.scanStatusLabel, _("Preparing"))
            self.timer.start()
        self.update()

    def onCancel(self):
        self._stop()
        showText(self.ui.scanStatusLabel, _("Cancelled; nothing was kept."))

    def follow(self):
        """Shows how far the scan is and takes its result; returns whether it still runs."""
        if self.job is None:
            return False
        running = self.job.thread.running
        step = self.job.thread.take()
        if step is not None:
            self.ui.scanProgressBar.setValue(step.index)
            showText(self.ui.scanStatusLabel, step.message)
        if not running:
            self._finish()
        return running

    def _finish(self):
        job, self.job = self.job, None
        p = self.parameters
        if job.thread.error is not None:
            self._failure = _("No scan: {error}").format(error=job.thread.error)
        elif not job.is_present():
            self._failure = _("No scan: its volume or geometry was removed meanwhile.")
        else:
            p.projectionStack = job.finish(job.thread.result, p.projectionStack)
        self.panel.update()

    def _stop(self):
        self.timer.stop()
        if self.job is not None:
            self.job.thread.cancel()
            self.job = None
            if self.parameters is not None:
                self.update()

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
