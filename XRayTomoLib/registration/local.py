"""Locally normalised images and how they change with the pose: residuals for Gauss-Newton that know no gain, offset or slow background."""
import torch


def box_mean(x, radius):
    """Means [..., rows, cols] over squares of 2 radius + 1 pixels, over the part of them inside the image."""
    size = 2 * radius + 1
    flat = x.reshape(1, -1, *x.shape[-2:])
    for kernel, pad in (((size, 1), (radius, 0)), ((1, size), (0, radius))):
        flat = torch.nn.functional.avg_pool2d(flat, kernel, 1, pad, count_include_pad=False)
    return flat.reshape(x.shape)


class LocalNormalisation:
    """z = (x - m) / sqrt(s^2 + f^2), with mean m and deviation s of the pixels that count in a square round each pixel.

    f is the share `floor` of the whole image's deviation; it keeps flat parts from being blown up. z does not know the image's gain and
    offset, nor locally varying ones; the mean of (z - z_fixed)^2 is about 2 (1 - local NCC).
    """

    def __init__(self, fixed, mask, radius, floor=0.1):
        self.mask, self.radius, self.floor = mask.float(), radius, floor
        self.share = box_mean(self.mask, radius).clamp_min(1e-6)
        self.count = float(self.mask.sum())
        self.fixed = self._normalised(torch.where(mask, fixed, torch.zeros_like(fixed)))[0]

    def _mean(self, x):
        return box_mean(x * self.mask, self.radius) / self.share

    def _normalised(self, x):
        """z and the denominator, of images [..., rows, cols]."""
        centred = x - self._mean(x)
        middle = (x * self.mask).sum((-2, -1), keepdim=True) / self.count
        variance = ((x - middle).square() * self.mask).sum((-2, -1), keepdim=True) / self.count
        spread = torch.sqrt(self._mean(centred.square()) + self.floor ** 2 * variance + 1e-20)
        return centred / spread, spread

    def residual(self, x):
        """z of x minus z of the fixed image, [..., rows, cols], 0 where pixels do not count."""
        return (self._normalised(x)[0] - self.fixed) * self.mask

    def linearised(self, x, jacobian):
        """Residual [rows, cols] and its derivatives [rows, cols, n] from those of x (the share of the whole deviation held fixed)."""
        z, spread = self._normalised(x)
        change = jacobian.movedim(-1, 0)
        change = change - self._mean(change)
        slope = (change - z * self._mean(z * change)) / spread
        return (z - self.fixed) * self.mask, (slope * self.mask).movedim(0, -1)

    def correlation(self, x):
        """Mean over the pixels that count of z z_fixed [...]: the local NCC, less what the floor takes."""
        return (self._normalised(x)[0] * self.fixed * self.mask).sum((-2, -1)) / self.count
