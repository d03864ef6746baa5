"""Filtered backprojection on circles: parallel and fan beams (FBP), cone beams (FDK)."""
import math
from dataclasses import dataclass

import numpy as np
import torch

from ...jobs import Step
from ...options import option
from ...tracing import backproject_voxels
from ..problem import ReconstructionError
from .filters import WINDOWS, filter_rows
from .orbit import fit_orbit
from .panel import column_positions, is_upright, resampled, row_positions, symmetric, upright_panel
from .weights import angular_steps, arc, offset_weights, parker

CHUNK_BYTES = 64 << 20
OFFSET_SHARE = 0.1      # a detector whose sides differ by more than this share counts as shifted


@dataclass(frozen=True)
class FDK:
    """Filtered backprojection of circular scans: L. A. Feldkamp, L. C. Davis, J. W. Kress, J. Opt. Soc. Am. A 1, 1984; for one plane
    and for parallel rays it is the exact FBP (Kak and Slaney, 1988, chapter 3). Angles may be uneven; panels that are not upright, and
    curved ones, are resampled to upright flat ones."""
    TITLE = "FDK / FBP"
    filter: str = option("ram-lak", "Filter", "window on the ramp filter", choices=tuple(WINDOWS))
    cutoff: float = option(1.0, "Cut-off", "highest frequency kept, as a share of Nyquist's", 0.01, 1.0)
    redundancy: str = option("auto", "Redundancy", "how lines measured twice are weighted; auto: by the views; limited: not at all (an arc that "
                             "is too short for all lines)", choices=("auto", "full", "short", "offset", "limited"))
    extend: float = option(0.0, "Extend", "continues rows that the object leaves, by this share of their width", 0.0, 1.0)

    def run(self, views, p, grid):
        """Generator of Steps that returns the volume [K, J, I] (1/mm, float32) on `grid`.

        p: projections [views, rows, cols]. Raises ReconstructionError where the views are no circle or lines are missing.
        """
        p = torch.as_tensor(p, dtype=torch.float32)
        if tuple(p.shape) != (len(views), *views.shape):
            raise ReconstructionError(f"projections of shape {tuple(p.shape)}: expected {(len(views), *views.shape)}, as the views have")
        orbit = fit_orbit(views)
        panel = views if is_upright(views, orbit) else upright_panel(views, orbit)
        weights, kind = self._ray_weights(panel, orbit)
        wide, margins = symmetric(panel, orbit) if kind == "offset" else (panel, (0, 0))
        weights = torch.nn.functional.pad(weights, margins)
        chunk = max(1, CHUNK_BYTES // (4 * wide.shape[0] * wide.shape[1]))
        volume = torch.zeros(grid.shape)
        for first in range(0, len(views), chunk):
            part = slice(first, min(first + chunk, len(views)))
            upright = p[part] if panel is views else resampled(p[part], views[part], panel[part])
            filtered = self._filtered(torch.nn.functional.pad(upright, margins), part, wide, orbit, weights)
            volume = volume + backproject_voxels(filtered, grid, wide[part])
            yield Step(part.stop, len(views), None, "", volume)
        return volume

    def _filtered(self, p, part, panel, orbit, weights):
        """Weighted and filtered projections of some views, ready for the backprojection's 1 / depth^2."""
        across, depth = column_positions(panel[part], _picked(orbit, part))
        spacing = torch.linalg.vector_norm(torch.as_tensor(np.array(panel.u[part])), dim=-1)
        scale = torch.as_tensor(weights[part]).to(p)[:, None]
        if panel.source is not None:
            height = row_positions(panel[part], _picked(orbit, part))
            slant = np.sqrt(depth[:, None, None] ** 2 + across[:, None] ** 2 + height[..., None] ** 2)
            scale = scale * torch.as_tensor(depth[:, None, None] / slant).to(p)
            sod = torch.as_tensor(orbit.sod_mm[part])
            spacing = spacing * sod / torch.as_tensor(depth)
            scale = scale * sod.square().to(p)[:, None, None]
        return filter_rows(p * scale, spacing.to(p)[:, None, None], self.filter, self.cutoff, self.extend)

    def _ray_weights(self, panel, orbit):
        """Angular step times redundancy of each view's columns, [N, cols] float64, and which redundancy it is."""
        across, depth = column_positions(panel, orbit)
        parallel = panel.source is None
        gamma = torch.as_tensor(across if parallel else -np.arctan(across / depth[:, None]))
        kind = self._kind(gamma, orbit)
        if kind == "half turn":
            return torch.as_tensor(angular_steps(orbit.angle, math.pi))[:, None].expand_as(gamma), kind
        steps = torch.as_tensor(angular_steps(orbit.angle, 2 * math.pi))[:, None]
        if kind in ("full", "limited"):
            return ((0.5 if kind == "full" else 1.0) * steps).expand_as(gamma), kind
        if kind == "offset":
            return steps * offset_weights(gamma), kind
        start, length = arc(orbit.angle)
        beta = torch.as_tensor(np.mod(orbit.angle - start + 1e-9, 2 * math.pi) - 1e-9)[:, None]
        return steps * parker(beta, gamma, length), kind

    def _kind(self, gamma, orbit):
        """Which redundancy the scan has: full, short, offset, or (parallel rays) half turn."""
        _, length = arc(orbit.angle)
        whole = length > 2 * math.pi - 1e-9
        low, high = -float(gamma.min()), float(gamma.max())
        shifted = abs(high - low) > OFFSET_SHARE * (high + low)
        kind = self.redundancy
        if kind == "auto":
            kind = ("offset" if shifted else "full") if whole else "short"
        if kind not in ("short", "limited") and not whole and np.isfinite(orbit.sod_mm).all():
            raise ReconstructionError(f"redundancy '{kind}' needs a full turn; this scan covers {math.degrees(length):.1f} degrees")
        return "half turn" if np.isinf(orbit.sod_mm).all() and kind in ("full", "short", "limited") else kind


def _picked(orbit, part):
    from dataclasses import replace
    return replace(orbit, angle=orbit.angle[part], radial=orbit.radial[part], tangent=orbit.tangent[part], sod_mm=orbit.sod_mm[part])


def fdk(p, views, grid, **options):
    """Generator of Steps of FDK(**options).run(views, p, grid)."""
    return FDK(**options).run(views, p, grid)
