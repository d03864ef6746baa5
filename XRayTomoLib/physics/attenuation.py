"""From voxel values to attenuation coefficients in 1/mm."""
import json
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..resources import resource_path

KINDS = {"hu_linear": "linear in HU", "hu_threshold": "threshold in HU", "linear": "raw values are 1/mm"}


class AttenuationError(ValueError):
    """An attenuation model that cannot be."""


@dataclass(frozen=True)
class AttenuationModel:
    """mu of a voxel value.

    hu_linear     mu = mu_water(energy_kev) (1 + HU / 1000), 0 where HU <= air_hu
    hu_threshold  the same, and 0 below threshold_hu: only bone or metal is seen
    linear        the values are mu in 1/mm already; negative ones count as 0
    mu_water comes from the table Resources/Presets/materials/water.json.
    """
    kind: str = "hu_linear"
    energy_kev: float = 70.0
    air_hu: float = -900.0
    threshold_hu: float = 200.0

    def __post_init__(self):
        if self.kind not in KINDS:
            raise AttenuationError(f"attenuation model '{self.kind}' is not known; expected one of: {', '.join(KINDS)}")
        low, high = water_table()[0][[0, -1]]
        if not low <= self.energy_kev <= high:
            raise AttenuationError(f"photon energy {self.energy_kev} keV: expected {low:g} to {high:g} keV")

    @property
    def mu_water(self):
        """mu of water in 1/mm at the model's energy (log-log interpolation)."""
        energy, mu = water_table()
        return float(np.exp(np.interp(np.log(self.energy_kev), np.log(energy), np.log(mu))))

    @property
    def floor_hu(self):
        """Highest HU that counts as nothing."""
        return max(self.air_hu, self.threshold_hu) if self.kind == "hu_threshold" else self.air_hu

    def mu(self, values):
        """Attenuation in 1/mm (float32 array) of the voxel `values` (any numeric array); NaN raises AttenuationError."""
        values = np.asarray(values)
        if values.dtype.kind == "f" and np.isnan(values.min(initial=0)):
            raise AttenuationError(f"the volume has {int(np.isnan(values).sum())} voxels that are not a number (NaN); replace them first, "
                                   "for example by -1000 HU")
        mu = values.astype(np.float32)
        if self.kind == "linear":
            return np.maximum(mu, 0, out=mu)
        air = mu <= np.float32(self.floor_hu)
        mu *= np.float32(self.mu_water / 1000)
        mu += np.float32(self.mu_water)
        mu[air] = 0
        return np.maximum(mu, 0, out=mu)

    def lookup(self, dtype="int16", slope=1.0, intercept=0.0):
        """Attenuation (float32 [65536]) of every 16-bit code, in the order of its bits as uint16, for values slope x code + intercept:
        the table with which the ray tracer reads "int16" and "uint16" volumes as they lie."""
        if dtype not in ("int16", "uint16"):
            raise AttenuationError(f"lookup for voxels of type '{dtype}': expected int16 or uint16")
        codes = np.arange(65536, dtype=np.uint16).view(dtype)
        return self.mu(codes.astype(np.float64) * slope + intercept)

    def describe(self):
        """One line for people."""
        if self.kind == "linear":
            return "values are attenuation in 1/mm"
        floor = f"HU <= {self.floor_hu:g} counts as nothing"
        return f"{KINDS[self.kind]} at {self.energy_kev:g} keV (water {self.mu_water:.5f} 1/mm), {floor}"


@lru_cache(maxsize=1)
def water_table():
    """Energies (keV) and mu of water (1/mm), float64."""
    data = json.loads(resource_path("Presets/materials/water.json").read_text(encoding="utf-8"))
    return np.array(data["energy_kev"]), np.array(data["mu_per_mm"])


def looks_like_hu(values):
    """(bool, sentence): whether the range of `values` is that of a CT in Hounsfield units, and what to do when it is not."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    if low < -200 and high > 30:
        return True, f"values {low:.4g} to {high:.4g} look like HU"
    if low >= -0.01 and high < 1:
        return False, f"values {low:.4g} to {high:.4g} look like attenuation in 1/mm, not HU: choose the model 'raw values are 1/mm'"
    return False, (f"values {low:.4g} to {high:.4g} do not look like HU (air -1000, water 0): apply the scanner's rescale slope and intercept, "
                   "or choose the model 'raw values are 1/mm'")
