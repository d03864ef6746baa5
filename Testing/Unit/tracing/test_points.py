"""A landmark's projection and the picture of a bright voxel at the same place agree: no half pixel, no mirrored axis."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from Unit.tracing.scenes import CENTRE, LINEAR, TURN, grid_about

from XRayTomoLib.geometry import CArm
from XRayTomoLib.tracing import project

VOLUMES = {
    "oblique": TURN @ np.diag([0.9, 1.1, 1.3]),
    "left-handed": TURN @ np.diag([-0.9, 1.1, 1.3]),
    "sheared": TURN @ np.array([[0.9, 0.3, 0], [0, 1.1, 0.2], [0, 0, 1.3]]),
}
ARM = CArm(1000.0, 600.0, 240, 300, 0.13, 0.17, principal_offset_mm=(5.0, -3.0), in_plane_deg=25.0)
VIEWS = {"turned": ARM.views([20, 110], [15, -35], CENTRE), "mirrored": replace(ARM, flipped=True).views([20, 110], [15, -35], CENTRE)}


@pytest.mark.parametrize("method", LINEAR)
@pytest.mark.parametrize("views", VIEWS.values(), ids=VIEWS)
@pytest.mark.parametrize("axes", VOLUMES.values(), ids=VOLUMES)
def test_bright_voxel_lies_where_its_point_is_projected(axes, views, method):
    grid = grid_about((7, 9, 12), axes)
    for k, j, i in ((1, 2, 9), (5, 6, 2)):
        volume = torch.zeros(grid.shape)
        volume[k, j, i] = 1
        for n, picture in enumerate(project(volume, grid, views, method=method).double().numpy()):
            r, c = np.indices(picture.shape)
            centroid = np.array([(r * picture).sum(), (c * picture).sum()]) / picture.sum()
            np.testing.assert_allclose(centroid, views.project(grid.ras_from_ijk([[i, j, k]]))[n, 0], atol=0.1)
