"""Sample data that are computed here and need no network."""

import numpy as np
import slicer

from ..grids import CartesianGrid, phantom_by_name, to_hu
from .transforms import matrix_from_array

MARGIN = 4  # voxels of air round the phantom


def load_phantom(name, spacing_mm=2.0):
    """A volume node in HU of the phantom `name`, cut to the body and a margin of air."""
    phantom = phantom_by_name(name)
    bounds = phantom.bounds_ras()
    shape = np.ceil((bounds[:, 1] - bounds[:, 0]) / spacing_mm).astype(int)[::-1]
    grid = CartesianGrid.centred(tuple(shape), spacing_mm, bounds.mean(axis=1))
    mu = phantom.voxelise(grid)
    used = [np.flatnonzero(mu.any(axis=others))[[0, -1]] for others in ((0, 1), (0, 2), (1, 2))]  # i, j, k
    start, stop = (np.array(ends) for ends in zip(*used, strict=True))
    start, stop = np.maximum(start - MARGIN, 0), np.minimum(stop + 1 + MARGIN, mu.shape[::-1])
    values = np.round(to_hu(mu[start[2] : stop[2], start[1] : stop[1], start[0] : stop[0]])).astype(np.int16)
    grid = grid.cropped(start, stop)
    node = slicer.util.addVolumeFromArray(values, ijkToRAS=matrix_from_array(grid.ijk_to_ras), name=f"{name.capitalize()} phantom")
    node.CreateDefaultDisplayNodes()
    return node
