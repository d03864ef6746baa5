"""Projections of upright panels, weighted and filtered along their rows, ready for the backprojection's 1 / depth^2.

Flat panels (fan beams with equally spaced detectors) and cylinders about the source (equal angles): A. C. Kak, M. Slaney, Principles of
Computerized Tomographic Imaging, 1988, sections 3.4.2 and 3.4.1, with the cosine of the cone angle of FDK.
"""
import numpy as np
import torch

from ...geometry import Flat
from ...geometry.arrays import norm, to_numpy
from .filters import filter_rows
from .panel import column_positions, fan_angles, row_positions


def filtered(p, panel, orbit, weights, window, cutoff, extend):
    """Filtered projections [N, rows, cols] of an upright panel. weights [N, cols] (float64): angular step times redundancy of the rays."""
    if panel.source is None:
        return _filtered_parallel(p, panel, weights, window, cutoff, extend)
    way = _filtered_flat if isinstance(panel.surface, Flat) else _filtered_arc
    return way(p, panel, orbit, weights, window, cutoff, extend)


def _filtered_parallel(p, panel, weights, window, cutoff, extend):
    return filter_rows(p * (weights / _pitch(panel)[:, None]).to(p)[:, None], 1.0, window, cutoff, extend)


def _filtered_flat(p, panel, orbit, weights, window, cutoff, extend):
    across, depth = column_positions(panel, orbit)
    height = row_positions(panel, orbit)
    slopes = [torch.as_tensor((a / depth[:, :1]) ** 2).to(p) for a in (across, height)]
    p = p * (1 + slopes[0][:, None] + slopes[1][..., None]).rsqrt_()        # cosine of the ray's angle to the central one
    scale = weights * torch.as_tensor(orbit.sod_mm[:, None] * depth) / _pitch(panel)[:, None]
    return filter_rows(p * scale.to(p)[:, None], 1.0, window, cutoff, extend)


def _filtered_arc(p, panel, orbit, weights, window, cutoff, extend):
    radius, step = panel.surface.radius_mm, float(_pitch(panel).mean()) / panel.surface.radius_mm
    height = torch.as_tensor((row_positions(panel, orbit) / radius) ** 2).to(p)
    scale = weights * torch.as_tensor(orbit.sod_mm[:, None] / step * np.cos(fan_angles(panel, orbit)))
    p = p * (1 + height).rsqrt_()[..., None] * scale.to(p)[:, None]
    return filter_rows(p, 1.0, window, cutoff, extend, step)


def _pitch(panel):
    """Column pitch (mm) [N] float64."""
    return torch.as_tensor(norm(to_numpy(panel.u)))
