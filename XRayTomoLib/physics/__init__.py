"""Physics of attenuation (floor 2)."""
from .attenuation import AttenuationModel, looks_like_hu

__all__ = ["AttenuationModel", "looks_like_hu"]
