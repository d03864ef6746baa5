"""What all similarities share: how images and weights are checked, weighted moments, gradients of images."""
from dataclasses import dataclass
from typing import ClassVar

import torch

from ...options import OptionError, options_of
from ..case import RegistrationError


@dataclass(frozen=True)
class Similarity:
    """How alike radiographs [..., rows, cols] are to a fixed image; larger is more alike, and gradients reach the radiographs.

    `similarity(moving, fixed, weights)` gives the values [...]; `similarity.to(fixed, weights)` does what depends on the fixed image alone
    once, and returns the function moving -> values. weights: what each pixel counts [..., rows, cols] (a mask, or numbers of at least 0);
    leading axes broadcast. A constant radiograph (an object that is not seen) has a value and finite gradients; a constant fixed image,
    an empty mask and shapes that differ raise RegistrationError.

    Subclasses write target(fixed, weights) and value(moving, target).
    """
    TITLE: ClassVar[str] = ""

    def __post_init__(self):
        for o in options_of(self):
            try:
                object.__setattr__(self, o.name, o.checked(getattr(self, o.name)))
            except OptionError as error:
                raise RegistrationError(f"{self.TITLE}: {error}") from error

    def __call__(self, moving, fixed, weights=None):
        return self.to(fixed, weights)(moving)

    def to(self, fixed, weights=None):
        """The function of radiographs [..., rows, cols] that compares them with `fixed`."""
        fixed, weights = self.checked(fixed, weights)
        target = self.target(fixed, weights)

        def values(moving):
            if tuple(moving.shape[-2:]) != tuple(fixed.shape[-2:]):
                raise RegistrationError(f"{self.TITLE}: radiographs of {tuple(moving.shape[-2:])} pixels against an image of "
                                        f"{tuple(fixed.shape[-2:])}; render them with the image's own view")
            return self.value(moving, target)
        return values

    def checked(self, fixed, weights):
        """Fixed image and weights as tensors of one type, and nothing where pixels do not count."""
        fixed = torch.as_tensor(fixed)
        fixed = fixed if fixed.is_floating_point() else fixed.float()
        if fixed.ndim < 2:
            raise RegistrationError(f"{self.TITLE}: an image of shape {tuple(fixed.shape)}; expected [..., rows, cols]")
        weights = torch.ones_like(fixed) if weights is None else torch.as_tensor(weights, dtype=fixed.dtype, device=fixed.device)
        if tuple(weights.shape[-2:]) != tuple(fixed.shape[-2:]):
            raise RegistrationError(f"{self.TITLE}: weights of {tuple(weights.shape[-2:])} pixels for an image of {tuple(fixed.shape[-2:])}; "
                                    "expected the same")
        if not bool((weights >= 0).all()):
            raise RegistrationError(f"{self.TITLE}: weights below 0 or not a number; expected at least 0")
        if not bool((weights.sum((-2, -1)) > 0).all()):
            raise RegistrationError(f"{self.TITLE}: the mask leaves no pixel; let it keep the part that shows the object")
        weights, fixed = torch.broadcast_tensors(weights, fixed)
        fixed = torch.where(weights > 0, fixed, torch.zeros_like(fixed))
        if not bool(torch.isfinite(fixed).all()):
            raise RegistrationError(f"{self.TITLE}: the image has pixels that are not finite numbers and count; mask them")
        if not bool((spread(fixed, weights) > 0).all()):
            raise RegistrationError(f"{self.TITLE}: all pixels of the image that count have the same value; there is nothing to compare with")
        return fixed, weights

    def target(self, fixed, weights):
        """What value() needs of the fixed image."""
        return fixed, weights

    def value(self, moving, target):
        raise NotImplementedError


def mean(x, weights):
    """Weighted means [..., 1, 1] over rows and columns."""
    return (weights * x).sum((-2, -1), keepdim=True) / weights.sum((-2, -1), keepdim=True)


def spread(x, weights):
    """Largest less smallest value [...] of the pixels that count."""
    counts = weights > 0
    return torch.where(counts, x, -torch.inf).amax((-2, -1)) - torch.where(counts, x, torch.inf).amin((-2, -1))


def rounding(x):
    """The variance [..., 1, 1] that rounding alone may leave in a constant image, and in its gradients."""
    return ((8 * torch.finfo(x.dtype).eps) ** 2 * (x * x).mean((-2, -1), keepdim=True)).detach() + torch.finfo(x.dtype).tiny


def correlation(a, b, weights, least):
    """Weighted Pearson correlation [...]; 0 for an image a whose variance is below `least` [..., 1, 1]."""
    da, db = a - mean(a, weights), b - mean(b, weights)
    va, vb = torch.maximum(mean(da * da, weights), least), mean(db * db, weights).clamp_min(torch.finfo(b.dtype).tiny)
    return (mean(da * db, weights) / (va.sqrt() * vb.sqrt()))[..., 0, 0]


SOBEL = ((-1.0, 0.0, 1.0), (-2.0, 0.0, 2.0), (-1.0, 0.0, 1.0))


def gradients(x):
    """Derivatives per pixel along columns and rows [..., 2, rows - 2, cols - 2], by Sobel's 3 x 3 operators; borders are left out."""
    along = torch.tensor(SOBEL, dtype=x.dtype, device=x.device) / 8
    kernels = torch.stack([along, along.T])[:, None]
    centred = x - x.mean((-2, -1), keepdim=True)          # a constant image has gradients of exactly 0, whatever its level
    flat = centred.reshape(-1, 1, *x.shape[-2:])
    return torch.nn.functional.conv2d(flat, kernels).reshape(*x.shape[:-2], 2, x.shape[-2] - 2, x.shape[-1] - 2)


def gradient_weights(weights, title):
    """Weights [..., rows - 2, cols - 2] of gradients: the least of the 3 x 3 pixels that each is made of."""
    if min(weights.shape[-2:]) < 3:
        raise RegistrationError(f"{title}: an image of {tuple(weights.shape[-2:])} pixels has no gradients; expected at least 3 x 3")
    least = -torch.nn.functional.max_pool2d(-weights.reshape(-1, 1, *weights.shape[-2:]), 3, 1)
    least = least.reshape(*weights.shape[:-2], *least.shape[-2:])
    if not bool((least.sum((-2, -1)) > 0).all()):
        raise RegistrationError(f"{title}: no pixel counts together with all of its neighbours; let the mask keep whole areas")
    return least
