"""Weighted sums of similarities, and landmarks as one more term of a pose."""
from dataclasses import dataclass, replace

import numpy as np
import torch

from ...geometry import transform_points
from ..case import RegistrationError
from .base import Similarity


@dataclass(frozen=True)
class WeightedSum(Similarity):
    """Sum of factor x similarity over `terms`, pairs (factor, Similarity)."""
    TITLE = "Weighted sum"
    terms: tuple = ()

    def __post_init__(self):
        object.__setattr__(self, "terms", tuple(self.terms))
        if not self.terms or not all(np.isfinite(factor) for factor, _ in self.terms):
            raise RegistrationError(f"{self.TITLE}: expected at least one pair (factor, similarity), factors finite numbers")

    def target(self, fixed, weights):
        return [(factor, part, part.target(fixed, weights)) for factor, part in self.terms]

    def value(self, moving, target):
        return sum(factor * part.value(moving, its) for factor, part, its in target)


class LandmarkReprojection:
    """Minus the mean squared distance (px^2) on one X-ray between landmarks, moved with the object, and the places where they are seen.

    views: one view; points [P, 3] on the object (RAS); pixels [P, 2] (row, col), NaN for a landmark that is not seen; weights [P] or None.
    `term(poses)` takes poses [..., 4, 4] (tensor) to values [...]; gradients reach the poses. A landmark behind the source counts with
    `cap_px`.
    """

    def __init__(self, views, points, pixels, weights=None, cap_px=1e4):
        points, pixels = torch.as_tensor(points, dtype=torch.float64), torch.as_tensor(pixels, dtype=torch.float64)
        weights = torch.ones(len(points), dtype=torch.float64) if weights is None else torch.as_tensor(weights, dtype=torch.float64)
        if len(views) != 1 or points.shape != (len(weights), 3) or pixels.shape != (len(weights), 2):
            raise RegistrationError(f"{len(views)} views, points {tuple(points.shape)}, pixels {tuple(pixels.shape)}, weights "
                                    f"{tuple(weights.shape)}; expected one view, [P, 3], [P, 2] and [P]")
        seen = torch.isfinite(pixels).all(-1) & torch.isfinite(points).all(-1) & (weights > 0)
        if not bool(seen.any()):
            raise RegistrationError("no landmark is seen in this X-ray; give the pixel (row, col) of at least one")
        self.points, self.pixels, self.weights, self.cap_px = points[seen], pixels[seen], weights[seen] / weights[seen].sum(), cap_px
        self.views = replace(views, origin=torch.as_tensor(np.array(views.origin)))

    def __call__(self, poses):
        poses = poses.double()
        moved = transform_points(poses.reshape(-1, 1, 4, 4), self.points)
        square = (self._projected(moved) - self.pixels).square().sum(-1)
        known = torch.isfinite(square)
        square = torch.where(known, square, torch.full_like(square, self.cap_px ** 2))
        return -(square * self.weights).sum(-1).reshape(poses.shape[:-2])

    def _projected(self, moved):
        return self.views[[0] * len(moved)].project(moved)
