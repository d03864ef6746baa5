"""Similarities by distance: how far outlines lie apart, which pulls from afar where intensities no longer overlap."""
from dataclasses import dataclass

import torch

from ...options import option
from ..case import RegistrationError
from .base import Similarity, gradient_weights, gradients, rounding


def distances(marked):
    """Distance in pixels of each pixel from the next marked one, of masks [..., rows, cols] (float32 on the CPU)."""
    from scipy.ndimage import distance_transform_edt
    flat = ~marked.detach().cpu().reshape(-1, *marked.shape[-2:]).bool().numpy()
    return torch.stack([torch.from_numpy(distance_transform_edt(mask)).float() for mask in flat]).reshape(marked.shape)


@dataclass(frozen=True)
class Silhouette(Similarity):
    """Minus the distance from the outline of a silhouette, summed over what the radiograph covers outside of it and does not cover
    inside, in units of the silhouette's area (px); 0 for the same silhouette.

    The fixed image is a mask of the object, 1 inside (above 1/2). A pixel of line integral p is covered by 1 - exp(-p / p0).
    """
    TITLE = "Silhouette distance"
    line_integral: float = option(0.05, "Line integral", "line integral p0 that covers a pixel by 63 %", minimum=1e-6)
    cap_px: float = option(40.0, "Cap", "larger distances count as this one", minimum=1.0, unit="px")

    def target(self, fixed, weights):
        inside = fixed > 0.5
        if not bool(((inside & (weights > 0)).flatten(-2).any(-1) & (~inside & (weights > 0)).flatten(-2).any(-1)).all()):
            raise RegistrationError(f"{self.TITLE}: the mask of the object is empty or covers everything; expected 1 inside and 0 outside of it")
        outside_by, inside_by = (distances(m).to(fixed).clamp_max(self.cap_px) for m in (inside, ~inside))
        area = (weights * inside).sum((-2, -1))
        return weights * outside_by / area[..., None, None], weights * inside_by / area[..., None, None]

    def value(self, moving, target):
        outside_by, inside_by = target
        covered = 1 - torch.exp(-moving.clamp_min(0) / self.line_integral)
        return -(covered * outside_by + (1 - covered) * inside_by).sum((-2, -1))


@dataclass(frozen=True)
class EdgeDistance(Similarity):
    """Minus the mean distance (px) of the radiograph's edges from those of the image, each place weighed by the length of its gradient.

    The image's edges are the pixels of its longest gradients. A radiograph without edges has the largest distance, -cap_px.
    """
    TITLE = "Edge distance"
    share: float = option(0.1, "Share", "share of the image's pixels, those of the longest gradients, that are its edges", minimum=1e-3, maximum=0.5)
    cap_px: float = option(20.0, "Cap", "larger distances count as this one", minimum=1.0, unit="px")

    def target(self, fixed, weights):
        inner = gradient_weights(weights, self.TITLE)
        length = torch.where(inner > 0, gradients(fixed).square().sum(-3), -1.0)
        count = ((inner > 0).sum((-2, -1)) * self.share).ceil().long().clamp_min(1)
        order = length.flatten(-2).sort(-1, descending=True)[0]
        least = order.gather(-1, count.flatten().reshape(*count.shape, 1) - 1)
        return distances(length >= least[..., None].clamp_min(0)).to(fixed).clamp_max(self.cap_px), inner

    def value(self, moving, target):
        by, weights = target
        g = gradients(moving)
        floor = rounding(moving)
        length = ((g.square().sum(-3) + floor).sqrt() - floor.sqrt()) * weights
        total = length.sum((-2, -1))
        seen = total > 0
        return torch.where(seen, -(length * by).sum((-2, -1)) / torch.where(seen, total, 1.0), -self.cap_px)
