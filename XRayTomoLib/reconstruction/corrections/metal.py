"""Metal: rays through it are replaced by what their neighbours say.

The metal is found in a first volume by a threshold and projected; its shadow in the projections is filled from both sides, row by row
(W. Kalender, R. Hebel, J. Ebersberger, Radiology 164, 1987), either as it is or after division by the projections of a prior volume of
air, soft tissue and bone, in which nothing but the tissue's own structure is left to be seen (NMAR: E. Meyer et al., Med. Phys. 37, 2010).
"""
from dataclasses import dataclass

import numpy as np
import torch

from ...options import option
from ...tracing import Projector
from ..algebraic import largest
from ..problem import ReconstructionError

LEAST_PATH = 0.5        # of a voxel's edge: rays with less metal than this are as measured
LEAST_IMAGE = 0.02      # of the prior's largest projection: air beside the object is not divided by nothing
SHARE_OF_METAL = 0.02   # of the volume: more cannot be bridged


@dataclass(frozen=True)
class Metal:
    """How metal is found and what takes the place of its shadow."""
    TITLE = "Metal"
    method: str = option("nmar", "Method", "nmar: interpolation of projections normalised by a prior volume; linear: of the projections themselves",
                         choices=("nmar", "linear"))
    threshold_per_mm: float = option(0.08, "Metal from", "attenuation from which a voxel is metal", 1e-6, unit="1/mm")
    soft_per_mm: float = option(0.0193, "Soft tissue", "attenuation that soft tissue gets in the prior volume", 1e-6, unit="1/mm")
    air_below_per_mm: float = option(0.010, "Air below", "attenuation below which the prior volume is air", 0.0, unit="1/mm")
    bone_above_per_mm: float = option(0.025, "Bone above", "attenuation above which the prior volume keeps its own values", 0.0, unit="1/mm")
    smooth_mm: float = option(1.5, "Smoothing", "standard deviation of the Gaussian before the prior volume is divided into tissues", 0.0, unit="mm")

    def find(self, x):
        """Mask of the metal in the volume x (1/mm)."""
        metal = x > self.threshold_per_mm
        share = float(metal.float().mean())
        if share > SHARE_OF_METAL:
            raise ReconstructionError(f"{share:.0%} of the volume lie above {self.threshold_per_mm} 1/mm and would be metal; raise the threshold")
        return metal

    def prior(self, x, metal, spacing_mm):
        """Volume of air, soft tissue and bone from x; the metal is filled with the tissue next to it."""
        from scipy.ndimage import distance_transform_edt, gaussian_filter

        spacing = np.asarray(spacing_mm)[::-1]
        _, nearest = distance_transform_edt(metal.cpu().numpy(), spacing, return_indices=True)
        filled = x.cpu().numpy()[tuple(nearest)]
        smooth = gaussian_filter(filled, self.smooth_mm / spacing)
        tissue = np.where(smooth > self.bone_above_per_mm, filled, np.float32(self.soft_per_mm))
        return torch.from_numpy(np.where(smooth < self.air_below_per_mm, np.float32(0), tissue))


def metal_corrected(options, p, views, grid, volume_of, projector=Projector):
    """Generator of Steps that returns (projections without the metal's shadow, mask of the metal, first volume).

    volume_of(p): generator of Steps that returns the volume [K, J, I] of projections p; it runs once, and once more for NMAR's prior.
    """
    first = yield from volume_of(p)
    metal = options.find(first)
    if not bool(metal.any()):
        return p, metal, first
    A = projector(grid, views)
    shadow = A(metal.float()) > LEAST_PATH * float(grid.spacing_mm.min())
    filled = bridged(p, shadow)
    if options.method == "nmar":
        better = yield from volume_of(filled)
        image = A(options.prior(better, metal, grid.spacing_mm).to(p.device))
        filled = normalised_bridged(p, image.clamp_min(LEAST_IMAGE * float(largest(A, image))), shadow)
    return filled, metal, first


def bridged(p, shadow):
    """p [views, rows, cols] with the pixels of the mask `shadow` interpolated linearly along each row."""
    values, gaps = p.cpu().numpy().copy().reshape(-1, p.shape[2]), shadow.cpu().numpy().reshape(-1, p.shape[2])
    columns = np.arange(p.shape[2])
    for row in np.flatnonzero(gaps.any(1)):
        gap = gaps[row]
        if not gap.all():
            values[row, gap] = np.interp(columns[gap], columns[~gap], values[row, ~gap])
    return torch.from_numpy(values.reshape(p.shape)).to(p.device)


def normalised_bridged(p, image, shadow):
    """p with the pixels of the shadow replaced: p / image bridged, times image, which is above 0."""
    return torch.where(shadow, bridged(p / image, shadow) * image, p)
