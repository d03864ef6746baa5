"""Beam hardening in water: a polynomial whose coefficients are known."""
from dataclasses import dataclass

from ...options import option
from ..problem import ReconstructionError


@dataclass(frozen=True)
class WaterHardening:
    """p <- linear p + quadratic p^2 + cubic p^3 + quartic p^4: line integrals as one photon energy would give them for an object that
    attenuates as water does (G. T. Herman, Phys. Med. Biol. 24, 1979). Coefficients come from wedges of water or from the spectrum."""
    TITLE = "Water beam hardening"
    linear: float = option(1.0, "Linear", "coefficient of p")
    quadratic: float = option(0.0, "Quadratic", "coefficient of p^2")
    cubic: float = option(0.0, "Cubic", "coefficient of p^3")
    quartic: float = option(0.0, "Quartic", "coefficient of p^4")

    def apply(self, p):
        """The polynomial of line integrals p of any shape. Raises ReconstructionError where it falls within the range of p."""
        slope = self.linear + p * (2 * self.quadratic + p * (3 * self.cubic + p * 4 * self.quartic))
        if p.numel() and float(slope[p >= 0].min() if bool((p >= 0).any()) else slope.min()) <= 0:
            raise ReconstructionError(f"the polynomial of beam hardening falls below line integrals of {float(p.max()):.3g}, where more matter would "
                                      "count less; check its coefficients")
        return p * (self.linear + p * (self.quadratic + p * (self.cubic + p * self.quartic)))
