"""Section Reconstruct: from a stack to a volume, watched while it converges."""

import re
from pathlib import Path

import ctk
import slicer
import vtk
from slicer.i18n import tr as _

from ..geometry.formats.xraytomo import FORMAT
from ..jobs import LatestWorker
from ..mrml import convergence, reconstruction_job, stack, tables
from ..mrml.stored_options import read_options, stored_names, write_options
from ..mrml.volume_rendering import show_rendering
from . import dependencies
from .form import Form
from .job_bar import JobBar
from .section import Section, showProblem, showText
from .switched_forms import SwitchedForms
from .worker_timer import WorkerTimer

APPROACH = "approach"  # the key of Approach among the options of the methods


class ReconstructSection(Section):
    uiFile = "Reconstruct.ui"

    def __init__(self, panel):
        Section.__init__(self, panel)
        self._work = self._plannedFor = self._rendered = None
        self._failure = ""
        self._isQuiet = False

    def setup(self):
        ui = self.ui
        self.job = JobBar(ui.reconstructionProgressBar, ui.cancelReconstructionButton, ui.reconstructionStatusLabel, self.onEnd, self.onStep,
                          self.onCancel)
        self.form = Form(ui.reconstructionOptionsWidget, self.onOptions)
        self.corrections = SwitchedForms(ui.reconstructionCorrectionsWidget, self.onCorrections)
        self.approach = Form(ui.approachWidget, lambda values: self._store(APPROACH, values))
        self._planner = LatestWorker(lambda asked: reconstruction_job.planned(*asked))
        self._planTimer = WorkerTimer(self.followPlan)
        ui.reconstructionStackSelector.addAttribute("vtkMRMLScalarVolumeNode", stack.STACK_ATTRIBUTE, "1")
        ui.reconstructionSelector.addAttribute("vtkMRMLScalarVolumeNode", reconstruction_job.RECONSTRUCTION_ATTRIBUTE, "1")
        ui.reconstructionGeometrySelector.addAttribute("vtkMRMLTextNode", "XRayTomo.Format", FORMAT)
        ui.methodComboBox.connect("currentIndexChanged(int)", self.onMethod)
        ui.checkpointPath.connect("currentPathChanged(QString)", self.onCheckpointPath)
        ui.reconstructButton.connect("clicked()", self.onReconstruct)
        ui.resumeButton.connect("clicked()", self.onResume)
        ui.pauseButton.connect("toggled(bool)", self.onPause)
        ui.convergenceButton.connect("clicked()", self.onConvergence)
        ui.estimateButton.connect("clicked()", self.onEstimate)
        self._collapsible = self.widget.findChild(ctk.ctkCollapsibleButton, "reconstructCollapsibleButton")

    def disconnect(self):
        """A reconstruction belongs to the scene that goes: it ends, and is not waited for, as it touches no node."""
        self._leave(wait_s=0.0)
        self._plannedFor = self._rendered = None
        Section.disconnect(self)

    def cleanup(self):
        self._leave(wait_s=5.0)
        self._planner.close()

    def update(self):
        self.job.show()
        if self._collapsible.collapsed:
            return
        p, methods = self.parameters, self._methods()
        self.observe("region", p.reconstructionRegion, vtk.vtkCommand.ModifiedEvent, self.onObservedChange)
        if methods:
            self._updateMethod(methods)
            self._updateForms()
            self._updatePlan()
        if self.ui.checkpointPath.currentPath != p.checkpointFile:
            self.ui.checkpointPath.setCurrentPath(p.checkpointFile)
        self._updateButtons()
        self._updateRendering()
        showProblem(self.ui.reconstructionMessageLabel, self._failure or ("" if methods else dependencies.missingSentence()))

    def onMethod(self, index):
        if self.parameters is not None and index >= 0 and not self._isQuiet:
            self.parameters.reconstructionMethod = list(self._methods())[index]

    def onOptions(self, values):
        self._store(self.parameters.reconstructionMethod, values)

    def onCorrections(self, text):
        self.parameters.reconstructionCorrections = text

    def onEstimate(self):
        self._plan(timed=True)

    def onCheckpointPath(self, path):
        if self.parameters is not None:
            self.parameters.checkpointFile = path

    def onReconstruct(self):
        self._start(resume=None)

    def onResume(self):
        self._start(resume=self._checkpointPath())

    def onPause(self, on):
        self.ui.pauseButton.setText(_("Continue") if on else _("Pause"))
        if self._work is not None:
            (self._work.pause.set if on else self._work.pause.clear)()

    def onCancel(self):
        """The work ends after its present step, and onEnd shows what was reached."""
        self.ui.pauseButton.setChecked(False)
        self._work.finish()
        showText(self.ui.reconstructionStatusLabel, _("Ending after the present step"))

    def onConvergence(self):
        tables.show_chart(convergence.table_of(self.parameters.reconstruction))

    def onStep(self, step):
        work, picture = self._work, self._work.take_picture()
        if picture is not None and not work.is_finishing and work.is_present():
            self._show(picture)

    def onEnd(self, picture, error):
        work, self._failure = self._work, ""
        self.ui.pauseButton.setChecked(False)
        if error is not None:
            self._failure = _("No volume: {error}").format(error=error)
        elif not work.is_present():
            self._failure = _("No volume: its projections, geometry or node were removed meanwhile.")
        elif picture is None or work.is_finishing and not self.parameters.keepCancelled:
            self._discard()
            showText(self.ui.reconstructionStatusLabel, _("Cancelled; no volume was kept."))
        else:
            self._show(picture)
            if work.is_finishing:
                showText(self.ui.reconstructionStatusLabel, _("Cancelled; the volume shows how far it came."))
        if not work.is_shown:
            self._discard()
        self._work = None
        self.panel.update()

    def followPlan(self):
        """Shows what a reconstruction would make and take; returns whether that is still being found out."""
        newest = self._planner.take()
        if newest is not None:
            _number, (request, _timed), plan, error = newest
            showText(self.ui.planLabel, str(error) if error is not None else _sentence(request, *plan))
            self._updateButtons()
        return self._planner.busy

    def _store(self, name, values):
        p = self.parameters
        p.reconstructionOptions = write_options(p.reconstructionOptions, name, values)

    def _leave(self, wait_s):
        self._planTimer.stop()
        self._planner.take()
        self.job.stop(wait_s)
        self._work = None
        self.ui.pauseButton.setChecked(False)

    def _start(self, resume):
        p, self._failure = self.parameters, ""
        if not dependencies.offer():
            self._failure = dependencies.missingSentence()
        else:
            try:
                request = self._request(p.startVolume, p.priorVolume, self._checkpoint(), resume)
                work = reconstruction_job.ReconstructionJob(request, p.projectionStack, p.reconstructionGeometry)
                work.begin(p.reconstruction)
                self._work, p.reconstruction = work, work.node
                self.job.start(work.steps)
            except ValueError as error:
                self._failure = str(error)
        self.update()

    def _request(self, start=None, prior=None, checkpoint=None, resume=None):
        from ..reconstruction.corrections import CORRECTIONS
        from ..workflows.reconstruction import Approach

        p, isIterative = self.parameters, self._isIterative()
        options = read_options(p.reconstructionOptions, p.reconstructionMethod, self._methods()[p.reconstructionMethod])
        chosen = [name for name in stored_names(p.reconstructionCorrections) if name in CORRECTIONS]
        corrections = {name: read_options(p.reconstructionCorrections, name, CORRECTIONS[name]) for name in chosen}
        return reconstruction_job.reconstruction_request(
            p.projectionStack, p.reconstructionMethod, options, p.reconstructionRegion, p.reconstructionSpacingMm, p.waterPerMm, p.airPerMm,
            p.reconstructionGeometry, start if isIterative else None, prior if self._takesPrior() else None, checkpoint, resume,
            corrections, read_options(p.reconstructionOptions, APPROACH, Approach) if isIterative else None)

    def _checkpoint(self):
        """The file for the state of an iterative method; one in the temporary folder where none is chosen."""
        p = self.parameters
        if not self._isIterative():
            return None
        p.checkpointFile = self._checkpointPath()
        return p.checkpointFile

    def _checkpointPath(self):
        name = re.sub(r"[^\w.-]+", "_", self.parameters.projectionStack.GetName() if self.parameters.projectionStack else "")
        return self.parameters.checkpointFile or str(Path(slicer.app.temporaryPath) / f"XRayTomo-{name}.checkpoint.pt")

    def _show(self, picture):
        work = self._work
        isFirst = not work.is_shown
        work.show(picture)
        if isFirst or picture.made is not None:
            slicer.util.setSliceViewerLayers(background=work.node, fit=isFirst and work.is_new)
            self._rendered = None

    def _discard(self):
        """A node that goes is deselected first, or the selector would take another one in its place."""
        if self._work.is_new:
            self.parameters.reconstruction = None
        self._work.discard()

    def _methods(self):
        """{name: class} of all methods; empty where torch is missing."""
        if not dependencies.isPresent("torch"):
            return {}
        from ..reconstruction import METHODS

        return METHODS

    def _isIterative(self):
        from ..reconstruction import METHODS, is_iterative

        return is_iterative(METHODS[self.parameters.reconstructionMethod])

    def _takesPrior(self):
        return self.parameters.reconstructionMethod == "piccs"

    def _updateMethod(self, methods):
        p = self.parameters
        self._isQuiet = True
        try:
            if self.ui.methodComboBox.count != len(methods):
                self.ui.methodComboBox.clear()
                self.ui.methodComboBox.addItems([m.TITLE for m in methods.values()])
            if p.reconstructionMethod not in methods:
                p.reconstructionMethod = next(iter(methods))
            self.ui.methodComboBox.setCurrentIndex(list(methods).index(p.reconstructionMethod))
        finally:
            self._isQuiet = False
        described = methods[p.reconstructionMethod]
        self.form.show(described, read_options(p.reconstructionOptions, p.reconstructionMethod, described))
        for widget, visible in ((self.ui.approachGroupBox, self._isIterative()), (self.ui.priorSelectorLabel, self._takesPrior()),
                                (self.ui.priorSelector, self._takesPrior())):
            widget.setVisible(visible)

    def _updateForms(self):
        from ..reconstruction.corrections import CORRECTIONS
        from ..workflows.reconstruction import Approach

        p = self.parameters
        self.corrections.show(CORRECTIONS, p.reconstructionCorrections)
        self.approach.show(Approach, read_options(p.reconstructionOptions, APPROACH, Approach))
        count = len(stored_names(p.reconstructionCorrections))
        self.ui.reconstructionCorrectionsGroupBox.setTitle(_("Corrections ({count} on)").format(count=count) if count else _("Corrections"))

    def _updateButtons(self):
        p, idle = self.parameters, not self.job.running
        ready = p.projectionStack is not None
        self.ui.reconstructButton.enabled = idle and ready
        self.ui.reconstructButton.toolTip = _("Computes the volume.") if ready else _("Simulate a scan or import projections first.")
        self.ui.resumeButton.enabled = idle and ready and bool(self._methods()) and self._isIterative() and Path(self._checkpointPath()).is_file()
        self.ui.estimateButton.enabled = idle and ready and bool(self._methods())
        self.ui.pauseButton.enabled = not idle
        self.ui.airCalibrationSpinBox.enabled = p.waterPerMm > 0
        self.ui.convergenceButton.enabled = convergence.table_of(p.reconstruction) is not None

    def _updatePlan(self):
        """Asks for the size and memory of what would be made when anything that they depend on has changed."""
        p = self.parameters
        geometry = p.reconstructionGeometry or (p.projectionStack and p.projectionStack.GetNodeReference(stack.GEOMETRY_ROLE))
        nodes = [(node.GetID(), node.GetMTime()) if node else None for node in (p.projectionStack, geometry, p.reconstructionRegion)]
        key = (*nodes, p.reconstructionMethod, p.reconstructionOptions, p.reconstructionSpacingMm)
        if key == self._plannedFor:
            return
        self._plannedFor = key
        if p.projectionStack is None:
            showText(self.ui.planLabel, "")
        else:
            self._plan(timed=False)

    def _plan(self, timed):
        try:
            self._planner.submit((self._request(), timed))
            self._planTimer.start()
            if timed:
                showText(self.ui.planLabel, _("Some of the views are being timed"))
        except ValueError as error:
            showText(self.ui.planLabel, str(error))

    def _updateRendering(self):
        p = self.parameters
        wanted = (p.reconstruction.GetID(), p.showRendering) if p.reconstruction is not None else None
        if wanted is not None and wanted != self._rendered and p.reconstruction.GetImageData() is not None:
            show_rendering(p.reconstruction, p.showRendering)
        self._rendered = wanted


def _sentence(request, grid, needed, budget, seconds):
    """Size of the volume, memory and, where it is known, time of the work, for people."""
    size = " x ".join(str(n) for n in grid.shape[::-1])
    spacing = " x ".join(f"{mm:.4g}" for mm in dict.fromkeys(grid.spacing_mm.round(6)))
    text = _("{size} voxels of {spacing} mm from {views} views, {needed:.3g} MB of memory").format(
        size=size, spacing=spacing, views=len(request.views), needed=needed / 1e6)
    if seconds is not None:
        text += _(", about {minutes:.0f} min").format(minutes=seconds / 60) if seconds > 120 else _(", about {seconds:.2g} s").format(seconds=seconds)
    if needed > budget:
        text += _("; only {budget:.3g} MB may be used: choose larger voxels or a smaller region").format(budget=budget / 1e6)
    return text
