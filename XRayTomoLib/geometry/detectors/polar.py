"""Polar detectors: rings and angles on the plane."""
from dataclasses import dataclass, replace

import numpy as np

from ..arrays import GeometryError, namespace, norm
from .base import Surface, plane_crossing, spread
from .curved import local_frame


@dataclass(frozen=True)
class Polar(Surface):
    """Rows are rings, columns are angles about a point of the plane.

    Pixel (r, c) lies at the distance inner_mm + r ring_mm from the centre in the direction start_deg + c step_deg, counted from u towards
    v. `centre` = (row, col) says where on the plane of u and v the centre lies, in steps of v and u from `origin`; they need not be whole.
    """
    kind = "polar"
    centre: tuple
    inner_mm: float
    ring_mm: float
    start_deg: float
    step_deg: float

    def __post_init__(self):
        if not (self.ring_mm > 0 and self.inner_mm >= 0):
            raise GeometryError(f"rings from {self.inner_mm} mm in steps of {self.ring_mm} mm: expected at least 0 mm, and more than 0 mm")
        if not 0 < abs(self.step_deg) <= 360:
            raise GeometryError(f"angle step of {self.step_deg} degrees: expected up to 360 degrees, not zero")

    def at(self, views, r, c):
        eu, ev, _ = local_frame(views)
        xp = namespace(eu, r, c)
        angle = np.pi / 180 * (self.start_deg + c * self.step_deg)
        outward = xp.cos(angle)[..., None] * spread(eu, c) + xp.sin(angle)[..., None] * spread(ev, c)
        return spread(self._middle(views), c) + (self.inner_mm + r * self.ring_mm)[..., None] * outward

    def _middle(self, views):
        return views.origin + self.centre[0] * views.v + self.centre[1] * views.u

    def locate(self, views, start, direction):
        """As Surface.locate; columns count from -0.5 round the full turn, so that what lies before column 0 has the last numbers."""
        eu, ev, _ = local_frame(views)
        y, x, a = plane_crossing(self._middle(views), eu, ev, start, direction)
        xp = namespace(x)
        turns = (xp.arctan2(y, x) * 180 / np.pi - self.start_deg) / self.step_deg
        col = xp.remainder(turns + 0.5, 360 / abs(self.step_deg)) - 0.5
        row = (norm(xp.stack([x, y], -1)) - self.inner_mm) / self.ring_mm
        pixels = xp.stack([row, col], -1)
        return xp.where((a > 0)[..., None], pixels, xp.full_like(pixels, float("nan")))

    def flipped(self, cols):
        last = self.start_deg + (cols - 1) * self.step_deg
        return replace(self, centre=(self.centre[0], cols - 1 - self.centre[1]), start_deg=180 - last)

    def binned(self, factor):
        fr, fc = factor
        return Polar(tuple((a + 0.5) / f - 0.5 for a, f in zip(self.centre, factor)), self.inner_mm + (fr - 1) / 2 * self.ring_mm,
                     fr * self.ring_mm, self.start_deg + (fc - 1) / 2 * self.step_deg, fc * self.step_deg)

    def cropped(self, row, col, rows, cols):
        return replace(self, centre=(self.centre[0] - row, self.centre[1] - col), inner_mm=self.inner_mm + row * self.ring_mm,
                       start_deg=self.start_deg + col * self.step_deg)
