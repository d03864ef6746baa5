"""What the panel's tests share: a volume, the open panel, and waiting for its pictures."""

import ctk
import numpy as np
import slicer
from SlicerHost import driving


def phantom(name="Block", shape=(40, 44, 48), spacing=4.0):
    """HU: a block of water with a bone rod at the patient's left, towards the head."""
    values = np.full(shape, -1000, np.int16)
    values[6:-6, 6:-6, 6:-6] = 0
    values[shape[0] // 2 : -8, 18:24, 10:14] = 1500
    matrix = np.diag([spacing, spacing, spacing, 1.0])
    matrix[:3, 3] = -spacing * (np.array(shape[::-1]) - 1) / 2
    return slicer.util.addVolumeFromArray(values, ijkToRAS=slicer.util.vtkMatrixFromArray(matrix), name=name)


class Panel:
    """The module's panel as a test sees it."""

    def __init__(self):
        slicer.util.selectModule("XRayTomo")
        driving.process()
        self.widget = slicer.util.getModuleWidget("XRayTomo")
        self.volume, self.geometry, self.picture, *self.others = self.widget.sections

    def section(self, name):
        """The section whose class is called `name`, opened."""
        found = next(section for section in self.others if type(section).__name__ == name)
        next(button for button in found.widget.findChildren(ctk.ctkCollapsibleButton)).collapsed = False
        driving.process()
        return found

    @property
    def p(self):
        return self.widget.parameterNode

    def __getattr__(self, name):
        """A widget of any section by its object name."""
        for section in self.widget.sections:
            if hasattr(section.ui, name):
                return getattr(section.ui, name)
        raise AttributeError(f"the panel has no widget '{name}'")

    def ready(self, volume=None, pixels=96):
        """Selects a volume with a small detector of 300 mm and waits for the picture."""
        volume = volume or phantom()
        self.p.rows = self.p.cols = pixels
        self.p.rowPitchMm = self.p.colPitchMm = 300.0 / pixels
        driving.choose(self.inputVolumeSelector, volume.GetName())
        self.wait()
        return volume

    def wait(self, seconds=60):
        """Until no picture is under way."""
        driving.process()
        driving.wait_until(lambda: not self.picture.live.busy and not self.picture.timer.isActive(), seconds)

    def image(self):
        return slicer.util.arrayFromVolume(self.p.radiograph)[0].copy()

    def gantry(self):
        return slicer.util.arrayFromTransformMatrix(self.p.gantry)


def spin_box(slider):
    return slider.spinBox() if hasattr(slider, "spinBox") else slider
