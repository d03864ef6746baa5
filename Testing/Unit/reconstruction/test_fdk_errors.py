"""FDK's relative error on noise-free phantoms against RTK's.

The figures of RTK (itk-rtk 2.7.0, FDKConeBeamReconstructionFilter with its default ramp) come from exact line integrals of the same
scans: `python Testing/Benchmarks/reconstruction.py errors` makes them anew.
"""
import numpy as np
import pytest
import torch
from Benchmarks.reconstruction import HEAD, TRUNK, exact, relative_error

from XRayTomoLib import jobs
from XRayTomoLib.reconstruction import FDK


@pytest.mark.parametrize(("scene", "rtk"), [(HEAD, 0.139122), (TRUNK, 0.263168)], ids=["Shepp-Logan", "chest"])
def test_relative_error_is_that_of_rtk(scene, rtk):
    phantom, views, grid = scene
    x = jobs.run(FDK().run(views, torch.from_numpy(exact(phantom, views)), grid))
    assert relative_error(x, phantom.voxelise(grid, 4)) == pytest.approx(rtk, rel=0.02)


def test_head_is_the_published_one():
    """Densities at points of the three-dimensional phantom: skull, brain, ventricle, tumour (shares of water)."""
    phantom = HEAD[0]
    water = phantom.shapes[0].density / 2
    points = 100 * np.array([(0, 0.9, 0), (0, 0, 0.3), (0.22, 0, -0.25), (0, 0.35, -0.25), (-0.08, -0.65, -0.25)])
    assert np.allclose(phantom.values(points) / water, [2, 1.02, 1.0, 1.04, 1.03], atol=1e-12)
