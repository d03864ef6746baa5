"""Similarities of intensities: correlation over the image, over patches, over several sizes of patches, and squared differences."""
from dataclasses import dataclass

from ...options import option
from ..local import box_mean
from .base import Similarity, correlation, mean, rounding


@dataclass(frozen=True)
class NCC(Similarity):
    """Normalised cross-correlation (Pearson's) over the image, -1 to 1: knows no gain above 0 and no offset."""
    TITLE = "Normalised cross-correlation"

    def value(self, moving, target):
        return correlation(moving, *target, rounding(moving))


@dataclass(frozen=True)
class LocalNCC(Similarity):
    """Mean over the pixels that count of the correlation in the square round each, -1 to 1: knows no locally varying gain or offset.

    c = (cov + f^2 C) / sqrt((var_m + f^2 V_m)(var_f + f^2 V_f)), V and C the whole image's variance and covariance: the share f keeps flat
    patches from being blown up, and as c is the correlation of patch and whole together, it is 1 for equal images and nowhere larger.
    """
    TITLE = "Local cross-correlation"
    radius_px: int = option(6, "Radius", "half the width of a patch, without its middle", minimum=1, unit="px")
    floor: float = option(0.1, "Floor", "share of the whole image's deviation below which a patch counts as flat", minimum=1e-3, maximum=10.0)

    def target(self, fixed, weights):
        return fixed, weights, box_mean(weights, self.radius_px).clamp_min(1e-12)

    def value(self, moving, target):
        fixed, weights, share = target

        def local(x):
            return box_mean(weights * x, self.radius_px) / share
        m, f = moving - mean(moving, weights), fixed - mean(fixed, weights)       # small numbers lose less in local variances
        mm, mf = local(m), local(f)
        whole = [self.floor ** 2 * mean(product, weights) for product in (m * m, f * f, m * f)]
        var_m = (local(m * m) - mm * mm).clamp_min(0) + whole[0] + rounding(moving)
        var_f = (local(f * f) - mf * mf).clamp_min(0) + whole[1]
        patches = (local(m * f) - mm * mf + whole[2]) / (var_m.sqrt() * var_f.sqrt())
        return mean(patches, weights)[..., 0, 0]


@dataclass(frozen=True)
class MultiscaleNCC(Similarity):
    """Mean of the correlation over the image and the local ones with patches of doubling size: a wide basin with a sharp top."""
    TITLE = "Multiscale cross-correlation"
    radius_px: int = option(4, "Smallest radius", "half the width of the smallest patch", minimum=1, unit="px")
    levels: int = option(2, "Sizes", "number of sizes of patches, each twice the one before", minimum=1, maximum=8)
    floor: float = option(0.1, "Floor", "share of the whole image's deviation below which a patch counts as flat", minimum=1e-3, maximum=10.0)

    def parts(self):
        return [NCC(), *(LocalNCC(self.radius_px << level, self.floor) for level in range(self.levels))]

    def target(self, fixed, weights):
        return [(part, part.target(fixed, weights)) for part in self.parts()]

    def value(self, moving, target):
        return sum(part.value(moving, its) for part, its in target) / len(target)


@dataclass(frozen=True)
class SSD(Similarity):
    """Minus the mean squared difference after the radiograph's gain (at least 0) and offset are fitted, in units of the image's variance:
    -1 (no likeness) to 0 (equal)."""
    TITLE = "Squared differences"

    def value(self, moving, target):
        fixed, weights = target
        m, f = moving - mean(moving, weights), fixed - mean(fixed, weights)
        variance = mean(m * m, weights)
        gain = (mean(m * f, weights) / variance.maximum(rounding(moving))).clamp_min(0)
        return -(mean((gain * m - f).square(), weights) / mean(f * f, weights))[..., 0, 0]
