"""Section Calibrate: the true geometry of a scan from its projections, as a new geometry with a report."""

import ctk
from slicer.i18n import tr as _

from ..mrml import calibration_job, stack
from ..mrml.acquisition import attenuation_from_parameters
from ..mrml.stored_options import read_options, write_options
from . import dependencies
from .form import Form
from .job_bar import JobBar
from .section import Section, showProblem, showText


class CalibrateSection(Section):
    uiFile = "Calibrate.ui"

    def __init__(self, panel):
        Section.__init__(self, panel)
        self._stack = None
        self._failure = ""
        self._isQuiet = False

    def setup(self):
        self.titles = {"centre": _("Centre of rotation"), "balls": _("Ball phantom"), "refine": _("Known volume")}
        self.job = JobBar(self.ui.calibrationProgressBar, self.ui.cancelCalibrationButton, self.ui.calibrationStatusLabel, self.onEnd)
        self.form = Form(self.ui.calibrationOptionsWidget, self.onOptions)
        self.ui.calibrationStackSelector.addAttribute("vtkMRMLScalarVolumeNode", stack.STACK_ATTRIBUTE, "1")
        self.ui.calibrationMethodComboBox.addItems(list(self.titles.values()))
        self.ui.calibrationMethodComboBox.connect("currentIndexChanged(int)", self.onMethod)
        self.ui.calibrateButton.connect("clicked()", self.onCalibrate)
        self.ui.cancelCalibrationButton.connect("clicked()", self.update)
        self._collapsible = self.widget.findChild(ctk.ctkCollapsibleButton, "calibrateCollapsibleButton")

    def update(self):
        self.job.show()
        if self._collapsible.collapsed:
            return
        p = self.parameters
        self._isQuiet = True
        self.ui.calibrationMethodComboBox.setCurrentIndex(list(self.titles).index(p.calibrationMethod) if p.calibrationMethod in self.titles else -1)
        self._isQuiet = False
        described = calibration_job.METHODS.get(p.calibrationMethod)
        self.form.show(described, read_options(p.calibrationOptions, p.calibrationMethod, described) if described else {})
        for widget in (self.ui.ballsSelectorLabel, self.ui.ballsSelector, self.ui.ballDiameterSpinBoxLabel, self.ui.ballDiameterSpinBox):
            widget.setVisible(p.calibrationMethod == "balls")
        ready = p.projectionStack is not None and (p.calibrationMethod != "refine" or p.inputVolume is not None)
        self.ui.calibrateButton.enabled = ready and not self.job.running
        self.ui.calibrateButton.toolTip = _("Makes the calibrated geometry.") if ready else _("Select projections, and the known volume, first.")
        showText(self.ui.calibrationReportLabel, p.calibrationReport)
        showProblem(self.ui.calibrationMessageLabel, self._failure)

    def onMethod(self, index):
        if self.parameters is not None and index >= 0 and not self._isQuiet:
            self.parameters.calibrationMethod = list(self.titles)[index]

    def onOptions(self, values):
        p = self.parameters
        p.calibrationOptions = write_options(p.calibrationOptions, p.calibrationMethod, values)

    def onCalibrate(self):
        p, self._failure = self.parameters, ""
        if not dependencies.offer():
            self._failure = dependencies.missingSentence()
        else:
            try:
                options = read_options(p.calibrationOptions, p.calibrationMethod, calibration_job.METHODS[p.calibrationMethod])
                request = calibration_job.calibration_request(p.projectionStack, p.calibrationMethod, options, p.balls, p.ballDiameterMm,
                                                              p.inputVolume, attenuation_from_parameters(p))
                self._stack, p.calibrationReport = p.projectionStack, ""
                self.job.start(calibration_job.calibration_steps(request))
            except ValueError as error:
                self._failure = str(error)
        self.update()

    def onEnd(self, result, error):
        p, self._failure = self.parameters, ""
        if error is not None:
            self._failure = _("Not calibrated: {error}").format(error=error)
        elif not calibration_job.is_present(self._stack):
            self._failure = _("Not calibrated: the projections were removed meanwhile.")
        else:
            p.scanGeometry = calibration_job.show_result(result, self._stack)
            p.calibrationReport = result.report()
        self._stack = None
        self.panel.update()
