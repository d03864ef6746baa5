"""Locally normalised images and how they change with the pose: residuals for Gauss-Newton that know no gain, offset or slow background."""
import torch


def box_mean(x, radius):
    """Means [..., rows, cols] over squares of 2 radius + 1 pixels, over the part of them inside the image; running sums in double precision."""
    for axis in (-1, -2):
        x = _line_mean(x, radius, axis)
    return x


def _line_mean(x, radius, axis):
    n = x.shape[axis]
    pixels = torch.arange(n, device=x.device)
    low, high = (pixels - radius).clamp_min(0), (pixels + radius + 1).clamp_max(n)
    sums = torch.cumsum(x, axis, dtype=torch.float64)
    sums = torch.cat([torch.zeros_like(sums.narrow(axis, 0, 1)), sums], axis)
    count = (high - low).reshape([-1] + [1] * (-axis - 1))
    return ((sums.index_select(axis, high) - sums.index_select(axis, low)) / count).to(x.dtype)


class LocalNormalisation:
    """z = (x - m) / sqrt(s^2 + f^2), with mean m and deviation s of the pixels that count in a square round each pixel.

    f is the share `floor` of the whole image's deviation; it keeps flat parts from being blown up. z does not know the image's gain and
    offset, nor locally varying ones; the mean of (z - z_fixed)^2 is about 2 (1 - local NCC). A mask [n, rows, cols] is one for each of n
    images that are compared with the fixed one.
    """

    def __init__(self, fixed, mask, radius, floor=0.1):
        self.mask, self.radius, self.floor = mask.float(), radius, floor
        self.share = box_mean(self.mask, radius).clamp_min(1e-6)
        self.count = self.mask.sum((-2, -1), keepdim=True).clamp_min(1) if mask.ndim > 2 else float(self.mask.sum())
        self.fixed = self._normalised(torch.where(mask, fixed, torch.zeros_like(fixed)))[0]

    def _mean(self, x):
        return box_mean(x * self.mask, self.radius) / self.share

    def _normalised(self, x):
        """z and the denominator, of images [..., rows, cols]."""
        centred = x - self._mean(x)
        variance = (self._from_middle(x).square()).sum((-2, -1), keepdim=True) / self.count
        spread = torch.sqrt(self._mean(centred.square()) + self.floor ** 2 * variance + 1e-20)
        return centred / spread, spread

    def _from_middle(self, x):
        """The image less its mean over the pixels that count, 0 in the others."""
        return (x - (x * self.mask).sum((-2, -1), keepdim=True) / self.count) * self.mask

    def residual(self, x):
        """z of x minus z of the fixed image, [..., rows, cols], 0 where pixels do not count."""
        return (self._normalised(x)[0] - self.fixed) * self.mask

    def linearised(self, x, jacobian):
        """Residual [rows, cols] and its derivatives [rows, cols, n] from those of x."""
        z, spread = self._normalised(x)
        change = jacobian.movedim(-1, 0)
        of_variance = (self._from_middle(x) * change).sum((-2, -1), keepdim=True) / self.count
        change = change - self._mean(change)
        of_spread = (self._mean(z * spread * change) + self.floor ** 2 * of_variance) / spread
        slope = (change - z * of_spread) / spread
        return (z - self.fixed) * self.mask, (slope * self.mask).movedim(0, -1)

    def correlation(self, x):
        """Local NCC [...] of images with the fixed one: that of z and z_fixed over the pixels that count; 1 for equal images."""
        z, fixed = self._normalised(x)[0] * self.mask, self.fixed * self.mask
        norms = (z.square().sum((-2, -1)) * fixed.square().sum((-2, -1))).clamp_min(1e-20).sqrt()
        return (z * fixed).sum((-2, -1)) / norms

    def alike(self, residual):
        """Local correlation [rows, cols], at least 0, of the fixed image and one whose residual is given."""
        fixed = self.fixed * self.mask
        z = residual + fixed
        norms = (self._mean(z * z) * self._mean(fixed * fixed)).clamp_min(1e-12).sqrt()
        return (self._mean(z * fixed) / norms).clamp(0, 1)

    def signal(self, image):
        """Share a [rows, cols] of the fixed `image`'s local deviation that is no noise, as the correlation that a perfect radiograph would have.

        Noise is what Laplacian differences of 3 x 3 pixels leave (J. Immerkaer, Comput. Vis. Image Underst. 64, 1996): it needs no pose, so
        that weights made of it follow no chance likeness.
        """
        x = torch.where(self.mask > 0, image, (image * self.mask).nan_to_num().sum() / self.count)
        kernel = torch.tensor([1.0, -2.0, 1.0], dtype=x.dtype)
        response = torch.nn.functional.conv2d(x[None, None], torch.outer(kernel, kernel)[None, None], padding=1)[0, 0]
        noise = self._mean(response.square()) / 36
        total = self._mean((x - self._mean(x)).square()) + 1e-20
        return (1 - noise / total).clamp(0, 1).sqrt()
