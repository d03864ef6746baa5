"""Grey levels of a DRR fitted to an X-ray: gains of water and bone and an exposure, or a curve that rises."""
from dataclasses import dataclass

import numpy as np
import torch

from .case import RegistrationError

WATER_END, BONE_START = 1.1, 1.3        # of the attenuation of water: up to the first all is water, from the second on all is bone


def water_and_bone(mu, mu_water):
    """Volumes [2, ...] of attenuation by water and by bone (1/mm) that sum to `mu` (1/mm): what lies between WATER_END and BONE_START times
    `mu_water` is shared out linearly. A Projector traces both in one pass."""
    if not mu_water > 0:
        raise RegistrationError(f"mu_water = {mu_water}; expected the attenuation of water in 1/mm, above 0")
    mu = torch.as_tensor(mu)
    share = ((mu / mu_water - WATER_END) / (BONE_START - WATER_END)).clamp(0, 1)
    return torch.stack([(1 - share) * mu, share * mu])


@dataclass(frozen=True)
class GreyFit:
    """X-ray = gains . channels + offset, with the weighted correlation of both sides."""
    gains: tuple
    offset: float
    correlation: float

    @property
    def exposure(self):
        """Factor on the open beam by which the offset is explained where the X-ray is -ln(counts)."""
        return float(np.exp(-self.offset))

    def __call__(self, channels):
        """Radiographs [..., rows, cols] in the X-ray's grey levels from those of the channels [C, ..., rows, cols]."""
        return sum(gain * channel for gain, channel in zip(self.gains, channels)) + self.offset

    def combined(self, volumes):
        """The one volume whose radiograph is that of the channels' volumes [C, ...] less the offset."""
        return sum(gain * volume for gain, volume in zip(self.gains, volumes))


def fit_grey(channels, fixed, weights=None):
    """GreyFit of line integrals [C, rows, cols] (water, bone) to an X-ray [rows, cols]: least squares, gains of at least 0, any offset.

    C. Lawson, R. Hanson, Solving Least Squares Problems, 1974, chapter 23 (non-negative least squares), on values less their means.
    """
    from scipy.optimize import nnls
    channels, fixed, root = _columns(channels, fixed, weights)
    share = root ** 2 / (root ** 2).sum()
    means, middle = channels @ share, share @ fixed
    A, b = ((channels - means[:, None]) * np.sqrt(share)).T, (fixed - middle) * np.sqrt(share)
    size = np.linalg.norm(A, axis=0)
    if not (size > 1e-9 * np.abs(channels).max(initial=1e-30)).any() or not np.linalg.norm(b) > 1e-12 * max(np.abs(fixed).max(), 1e-30):
        raise RegistrationError("the radiograph or the X-ray has one value only where pixels count; grey levels cannot be fitted to it")
    scale = np.where(size > 0, size, 1.0)
    gains = nnls(A / scale, b)[0] / scale
    model = A @ gains
    length = np.linalg.norm(model)
    if not length > 0:
        raise RegistrationError("the X-ray falls where the radiograph rises, at every pose near this one; is it inverted?")
    return GreyFit(tuple(float(g) for g in gains), float(middle - gains @ means), float(model @ b / (length * np.linalg.norm(b))))


def _columns(channels, fixed, weights):
    """Channels [C, n], the fixed image and the roots of the weights [n] of the pixels that count, float64."""
    fixed = np.asarray(torch.as_tensor(fixed).detach().cpu().numpy(), np.float64)
    channels = np.asarray(torch.as_tensor(channels).detach().cpu().numpy(), np.float64)
    weights = np.ones(fixed.shape) if weights is None else np.asarray(torch.as_tensor(weights).cpu().numpy(), np.float64)
    if channels.shape[1:] != fixed.shape or weights.shape != fixed.shape:
        raise RegistrationError(f"radiographs {channels.shape}, X-ray {fixed.shape}, weights {weights.shape}; expected [C, rows, cols], "
                                "[rows, cols] and [rows, cols]")
    counts = (weights > 0) & np.isfinite(fixed)
    if not counts.any():
        raise RegistrationError("the mask leaves no pixel; let it keep the part that shows the object")
    return channels[:, counts], fixed[counts], np.sqrt(weights[counts])


@dataclass(frozen=True, eq=False)
class Curve:
    """Grey levels y [n] (rising) at line integrals x [n] (increasing); between them linear, beyond them constant."""
    x: torch.Tensor
    y: torch.Tensor

    def __call__(self, image):
        """The image [...] through the curve; gradients reach the image."""
        x, y = self.x.to(image), self.y.to(image)
        i = (torch.searchsorted(x, image.detach().contiguous()) - 1).clamp(0, len(x) - 2)
        share = ((image - x[i]) / (x[i + 1] - x[i])).clamp(0, 1)
        return y[i] + share * (y[i + 1] - y[i])


def fit_curve(moving, fixed, weights=None, knots=32):
    """The rising Curve that takes a radiograph [rows, cols] nearest to an X-ray: means over `knots` equally filled ranges of the radiograph's
    values, made to rise by pooling (R. Barlow et al., Statistical Inference under Order Restrictions, 1972)."""
    (moving,), fixed, root = _columns(torch.as_tensor(moving)[None], fixed, weights)
    edges = np.unique(np.quantile(moving, np.linspace(0, 1, knots + 1)))
    if len(edges) < 3:
        raise RegistrationError("the radiograph has one or two values only where pixels count; grey levels cannot be fitted to it")
    part = np.clip(np.searchsorted(edges, moving, side="right") - 1, 0, len(edges) - 2)
    weight = np.bincount(part, root ** 2, len(edges) - 1)
    used = weight > 0
    x, y = (np.bincount(part, root ** 2 * values, len(edges) - 1)[used] / weight[used] for values in (moving, fixed))
    rising = isotonic(y, weight[used])
    if not rising[-1] > rising[0]:
        raise RegistrationError("the X-ray does not rise with the radiograph anywhere; is it inverted?")
    return Curve(torch.from_numpy(x), torch.from_numpy(rising))


def isotonic(y, weights):
    """The nearest sequence to y [n] that never falls (weighted least squares), by pooling adjacent violators."""
    blocks = []             # mean, weight, length
    for value, weight in zip(y, weights):
        blocks.append((value, weight, 1))
        while len(blocks) > 1 and blocks[-2][0] >= blocks[-1][0]:
            (a, wa, na), (b, wb, nb) = blocks[-2:]
            blocks[-2:] = [((a * wa + b * wb) / (wa + wb), wa + wb, na + nb)]
    return np.repeat([b[0] for b in blocks], [b[2] for b in blocks])
