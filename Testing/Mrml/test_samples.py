"""Sample data that the module registers; the phantom needs no network."""

import numpy as np
import SampleData
import slicer

from XRayTomoLib.grids import chest


def test_the_chest_phantom_comes_from_sample_data(tmp_path, monkeypatch):
    monkeypatch.setenv("XRAYTOMO_CACHE", str(tmp_path))
    node = SampleData.downloadSample("XRayTomoChestPhantom")
    assert node.GetName() == "Chest phantom"
    values = slicer.util.arrayFromVolume(node)
    assert values.min() == -1000
    assert values.max() > 500
    bounds = np.zeros(6)
    node.GetRASBounds(bounds)
    for place in chest().landmarks.values():
        assert (bounds[::2] < place).all()
        assert (place < bounds[1::2]).all()
