"""Counts of a detector: line integrals from them, defective pixels and their repair (floor 0)."""
import numpy as np

NORMAL_MAD = 1.4826             # standard deviation of a normal distribution by its median absolute deviation


def line_integral(counts, open_beam, dark=None, least_transmission=1e-6):
    """(p [rows, cols] float32, number of clipped values) of one view; `open_beam` and `dark` are images or numbers."""
    dark = 0.0 if dark is None else dark
    with np.errstate(divide="ignore", invalid="ignore"):
        transmission = (np.asarray(counts, np.float64) - dark) / (np.asarray(open_beam, np.float64) - dark)
    clipped = ~(transmission > least_transmission)          # NaN, too, where flat and dark are the same
    transmission[clipped] = least_transmission
    return -np.log(transmission.astype(np.float32)), int(clipped.sum())


def bad_pixels(image, sigma, least=0.0):
    """Mask of the pixels of `image` (dark or flat) that are not finite or differ from the median of their 5 x 5 neighbourhood by more than
    `sigma` robust standard deviations of all such differences, and by more than `least` counts."""
    image = np.asarray(image, np.float64)
    broken = ~np.isfinite(image)
    filled = np.where(broken, np.median(image[~broken]) if not broken.all() else 0.0, image)
    difference = np.abs(filled - _medians(filled, 2))
    return broken | (difference > max(sigma * NORMAL_MAD * np.median(difference), least))


def isolated_pixels(image, sigma):
    """Mask of the pixels of a radiograph [rows, cols] that are not finite or lie outside the range of their eight neighbours by more than
    `sigma` robust standard deviations of the image about its local medians. Edges lie within that range.

    Where the image equals its local median (saturated, or a few grey levels) it says nothing of its noise and is left out of it.
    """
    from scipy.ndimage import maximum_filter, minimum_filter

    image = np.asarray(image, np.float64)
    broken = ~np.isfinite(image)
    filled = np.where(broken, np.median(image[~broken]) if not broken.all() else 0.0, image)
    ring = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], bool)
    low = minimum_filter(np.where(broken, np.inf, filled), footprint=ring, mode="mirror")
    high = maximum_filter(np.where(broken, -np.inf, filled), footprint=ring, mode="mirror")
    difference = np.abs(filled - _medians(filled, 1))
    noise = NORMAL_MAD * np.median(difference[difference > 0]) if difference.any() else 0.0
    outside = np.maximum(filled - high, low - filled)
    return broken | (np.isfinite(outside) & (outside > sigma * max(noise, 1e-12 * np.abs(filled).max())))


def repair(image, bad):
    """`image` with the pixels of the mask `bad` replaced by the median of their good neighbours: the nearest square that has any."""
    repaired, left, reach = np.array(image, np.float64), np.argwhere(bad), 0
    while len(left) and reach < max(repaired.shape):
        reach += 1
        steps = np.mgrid[-reach : reach + 1, -reach : reach + 1].reshape(2, -1)
        r, c = left[:, :1] + steps[0], left[:, 1:] + steps[1]
        inside = (r >= 0) & (r < repaired.shape[0]) & (c >= 0) & (c < repaired.shape[1])
        r, c = r * inside, c * inside
        values = np.sort(np.where(inside & ~bad[r, c], repaired[r, c], np.inf), axis=1)
        count = (inside & ~bad[r, c]).sum(1)
        found = count > 0
        row, half = np.arange(len(left))[found], count[found]
        repaired[tuple(left[found].T)] = (values[row, (half - 1) // 2] + values[row, half // 2]) / 2
        left = left[~found]
    return repaired


def _medians(image, reach):
    """Median of the (2 reach + 1)^2 neighbourhood of each pixel; beyond the edges the image goes on with its slope."""
    from scipy.ndimage import median_filter

    extended = np.pad(image, reach, mode="reflect", reflect_type="odd")
    return median_filter(extended, size=2 * reach + 1)[reach:-reach, reach:-reach]
