"""How an image differs from a radiograph up to gains and offsets that vary slowly, and how that changes with the pose: residuals for
Gauss-Newton."""
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


class LocalRegression:
    """r = (g D x - D y) / n: what is left of the fixed image y after its regression on a radiograph x within a square round each pixel.

    D x is x less its weighted mean over the square, g the slope there (at least 0), n the standard deviation of the fixed image's noise and
    misfit. Noise is in y alone: unlike a normalised image's, the slope g does not shrink with it, so that nothing else (a pose, a curve of
    grey levels) is drawn to make up for that. Where the radiograph is flat, g tends to the slope over the whole image.
    """
    FLAT = 0.1              # share of the radiograph's mean square below which a square's own slope counts less than the whole image's
    LEAST = 0.01, 1e-6      # shares of the mean variance, and of the fixed image's mean square, that any pixel's variance has at least

    def __init__(self, fixed, mask, radius):
        self.mask, self.radius = mask.float(), radius
        self.share, self.count = box_mean(self.mask, radius).clamp_min(1e-6), float(self.mask.sum())
        self.fixed = torch.where(mask, fixed, torch.zeros_like(fixed))
        self._weigh(self.mask)
        self._weigh(self.mask * (self.count / (self.deviation.square() * self.mask).sum().clamp_min(1e-20)))

    def _weigh(self, weights):
        self.weights, self.total = weights, box_mean(weights, self.radius).clamp_min(1e-20)
        self.deviation = self._deviation(self.fixed)

    def _mean(self, x):
        return box_mean(x * self.weights, self.radius) / self.total

    def _deviation(self, x):
        return x - self._mean(x)

    def _slope(self, x):
        """D x, the slope [rows, cols], and the mean square of D x over which it was taken."""
        d = self._deviation(x)
        square = self._over_square(d * d) + 1e-20
        return d, (self._over_square(d * self.deviation) / square).clamp_min(0), square

    def _over_square(self, x):
        """Means of x [..., rows, cols] over squares, and a share of that over the whole image."""
        return self._mean(x) + self.FLAT * (x * self.weights).sum((-2, -1), keepdim=True) / self.weights.sum()

    def residual(self, x):
        """r of a radiograph x, [rows, cols], 0 where pixels do not count."""
        d, slope, _ = self._slope(x)
        return (slope * d - self.deviation) * self.weights.sqrt()

    def linearised(self, x, jacobian):
        """r [rows, cols] and its derivatives [rows, cols, n] from those of x, those of the slope times r left out (L. Kaufman, BIT 15, 1975)."""
        d, slope, square = self._slope(x)
        change = self._deviation(jacobian.movedim(-1, 0))
        change = slope * (change - d * self._over_square(d * change) / square)
        root = self.weights.sqrt()
        return (slope * d - self.deviation) * root, (change * root).movedim(0, -1)

    def weigh(self, x):
        """From now on n^2 is what the radiograph x leaves, on average over the square."""
        d, slope, _ = self._slope(x)
        variance = box_mean((slope * d - self.deviation).square() * self.mask, self.radius) / self.share
        of_variance, of_image = self.LEAST
        least = (of_variance * (variance * self.mask).sum() + of_image * (self.deviation.square() * self.mask).sum()) / self.count
        self._weigh(self.mask / variance.clamp_min(least + 1e-20))

    def alike(self, residual):
        """1 everywhere: what LocalNormalisation's curvature loses by noise in the radiograph's own spread, this one's does not."""
        return torch.ones_like(residual)
