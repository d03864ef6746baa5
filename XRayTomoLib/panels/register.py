"""Section Register: the volume moves to where X-rays show it, with an error bar; accepted or reverted."""

import ctk
import slicer
from slicer.i18n import tr as _

from ..mrml import registration_job
from ..mrml.acquisition import attenuation_from_parameters
from ..mrml.convergence import show_convergence
from ..mrml.stored_options import read_options, write_options
from . import dependencies
from .form import Form
from .job_bar import JobBar
from .section import Section, showProblem, showText

OPTIONS, PREPARATION = "registration", "preparation"


class RegisterSection(Section):
    uiFile = "Register.ui"

    def __init__(self, panel):
        Section.__init__(self, panel)
        self._work = None
        self._failure = ""

    def setup(self):
        self.job = JobBar(self.ui.registrationProgressBar, self.ui.cancelRegistrationButton, self.ui.registrationStatusLabel, self.onEnd, self.onStep)
        self.form = Form(self.ui.registrationOptionsWidget, lambda values: self._store(OPTIONS, values))
        self.preparationForm = Form(self.ui.preparationWidget, lambda values: self._store(PREPARATION, values))
        self.ui.registerButton.connect("clicked()", self.onRegister)
        self.ui.pauseRegistrationButton.connect("toggled(bool)", self.onPause)
        self.ui.cancelRegistrationButton.connect("clicked()", self.onCancel)
        self.ui.revertButton.connect("clicked()", self.onRevert)
        self._collapsible = self.widget.findChild(ctk.ctkCollapsibleButton, "registerCollapsibleButton")

    def disconnect(self):
        """A registration belongs to the scene that goes: it ends."""
        self.job.stop()
        self._work = None
        Section.disconnect(self)

    def cleanup(self):
        self.job.stop()

    def update(self):
        self.job.show()
        if self._collapsible.collapsed:
            return
        p, present = self.parameters, dependencies.isPresent("torch")
        if present:
            self._updateForms()
        idle = not self.job.running
        ready = p.inputVolume is not None and p.xray1 is not None
        self.ui.registerButton.enabled = idle and ready
        self.ui.registerButton.toolTip = _("Moves the volume to where the X-rays show it.") if ready else _("Select a volume and an X-ray first.")
        self.ui.pauseRegistrationButton.enabled = not idle
        self.ui.revertButton.enabled = idle and self._isMoved()
        showText(self.ui.registrationReportLabel, p.registrationReport)
        showProblem(self.ui.registrationMessageLabel, self._failure or ("" if present else dependencies.missingSentence()))

    def onRegister(self):
        p, self._failure = self.parameters, ""
        if not dependencies.offer():
            self._failure = dependencies.missingSentence()
        else:
            try:
                options, preparation = self._values()
                xrays = [p.xray1, p.xray2]
                request = registration_job.registration_request(p.inputVolume, xrays, attenuation_from_parameters(p), options, preparation)
                self._work = registration_job.RegistrationJob(request, p.inputVolume, xrays)
                p.registrationReport = ""
                self.job.start(self._work.steps)
            except ValueError as error:
                self._failure = str(error)
        self.update()

    def onPause(self, on):
        self.ui.pauseRegistrationButton.setText(_("Continue") if on else _("Pause"))
        if self._work is not None:
            (self._work.pause.set if on else self._work.pause.clear)()

    def onStep(self, step):
        """The volume follows in 3D."""
        work = self._work
        if work is not None and work.is_present() and step.state is not None:
            self.parameters.registration = work.move(step.state["pose"], self.parameters.registration)

    def onCancel(self):
        self._work = None
        self.ui.pauseRegistrationButton.setChecked(False)
        self._revert()
        showText(self.ui.registrationStatusLabel, _("Cancelled; the volume lies where it was."))
        self.panel.update()

    def onRevert(self):
        self._revert()
        self.parameters.registrationReport = ""
        self.panel.update()

    def onEnd(self, result, error):
        p, work, self._failure = self.parameters, self._work, ""
        self.ui.pauseRegistrationButton.setChecked(False)
        self._work = None
        if error is not None:
            self._revert()
            self._failure = _("Not registered: {error}").format(error=error)
        elif work is None or not work.is_present():
            self._failure = _("Not registered: the volume or an X-ray was removed meanwhile.")
        else:
            p.registration, p.registrationEllipsoid = work.finish(result, p.registration, p.registrationEllipsoid)
            p.registrationReport = result.report()
            p.registeredRadiograph = work.overlay(result, p.registeredRadiograph)
            show_convergence(work.values, p.registration.GetName())
            slicer.util.setSliceViewerLayers(background=p.xray1, foreground=p.registeredRadiograph, foregroundOpacity=0.5, fit=True)
        self.panel.update()

    def _store(self, name, values):
        p = self.parameters
        p.registrationOptions = write_options(p.registrationOptions, name, values)

    def _values(self):
        from ..registration import RegistrationOptions
        from ..registration.images import Preparation

        text = self.parameters.registrationOptions
        return read_options(text, OPTIONS, RegistrationOptions), read_options(text, PREPARATION, Preparation)

    def _updateForms(self):
        from ..registration import RegistrationOptions
        from ..registration.images import Preparation

        options, preparation = self._values()
        self.form.show(RegistrationOptions, options)
        self.preparationForm.show(Preparation, preparation)

    def _isMoved(self):
        p = self.parameters
        return p.inputVolume is not None and p.registration is not None and p.inputVolume.GetParentTransformNode() is p.registration

    def _revert(self):
        registration_job.revert(self.parameters.inputVolume, self.parameters.registration)
