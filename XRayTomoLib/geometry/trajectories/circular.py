"""Ways round an axis: circle, helix, laminography, two orbits."""
from dataclasses import dataclass

import numpy as np

from ...options import option
from ..arrays import GeometryError
from ..devices import gantry_from_angles
from ..views import Views
from .base import Trajectory, about, fan_angle_deg, placed, raised
from .perturbed import with_flying_focal_spot

TURN = 360.0


def circle(carm, count, start_deg=0.0, range_deg=360.0, isocentre_ras=(0.0, 0.0, 0.0)):
    """`count` views of `carm` on a circle about the S axis, from primary angle `start_deg` on in equal steps over `range_deg`.

    A full turn does not repeat its first view; a partial one, and one of more than a turn, has views at both ends.
    """
    if count < 1:
        raise GeometryError(f"a circle of {count} views: expected at least 1")
    return carm.views(primary_deg=angles_of(count, start_deg, range_deg), isocentre_ras=isocentre_ras)


def angles_of(count, start_deg, range_deg):
    """`count` angles in equal steps over range_deg, both ends included but where they are the same direction after one turn."""
    full = abs(abs(range_deg) - TURN) < 1e-9
    steps = count if full else max(count - 1, 1)
    return start_deg + range_deg / steps * np.arange(count)


@dataclass(frozen=True)
class Circle(Trajectory):
    """A circle about the axis: a full turn, a short scan (180 degrees and the fan angle of the device; Parker, Med. Phys. 9, 1982),
    an over scan (more than a turn), or an arc of any range."""
    TITLE = "Circle"
    extent: str = option("full turn", "Extent", "how far the source goes round: a short scan is 180 degrees and the fan angle",
                         choices=("full turn", "short scan", "over scan", "arc"))
    start_deg: float = option(0.0, "Start", "primary angle of the first view", minimum=-720, maximum=720, unit="deg")
    range_deg: float = option(200.0, "Range", "angle from the first to the last view of an arc", minimum=0, maximum=36000, unit="deg")
    over_deg: float = option(20.0, "Over scan", "angle that an over scan adds to a full turn", minimum=0, maximum=360, unit="deg")
    margin_deg: float = option(0.0, "Margin", "angle that a short scan adds to 180 degrees and the fan angle", minimum=0, maximum=180, unit="deg")
    backwards: bool = option(False, "Backwards", "the primary angle falls instead of rising")

    def extent_deg(self, carm):
        """Degrees from the first to the last view (a full turn: to the first view again)."""
        if self.extent == "short scan":
            return min(180.0 + fan_angle_deg(carm) + self.margin_deg, TURN)
        return {"full turn": TURN, "over scan": TURN + self.over_deg, "arc": self.range_deg}[self.extent]

    def about_origin(self, carm):
        extent = self.extent_deg(carm)
        return circle(carm, self.count, self.start_deg, -extent if self.backwards else extent)


@dataclass(frozen=True)
class Helix(Trajectory):
    """A helix about the axis: source and detector advance together, the isocentre is in its middle.

    Flying focal spot: the spot jumps from view to view about its middle position while the detector stays (Flohr et al., Med. Phys. 32,
    2005).
    """
    TITLE = "Helix"
    count: int = option(720, "Views", "number of views", minimum=1, maximum=1_000_000)
    turns: float = option(3.0, "Turns", "number of turns", minimum=0.01, maximum=10000)
    pitch_mm: float = option(60.0, "Pitch", "advance of source and detector along the axis in a turn; the table moves the other way; negative "
                             "values go down the axis", minimum=-1e5, maximum=1e5, unit="mm")
    start_deg: float = option(0.0, "Start", "primary angle of the first view", minimum=-720, maximum=720, unit="deg")
    backwards: bool = option(False, "Backwards", "the primary angle falls instead of rising")
    spot_in_plane_mm: float = option(0.0, "Focal spot in plane", "distance between the focal spots of a flying spot along the rotation",
                                     minimum=0, maximum=100, unit="mm")
    spot_axial_mm: float = option(0.0, "Focal spot along axis", "distance between the focal spots of a flying spot along the axis",
                                  minimum=0, maximum=100, unit="mm")

    def about_origin(self, carm):
        share = np.arange(self.count) / self.count              # the turn ends one step after the last view
        middle = (self.count - 1) / 2 / self.count
        angles = self.start_deg + TURN * self.turns * share * (-1 if self.backwards else 1)
        gantries = raised(about((0, 0, 1), angles), self.pitch_mm * self.turns * (share - middle))
        return with_flying_focal_spot(placed(carm, gantries), self.spot_in_plane_mm, self.spot_axial_mm)


@dataclass(frozen=True)
class Laminography(Trajectory):
    """A turn about an axis that is not perpendicular to the beam: source and detector on two circles on either side of a flat object.

    The detector faces the source, or lies parallel to the object's layers and does not turn (planar computed laminography; Gondrom et al.,
    Nucl. Eng. Des. 190, 1999).
    """
    TITLE = "Laminography"
    beam_deg: float = option(60.0, "Beam and axis", "angle between the central ray and the axis; 90 degrees is a circle",
                              minimum=1, maximum=90, unit="deg")
    start_deg: float = option(0.0, "Start", "primary angle of the first view", minimum=-720, maximum=720, unit="deg")
    detector: str = option("faces the source", "Detector", "how the detector stands", choices=("faces the source", "parallel to the layers"))

    def about_origin(self, carm):
        primary = angles_of(self.count, self.start_deg, TURN)
        facing = carm.views(primary, 90.0 - self.beam_deg)
        if self.detector == "faces the source":
            return facing
        flat = carm.views(0.0, 90.0)
        shift = (carm.sdd_mm - carm.sod_mm) * (-facing.source / carm.sod_mm - [0.0, 0.0, 1.0])
        return Views(source=facing.source, origin=flat.origin + shift, u=flat.u, v=flat.v, shape=flat.shape, surface=flat.surface)


@dataclass(frozen=True)
class TwoOrbits(Trajectory):
    """Two circles whose planes are tilted against each other, or a circle and a line along the axis: both complete in Tuy's sense where
    a circle alone is not (Tuy, SIAM J. Appl. Math. 43, 1983; Zeng and Gullberg, Phys. Med. Biol. 37, 1992)."""
    TITLE = "Two orbits"
    count: int = option(360, "Views", "number of views of both orbits", minimum=2, maximum=1_000_000)
    second: str = option("tilted circle", "Second orbit", "what is added to the circle", choices=("tilted circle", "line"))
    second_count: int = option(120, "Views of second", "how many of the views lie on the second orbit", minimum=1, maximum=1_000_000)
    tilt_deg: float = option(90.0, "Tilt", "angle between the planes of the two circles", minimum=0, maximum=90, unit="deg")
    length_mm: float = option(300.0, "Length", "length of the line along the axis", minimum=0, maximum=1e5, unit="mm")
    start_deg: float = option(0.0, "Start", "primary angle of the first view, and of the line", minimum=-720, maximum=720, unit="deg")

    def about_origin(self, carm):
        first = self.count - self.second_count
        if first < 1:
            raise GeometryError(f"{self.TITLE}: {self.second_count} of {self.count} views are for the second orbit; leave at least one for the first")
        turn = gantry_from_angles(self.start_deg, 0.0)
        if self.second == "line":
            heights = np.linspace(-0.5, 0.5, self.second_count) * self.length_mm if self.second_count > 1 else [0.0]
            more = placed(carm, raised([turn] * self.second_count, heights))
        else:
            more = circle(carm, self.second_count, self.start_deg).transformed(about(turn[:3, 1], [self.tilt_deg])[0])
        return Views.concatenate([circle(carm, first, self.start_deg), more])
