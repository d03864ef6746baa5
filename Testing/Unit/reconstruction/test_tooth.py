"""From raw counts to a volume: a tooth in the parallel beam of a synchrotron, half a turn, its centre of rotation found on the way."""
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from XRayTomoLib import jobs
from XRayTomoLib.calibration import CentreOptions, calibrate_centre
from XRayTomoLib.io.projections import open_projections
from XRayTomoLib.reconstruction import FDK
from XRayTomoLib.reconstruction.grids import automatic_grid

TOOTH = Path(__file__).resolve().parents[4] / "shared/data/tooth/tooth.h5"


@pytest.mark.skipif(not TOOTH.exists(), reason="shared/data/tooth is not there")
def test_raw_to_volume():
    """The found centre makes the sharper picture: 3 pixels beside it there is more below zero."""
    stack = open_projections(TOOTH, pitch_mm=0.02)
    p = -np.log(np.clip((stack.to_array() - stack.dark) / (stack.flat - stack.dark), 1e-3, None)).astype(np.float32)
    found = jobs.run(calibrate_centre(p, stack.views, CentreOptions()))
    grid = automatic_grid(found.views, spacing_mm=0.06)
    assert grid.shape[0] <= 2 and min(grid.shape[1:]) > 150
    below = []
    for off in (0.0, -3.0, 3.0):
        u = np.asarray(found.views.u)
        shifted = replace(found.views, origin=np.asarray(found.views.origin) + off * u)
        x = jobs.run(FDK("hann").run(shifted, p, grid)).numpy()[0]
        below.append(np.square(np.minimum(x, 0)).sum())
    assert below[0] < 0.9 * min(below[1:]), below
