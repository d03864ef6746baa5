"""Exact inversion of helical cone-beam scans.

A. Katsevich, SIAM J. Appl. Math. 62, 2002, in the flat-detector form of F. Noo, J. Pack, D. Heuscher, Phys. Med. Biol. 48, 2003,
section 4: derivative along the helix at constant ray direction, Hilbert transform along kappa lines, backprojection over the PI segment
with 1 / depth. Names as there: u, w detector coordinates (mm from the source's foot, along the rotation and the table's way), D the
distance from source to panel, R from source to axis, h the table's way in mm per rad.
"""
import math
from dataclasses import dataclass

import numpy as np
import torch

from ...jobs import Step
from ...options import option
from ...tracing import backproject_voxels
from ..problem import ReconstructionError
from .helix import fit_helix, upright_helix
from .weights import refuse_shifted

CHUNK_BYTES = 64 << 20


@dataclass(frozen=True)
class Katsevich:
    """Exact helical reconstruction (Katsevich): cone beams with a flat or curved panel that sees the whole width of the object and at
    least the Tam-Danielson window, evenly stepped views."""
    TITLE = "Katsevich (helix, exact)"
    kappa_lines: int = option(0, "Kappa lines", "filter lines on the detector; 0: twice the rows", 0, 10000)

    def run(self, views, p, grid):
        """Generator of Steps that returns the volume [K, J, I] (1/mm, float32); voxels beyond the helix' ends are incomplete.

        p: projections [views, rows, cols]. Raises ReconstructionError where the views are no helix, the panel is too low, or shifted.
        """
        helix = fit_helix(views)
        p, helix = upright_helix(torch.as_tensor(p, dtype=torch.float32), views, helix)
        refuse_shifted(np.arctan2(helix.u, helix.sdd_mm))
        window = tam_danielson(helix)
        self._check(helix, window)
        lines = _KappaLines(helix, self.kappa_lines or 2 * len(helix.w))
        mask = torch.as_tensor(_feathered(helix, window), dtype=torch.float32)
        volume, count = torch.zeros(grid.shape), len(helix.angle) - 1
        chunk = max(1, CHUNK_BYTES // (4 * lines.count * len(helix.u)))
        for first in range(0, count, chunk):
            last = min(first + chunk, count)
            filtered = lines.hilbert(derivative(p[first:last + 1], helix)) * mask
            volume = volume + backproject_voxels(filtered * (helix.step / (2 * math.pi)), grid, helix.between(first, last), power=1)
            yield Step(last, count, None, "", volume)
        return volume

    def _check(self, helix, window):
        low, high = window
        half = 0.5 * abs(helix.w[1] - helix.w[0])
        if helix.w[0] - half > low.min() or helix.w[-1] + half < high.max():
            pitch = 2 * math.pi * helix.h
            share = min(helix.w[0] - half, -helix.w[-1] - half) / min(low.min(), -high.max())
            raise ReconstructionError(f"the panel is too low for a table feed of {pitch:.1f} mm a turn: the exact inversion needs rows from "
                                      f"{low.min():.1f} to {high.max():.1f} mm and there are {helix.w[0]:.1f} to {helix.w[-1]:.1f} mm; a feed of "
                                      f"{abs(share) * pitch:.1f} mm would fit, or take helical FDK or an iterative method")


def tam_danielson(helix):
    """Lower and upper border (mm) [cols] of the window on the panel between the next turns of the helix (Noo et al., eq. 10 and 11)."""
    u, D, R, h = helix.u, helix.sdd_mm, helix.sod_mm, helix.h
    scale = h / (R * D) * (u ** 2 + D ** 2)
    return -scale * (math.pi / 2 + np.arctan(u / D)), scale * (math.pi / 2 - np.arctan(u / D))


def _feathered(helix, window):
    """1 inside the window, 0 outside, linear over the way that a voxel's pixel goes from view to view [rows, cols]."""
    row = helix.w[1] - helix.w[0]
    width = max(row, helix.sdd_mm / (helix.sod_mm - helix.reach_mm) * helix.h * helix.step)
    w = helix.w[:, None]
    return np.clip((window[1] - w) / width + 0.5, 0, 1) * np.clip((w - window[0]) / width + 0.5, 0, 1)


def derivative(g, helix):
    """Derivative along the helix at constant ray direction, times the length correction D / |ray| (Noo et al., eq. 33 and 34).

    g [n, rows, cols] at the views -> [n - 1, rows - 1, cols - 1] at the middles between views, rows and columns.
    """
    D = helix.sdd_mm
    u = torch.as_tensor((helix.u[1:] + helix.u[:-1]) / 2, dtype=g.dtype)
    w = torch.as_tensor((helix.w[1:] + helix.w[:-1]) / 2, dtype=g.dtype)[:, None]
    along = _mean(_mean(g, 1), 2)
    along = (along[1:] - along[:-1]) / helix.step
    by_u = _mean(_mean(g, 0), 1)
    by_u = (by_u[..., 1:] - by_u[..., :-1]) / float(helix.u[1] - helix.u[0])
    by_w = _mean(_mean(g, 0), 2)
    by_w = (by_w[:, 1:] - by_w[:, :-1]) / float(helix.w[1] - helix.w[0])
    total = along + (u ** 2 + D ** 2) / D * by_u + u * w / D * by_w
    return total * D / torch.sqrt(u ** 2 + D ** 2 + w ** 2)


def _mean(g, axis):
    n = g.shape[axis]
    return 0.5 * (g.narrow(axis, 1, n - 1) + g.narrow(axis, 0, n - 1))


class _KappaLines:
    """The Hilbert transform along kappa lines: to the lines, transform, and back to the rows (Noo et al., eq. 35 to 38)."""

    def __init__(self, helix, count):
        self.helix, self.count = helix, count
        u_middle, w_middle = ((a[1:] + a[:-1]) / 2 for a in (helix.u, helix.w))
        reach = math.pi / 2 + math.atan(np.abs(helix.u).max() / helix.sdd_mm)
        psi = np.linspace(-reach, reach, count)
        there = (self._heights(psi, u_middle) - w_middle[0]) / (w_middle[1] - w_middle[0])
        self.to_lines = _table(there, len(w_middle))
        self.to_rows = _table(self._angles(psi), count)
        offsets = np.arange(-len(u_middle), len(u_middle)) + 0.5       # column c against the middle c' + 1/2 lies (c - c' - 1/2) steps on
        kernel = torch.as_tensor(1 / (math.pi * offsets), dtype=torch.float32)
        self.length = 2 ** math.ceil(math.log2(3 * len(u_middle) + 1))
        self.spectrum = torch.fft.rfft(kernel, self.length)

    def _heights(self, psi, u):
        """w of the kappa lines [psi, u]."""
        helix = self.helix
        cotangent = np.where(np.abs(psi) < 1e-9, 1.0, psi / np.tan(np.where(np.abs(psi) < 1e-9, 1.0, psi)))
        return helix.sdd_mm * helix.h / helix.sod_mm * (psi[:, None] + cotangent[:, None] * u / helix.sdd_mm)

    def _angles(self, psi):
        """Index into psi of the kappa line through each pixel [rows, cols], the one with the smallest |psi|."""
        fine = np.linspace(psi[0], psi[-1], 16 * self.count + 1)
        heights = self._heights(fine, self.helix.u)
        middle, found = len(fine) // 2, np.empty((len(self.helix.w), len(self.helix.u)))
        for column in range(heights.shape[1]):
            rising = np.diff(heights[:, column]) > 0
            stop = middle + (np.argmin(rising[middle:]) if not rising[middle:].all() else len(rising) - middle)
            start = middle - (np.argmin(rising[:middle][::-1]) if not rising[:middle].all() else middle)
            found[:, column] = np.interp(self.helix.w, heights[start:stop + 1, column], fine[start:stop + 1])
        return (found - psi[0]) / (psi[1] - psi[0])

    def hilbert(self, g):
        """[n, rows - 1, cols - 1] at the middles -> [n, rows, cols] at the pixels."""
        on_lines = _interpolated(g, *self.to_lines)
        cols = on_lines.shape[-1]
        transformed = torch.fft.irfft(torch.fft.rfft(on_lines, self.length) * self.spectrum, self.length)
        return _interpolated(transformed[..., cols - 1:2 * cols], *self.to_rows)


def _table(place, size):
    """Indices and weight of linear interpolation along an axis of `size` at `place` [m, cols]; beyond the ends the end counts."""
    place = np.clip(place, 0, size - 1)
    low = np.clip(np.floor(place), 0, size - 2).astype(np.int64)
    return torch.as_tensor(low), torch.as_tensor(place - low, dtype=torch.float32)


def _interpolated(g, low, share):
    """g [n, size, cols] at the places of `_table` [m, cols]: [n, m, cols]."""
    index = low.expand(len(g), *low.shape)
    return torch.lerp(g.gather(1, index), g.gather(1, index + 1), share)


