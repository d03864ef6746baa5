"""Ways with straight parts: tomosynthesis, translation, lines."""
from dataclasses import dataclass, replace

import numpy as np

from ...options import option
from ..arrays import unit
from ..devices import gantry_from_angles
from ..views import Views
from .base import Trajectory, about, placed

MOVING = ("source and detector", "source", "detector")
ALONG = ("columns", "rows")


@dataclass(frozen=True)
class Tomosynthesis(Trajectory):
    """The source swings over a limited angle, on an arc about the isocentre or on a line, along the detector's columns or rows.

    The detector stays, or moves: on an arc with the source, on a line against it, so that the central ray keeps running through the
    isocentre (Dobbins and Godfrey, Phys. Med. Biol. 48, 2003). Angles are measured at the isocentre, in equal steps.
    """
    TITLE = "Tomosynthesis"
    count: int = option(25, "Views", "number of views", minimum=1, maximum=1_000_000)
    range_deg: float = option(40.0, "Range", "angle between the first and the last view", minimum=0, maximum=170, unit="deg")
    path: str = option("arc", "Path", "the way of the source", choices=("arc", "line"))
    along: str = option("columns", "Along", "direction of the way: that in which the picture's columns, or its rows, count", choices=ALONG)
    detector: str = option("fixed", "Detector", "whether the detector stays", choices=("fixed", "moving"))
    primary_deg: float = option(0.0, "Primary angle", "primary angle of the middle view", minimum=-360, maximum=360, unit="deg")
    secondary_deg: float = option(0.0, "Secondary angle", "secondary angle of the middle view", minimum=-90, maximum=90, unit="deg")

    def about_origin(self, carm):
        angles = np.linspace(-0.5, 0.5, self.count) * self.range_deg if self.count > 1 else np.zeros(1)
        way = np.array([-1.0, 0.0, 0.0]) if self.along == "columns" else np.array([0.0, 0.0, -1.0])
        middle = placed(carm, [np.eye(4)] * self.count)
        swung = self._on_arc(middle, angles, way) if self.path == "arc" else self._on_line(middle, angles, way, carm)
        if self.detector == "fixed":
            swung = replace(middle, source=swung.source)
        return swung.transformed(gantry_from_angles(self.primary_deg, self.secondary_deg))

    @staticmethod
    def _on_arc(middle, angles, way):
        return middle.transformed(about(np.cross([0.0, -1.0, 0.0], way), angles))     # the source, along -y, towards `way`

    @staticmethod
    def _on_line(middle, angles, way, carm):
        slope = np.tan(np.deg2rad(angles))[:, None] * way
        return replace(middle, source=middle.source + carm.sod_mm * slope, origin=middle.origin - (carm.sdd_mm - carm.sod_mm) * slope)


@dataclass(frozen=True)
class Translation(Trajectory):
    """Source and detector, or one of them, pass the object on a straight line, without a turn; the isocentre lies before its middle."""
    TITLE = "Translation"
    length_mm: float = option(200.0, "Length", "distance from the first to the last view", minimum=0, maximum=1e5, unit="mm")
    moving: str = option("source and detector", "Moving", "what moves", choices=MOVING)
    along: str = option("columns", "Along", "direction of the way: that in which the picture's columns, or its rows, count", choices=ALONG)
    primary_deg: float = option(0.0, "Primary angle", "primary angle of all views", minimum=-360, maximum=360, unit="deg")
    secondary_deg: float = option(0.0, "Secondary angle", "secondary angle of all views", minimum=-90, maximum=90, unit="deg")

    def about_origin(self, carm):
        return passing(carm, self.count, self.length_mm, self.moving, self.along, self.primary_deg, self.secondary_deg)


@dataclass(frozen=True)
class Lines(Trajectory):
    """Several translations, each at another primary angle, as many views on each (translation CT)."""
    TITLE = "Lines"
    lines: int = option(4, "Lines", "number of lines; the views are shared out evenly", minimum=1, maximum=10000)
    step_deg: float = option(45.0, "Angle step", "primary angle from a line to the next", minimum=-360, maximum=360, unit="deg")
    length_mm: float = option(200.0, "Length", "length of each line", minimum=0, maximum=1e5, unit="mm")
    moving: str = option("source and detector", "Moving", "what moves along a line", choices=MOVING)
    along: str = option("columns", "Along", "direction of the lines: that in which the picture's columns, or its rows, count", choices=ALONG)
    start_deg: float = option(0.0, "Start", "primary angle of the first line", minimum=-720, maximum=720, unit="deg")

    def about_origin(self, carm):
        shares = [len(part) for part in np.array_split(np.arange(self.count), self.lines)]
        return Views.concatenate([passing(carm, n, self.length_mm, self.moving, self.along, self.start_deg + i * self.step_deg, 0.0)
                                  for i, n in enumerate(shares) if n])


def passing(carm, count, length_mm, moving, along, primary_deg, secondary_deg):
    """Views on a line of length_mm along u or v, its middle at the clinical angles about the origin."""
    middle = placed(carm, [gantry_from_angles(primary_deg, secondary_deg)] * count)
    step = np.linspace(-0.5, 0.5, count) * length_mm if count > 1 else np.zeros(1)
    shift = step[:, None] * unit(middle.u if along == "columns" else middle.v)
    source = middle.source + shift if moving != "detector" else middle.source
    origin = middle.origin + shift if moving != "source" else middle.origin
    return replace(middle, source=source, origin=origin)
