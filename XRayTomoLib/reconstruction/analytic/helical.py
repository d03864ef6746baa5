"""Approximate FDK for helices: each slice from the turn of views round it."""
import math
from dataclasses import dataclass

import numpy as np
import torch

from ...grids import CartesianGrid
from ...jobs import Step
from ...options import option
from ...tracing import backproject_voxels
from ..problem import ReconstructionError
from .filtering import filtered
from .filters import WINDOWS
from .helix import fit_helix
from .panel import is_upright, resampled, upright_panel

SLAB = 4        # slices that share their views


@dataclass(frozen=True)
class HelicalFDK:
    """FDK on a helix (G. Wang et al., IEEE Trans. Med. Imaging 12, 1993): filtered like a circle, each slice from one turn of views with
    feathered ends, each voxel divided by the weight of the views that see it. Exact in no plane; the error grows with the feed."""
    TITLE = "Helical FDK (approximate)"
    filter: str = option("ram-lak", "Filter", "window on the ramp filter", choices=tuple(WINDOWS))
    cutoff: float = option(1.0, "Cut-off", "highest frequency kept, as a share of Nyquist's", 0.01, 1.0)
    extend: float = option(0.0, "Extend", "continues rows that the object leaves, by this share of their width", 0.0, 1.0)
    feather: float = option(0.25, "Feather", "share of a turn over which the views of a slice fade in and out", 0.0, 1.0)

    def run(self, views, p, grid):
        """Generator of Steps that returns the volume [K, J, I] (1/mm, float32); a grid whose layers lie across the helix' axis is fastest."""
        helix = fit_helix(views)
        if helix.angle[-1] - helix.angle[0] < 2 * math.pi * (1 - 1e-6) - helix.step:
            raise ReconstructionError("the helix is shorter than one turn; take an iterative method (CGLS, SIRT)")
        panel = views if is_upright(views, helix.orbit) else upright_panel(views, helix.orbit)
        p = torch.as_tensor(p, dtype=torch.float32)
        p = p if panel is views else resampled(p, views, panel)
        ones = torch.ones_like(p[:1])
        p = filtered(p, panel, helix.orbit, torch.ones(len(p), p.shape[2], dtype=torch.float64), self.filter, self.cutoff, self.extend)
        volume = torch.zeros(grid.shape)
        for k in range(0, grid.shape[0], SLAB):
            part = slice(k, min(k + SLAB, grid.shape[0]))
            layers, weights = _layers(grid, part), self._weights(helix, _layers(grid, part))
            used = np.flatnonzero(weights)
            if len(used):
                w, used = torch.as_tensor(weights[used], dtype=torch.float32)[:, None, None], helix.order[used]
                total = backproject_voxels(p[used] * w, layers, panel[used])
                seen = backproject_voxels(ones * w, layers, panel[used], power=0)
                volume[part] = torch.where(seen > 0, math.pi * total / seen.clamp_min(1e-6), torch.zeros_like(seen))
            yield Step(part.stop, grid.shape[0], None, "", volume)
        return volume

    def _weights(self, helix, layers):
        """Weight of each view for some layers of the grid: 1 near their height, 0 half a turn (and half the feather) away."""
        height = (layers.centre_ras - helix.orbit.centre) @ helix.way
        turns = np.abs(helix.angle - (height - helix.z0) / helix.h) / (2 * math.pi)
        if self.feather == 0:
            return (turns <= 0.5).astype(float)
        return np.clip((0.5 + self.feather / 2 - turns) / self.feather, 0, 1)


def _layers(grid, part):
    """The layers `part` of a grid as a grid."""
    matrix = grid.ijk_to_ras.copy()
    matrix[:3, 3] += part.start * matrix[:3, 2]
    return CartesianGrid((part.stop - part.start, *grid.shape[1:]), matrix)
