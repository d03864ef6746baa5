"""Several flat panels side by side in one picture.

A surface of its own, and not freely placed pixels: points can be projected onto it, and it holds a few numbers for each panel where
FreePixels holds each pixel of each view.
"""
from dataclasses import dataclass

import numpy as np

from ..arrays import GeometryError, cross, float64, namespace, to_numpy, unit
from .base import Surface, plane_crossing, spread

EDGE = 1e-9     # columns: a point on a panel's very edge is on the panel, whichever way rounding goes


@dataclass(frozen=True)
class Panels(Surface):
    """Flat panels whose columns follow each other in the picture; all have the picture's rows.

    cols     columns of each panel
    origins  the centre of its pixel (row 0, col 0);  us, vs  its steps of a column and of a row
    Vectors are (along u, along v, mm towards the source): the first two count in steps of the view's u and v from its `origin`, so that
    a panel that continues the plane has us = (1, 0, 0) and vs = (0, 1, 0).
    """
    kind = "panels"
    cols: tuple
    origins: tuple
    us: tuple
    vs: tuple

    def __post_init__(self):
        if not self.cols or any(int(n) != n or n < 1 for n in self.cols):
            raise GeometryError(f"panels of {self.cols} columns: expected at least one panel, each of at least 1 column")
        object.__setattr__(self, "cols", tuple(int(n) for n in self.cols))
        for name in ("origins", "us", "vs"):
            a = np.asarray(getattr(self, name), np.float64)
            if a.shape != (len(self.cols), 3) or not np.isfinite(a).all():
                raise GeometryError(f"panels.{name}: expected three finite numbers for each of the {len(self.cols)} panels")
            object.__setattr__(self, name, tuple(map(tuple, a.tolist())))

    @staticmethod
    def on_arc(shape, count, radius_mm, pitch_mm, gap_mm=0.0):
        """`count` equal panels, tangents of an arc of `radius_mm` about its centre on the source's side (the source itself where it is the
        source-detector distance), with `gap_mm` between neighbours' edges; together `shape` = (rows, cols), pitch_mm = (|u|, |v|)."""
        rows, cols = shape
        if count < 1 or cols % count:
            raise GeometryError(f"{cols} columns cannot be shared evenly by {count} panels")
        n, (pu, _) = cols // count, pitch_mm
        step = 2 * np.arctan((n * pu + gap_mm) / 2 / radius_mm)
        turns = step * (np.arange(count) - (count - 1) / 2)
        along = np.stack([np.cos(turns), 0 * turns, np.sin(turns)], -1)                    # mm: across, down, towards the source
        centres = radius_mm * np.stack([np.sin(turns), 0 * turns, 1 - np.cos(turns)], -1)
        origins = (centres - (n - 1) / 2 * pu * along) / [pu, 1, 1] + [(cols - 1) / 2, 0, 0]
        return Panels((n,) * count, origins, along * [1, 1, pu], [(0.0, 1.0, 0.0)] * count)

    @property
    def firsts(self):
        """Number of each panel's first column in the picture, and the number of all columns."""
        return np.concatenate([[0], np.cumsum(self.cols)])

    def check(self, views):
        cols = views.shape[1]
        if sum(self.cols) != cols:
            raise GeometryError(f"panels of {' + '.join(map(str, self.cols))} columns on a detector of {cols} columns: they must add up")

    def at(self, views, r, c):
        xp = namespace(views.origin, r, c)
        panel = np.clip(np.searchsorted(self.firsts - 0.5, to_numpy(c), side="right") - 1, 0, len(self.cols) - 1)
        origins, us, vs = (float64(a, xp)[panel] for a in (self.origins, self.us, self.vs))
        inside = c - float64(self.firsts, xp)[panel]
        local = origins + inside[..., None] * us + r[..., None] * vs
        axes = (views.u, views.v, _towards(views))
        return spread(views.origin, c) + sum(local[..., i, None] * spread(a, c) for i, a in enumerate(axes))

    def locate(self, views, start, direction):
        """As Surface.locate, of several panels the nearest; NaN between the panels and beside the outermost ones."""
        xp = namespace(views.origin, start, direction)
        axes = xp.stack([views.u, views.v, _towards(views)], 1)
        best = xp.full_like(start[..., 0] + direction[..., 0], float("inf"))
        pixels = xp.full_like(xp.stack([best, best], -1), float("nan"))
        for first, n, *vectors in zip(self.firsts, self.cols, self.origins, self.us, self.vs):
            origin, u, v = (float64(a, xp) @ axes for a in vectors)
            row, col, a = plane_crossing(views.origin + origin, u, v, start, direction)
            hit = (a > 0) & (a < best) & (col >= -0.5 - EDGE) & (col < n - 0.5 + EDGE)
            best = xp.where(hit, a, best)
            pixels = xp.where(hit[..., None], xp.stack([row, col + float(first)], -1), pixels)
        return pixels

    def flipped(self, cols):
        """The panels in reverse order, each counted from its other side."""
        origins, us, vs = (np.array(a) for a in (self.origins, self.us, self.vs))
        ends = origins + (np.array(self.cols)[:, None] - 1) * us
        mirror = np.array([-1, 1, 1])
        return Panels(self.cols[::-1], (ends * mirror + [cols - 1, 0, 0])[::-1], (-us * mirror)[::-1], (vs * mirror)[::-1])

    def binned(self, factor):
        fr, fc = factor
        if any(n % fc for n in self.cols):
            raise GeometryError(f"binning {fc} columns of panels with {self.cols} columns would join pixels of two panels; take a common divisor")
        origins, us, vs = (np.array(a) for a in (self.origins, self.us, self.vs))
        scale = np.array([1 / fc, 1 / fr, 1.0])
        origins = (origins + (fc - 1) / 2 * us + (fr - 1) / 2 * vs - [(fc - 1) / 2, (fr - 1) / 2, 0]) * scale
        return Panels(tuple(n // fc for n in self.cols), origins, fc * us * scale, fr * vs * scale)

    def cropped(self, row, col, rows, cols):
        kept = []
        for first, n, *vectors in zip(self.firsts, self.cols, self.origins, self.us, self.vs):
            origin, u, v = map(np.array, vectors)
            start, stop = max(col - first, 0), min(col + cols - first, n)
            if stop > start:
                kept.append((int(stop - start), origin + start * u + row * v - [col, row, 0], u, v))
        return Panels(*zip(*kept))


def _towards(views):
    """Unit normal of the plane on the source's side [N, 3]."""
    normal = unit(cross(views.u, views.v))
    back = -views.direction if views.source is None else views.source - views.origin
    side = (normal * back).sum(-1)
    if (to_numpy(side) == 0).any():
        raise GeometryError("the source lies in the plane of a detector of several panels")
    return normal * namespace(side).sign(side)[:, None]
