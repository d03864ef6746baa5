"""Rings: columns of the sinograms that answer differently from their neighbours in every view."""
from dataclasses import dataclass

import torch

from ...options import option
from ..problem import ReconstructionError


@dataclass(frozen=True)
class Rings:
    """Evens out stripes along the views of each sinogram [views, cols]."""
    TITLE = "Rings"
    method: str = option("sorting", "Method", "sorting: compares equal ranks of neighbouring columns, keeps the object's edges; mean: levels each "
                         "column's mean, for offsets that are the same in all views", choices=("sorting", "mean"))
    width: int = option(9, "Width", "columns of the median; twice the widest stripe and more", 3, 501, "px")

    def apply(self, p):
        """Projections [views, rows, cols] without stripes. Raises ReconstructionError when the detector is narrower than the median."""
        if self.width > p.shape[2]:
            raise ReconstructionError(f"a median over {self.width} columns is wider than the detector of {p.shape[2]}; take a smaller width")
        return torch.stack([_METHODS[self.method](sinogram, self.width | 1) for sinogram in p.unbind(1)], 1)


def _sorted(sinogram, width):
    """N. Vo, R. Atwood, M. Drakopoulos, Opt. Express 26, 28396 (2018), algorithm 3: each column is sorted along the views, the sorted rows
    are smoothed by a median, and the values go back to where they were."""
    values, places = sinogram.sort(0)
    return torch.empty_like(sinogram).scatter_(0, places, _median_along_columns(values, width))


def _levelled(sinogram, width):
    """M. Rivers, Tutorial introduction to X-ray computed microtomography data processing, 1998: the mean over all views, less itself
    smoothed, is taken off every view."""
    mean = sinogram.mean(0, keepdim=True)
    return sinogram - (mean - _median_along_columns(mean, width))


def _median_along_columns(rows, width):
    """Running median of `width` (odd) neighbours in each row [n, cols]; beyond the ends the row goes on with its slope."""
    half = width // 2
    before = 2 * rows[:, :1] - rows[:, 1:half + 1].flip(1)
    after = 2 * rows[:, -1:] - rows[:, -half - 1:-1].flip(1)
    return torch.cat([before, rows, after], 1).unfold(1, width, 1).median(-1).values


_METHODS = {"sorting": _sorted, "mean": _levelled}
