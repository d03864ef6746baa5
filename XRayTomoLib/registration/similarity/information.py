"""Mutual information: how much the radiograph tells of the image whatever the relation of their grey levels."""
from dataclasses import dataclass

import torch

from ...options import option
from .base import Similarity


def cubic_splines(f):
    """The cubic B-splines [..., 4] centred at -1, 0, 1 and 2 at the places f [...] in [0, 1] (M. Unser, IEEE Signal Process. Mag. 16, 1999,
    eq. 3)."""
    g = 1 - f
    return torch.stack([g ** 3 / 6, 2 / 3 - f * f + f ** 3 / 2, 2 / 3 - g * g + g ** 3 / 2, f ** 3 / 6], -1)


def bin_shares(x, weights, bins):
    """Shares [..., pixels, bins] of each pixel in each bin: cubic B-splines, the least value that counts in the middle of bin 1, the
    largest in the middle of bin bins - 2, so that the shares of a pixel sum to 1."""
    counts = weights > 0
    low = torch.where(counts, x, torch.inf).amin((-2, -1), keepdim=True)
    high = torch.where(counts, x, -torch.inf).amax((-2, -1), keepdim=True)
    width = (high - low).clamp_min(torch.finfo(x.dtype).tiny * 1e8 + 8 * torch.finfo(x.dtype).eps * high.detach().abs())
    place = 1 + (bins - 3) * ((x - low) / width).clamp(0, 1).flatten(-2)
    cell = place.detach().floor()
    index = (cell.long()[..., None] + torch.arange(-1, 3, device=x.device)).clamp_max(bins - 1)
    shares = torch.zeros(*place.shape, bins, dtype=x.dtype, device=x.device)
    return shares.scatter_add(-1, index, cubic_splines(place - cell))


def entropy(p, axes):
    """Entropy in nats of the shares p over the axes."""
    return -torch.special.xlogy(p, p.clamp_min(1e-30)).sum(axes)


@dataclass(frozen=True)
class _Histogram(Similarity):
    bins: int = option(32, "Bins", "number of grey levels of the joint histogram", minimum=8, maximum=256)

    def target(self, fixed, weights):
        flat = weights.flatten(-2)
        share = bin_shares(fixed, weights, self.bins) * (flat / flat.sum(-1, keepdim=True))[..., None]
        return share, weights

    def entropies(self, moving, target):
        """Entropies of the radiograph, of the image, and of both together, from the Parzen estimate of their joint histogram."""
        share, weights = target
        joint = bin_shares(moving, weights, self.bins).transpose(-1, -2) @ share
        return entropy(joint.sum(-1), -1), entropy(joint.sum(-2), -1), entropy(joint, (-2, -1))


@dataclass(frozen=True)
class MutualInformation(_Histogram):
    """H_m + H_f - H_mf in nats, from a joint histogram with cubic B-splines as Parzen windows (P. Thevenaz, M. Unser, IEEE Trans. Image
    Process. 9, 2000); knows no gain (of any sign) and no offset."""
    TITLE = "Mutual information"

    def value(self, moving, target):
        of_moving, of_fixed, of_both = self.entropies(moving, target)
        return of_moving + of_fixed - of_both


@dataclass(frozen=True)
class NormalisedMutualInformation(_Histogram):
    """(H_m + H_f) / H_mf, 1 to 2, which depends less on how much of the object is seen (C. Studholme et al., Pattern Recognit. 32, 1999)."""
    TITLE = "Normalised mutual information"

    def value(self, moving, target):
        of_moving, of_fixed, of_both = self.entropies(moving, target)
        return (of_moving + of_fixed) / of_both
