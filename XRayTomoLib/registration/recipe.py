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
LEAST_OBJECT_PX = 24        # along an object's longer side, at the coarsest level


def levels_for(xrays, finest_px):
    """LEVELS for the X-rays: the finest has at most finest_px pixels along the longer side."""
    base = max(1, int(np.ceil(max(max(x.image.shape) for x in xrays) / finest_px)))
    return [replace(each, image=base * each.image) for each in LEVELS]


def levels_for_object(length_px, finest_px, radius_px):
    """LEVELS for an object of length_px pixels, which has about finest_px at the finest and no fewer than LEAST_OBJECT_PX at the coarsest;
    images are normalised over squares of half the width radius_px, both in pixels of the X-rays as they are."""
    base, most = max(1, round(length_px / finest_px)), max(1, int(length_px / LEAST_OBJECT_PX))
    images = [min(base * each.image, most) for each in LEVELS]
    return [replace(each, image=image, radius=max(LEAST_RADIUS_PX, round(radius_px / image))) for each, image in zip(LEVELS, images)]
