"""Pixels that are wrong in every view, in line integrals whose dark and flat images are not at hand."""
from dataclasses import dataclass

import numpy as np
import torch

from ...counts import isolated_pixels, repair
from ...options import option
from ..problem import ReconstructionError


@dataclass(frozen=True)
class BadPixels:
    """Replaces pixels whose mean or spread over the views lies outside that of their eight neighbours by the median of good neighbours."""
    TITLE = "Bad pixels"
    sigma: float = option(8.0, "Sigma", "robust standard deviations from the neighbours' range at which a pixel is defective", 1.0)

    def apply(self, p):
        """Projections [views, rows, cols] with defective pixels repaired."""
        bad = self.find(p)
        if bad.all():
            raise ReconstructionError("all pixels would be defective; raise sigma")
        if not bad.any():
            return p
        return torch.stack([torch.as_tensor(repair(image.numpy(), bad), dtype=p.dtype) for image in p.cpu()]).to(p.device)

    def find(self, p):
        """Mask [rows, cols] of the defective pixels."""
        finite = torch.isfinite(p).all(0).cpu().numpy()
        images = [np.where(finite, image.cpu().numpy(), np.nan) for image in (p.mean(0), p.std(0))]
        return isolated_pixels(images[0], self.sigma) | isolated_pixels(images[1], self.sigma)
