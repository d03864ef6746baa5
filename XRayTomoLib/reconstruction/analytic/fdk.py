"""Filtered backprojection on circles: parallel and fan beams (FBP), cone beams (FDK)."""
import logging
import math
from dataclasses import dataclass

import numpy as np
import torch

from ...jobs import Step
from ...options import option
from ...tracing import backproject_voxels
from ..problem import ReconstructionError
from .filtering import filtered
from .filters import WINDOWS
from .orbit import fit_orbit
from .panel import fan_angles, is_upright, resampled, symmetric, upright_panel
from .weights import angular_steps, arc, is_shifted, offset_weights, parker

LOG = logging.getLogger(__name__)
CHUNK_BYTES = 64 << 20      # filtered projections that are backprojected together
FILTER_BYTES = 4 << 20      # projections that are filtered together: what the FFT makes of them stays in the cache


@dataclass(frozen=True)
class FDK:
    """Filtered backprojection of circular scans: L. A. Feldkamp, L. C. Davis, J. W. Kress, J. Opt. Soc. Am. A 1, 1984; for one plane
    and for parallel rays it is the exact FBP (Kak and Slaney, 1988, chapter 3). Angles may be uneven. Flat panels and cylinders about the
    source are filtered along their rows; those that are not upright, and other surfaces, are resampled to upright flat ones."""
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
        volume, chunk = torch.zeros(grid.shape), _views_in(CHUNK_BYTES, wide)
        for first in range(0, len(views), chunk):
            last = min(first + chunk, len(views))

            def ready(part):
                upright = p[part] if panel is views else resampled(p[part], views[part], panel[part])
                upright = torch.nn.functional.pad(upright, margins)
                return filtered(upright, wide[part], orbit[part], weights[part], self.filter, self.cutoff, self.extend)
            parts = [slice(i, min(i + _views_in(FILTER_BYTES, wide), last)) for i in range(first, last, _views_in(FILTER_BYTES, wide))]
            volume = volume.add_(backproject_voxels(torch.cat([ready(part) for part in parts]), grid, wide[first:last]))
            yield Step(last, len(views), None, "", volume)
        return volume

    def _ray_weights(self, panel, orbit):
        """Angular step times redundancy of each view's columns, [N, cols] float64, and which redundancy it is."""
        gamma = torch.as_tensor(fan_angles(panel, orbit))
        kind = self._kind(gamma, orbit)
        if kind == "half turn":
            return torch.as_tensor(angular_steps(orbit.angle, math.pi))[:, None].expand_as(gamma), kind
        steps = torch.as_tensor(angular_steps(orbit.angle, 2 * math.pi))[:, None]
        if kind in ("full", "limited"):
            return ((0.5 if kind == "full" else 1.0) * steps).expand_as(gamma), kind
        if kind == "offset":
            return steps * offset_weights(gamma), kind
        if is_shifted(gamma):
            LOG.warning("FDK: the detector is shifted and the views are no full turn; where the object leaves the detector's narrow side, lines are "
                        "missing and the volume is wrong there: take a full turn, or an iterative method (CGLS, SIRT)")
        start, length = arc(orbit.angle)
        beta = torch.as_tensor(np.mod(orbit.angle - start + 1e-9, 2 * math.pi) - 1e-9)[:, None]
        return steps * parker(beta, gamma, length), kind

    def _kind(self, gamma, orbit):
        """Which redundancy the scan has: full, short, offset, or (parallel rays) half turn."""
        _, length = arc(orbit.angle)
        whole = length > 2 * math.pi - 1e-9
        kind = self.redundancy
        if kind == "auto":
            kind = ("offset" if is_shifted(gamma) else "full") if whole else "short"
        if kind not in ("short", "limited") and not whole and np.isfinite(orbit.sod_mm).all():
            raise ReconstructionError(f"redundancy '{kind}' needs a full turn; this scan covers {math.degrees(length):.1f} degrees")
        return "half turn" if np.isinf(orbit.sod_mm).all() and kind in ("full", "short", "limited") else kind


def _views_in(size, panel):
    """How many views of float32 fit into `size` bytes, at least one."""
    return max(1, size // (4 * panel.shape[0] * panel.shape[1]))


def fdk(p, views, grid, **options):
    """Generator of Steps of FDK(**options).run(views, p, grid)."""
    return FDK(**options).run(views, p, grid)
