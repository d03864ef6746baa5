"""How far a volume is from a reference on the same grid (arrays, numpy)."""
import math
from dataclasses import dataclass

import numpy as np

from .problem import ReconstructionError

SSIM_SIGMA, SSIM_TRUNCATE = 1.5, 3.5        # Gaussian window of 11 voxels, as in the paper
SSIM_K1, SSIM_K2 = 0.01, 0.03


@dataclass(frozen=True)
class Difference:
    """x - reference over the voxels that count: bias (mean) and deviation (standard deviation) in the volumes' unit, the relative
    error |x - reference| / |reference|, nrmse (root mean square over the reference's range), psnr_db, ssim, and how many voxels count."""
    bias: float
    deviation: float
    relative_error: float
    nrmse: float
    psnr_db: float
    ssim: float
    voxels: int


def difference(x, reference, mask=None):
    """Difference of two arrays [k, j, i] over the voxels where `mask` (default: all) is True.

    Raises ReconstructionError when they do not match or the reference is constant, which has no range to compare with.
    """
    x, reference = np.asarray(x, np.float64), np.asarray(reference, np.float64)
    mask = np.ones(x.shape, bool) if mask is None else np.asarray(mask, bool)
    if x.shape != reference.shape or mask.shape != x.shape:
        raise ReconstructionError(f"volumes of {x.shape} and {reference.shape} voxels cannot be compared; bring them onto one grid first")
    if not mask.any():
        raise ReconstructionError("the volumes have no voxel in common; compare volumes of the same region")
    known = reference[mask]
    d = x[mask] - known
    span = float(np.ptp(known))
    if not (math.isfinite(span) and np.isfinite(d).all()):
        raise ReconstructionError("the volumes hold values that are not finite numbers; repair them first")
    if span == 0:
        raise ReconstructionError("the reference has the same value everywhere; there is no range to compare with")
    rms = math.sqrt(float(np.mean(d * d)))
    size = float(np.linalg.norm(known))
    return Difference(float(d.mean()), float(d.std()), float(np.linalg.norm(d)) / size if size else math.inf, rms / span,
                      20 * math.log10(span / rms) if rms else math.inf, ssim(x, np.where(mask, reference, x), span, mask), int(mask.sum()))


def ssim(x, reference, span, mask=None):
    """Mean structural similarity of two arrays with values over `span` (Z. Wang et al., IEEE Trans. Image Process. 13, 2004, eq. 13),
    in a Gaussian window along all axes; 1 for equal ones. mask: the voxels that are averaged."""
    from scipy.ndimage import gaussian_filter

    def mean(a):
        return gaussian_filter(a, SSIM_SIGMA, truncate=SSIM_TRUNCATE, mode="nearest")

    mx, mr = mean(x), mean(reference)
    vx, vr, cov = mean(x * x) - mx * mx, mean(reference * reference) - mr * mr, mean(x * reference) - mx * mr
    c1, c2 = (SSIM_K1 * span) ** 2, (SSIM_K2 * span) ** 2
    similarity = (2 * mx * mr + c1) * (2 * cov + c2) / ((mx * mx + mr * mr + c1) * (vx + vr + c2))
    return float(similarity.mean() if mask is None else similarity[mask].mean())
