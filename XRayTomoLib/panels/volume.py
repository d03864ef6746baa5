"""Section Volume: what is X-rayed, and how its values become attenuation."""

import slicer
import vtk
from slicer.i18n import tr as _

from ..mrml.choices import AttenuationKind
from ..mrml.volumes import examine_volume
from .section import Section, showProblem, showText


class VolumeSection(Section):
    uiFile = "Volume.ui"

    def __init__(self, panel):
        Section.__init__(self, panel)
        self._examined = None
        self._findings = ("", "")

    def update(self):
        p = self.parameters
        volumeNode, transformable = slicer.vtkMRMLScalarVolumeNode, slicer.vtkMRMLTransformableNode
        for event in (vtk.vtkCommand.ModifiedEvent, volumeNode.ImageDataModifiedEvent, transformable.TransformModifiedEvent):
            self.observe(f"volume {event}", p.inputVolume, event, self.onObservedChange)
        summary, problem = self._examine(p.inputVolume, p.attenuationKind)
        showText(self.ui.volumeSummaryLabel, summary)
        showProblem(self.ui.volumeMessageLabel, problem)
        self.problem = "" if summary else problem
        inHu = p.attenuationKind != AttenuationKind.LINEAR
        self.ui.energySpinBox.enabled = inHu
        self.ui.airSpinBox.enabled = inHu
        self.ui.thresholdSpinBox.enabled = p.attenuationKind == AttenuationKind.HU_THRESHOLD

    def _examine(self, volume, kind):
        """Summary and problem; the voxels are looked at again only when they or the model changed."""
        if volume is None:
            return _("Load a CT, or take one from Sample Data, category XRayTomo."), ""
        image = volume.GetImageData()
        parent = volume.GetParentTransformNode()
        rigid = parent is None or parent.IsTransformToWorldLinear()
        now = (volume.GetID(), volume.GetMTime(), image.GetMTime() if image else 0, rigid, kind)
        if now != self._examined:
            self._examined, self._findings = now, examine_volume(volume, kind.value)
        return self._findings
