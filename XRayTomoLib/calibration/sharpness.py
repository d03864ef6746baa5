"""Sharpness: of all detector positions, the right one gives the reconstruction with the least false structure.

The criterion is the sum of absolute values, Q_IA of T. Donath, F. Beckmann, A. Schreyer, J. Opt. Soc. Am. A 23(5), 2006, here in parts of the
plain sum, so that an object pushed off the detector does not count as sharp: where views do not fit together, filtered backprojection
leaves negative values beside the object, and positive ones that make up for them. The reconstruction is a plain one of a few slices, made
for this comparison alone, of parallel rays.
"""
import numpy as np

from ..geometry.arrays import norm, to_numpy
from ..grids import CartesianGrid
from .conjugate import pitch_at_axis
from .misalignment import misaligned


class Sharpness:
    """Callable: changes of the geometry -> sharpness of the reconstruction, sum f / sum |f|, 1 for the nominal geometry.

    voxels: of a slice's side at most; the projections are smoothed to that resolution.
    """

    def __init__(self, projections, views, axis, slices=3, voxels=256):
        self.views, self.axis = views, axis
        self.grid = _slices_across(views, axis, slices, min(views.shape[1], voxels))
        self.filtered = _filtered(projections, 0.8 * views.shape[1] / self.grid.shape[1])
        self.inside = _inscribed(self.grid.shape[1:])
        self.nominal = 1.0
        self.nominal = self({})

    def __call__(self, changes):
        from ..tracing import backproject_voxels
        volume = backproject_voxels(self.filtered, self.grid, misaligned(self.views, changes, self.axis)).numpy()
        values = volume[:, self.inside].astype(np.float64)
        return float(max(values.sum(), 0.0) / abs(values).sum() / self.nominal)


def _filtered(projections, sigma_px):
    """Projections under the ramp filter and a Gaussian, along the rows.

    Ramp in space (Kak and Slaney, Principles of Computerized Tomographic Imaging, 1988, eq. 3.61): h_0 = 1/4, h_n = -1/(pi n)^2 for odd n.
    """
    cols = projections.shape[-1]
    size = 1 << int(np.ceil(np.log2(2 * cols)))
    n = np.rint(np.fft.fftfreq(size, 1 / size))
    ramp = np.where(n % 2 == 1, -1 / (np.pi * np.where(n == 0, 1, n)) ** 2, 0.0)
    ramp[0] = 0.25
    window = np.exp(-2 * (np.pi * sigma_px * np.fft.rfftfreq(size)) ** 2)
    return np.fft.irfft(np.fft.rfft(projections, size) * np.fft.rfft(ramp).real * window, size)[..., :cols].astype(np.float32)


def _slices_across(views, axis, slices, count):
    """Grid of `slices` slices of count x count voxels across the axis, in the detector's middle third, as wide as the detector."""
    rows, cols = views.shape
    pitch = pitch_at_axis(views, axis)
    row_pitch = pitch * float(norm(to_numpy(views.v)).mean() / norm(to_numpy(views.u)).mean())
    apart = rows * row_pitch / 3 / max(slices - 1, 1)
    across = np.linalg.svd(axis.direction[None])[2][1:]
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([across[0] * pitch * cols / count, across[1] * pitch * cols / count, axis.direction * apart], 1)
    matrix[:3, 3] = axis.point - matrix[:3, :3] @ [(count - 1) / 2, (count - 1) / 2, (slices - 1) / 2]
    return CartesianGrid((slices, count, count), matrix)


def _inscribed(shape):
    """Mask of the circle that all views see, a little smaller than the slice."""
    j, i = (np.arange(n) - (n - 1) / 2 for n in shape)
    return np.hypot(j[:, None], i[None]) < 0.45 * min(shape)


def sharpest(sharpness, start, steps, rounds=5):
    """Generator of (changes, sharpness) that ends with the sharpest changes: one parameter after the other, by a parabola through the
    best of five values, the steps halved from round to round.

    start, steps: name -> value, in the parameter's unit.
    """
    best = dict(start)
    for round_number in range(rounds):
        for name, step in steps.items():
            tried = best[name] + step / 2 ** round_number * np.arange(-2, 3)
            values = np.array([sharpness({**best, name: t}) for t in tried])
            best[name] = _parabola_top(tried, values)
        yield dict(best), sharpness(best)


def _parabola_top(x, y):
    """Place of the maximum of y [5]: the top of the parabola through the best value and its neighbours, or the best end."""
    i = int(np.argmax(y))
    if i in (0, len(x) - 1):
        return float(x[i])
    bend = y[i - 1] - 2 * y[i] + y[i + 1]
    return float(x[i] + (0.0 if bend == 0 else 0.5 * (y[i - 1] - y[i + 1]) / bend) * (x[1] - x[0]))
