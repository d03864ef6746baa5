"""`ProjectionSet`: the projections of one scan as they lie on disk, with the geometry that the scanner wrote."""

from dataclasses import dataclass, field

import numpy as np

from ...files import FileError
from ...geometry import Views


class ProjectionError(FileError):
    """Projections that cannot be read; the message names the file, what was expected and the remedy."""


@dataclass(frozen=True, eq=False)
class ProjectionSet:
    """N projections, read one at a time.

    views   geometry of the N projections in RAS, or None where the files do not tell it
    load    load(i) -> pixels [rows, cols] of projection i as they were stored
    kind    "counts" (falls with attenuation), "line integral"
    dark, flat   [rows, cols] or None: the detector without beam, the open beam
    i0      counts of the open beam as one number, or None
    found   what was read of the scanner's settings, name -> value with unit, for people
    """

    count: int
    shape: tuple
    dtype: np.dtype
    load: object
    source: str
    views: Views | None = None
    kind: str = "counts"
    dark: np.ndarray | None = None
    flat: np.ndarray | None = None
    i0: float | None = None
    found: dict = field(default_factory=dict)

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        """Pixels [rows, cols] of one projection; its shape is checked against the first one's."""
        if not 0 <= index < self.count:
            raise IndexError(f"projection {index} of {self.count}")
        pixels = np.asarray(self.load(index))
        if pixels.shape != tuple(self.shape):
            raise ProjectionError(f"{self.source}: projection {index} has {pixels.shape} pixels, expected {tuple(self.shape)} as of the first.")
        return pixels
