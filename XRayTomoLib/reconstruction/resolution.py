"""How sharp and how noisy a volume is: edge response and MTF, noise power spectrum; overlap of what a threshold finds (arrays, numpy)."""
import math
from dataclasses import dataclass

import numpy as np

from .problem import ReconstructionError

OVERSAMPLING = 4            # samples of the edge response in a voxel's step
LEAST_CONTRAST = 1e-12
CLEAR = 0.8                 # correlation of values with the side of the edge from which it is one


@dataclass(frozen=True)
class EdgeResponse:
    """Across an edge: distance_mm [n] and value [n] (ESF, from 0 to 1), line spread [n] (LSF, 1/mm), frequency [m] (cycles/mm) and mtf [m];
    mtf50 and mtf10: frequencies at which the MTF falls to a half and a tenth (nan where it does not); width_mm: 10 to 90 % rise."""
    distance_mm: np.ndarray
    value: np.ndarray
    line_spread: np.ndarray
    frequency: np.ndarray
    mtf: np.ndarray
    mtf50: float
    mtf10: float
    width_mm: float


class NoEdge(ReconstructionError):
    """A part of a volume that no clear edge crosses."""


def edge_response(values, distance_mm, step_mm, reach_mm, oversampling=OVERSAMPLING):
    """EdgeResponse from voxels round an edge: ESF by bins of step_mm / oversampling, its derivative, the magnitude of whose spectrum is the
    MTF, divided by that of bins and differences (I. Cunningham, A. Fenster, Med. Phys. 14, 533, 1987; S. Richard et al., Med. Phys. 39, 4115, 2012).

    values, distance_mm [N]: voxels and their signed distances from the edge (for example from a sphere's surface); step_mm: the voxels' step;
    reach_mm: up to which distance on either side voxels count.
    """
    values, distance = np.ravel(values).astype(np.float64), np.ravel(distance_mm).astype(np.float64)
    width = step_mm / oversampling
    half = int(round(reach_mm / width))
    bins = np.floor(distance / width).astype(int) + half
    inside = (bins >= 0) & (bins < 2 * half)
    count = np.bincount(bins[inside], minlength=2 * half)
    if half < 2 * oversampling or (count == 0).any():
        raise ReconstructionError(f"{int(inside.sum())} voxels within {reach_mm} mm of the edge leave places without a sample; take more of the edge")
    mean = np.bincount(bins[inside], values[inside], 2 * half) / count
    tail = max(1, half // 4)
    low, high = mean[:tail].mean(), mean[-tail:].mean()
    if abs(high - low) < LEAST_CONTRAST:
        raise ReconstructionError("both sides of the edge have the same value; there is no edge to measure")
    edge = (mean - low) / (high - low)
    spread = np.diff(edge, prepend=0.0) / width
    frequency = np.fft.rfftfreq(2 * half, width)
    mtf = abs(np.fft.rfft(spread)) * width / np.sinc(frequency * width) ** 2
    kept = frequency <= 1 / step_mm
    frequency, mtf = frequency[kept], mtf[kept] / mtf[0]
    at = (np.arange(2 * half) - half + 0.5) * width
    rise = _first_crossing(at, -edge, -0.9) - _first_crossing(at, -edge, -0.1)
    return EdgeResponse(at, edge, spread, frequency, mtf, _first_crossing(frequency, mtf, 0.5), _first_crossing(frequency, mtf, 0.1), rise)


def sphere_edge_response(x, grid, centre_ras, radius_mm, reach_mm=None):
    """EdgeResponse of the surface of a sphere in the volume x [K, J, I] on `grid`, from inside to outside over `reach_mm` (half the radius)."""
    k, j, i = np.indices(grid.shape)
    points = grid.ras_from_ijk(np.stack([i, j, k], -1))
    distance = np.linalg.norm(points - np.asarray(centre_ras), axis=-1) - radius_mm
    return edge_response(x, distance, float(grid.spacing_mm.max()), radius_mm / 2 if reach_mm is None else reach_mm)


def plane_edge_response(x, spacing_mm):
    """EdgeResponse of the plane edge that crosses a small part x [...] of a volume with voxels of spacing_mm (number, or one for each axis of x).

    The edge's normal is the mean gradient, the edge lies where the gradient along it has its centre of mass. An edge along the voxels is
    sampled in their step only. Raises NoEdge where the values do not differ clearly between the two sides.
    """
    x = np.asarray(x, np.float64)
    spacing = np.broadcast_to(np.asarray(spacing_mm, np.float64), (x.ndim,))
    if min(x.shape) < 4:
        raise ReconstructionError(f"a part of {' x '.join(map(str, x.shape))} voxels is too small for an edge; take at least 4 along each axis")
    places = np.stack(np.meshgrid(*(d * np.arange(n) for n, d in zip(x.shape, spacing)), indexing="ij"))
    gradient = np.stack([np.gradient(x, d, axis=axis) for axis, d in enumerate(spacing)])
    normal = gradient.reshape(x.ndim, -1).sum(1)
    normal /= max(np.linalg.norm(normal), 1e-300)
    along = np.tensordot(normal, gradient, 1)
    distance = np.tensordot(normal, places, 1)
    distance -= (along * distance).sum() / along.sum() if along.sum() > 0 else distance.mean()
    if not np.ptp(np.sign(distance)) or not np.ptp(x) or np.corrcoef(x.ravel(), np.sign(distance).ravel())[0, 1] < CLEAR:
        raise NoEdge("there is no clear edge in the region; place it across the border of two even parts")
    step, reach = float(spacing.max()), 0.7 * min(-distance.min(), distance.max())
    fine = np.unique(np.floor(distance[abs(distance) < reach] / step * OVERSAMPLING))
    is_slanted = len(fine) == np.ptp(fine) + 1
    return edge_response(x, distance, step, reach, OVERSAMPLING if is_slanted else 1)


def _first_crossing(x, y, level):
    """Where y first falls below `level`, linearly interpolated; nan where it does not."""
    below = np.flatnonzero(y < level)
    if not len(below):
        return math.nan
    n = below[0]
    return float(x[n]) if n == 0 else float(x[n - 1] + (y[n - 1] - level) / (y[n - 1] - y[n]) * (x[n] - x[n - 1]))


def noise_power_spectrum(regions, spacing_mm):
    """(frequencies of each axis [cycles/mm], NPS) of regions [n, ...] that hold noise on an even ground, in the axes' order.

    NPS = prod(spacing / size) mean |FFT(region - its plane)|^2 (ICRU Report 87, 2012, eq. 4.7): its integral over frequencies is the variance.
    """
    regions = np.asarray(regions, np.float64)
    shape = regions.shape[1:]
    spacing = np.broadcast_to(np.asarray(spacing_mm, np.float64), (len(shape),))
    if regions.ndim < 2 or min(shape) < 2:
        raise ReconstructionError(f"regions of shape {regions.shape}: expected [n, ...] with at least 2 voxels along each axis")
    axes = tuple(range(1, regions.ndim))
    power = (abs(np.fft.fftn(_without_plane(regions), axes=axes)) ** 2).mean(0) * np.prod(spacing / shape)
    return [np.fft.fftfreq(n, d) for n, d in zip(shape, spacing)], power


def _without_plane(regions):
    """The regions less the plane a + b x + c y + ... that fits each best."""
    shape = regions.shape[1:]
    steps = [axis.ravel() - axis.mean() for axis in np.indices(shape, np.float64)]
    basis = np.stack([np.ones(math.prod(shape)), *steps], 1)
    flat = regions.reshape(len(regions), -1).T
    return (flat - basis @ np.linalg.lstsq(basis, flat, rcond=None)[0]).T.reshape(regions.shape)


def radial_spectrum(frequencies, power, bins=32):
    """(frequency [bins], mean power [bins]) of an NPS over shells of equal |frequency| up to the lowest axis's Nyquist; empty shells are nan."""
    size = np.sqrt(sum(f ** 2 for f in np.meshgrid(*frequencies, indexing="ij")))
    top = min(abs(f).max() for f in frequencies)
    shell = np.floor(size / top * bins).astype(int).ravel()
    kept = shell < bins
    count = np.bincount(shell[kept], minlength=bins)
    total = np.bincount(shell[kept], power.ravel()[kept], bins)
    return (np.arange(bins) + 0.5) * top / bins, np.where(count, total / np.maximum(count, 1), np.nan)


def otsu_threshold(x, bins=256):
    """Threshold that divides the values best in two classes (N. Otsu, IEEE Trans. Syst. Man Cybern. 9, 62, 1979), over `bins` of the range."""
    x = np.ravel(x).astype(np.float64)
    if not np.isfinite(x).all() or np.ptp(x) == 0:
        raise ReconstructionError("values that are equal or not finite numbers have no threshold between them")
    count, edges = np.histogram(x, bins)
    middle = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(count)[:-1]
    above = len(x) - below
    sums = np.cumsum(count * middle)
    between = below * above * (sums[:-1] / np.maximum(below, 1) - (sums[-1] - sums[:-1]) / np.maximum(above, 1)) ** 2
    best = np.flatnonzero(between == between.max())      # all thresholds in a gap are as good: its middle
    return float(edges[1 + best].mean())


def dice(a, b):
    """Overlap 2 |a and b| / (|a| + |b|) of two masks (L. Dice, Ecology 26, 297, 1945); 1 for two empty ones."""
    a, b = np.asarray(a, bool), np.asarray(b, bool)
    if a.shape != b.shape:
        raise ReconstructionError(f"masks of {a.shape} and {b.shape} voxels cannot be compared; bring them onto one grid first")
    total = int(a.sum()) + int(b.sum())
    return 2 * int((a & b).sum()) / total if total else 1.0


def otsu_dice(x, reference):
    """Dice overlap of what lies above the Otsu threshold of each volume."""
    return dice(np.asarray(x) > otsu_threshold(x), np.asarray(reference) > otsu_threshold(reference))


def hounsfield_calibration(x, water, air):
    """(attenuation of water, of air): medians of the volume x (1/mm) over two masks, for workflows.reconstruction.hounsfield."""
    found = []
    for name, mask in (("water", water), ("air", air)):
        mask = np.asarray(mask, bool)
        if mask.shape != np.shape(x) or not mask.any():
            raise ReconstructionError(f"the region of {name} has no voxel in the volume; mark one of its shape {tuple(np.shape(x))}")
        found.append(float(np.median(np.asarray(x)[mask])))
    if not found[0] > found[1]:
        raise ReconstructionError(f"water attenuates with {found[0]:.4g}, air with {found[1]:.4g} 1/mm; expected more in water: check the regions")
    return tuple(found)
