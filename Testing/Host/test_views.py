"""The views show what the scene holds."""

import numpy as np
import slicer
from SlicerHost import driving


def test_slice_views_show_the_volume():
    before = driving.pixels(slicer.app.layoutManager().sliceWidget("Red").sliceView())
    volume = slicer.util.addVolumeFromArray(np.full((20, 20, 20), 100.0, np.float32))
    slicer.util.setSliceViewerLayers(background=volume, fit=True)
    volume.GetDisplayNode().SetAutoWindowLevel(0)
    volume.GetDisplayNode().SetWindowLevelMinMax(0, 200)
    after = driving.pixels(slicer.app.layoutManager().sliceWidget("Red").sliceView())
    middle = tuple(n // 2 for n in after.shape[:2])
    assert before[middle].tolist() == [0, 0, 0]
    assert abs(int(after[middle][0]) - 128) <= 2
