"""Similarities of radiographs and X-ray images, declared with their options."""
from ...options import make
from ..case import RegistrationError
from .base import Similarity
from .correlations import NCC, SSD, LocalNCC, MultiscaleNCC
from .distances import EdgeDistance, Silhouette
from .edges import GradientCorrelation, GradientNCC, GradientOrientation
from .information import MutualInformation, NormalisedMutualInformation
from .sums import LandmarkReprojection, WeightedSum

SIMILARITIES = {
    "ncc": NCC, "local-ncc": LocalNCC, "multiscale-ncc": MultiscaleNCC, "ssd": SSD,
    "gradient-ncc": GradientNCC, "gradient-correlation": GradientCorrelation, "gradient-orientation": GradientOrientation,
    "mutual-information": MutualInformation, "nmi": NormalisedMutualInformation,
    "edge-distance": EdgeDistance, "silhouette": Silhouette,
}  # fmt: skip


def similarity_of(name, values=None):
    """The similarity called `name` with the option values given as a dictionary."""
    if name not in SIMILARITIES:
        raise RegistrationError(f"similarity '{name}' is not known; expected one of: {', '.join(SIMILARITIES)}")
    return make(SIMILARITIES[name], values or {})


__all__ = ["EdgeDistance", "GradientCorrelation", "GradientNCC", "GradientOrientation", "LandmarkReprojection", "LocalNCC", "MultiscaleNCC",
           "MutualInformation", "NCC", "NormalisedMutualInformation", "SIMILARITIES", "SSD", "Silhouette", "Similarity", "WeightedSum",
           "similarity_of"]
