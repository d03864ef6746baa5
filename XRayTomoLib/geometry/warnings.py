"""What can be wrong with a way of source and detector round an object: findings in words, with the views that they concern."""
from dataclasses import dataclass

import numpy as np

from ..options import option
from .arrays import GeometryError, cross, norm, to_numpy, unit
from .boxes import OrientedBox
from .declared import hold_to_options
from .detectors import Cylindrical, Flat, FreePixels

FACETS = 16           # pieces of a detector in each direction in which it is curved
AT_ONCE = 500         # views that are looked at together: their arrays stay small
GRAZING_DEG = 85.0


@dataclass(frozen=True)
class Finding:
    """Something that is wrong: its `kind` (truncated, source inside, detector inside, collision, looks away, beyond limits), a sentence
    for people, and the numbers of the views."""
    kind: str
    sentence: str
    views: tuple


@dataclass(frozen=True)
class Gantry:
    """The machine round the beam: a tube (sphere), a detector housing (box), and an arm that bends from one to the other (part of an
    ellipse). What is 0 is not there."""
    tube_mm: float = option(150.0, "Tube", "radius of the tube housing round the focal spot", minimum=0, maximum=1e4, unit="mm")
    margin_mm: float = option(40.0, "Detector margin", "how far the detector's housing reaches beyond its pixels", minimum=0, maximum=1e4, unit="mm")
    depth_mm: float = option(100.0, "Detector depth", "how far the detector's housing reaches behind its pixels", minimum=0, maximum=1e4, unit="mm")
    arm_mm: float = option(0.0, "Arm depth", "distance of the arm from the middle of the central ray", minimum=0, maximum=1e4, unit="mm")
    arm_thickness_mm: float = option(120.0, "Arm thickness", "diameter of the arm", minimum=0, maximum=1e4, unit="mm")
    arm_side: str = option("last column", "Arm side", "on which side of the picture the arm runs",
                           choices=("first column", "last column", "first row", "last row"))
    clearance_mm: float = option(0.0, "Clearance", "distance that must be left free", minimum=0, maximum=1e4, unit="mm")

    def __post_init__(self):
        hold_to_options(self, "gantry")


def find_problems(views, box=None, points_ras=None, gantry=None, obstacles=None, carm=None):
    """All findings of the views, worst kinds first.

    box: the object's OrientedBox;  points_ras [P, 3]: its hull, where that is known better than by the box (truncation).
    gantry (a Gantry) and obstacles {name: OrientedBox}: the table, the patient.  carm: the C-arm whose limits of angles count.
    """
    found = []
    if box is not None:
        found += [find_source_inside(views, box), find_detector_inside(views, box)]
    if gantry is not None:
        found += [find_collision(views, gantry, name, obstacle) for name, obstacle in (obstacles or {}).items()]
    if carm is not None:
        found.append(find_beyond_limits(views, carm))
    if box is not None or points_ras is not None:
        found.append(find_truncation(views, box.corners_ras() if points_ras is None else points_ras))
    found.append(find_looking_away(views))
    return [f for f in found if f is not None]


def find_source_inside(views, box, name="object"):
    """Views whose source lies in the box."""
    if views.source is None:
        return None
    return _finding("source inside", box.contains(to_numpy(views.source)), f"the source enters the {name}'s box",
                    "raise the source-isocentre distance or move the isocentre")


def find_detector_inside(views, box, name="object"):
    """Views whose detector cuts the box: what lies behind it is not measured."""
    return _finding("detector inside", _in_parts(views, lambda part: box.meets(_facets(part)).any(-1)), f"the detector cuts the {name}'s box",
                    "raise the source-detector distance or move the isocentre")


def find_truncation(views, points_ras):
    """Views that do not show all of the points [P, 3]; of a box give the corners. Free pixels span no surface that could be too small."""
    if isinstance(views.surface, FreePixels):
        return None
    pixels = to_numpy(views.project(points_ras))
    beyond = np.maximum(-0.5 - pixels, pixels - (np.array(views.shape) - 0.5))               # [N, P, (row, col)]
    lost = np.isnan(beyond).any((1, 2))
    reach = np.where(np.isnan(beyond), -np.inf, beyond).max(1)
    cut = lost | (reach > 1e-6).any(-1)
    words = [f"along the {word} by up to {reach[:, i].max():.0f} pixels" for i, word in ((1, "columns"), (0, "rows")) if reach[:, i].max() > 1e-6]
    words += ["partly where no pixel can show it"] if lost.any() else []
    return _finding("truncated", cut, "the object reaches beyond the detector " + " and ".join(words), "move the isocentre, or enlarge the detector")


def find_collision(views, gantry, name, obstacle):
    """Views in which the gantry hits the obstacle (an OrientedBox) called `name`, or comes nearer than its clearance."""
    if views.source is None:
        raise GeometryError("parallel rays have no tube and no arm that could hit something; leave the gantry out")
    grown = OrientedBox(obstacle.centre_ras, obstacle.axes, obstacle.half_mm + gantry.clearance_mm)
    parts = {"the tube": obstacle.distance_mm(to_numpy(views.source)) <= gantry.tube_mm + gantry.clearance_mm if gantry.tube_mm else None,
             "the detector": _in_parts(views, lambda part: grown.meets(_housing(part, gantry))),
             "the arm": _in_parts(views, lambda part: obstacle.distance_mm(arm_points(part, gantry)).min(-1))
             <= gantry.arm_thickness_mm / 2 + gantry.clearance_mm if gantry.arm_mm else None}
    hits = {part: hit for part, hit in parts.items() if hit is not None and hit.any()}
    return _finding("collision", np.logical_or.reduce([np.zeros(len(views), bool), *hits.values()]), f"{' and '.join(hits)} would hit the {name}",
                    "change the angles, or move the isocentre or the table")


def find_beyond_limits(views, carm):
    """Views whose central ray (source to the detector's centre) has clinical angles that the C-arm does not reach."""
    x, y, z = to_numpy(unit(views.centre - views.source) if views.direction is None else views.direction).T
    secondary, primary = np.degrees(np.arcsin(np.clip(z, -1, 1))), np.degrees(np.arctan2(-x, y))
    outside = np.zeros(len(views), bool)
    words = []
    for name, angles, limits in (("primary", primary, carm.primary_limits_deg), ("secondary", secondary, carm.secondary_limits_deg)):
        if limits is not None:
            beyond = ((angles < limits[0] - 1e-6) | (angles > limits[1] + 1e-6)) & (abs(secondary) < 90 - 1e-6)
            outside |= beyond
            words += [f"{name} {limits[0]:g} to {limits[1]:g} degrees"] if beyond.any() else []
    return _finding("beyond limits", outside, f"the angles are beyond what the device reaches ({', '.join(words)})", "shorten the way")


def find_looking_away(views):
    """Views with pixels that the rays meet from behind, or at a grazing angle; free pixels look nowhere."""
    if isinstance(views.surface, FreePixels):
        return None
    return _finding("looks away", _in_parts(views, _look_away),
                    f"rays meet pixels from behind, or at less than {90 - GRAZING_DEG:.0f} degrees to the detector",
                    "turn the detector towards the source, or give it a larger radius")


def arm_points(views, gantry, count=96):
    """Points [N, count, 3] on the middle of the arm: half an ellipse from the source to the detector's centre."""
    source, centre = to_numpy(views.source), to_numpy(views.centre)
    ahead = unit(centre - source)
    side = to_numpy(views.u if "column" in gantry.arm_side else views.v) * (1 if "last" in gantry.arm_side else -1)
    side = unit(side - (side * ahead).sum(-1, keepdims=True) * ahead)
    turn = np.linspace(0, np.pi, count)[:, None]
    half = norm(centre - source)[:, None, None] / 2
    return ((source + centre) / 2)[:, None] - np.cos(turn) * half * ahead[:, None] + np.sin(turn) * gantry.arm_mm * side[:, None]


def _look_away(views):
    """Whether a ray meets one of the pixels that are looked at from behind or at a grazing angle [N]."""
    pixels = np.stack(np.meshgrid(*_picked(views), indexing="ij"), -1).reshape(-1, 2)
    start, end = views.unproject(pixels)
    du, dv = (to_numpy(views.unproject(pixels + step)[1] - views.unproject(pixels - step)[1]) for step in ([0.0, 1e-3], [1e-3, 0.0]))
    facing = (unit(cross(du, dv)) * unit(to_numpy(end - start))).sum(-1)
    side = np.sign(np.median(facing, axis=1))[:, None]
    return (facing * side < np.cos(np.radians(GRAZING_DEG))).any(1)


def _in_parts(views, judge):
    """judge(views) [N] of a few views at a time."""
    return np.concatenate([judge(views[i:i + AT_ONCE]) for i in range(0, len(views), AT_ONCE)])


def _picked(views):
    """Rows and columns over the whole detector, its first and last among them: FACETS + 1 of each, but the ends alone where it is straight.

    Where the detector is straight its normal does not change, and rays that meet it at less than an angle fill a convex cone: what holds
    at both ends holds between them.
    """
    straight = isinstance(views.surface, (Flat, Cylindrical)), isinstance(views.surface, Flat)
    return [np.unique(np.rint(np.linspace(0, n - 1, 2 if s else FACETS + 1))) for n, s in zip(views.shape, straight)]


def _facets(views):
    """The detector as parallelograms [N, Q, 4, 3]: the whole of a plane, pieces of other surfaces."""
    if isinstance(views.surface, Flat):
        corners = to_numpy(views.corners())
        return corners[:, None, [0, 1, 3, 2]]
    r, c = (np.append(a, a[-1]) if len(a) == 1 else a for a in _picked(views))
    rows, cols = np.meshgrid(r, c, indexing="ij")
    points = to_numpy(views.surface.at(views, rows[None], cols[None]))
    quads = np.stack([points[:, :-1, :-1], points[:, :-1, 1:], points[:, 1:, :-1], points[:, 1:, 1:]], 3)
    return quads.reshape(len(views), -1, 4, 3)


def _housing(views, gantry):
    """The detector's housing [N, 8, 3]: the box round its surface, with the margin on its sides and the depth behind it."""
    normal = to_numpy(views.normal)
    behind = normal * np.sign(((to_numpy(views.centre) - to_numpy(views.source)) * normal).sum(-1))[:, None]
    along = unit(to_numpy(views.u))
    frame = np.stack([along, cross(behind, along), behind], 1)                               # [N, 3 axes, 3]
    local = _facets(views).reshape(len(views), -1, 3) @ frame.swapaxes(1, 2)
    low = local.min(1) - [gantry.margin_mm, gantry.margin_mm, 0]
    high = local.max(1) + [gantry.margin_mm, gantry.margin_mm, gantry.depth_mm]
    bits = np.array([[i, j, k] for k in (0, 1) for j in (0, 1) for i in (0, 1)], bool)
    return np.where(bits, high[:, None], low[:, None]) @ frame


def _finding(kind, wrong, sentence, remedy):
    """A Finding for the views that are `wrong` [N], None where none is."""
    at = np.flatnonzero(wrong)
    if not len(at):
        return None
    which = f"all {len(wrong)} views" if len(at) == len(wrong) else f"{len(at)} of {len(wrong)} views ({_ranges(at)})"
    return Finding(kind, f"In {which} {sentence}; {remedy}.", tuple(at.tolist()))


def _ranges(numbers, most=4):
    """Numbers in words: "3-17, 40, ..."."""
    groups = np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1)
    words = [f"{g[0]}" if len(g) == 1 else f"{g[0]}-{g[-1]}" for g in groups]
    return ", ".join(words[:most]) + (", ..." if len(words) > most else "")
