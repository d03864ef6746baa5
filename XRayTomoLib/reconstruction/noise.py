"""How much noise projections hold, told from the projections alone."""
import math

from .problem import ReconstructionError

TILE = 8                # pixels along the edge of a tile; detectors of fewer rows: TILE^2 / 2 columns
NORMAL_MEDIAN = 0.6745      # median of |x| for x of the standard normal distribution


def noise_norm(p):
    """Estimated norm of the noise in projections p [..., rows, cols].

    Second differences along columns and rows take a smooth object away (J. Immerkaer, Comput. Vis. Image Underst. 64, 1996); the median of
    their size in each small tile takes no notice of edges, and lets the noise vary over the image. Pixels' noise must be independent.
    With some 1e3 to 1e5 photons a pixel it is right within a third; far smaller noise is overestimated, as the object's texture is not smooth.
    """
    differences, scale = _second(p, -1), math.sqrt(6)
    if p.shape[-2] >= TILE + 2:
        differences, scale = _second(differences, -2), 6.0
    size = (TILE, TILE) if scale == 6.0 else (1, TILE ** 2 // 2)
    if differences.shape[-1] < size[1]:
        raise ReconstructionError(f"detectors of {p.shape[-1]} columns are too narrow to estimate the noise; give its norm (noise)")
    tiles = differences.unfold(-2, size[0], size[0]).unfold(-2, size[1], size[1]).flatten(-2)
    deviations = tiles.abs().median(-1).values / (NORMAL_MEDIAN * scale)
    return math.sqrt(float(deviations.square().mean()) * p.numel())


def _second(p, axis):
    n = p.shape[axis] - 2
    return p.narrow(axis, 2, n) - 2 * p.narrow(axis, 1, n) + p.narrow(axis, 0, n)
