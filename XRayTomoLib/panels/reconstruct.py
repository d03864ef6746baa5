"""Section Reconstruct: from a stack to a volume, watched while it converges."""

import time

import ctk
import slicer
from slicer.i18n import tr as _

from ..mrml import reconstruction_job, stack
from ..mrml.stored_options import read_options, write_options
from . import dependencies
from .form import Form
from .job_bar import JobBar
from .section import Section, showProblem, showText

PREVIEW_SECONDS = 2.0


class ReconstructSection(Section):
    uiFile = "Reconstruct.ui"

    def __init__(self, panel):
        Section.__init__(self, panel)
        self._work = self._table = None
        self._failure = ""
        self._isQuiet = False
        self._shownAt = 0.0

    def setup(self):
        self.job = JobBar(self.ui.reconstructionProgressBar, self.ui.cancelReconstructionButton, self.ui.reconstructionStatusLabel, self.onEnd,
                          self.onStep)
        self.form = Form(self.ui.reconstructionOptionsWidget, self.onOptions)
        self.ui.reconstructionStackSelector.addAttribute("vtkMRMLScalarVolumeNode", stack.STACK_ATTRIBUTE, "1")
        self.ui.methodComboBox.connect("currentIndexChanged(int)", self.onMethod)
        self.ui.checkpointPath.connect("currentPathChanged(QString)", self.onCheckpointPath)
        self.ui.reconstructButton.connect("clicked()", self.onReconstruct)
        self.ui.resumeButton.connect("clicked()", self.onResume)
        self.ui.pauseButton.connect("toggled(bool)", self.onPause)
        self.ui.cancelReconstructionButton.connect("clicked()", self.onCancel)
        self._collapsible = self.widget.findChild(ctk.ctkCollapsibleButton, "reconstructCollapsibleButton")

    def disconnect(self):
        """A reconstruction belongs to the scene that goes: it ends."""
        self.job.stop()
        self._work = None
        Section.disconnect(self)

    def cleanup(self):
        self.job.stop()

    def update(self):
        self.job.show()
        if self._collapsible.collapsed:
            return
        p, methods = self.parameters, self._methods()
        if methods:
            self._updateMethod(methods)
        if self.ui.checkpointPath.currentPath != p.checkpointFile:
            self.ui.checkpointPath.setCurrentPath(p.checkpointFile)
        idle = not self.job.running
        self.ui.reconstructButton.enabled = idle and p.projectionStack is not None
        self.ui.resumeButton.enabled = idle and p.projectionStack is not None and bool(p.checkpointFile)
        self.ui.pauseButton.enabled = not idle
        ready = p.projectionStack is not None
        self.ui.reconstructButton.toolTip = _("Computes the volume.") if ready else _("Simulate a scan or import projections first.")
        showProblem(self.ui.reconstructionMessageLabel, self._failure or ("" if methods else dependencies.missingSentence()))

    def onMethod(self, index):
        if self.parameters is not None and index >= 0 and not self._isQuiet:
            self.parameters.reconstructionMethod = list(self._methods())[index]

    def onOptions(self, values):
        p = self.parameters
        p.reconstructionOptions = write_options(p.reconstructionOptions, p.reconstructionMethod, values)

    def onCheckpointPath(self, path):
        if self.parameters is not None:
            self.parameters.checkpointFile = path

    def onReconstruct(self):
        self._start(resume=None)

    def onResume(self):
        self._start(resume=self.parameters.checkpointFile)

    def onPause(self, on):
        self.ui.pauseButton.setText(_("Continue") if on else _("Pause"))
        if self._work is not None:
            (self._work.pause.set if on else self._work.pause.clear)()

    def onCancel(self):
        """The volume keeps the last preview: the best so far."""
        self._work = None
        self.ui.pauseButton.setChecked(False)
        showText(self.ui.reconstructionStatusLabel, _("Cancelled; the volume shows how far it came."))
        self.panel.update()

    def onStep(self, step):
        if self._work is not None and step.preview is not None and time.monotonic() - self._shownAt > PREVIEW_SECONDS:
            self._show(step.preview.numpy())
            self._shownAt = time.monotonic()

    def onEnd(self, result, error):
        work, self._failure = self._work, ""
        self.ui.pauseButton.setChecked(False)
        if error is not None:
            self._failure = _("No volume: {error}").format(error=error)
        elif work is None or not work.is_present():
            self._failure = _("No volume: its projections or geometry were removed meanwhile.")
        else:
            values, _grid, made = result
            self._show(values, made)
        self._work = None
        self.panel.update()

    def _start(self, resume):
        p, self._failure = self.parameters, ""
        if not dependencies.offer():
            self._failure = dependencies.missingSentence()
        else:
            try:
                options = read_options(p.reconstructionOptions, p.reconstructionMethod, self._methods()[p.reconstructionMethod])
                checkpoint = p.checkpointFile if self._isIterative() else None
                request = reconstruction_job.reconstruction_request(p.projectionStack, p.reconstructionMethod, options, p.reconstructionRoi,
                                                                    p.reconstructionSpacingMm, p.waterPerMm, checkpoint, resume)
                self._work = reconstruction_job.ReconstructionJob(request, p.projectionStack)
                self._table, self._shownAt = None, time.monotonic()
                self.job.start(self._work.steps)
            except ValueError as error:
                self._failure = str(error)
        self.update()

    def _show(self, values, made=None):
        work, p = self._work, self.parameters
        if work.is_present():
            isNew = p.reconstruction is None
            p.reconstruction = work.show(p.reconstruction, values, made)
            if work.residuals:
                self._table = reconstruction_job.show_convergence(list(work.residuals), p.reconstruction.GetName(), self._table)
            if isNew or made is not None:
                slicer.util.setSliceViewerLayers(background=p.reconstruction, fit=isNew)

    def _methods(self):
        """{name: class} of all methods; empty where torch is missing."""
        if not dependencies.isPresent("torch"):
            return {}
        from ..reconstruction import METHODS

        return METHODS

    def _isIterative(self):
        from ..reconstruction import METHODS, is_iterative

        return is_iterative(METHODS[self.parameters.reconstructionMethod])

    def _updateMethod(self, methods):
        p = self.parameters
        self._isQuiet = True
        try:
            if self.ui.methodComboBox.count != len(methods):
                self.ui.methodComboBox.clear()
                self.ui.methodComboBox.addItems([m.TITLE for m in methods.values()])
            known = p.reconstructionMethod in methods
            self.ui.methodComboBox.setCurrentIndex(list(methods).index(p.reconstructionMethod) if known else -1)
        finally:
            self._isQuiet = False
        described = methods.get(p.reconstructionMethod)
        self.form.show(described, read_options(p.reconstructionOptions, p.reconstructionMethod, described) if described else {})
