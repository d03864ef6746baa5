"""What is put right in line integrals before they are reconstructed: bad pixels, rings, beam hardening in water, metal.

Each is a dataclass of declared options with `apply(p)`; metal needs reconstructions of its own (metal.metal_corrected).
"""
from ...options import make
from ..problem import ReconstructionError
from .defects import BadPixels
from .hardening import WaterHardening
from .metal import Metal, metal_corrected
from .rings import Rings

CORRECTIONS = {"bad-pixels": BadPixels, "rings": Rings, "hardening": WaterHardening, "metal": Metal}

__all__ = ["CORRECTIONS", "BadPixels", "Metal", "Rings", "WaterHardening", "correction_of", "metal_corrected"]


def correction_of(name, values=None):
    """The correction called `name` with the option values given as a dictionary."""
    if name not in CORRECTIONS:
        raise ReconstructionError(f"correction '{name}' is not known; expected one of: {', '.join(CORRECTIONS)}")
    return make(CORRECTIONS[name], values or {})
