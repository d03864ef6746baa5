"""Similarities of image gradients: what remains of an X-ray when scatter and soft tissue change slowly over it."""
from dataclasses import dataclass

from ...options import option
from .base import Similarity, correlation, gradient_weights, gradients, mean, rounding


class _OfGradients(Similarity):
    def target(self, fixed, weights):
        its_weights = gradient_weights(weights, self.TITLE)[..., None, :, :]
        return gradients(fixed), its_weights


@dataclass(frozen=True)
class GradientNCC(_OfGradients):
    """One normalised cross-correlation of the derivatives along columns and rows together: strong edges in any direction count most."""
    TITLE = "Gradient cross-correlation"

    def value(self, moving, target):
        fixed, weights = target
        both = weights.expand(fixed.shape).flatten(-3, -2)
        return correlation(gradients(moving).flatten(-3, -2), fixed.flatten(-3, -2), both, rounding(moving))


@dataclass(frozen=True)
class GradientCorrelation(_OfGradients):
    """Mean of the cross-correlations of the derivatives along columns and along rows (G. Penney et al., IEEE Trans. Med. Imaging 17, 1998)."""
    TITLE = "Gradient correlation"

    def value(self, moving, target):
        return correlation(gradients(moving), *target, rounding(moving)[..., None, :, :]).mean(-1)


@dataclass(frozen=True)
class GradientOrientation(_OfGradients):
    """Mean cosine of the angle between the gradients, each shortened by noise: g / sqrt(|g|^2 + e^2), e a share of the mean length
    (normalised gradient fields: E. Haber, J. Modersitzki, MICCAI 2006, eq. 5). Knows edges by direction and not by strength."""
    TITLE = "Gradient orientation"
    noise: float = option(0.5, "Noise", "share of the mean length below which a gradient counts as noise", minimum=1e-3, maximum=10.0)
    both_signs: bool = option(False, "Both signs", "gradients that point the opposite way count as alike (squared cosines)")

    def target(self, fixed, weights):
        g, its_weights = super().target(fixed, weights)
        return self._shortened(g, its_weights, rounding(fixed)), its_weights

    def value(self, moving, target):
        fixed, weights = target
        cosine = (self._shortened(gradients(moving), weights, rounding(moving)) * fixed).sum(-3)
        return mean(cosine.square() if self.both_signs else cosine, weights[..., 0, :, :])[..., 0, 0]

    def _shortened(self, g, weights, least):
        """Gradients [..., 2, rows, cols] over their lengths; `least`: the square of a length that is rounding alone."""
        square = g.square().sum(-3, keepdim=True) + least[..., None, :, :]
        return g / (square + (self.noise * mean(square.sqrt(), weights)).square()).sqrt()
