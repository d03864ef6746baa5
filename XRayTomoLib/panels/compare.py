"""Section Compare: a volume against a reference in figures, as a difference, and along a line; its sharpness and noise in a region."""

import slicer
from slicer.i18n import tr as _

from ..mrml import comparison, region_quality, tables
from ..mrml.acquisition import attenuation_from_parameters
from . import dependencies
from .job_bar import JobBar
from .section import Section, showProblem, showText


class CompareSection(Section):
    uiFile = "Compare.ui"

    def __init__(self, panel):
        Section.__init__(self, panel)
        self._compared = None
        self._failure = ""

    def setup(self):
        self.job = JobBar(self.ui.compareProgressBar, self.ui.cancelCompareButton, self.ui.compareStatusLabel, self.onEnd)
        self.ui.differenceSelector.addAttribute("vtkMRMLScalarVolumeNode", comparison.DIFFERENCE_ATTRIBUTE, "1")
        self.ui.compareButton.connect("clicked()", self.onCompare)
        self.ui.profileButton.connect("clicked()", self.onProfile)
        self.ui.measureRegionButton.connect("clicked()", self.onMeasureRegion)
        self.ui.spectrumButton.connect("clicked()", self.onSpectrum)

    def disconnect(self):
        """A comparison belongs to the scene that goes: it ends."""
        self.job.stop(0.0)
        showText(self.ui.compareResultLabel, "")
        showText(self.ui.qualityResultLabel, "")
        Section.disconnect(self)

    def cleanup(self):
        self.job.stop()

    def update(self):
        p, idle = self.parameters, not self.job.running
        self.job.show()
        ready = p.comparedVolume is not None and p.referenceVolume is not None
        self.ui.compareButton.enabled = idle and ready
        self.ui.compareButton.toolTip = _("Compares the volumes.") if ready else _("Select a volume and its reference first.")
        self.ui.profileButton.enabled = comparison.profile_table(p.differenceVolume) is not None
        self.ui.measureRegionButton.enabled = p.comparedVolume is not None and p.qualityRegion is not None
        self.ui.spectrumButton.enabled = p.spectrumTable is not None
        showProblem(self.ui.compareMessageLabel, self._failure)

    def onCompare(self):
        p, self._failure = self.parameters, ""
        if not dependencies.offer():
            self._failure = dependencies.missingSentence()
        else:
            try:
                steps = comparison.comparison_steps(p.comparedVolume, p.referenceVolume, p.profileLine, attenuation_from_parameters(p))
                self._compared = p.comparedVolume, p.referenceVolume
                self.job.start(steps)
            except ValueError as error:
                self._failure = str(error)
        self.update()

    def onEnd(self, result, error):
        p, compared = self.parameters, self._compared
        if error is not None:
            self._failure = _("Not compared: {error}").format(error=error)
        elif not all(slicer.mrmlScene.IsNodePresent(node) for node in compared):
            self._failure = _("Not compared: a volume was removed meanwhile.")
        else:
            p.differenceVolume = comparison.show_comparison(result, *compared, p.differenceVolume)
            showText(self.ui.compareResultLabel, _figures(result))
        self.panel.update()

    def onProfile(self):
        tables.show_chart(comparison.profile_table(self.parameters.differenceVolume))

    def onMeasureRegion(self):
        p, self._failure = self.parameters, ""
        showText(self.ui.qualityResultLabel, "")
        if not dependencies.offer():
            self._failure = dependencies.missingSentence()
        else:
            try:
                quality = region_quality.measured_region(p.comparedVolume, p.qualityRegion)
                p.spectrumTable = region_quality.show_spectrum(quality, p.comparedVolume.GetName(), p.spectrumTable)
                showText(self.ui.qualityResultLabel, _qualityText(quality))
            except ValueError as error:
                self._failure = str(error)
        self.update()

    def onSpectrum(self):
        tables.show_chart(self.parameters.spectrumTable)


def _qualityText(quality):
    if quality.edge is None:
        return _("Even region: {mean:.5g} ± {deviation:.3g} {unit} in {voxels} voxels").format(
            mean=quality.mean, deviation=quality.deviation, unit=quality.unit, voxels=quality.voxels)
    return _("Edge: {width:.3g} mm from 10 to 90 %, MTF of 50 % at {half:.3g} and of 10 % at {tenth:.3g} per mm").format(
        width=quality.edge.width_mm, half=quality.edge.mtf50, tenth=quality.edge.mtf10)


def _figures(result):
    f = result.figures
    return _(
        "Relative error {relative:.4g}\nNRMSE {nrmse:.4g} (of the reference's range)\nPSNR {psnr:.2f} dB\nSSIM {ssim:.4f}\n"
        "Difference {bias:.4g} ± {deviation:.4g} {unit}\n{voxels} voxels"
    ).format(relative=f.relative_error, nrmse=f.nrmse, psnr=f.psnr_db, ssim=f.ssim, bias=f.bias, deviation=f.deviation, unit=result.unit,
             voxels=f.voxels)
