"""The resolutions through which poses are refined, from coarse to fine."""
from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Level:
    """One resolution: factors of image and volume, radius (px) of the square over which images are normalised, when to stop."""
    image: int
    volume: int
    radius: int
    stop_mm: float
    iterations: int


LEVELS = (Level(8, 4, 8, 0.3, 15), Level(4, 3, 12, 0.1, 15), Level(2, 2, 12, 0.03, 15), Level(1, 1, 16, 0.01, 12))


LEAST_RADIUS_PX = 3         # of the squares over which images are normalised


def levels_for(xrays, finest_px, radius_px=None):
    """LEVELS for the X-rays: the finest has at most finest_px pixels along the longer side.

    radius_px: half the width of the squares over which images are normalised, in pixels of the X-rays as they are (default: as LEVELS says).
    """
    base = max(1, int(np.ceil(max(max(x.image.shape) for x in xrays) / finest_px)))
    levels = [replace(each, image=base * each.image) for each in LEVELS]
    return levels if radius_px is None else [replace(each, radius=max(LEAST_RADIUS_PX, round(radius_px / each.image))) for each in levels]
