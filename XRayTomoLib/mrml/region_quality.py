"""How noisy a volume is inside a region of interest, and how sharp where an edge crosses it: figures, and their spectra as a table with a chart."""

from dataclasses import dataclass

import numpy as np
import slicer
import vtk

from ..physics.attenuation import looks_like_hu
from .coverage import box_of_node
from .tables import add_chart, fill_table, remove_chart
from .volumes import VolumeError, array_from_volume, grid_from_volume

MOST_VOXELS = 2_000_000
LEAST_EDGE = 4  # voxels along each axis


@dataclass(frozen=True, eq=False)
class RegionQuality:
    """Mean and standard deviation of a volume's values in a region; where an edge crosses it the edge's response, else the noise's spectrum
    as (frequency [n] in cycles/mm, mean power [n] over directions, in the unit squared times mm or mm^2 or mm^3)."""

    mean: float
    deviation: float
    voxels: int
    unit: str
    edge: object = None
    noise: tuple = None


def measured_region(volume_node, roi_node):
    """RegionQuality of the voxels in a markups ROI (in the smallest block of voxels that holds it). Raises VolumeError."""
    from ..reconstruction.resolution import NoEdge, noise_power_spectrum, plane_edge_response, radial_spectrum

    if volume_node is None or roi_node is None:
        raise VolumeError("Select a volume and a region of interest in it.")
    values, grid = array_from_volume(volume_node), grid_from_volume(volume_node)
    x = np.asarray(values[_block(grid, roi_node)], np.float64)
    spacing = [d for n, d in zip(x.shape, grid.spacing_mm[::-1], strict=True) if n > 1]
    x = x.reshape([n for n in x.shape if n > 1])
    found = float(x.mean()), float(x.std()), x.size, "HU" if looks_like_hu(values)[0] else "1/mm"
    try:
        return RegionQuality(*found, edge=plane_edge_response(x, spacing))
    except NoEdge:  # an even region, of which the noise is asked
        return RegionQuality(*found, noise=radial_spectrum(*noise_power_spectrum(x[None], spacing), bins=max(2, min(x.shape) // 2)))


def _block(grid, roi_node):
    """Slices [k, j, i] of the voxels that the region's box reaches."""
    ijk = grid.ijk_from_ras(box_of_node(roi_node).corners_ras())
    size = np.array(grid.shape[::-1])
    low, high = np.clip(np.ceil(ijk.min(0)), 0, size).astype(int), np.clip(np.floor(ijk.max(0)) + 1, 0, size).astype(int)
    count = np.where(size > 1, high - low, 1)
    low = np.where(size > 1, low, 0)
    if (count[size > 1] < LEAST_EDGE).any():
        raise VolumeError(f"The region '{roi_node.GetName()}' holds fewer than {LEAST_EDGE} voxels along an axis of the volume: enlarge it, or "
                          "move it into the volume.")
    if np.prod(count) > MOST_VOXELS:
        raise VolumeError(f"The region '{roi_node.GetName()}' holds {np.prod(count)} voxels: choose one of {MOST_VOXELS} at most.")
    return tuple(slice(a, a + n) for a, n in zip(low[::-1], count[::-1], strict=True))


def show_spectrum(quality, name, table=None):
    """The MTF of the edge or the power of the noise by frequency, in a table node (made when it is None) with a chart; returns it."""
    if table is None:
        table = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", slicer.mrmlScene.GenerateUniqueName(f"{name} spectrum"))
    else:
        remove_chart(table)
    title = "MTF" if quality.edge is not None else "noise power"
    frequency, power = (quality.edge.frequency, quality.edge.mtf) if quality.edge is not None else quality.noise
    columns = ("frequency (1/mm)", frequency), (title, power)
    fill_table(table, [(heading, vtk.vtkDoubleArray, np.nan_to_num(values)) for heading, values in columns])
    add_chart(table, "frequency (1/mm)", {title: title})
    return table
