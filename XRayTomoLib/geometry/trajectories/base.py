"""What all trajectories share: the declared form, the axis of rotation, views placed by gantries or by source positions."""
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from ...options import option
from ..arrays import GeometryError, cross, norm, unit
from ..declared import hold_to_options
from ..pose import rigid, rotation_about_axis

# Rotations that take S to the axis: the cyclic changes of R, A, S, so that nothing is mirrored.
AXES = {"S": np.eye(3), "R": np.eye(3)[[2, 0, 1]], "A": np.eye(3)[[1, 2, 0]]}


@dataclass(frozen=True)
class Trajectory:
    """A way of source and detector, declared by options (see XRayTomoLib.options); times run from 0 with the frame rate.

    Subclasses write `about_origin(carm)`: the Views for the isocentre at the origin and the axis S.
    """
    TITLE: ClassVar[str] = ""
    count: int = option(180, "Views", "number of views", minimum=1, maximum=1_000_000)
    frame_rate_hz: float = option(15.0, "Frame rate", "views per second, for the times of the views", minimum=1e-6, unit="Hz")
    axis: str = option("S", "Axis", "direction of the axis of rotation, or of the patient's length, in RAS", choices=tuple(AXES))

    def __post_init__(self):
        hold_to_options(self, self.TITLE)

    def views(self, carm, isocentre_ras=(0.0, 0.0, 0.0)):
        """Views [count] of `carm` (a CArm) about the isocentre, with times in seconds; GeometryError for a way that cannot be."""
        placed = self.about_origin(carm).transformed(rigid(AXES[self.axis], np.asarray(isocentre_ras, np.float64)))
        return replace(placed, times=np.arange(len(placed)) / self.frame_rate_hz)

    def about_origin(self, carm):
        raise NotImplementedError

    @property
    def duration_s(self):
        """Seconds from the first view to the end of the last."""
        return self.count / self.frame_rate_hz


def placed(carm, gantries):
    """One view of `carm` for each 4x4 ras_from_gantry of `gantries` [N, 4, 4]."""
    local = carm.local_views()
    return local[[0] * len(gantries)].transformed(np.asarray(gantries))


def raised(gantries, heights_mm):
    """The gantries shifted by heights_mm [N] along S."""
    moved = np.array(gantries)
    moved[:, 2, 3] += heights_mm
    return moved


def about(axis, angles_deg):
    """Rotations [N, 4, 4] by angles_deg [N] about `axis` through the origin."""
    return rigid(rotation_about_axis(axis, angles_deg), np.zeros((len(angles_deg), 3)))


def looking_at(carm, sources, target=(0.0, 0.0, 0.0)):
    """Views of `carm` with the source at `sources` [N, 3] and the central ray through `target`; the picture's up is S.

    The detector keeps its distance from the source. Where the central ray runs along S, the picture keeps the columns' direction of the
    view before (A at the first).
    """
    ahead = np.asarray(target, np.float64) - np.asarray(sources, np.float64)
    lengths = norm(ahead)
    if not (lengths > 1e-9 * max(1.0, lengths.max())).all():
        raise GeometryError(f"view {int(np.argmin(lengths))}: the source lies on the point it looks at; move it away")
    y = unit(ahead)
    x = cross(y, np.broadcast_to([0.0, 0.0, 1.0], y.shape))
    along_up = norm(x) < 1e-6
    for i in np.flatnonzero(along_up):
        reference = x[i - 1] if i else np.array([1.0, 0.0, 0.0])
        x[i] = reference - (reference @ y[i]) * y[i]
    x = unit(x)
    rotation = np.stack([x, y, cross(x, y)], -1)
    return placed(carm, rigid(rotation, sources + carm.sod_mm * y))


def fan_angle_deg(carm):
    """Angle in degrees that the detector's outer edges span at the source, in the plane across the axis of rotation."""
    local = carm.local_views()
    rows, cols = local.shape
    r, c = np.meshgrid([-0.5, (rows - 1) / 2, rows - 0.5], [-0.5, (cols - 1) / 2, cols - 0.5], indexing="ij")
    rays = local.surface.at(local, r[None], c[None])[0] - local.source[0]
    angles = np.degrees(np.arctan2(rays[..., 0], rays[..., 1]))
    return float(angles.max() - angles.min())
