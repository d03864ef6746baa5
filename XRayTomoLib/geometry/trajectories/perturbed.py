"""What moves single views of any trajectory: the flying focal spot, and jitter."""
from dataclasses import dataclass, replace

import numpy as np

from ...options import option
from ..arrays import GeometryError, float64, namespace, unit
from ..declared import hold_to_options
from ..pose import pose_about, rotation_from_vector


def with_flying_focal_spot(views, in_plane_mm, axial_mm=0.0):
    """The views with a source that jumps along u and along v, half the distance to either side, while the detector stays.

    One direction alone changes from view to view; with both, the spot runs through its four places, in plane first.
    """
    if not (in_plane_mm or axial_mm):
        return views
    if views.source is None:
        raise GeometryError("parallel rays have no focal spot that could fly")
    number = np.arange(len(views))
    in_plane = in_plane_mm / 2 * (1 - 2 * (number % 2))
    axial = axial_mm / 2 * (1 - 2 * (number // (2 if in_plane_mm else 1) % 2))
    return replace(views, source=views.source + in_plane[:, None] * unit(views.u) + axial[:, None] * unit(views.v))


@dataclass(frozen=True)
class Jitter:
    """Random errors of position, normally distributed and independent from view to view; all values are standard deviations."""
    source_mm: float = option(0.0, "Source", "standard deviation of the source's position along each axis", minimum=0, maximum=1000, unit="mm")
    detector_mm: float = option(0.0, "Detector", "standard deviation of the detector's position along each axis", minimum=0, maximum=1000, unit="mm")
    detector_deg: float = option(0.0, "Detector rotation", "standard deviation of the detector's rotation about each axis through its centre",
                                 minimum=0, maximum=90, unit="deg")
    gantry_deg: float = option(0.0, "Gantry rotation", "standard deviation of the rotation of both about each axis through the isocentre",
                               minimum=0, maximum=90, unit="deg")
    seed: int = option(0, "Seed", "the same seed gives the same errors", minimum=0, maximum=2**31 - 1)

    def __post_init__(self):
        hold_to_options(self, "jitter")

    def applied(self, views, isocentre_ras=(0.0, 0.0, 0.0)):
        """The views with these errors; the axes are R, A, S."""
        random = np.random.default_rng(self.seed).standard_normal((4, len(views), 3))
        xp = namespace(views.origin, views.source, views.direction)
        source, detector, detector_turn, gantry_turn = (float64(a, xp) for a in random)
        if self.source_mm and views.source is None:
            raise GeometryError("parallel rays have no source whose position could vary; set source_mm to 0")
        moved = views
        if self.source_mm:
            moved = replace(moved, source=moved.source + self.source_mm * source)
        if self.detector_mm or self.detector_deg:
            turn = rotation_from_vector(np.deg2rad(self.detector_deg) * detector_turn)
            moved = moved.with_moved_detector(turn, self.detector_mm * detector)
        if self.gantry_deg:
            moved = moved.transformed(pose_about(np.deg2rad(self.gantry_deg) * gantry_turn, 0 * gantry_turn, isocentre_ras))
        return moved
