"""Approximate FDK for helices: each slice from the turn of views round it."""
import math
from dataclasses import dataclass, replace

import numpy as np
import torch

from ...geometry import Views
from ...geometry.arrays import norm, to_numpy
from ...grids import CartesianGrid
from ...jobs import Step
from ...options import option
from ...tracing import backproject_voxels
from ..problem import ReconstructionError
from .filtering import filtered
from .filters import WINDOWS
from .helix import Helix, fit_helix
from .panel import fan_angles, is_upright, resampled, upright_panel
from .weights import parker, refuse_shifted

TURN = 2 * math.pi
SLAB = 4        # slices that share their views


@dataclass(frozen=True)
class HelicalFDK:
    """FDK on a helix (G. Wang et al., IEEE Trans. Med. Imaging 12, 1993), each slice filtered like a circle: from one turn of views with feathered
    ends, each voxel divided by the weight of the views that see it; where the panel is too low for the pitch, from half a turn and the fan, the
    panel's outer rows continued. Exact in no plane; the error grows with the feed."""
    TITLE = "Helical FDK (approximate)"
    filter: str = option("ram-lak", "Filter", "window on the ramp filter", choices=tuple(WINDOWS))
    cutoff: float = option(1.0, "Cut-off", "highest frequency kept, as a share of Nyquist's", 0.01, 1.0)
    extend: float = option(0.0, "Extend", "continues rows that the object leaves, by this share of their width", 0.0, 1.0)
    feather: float = option(0.25, "Feather", "share of a turn over which the views of a slice fade in and out (whole turns)", 0.0, 1.0)

    def run(self, views, p, grid):
        """Generator of Steps that returns the volume [K, J, I] (1/mm, float32); a grid whose layers lie across the helix' axis is fastest.

        p: projections [views, rows, cols]. Raises ReconstructionError where the views are no helix of a turn or the panel is shifted.
        """
        helix = fit_helix(views)
        if helix.angle[-1] - helix.angle[0] < TURN * (1 - 1e-6) - helix.step:
            raise ReconstructionError("the helix is shorter than one turn; take an iterative method (CGLS, SIRT)")
        panel = views if is_upright(views, helix.orbit) else upright_panel(views, helix.orbit)
        refuse_shifted(fan_angles(panel, helix.orbit))
        p = torch.as_tensor(p, dtype=torch.float32)
        p = p if panel is views else resampled(p, views, panel)
        scan = _Scan(helix, panel, p, self)
        volume_of = scan.from_turns() if scan.sees_turns() else scan.from_half_turns()
        volume = torch.zeros(grid.shape)
        for k in range(0, grid.shape[0], SLAB):
            part = slice(k, min(k + SLAB, grid.shape[0]))
            volume[part] = volume_of(_layers(grid, part))
            yield Step(part.stop, grid.shape[0], None, "", volume)
        return volume


@dataclass(frozen=True, eq=False)
class _Scan:
    """A helix, its upright panel, its projections, and two ways to make a few layers of a grid from them."""
    helix: Helix
    panel: Views
    p: torch.Tensor
    options: HelicalFDK

    @property
    def height_mm(self):
        """The panel's height, as it is at the axis."""
        return self.p.shape[1] * float(norm(to_numpy(self.panel.v)).mean()) * self.helix.sod_mm / float(to_numpy(self.panel.sdd_mm).mean())

    @property
    def fan(self):
        """The largest angle (rad) of a ray from the central one."""
        return float(np.abs(fan_angles(self.panel, self.helix.orbit)).max())

    def sees_turns(self):
        """Whether a turn with its feathered ends stays on the panel, for the voxels nearest to the source too."""
        return self.height_mm * (1 - math.sin(self.fan)) >= TURN * self.helix.h * (1 + self.options.feather)

    def filtered(self, used, weights):
        """Filtered projections of the views `used`, their rays weighted."""
        o = self.options
        return filtered(self.p[used], self.panel[used], self.helix.orbit[used], weights, o.filter, o.cutoff, o.extend)

    def from_turns(self):
        """Function layers -> volume: a turn of views, each voxel divided by the weight of those that see it."""
        helix, feather = self.helix, self.options.feather
        every = np.arange(len(self.p))
        q, ones = self.filtered(every, torch.ones(len(self.p), self.p.shape[2], dtype=torch.float64)), torch.ones_like(self.p[:1])

        def volume_of(layers):
            turns = np.abs(helix.angle - _turned(helix, layers)) / TURN
            weights = np.clip((0.5 + feather / 2 - turns) / feather, 0, 1) if feather else (turns <= 0.5).astype(float)
            w, used = torch.as_tensor(weights[weights > 0], dtype=torch.float32)[:, None, None], helix.order[weights > 0]
            if not len(used):
                return torch.zeros(layers.shape)
            total = backproject_voxels(q[used] * w, layers, self.panel[used])
            seen = backproject_voxels(ones * w, layers, self.panel[used], power=0)
            return torch.where(seen > 0, math.pi * total / seen.clamp_min(1e-6), torch.zeros_like(seen))
        return volume_of

    def from_half_turns(self):
        """Function layers -> volume: the shortest scan round the layers, lines that it measures twice weighted before they are filtered."""
        helix, gamma = self.helix, torch.as_tensor(fan_angles(self.panel, self.helix.orbit))
        reach = self.fan
        length = math.pi + 2 * reach
        rows = self.p.shape[1]
        more = math.ceil(rows / 2 * max(0.0, helix.h * length / self.height_mm / (1 - math.sin(reach)) - 1))
        tall = replace(self.panel, origin=to_numpy(self.panel.origin) - more * to_numpy(self.panel.v), shape=(rows + 2 * more, self.p.shape[2]))

        def volume_of(layers):
            turned = _turned(helix, layers)
            middle = min(max(turned, helix.angle[0] + length / 2), helix.angle[-1] - length / 2)
            if abs(turned - middle) * helix.h > self.height_mm / 2:
                return torch.zeros(layers.shape)
            chosen = np.flatnonzero(np.abs(helix.angle - middle) <= length / 2 + 1e-9)
            used = helix.order[chosen]
            beta = torch.as_tensor(helix.angle[chosen] - middle + length / 2)[:, None]
            q = self.filtered(used, helix.step * parker(beta, gamma[used], length))
            q = torch.nn.functional.pad(q[None], (0, 0, more, more), mode="replicate")[0]
            return backproject_voxels(q, layers, tall[used]) * _within(helix, layers, helix.sod_mm * math.sin(reach))
        return volume_of


def _turned(helix, layers):
    """The angle (rad) at which the source passes the height of some layers."""
    return float((layers.centre_ras - helix.orbit.centre) @ helix.way - helix.z0) / helix.h


def _within(helix, layers, radius_mm):
    """Mask of the voxels so near to the axis."""
    k, j, i = np.indices(layers.shape)
    offset = layers.ras_from_ijk(np.stack([i, j, k], -1).astype(float)) - helix.orbit.centre
    return torch.as_tensor(np.linalg.norm(np.cross(offset, helix.way), axis=-1) <= radius_mm)


def _layers(grid, part):
    """The layers `part` of a grid as a grid."""
    matrix = grid.ijk_to_ras.copy()
    matrix[:3, 3] += part.start * matrix[:3, 2]
    return CartesianGrid((part.stop - part.start, *grid.shape[1:]), matrix)
