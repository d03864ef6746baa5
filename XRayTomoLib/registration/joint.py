"""Several bones at once, and geometry that is refined with them: one pose for each bone, corrections for each X-ray."""
from dataclasses import dataclass, replace

import numpy as np
import torch

from ..geometry import transform_points
from ..geometry.arrays import to_numpy, unit
from ..jobs import Step, mapped
from .case import RegistrationError, by_increment, compose, ends_of
from .footprint import covered, cropped, levels_around, margin_px, reach, telling
from .levenberg import Residuals, one_torch_thread, optimise
from .poses import checked_pose
from .recipe import levels_for
from .register import RegistrationOptions, approach, check_agreement, check_match, each_correlation
from .stage import LEVENBERG
from .uncertainty import uncertainty

SHIFTS = ("offset_u", "offset_v", "sdd")
GEOMETRY = (*SHIFTS, "pose")            # what of a view can be corrected


@dataclass(frozen=True, eq=False)
class State:
    """Poses [B, 4, 4] of the bones; shifts [N, 3] (mm) of the detectors along u, v and away from the source; moves [N, 4, 4] of the views,
    source and detector together, after the shifts."""
    poses: np.ndarray
    shifts: np.ndarray
    moves: np.ndarray

    @property
    def pose(self):
        """The first bone's."""
        return self.poses[0]

    def corrected(self, index, views):
        """View number `index` after its corrections."""
        if self.shifts[index].any():
            views = replace(views, origin=to_numpy(views.origin) + self.shifts[index] @ _axes(views))
        return views if (self.moves[index] == np.eye(4)).all() else views.transformed(self.moves[index])


class JointResiduals(Residuals):
    """Residuals of several Cases that share their X-rays: their line integrals add up. The state is a State.

    The increment is 6 numbers for each case, then, where `geometry` (some of GEOMETRY) is refined, for each X-ray 3 shifts and a move (w in
    rad, t in mm, about the first case's pivot), of which those that it names are free. The first view is what the others are measured
    against: its pose stays. free: the indices of each bone's increment that may change.
    """
    OWN = 9

    def __init__(self, cases, radius, geometry=(), free=range(6)):
        self.cases, self.bones, self.own = list(cases), 6 * len(cases), self.OWN if geometry else 0
        count = len(cases[0].xrays)
        free = [6 * b + i for b in range(len(cases)) for i in free]
        for index in range(count):
            own = [SHIFTS.index(name) for name in geometry if name in SHIFTS]
            own += range(3, 9) if "pose" in geometry and index > 0 else []
            free += [self.bones + self.own * index + i for i in own]
        self.size = self.bones + self.own * count
        super().__init__(cases[0], radius, free=free)

    def radiograph(self, state, index):
        return self.rendered(state, index)[0]

    def rendered(self, state, index):
        views = state.corrected(index, self.case.xrays[index].views)
        ends, first = ends_of(views), self.bones + self.own * index
        image, pull, jacobian = 0.0, 0.0, torch.zeros(*views.shape, self.size)
        for b, (case, pose) in enumerate(zip(self.cases, state.poses)):
            its_image, its_pull = case.render_with_pull(pose, index, views)
            image, pull = image + its_image, pull + its_pull
            jacobian[..., 6 * b : 6 * b + 6] = by_increment(its_pull, ends, case.pivot)
        if self.own:
            jacobian[..., first : first + 3] = pull[..., 1, :] @ torch.as_tensor(_axes(views).T.copy(), dtype=pull.dtype)
            jacobian[..., first + 3 : first + 9] = -by_increment(pull, ends, self.case.pivot)
        return image, jacobian

    def moved(self, state, step):
        poses = np.stack([compose(step[6 * b : 6 * b + 6], pose, case.pivot) for b, (case, pose) in enumerate(zip(self.cases, state.poses))])
        if not self.own:
            return replace(state, poses=poses)
        own = step[self.bones :].reshape(-1, self.own)
        moves = np.stack([compose(one[3:], move, self.case.pivot) for one, move in zip(own, state.moves)])
        return State(poses, state.shifts + own[:, :3], moves)

    def corrections(self, further):
        """Values [N, 9] by X-ray of an Uncertainty's `further` parameters, those of other bones left out; 0 for what is not free."""
        values = np.zeros((len(self.case.xrays), self.OWN))
        free = self.free[self.free >= self.bones] - self.bones
        values.flat[free] = further[len(further) - len(free):]
        return values

    def length_mm(self, step):
        return max(Residuals.length_mm(self, step[6 * b : 6 * b + 6]) for b in range(len(self.cases)))


def _axes(views):
    """Rows: unit vectors along u, along v and from the source to the detector, of one view."""
    u, v = unit(to_numpy(views.u)[0]), unit(to_numpy(views.v)[0])
    w = unit(np.cross(u, v))
    away = w if views.source is None else to_numpy(views.origin)[0] - to_numpy(views.source)[0]
    return np.stack([u, v, w * np.sign(w @ away)])


@dataclass(frozen=True, eq=False)
class JointRegistration:
    """Poses [B, 4, 4] of the bones, the corrected views of the X-rays, their detectors' shifts [N, 3] (mm along u, v, away from the source),
    the local NCC [N] of each X-ray, the Uncertainty of each bone, and the standard deviations [N, 9] of the views' corrections: shifts (mm),
    turns (rad) and moves (mm) about the first bone, 0 for what was not refined."""
    poses: np.ndarray
    views: tuple
    shifts_mm: np.ndarray
    scores: np.ndarray
    uncertainties: tuple
    deviations: np.ndarray


def register_bones(cases, starts, options=None):
    """Generator of Steps that returns the JointRegistration of several bones (Cases that share their X-rays) from rough starts [B, 4, 4]:
    each is registered alone up to the finest resolutions, as if the others were not there, and then all together.

    Raises RegistrationError where register does: X-rays that show something else, or contradict each other.
    """
    cases, options = list(cases), options or RegistrationOptions()
    starts = _checked(cases, starts, (), options)
    poses = []
    for case, start in zip(cases, starts):
        poses.append((yield from approach(case, start, options)))
    found = yield from register_together(cases, poses, (), options, first=2)
    check_match(found.scores)
    _check_agreement(cases, found.poses, options)
    return found


def _check_agreement(cases, poses, options):
    """Raises where one of the X-rays fits well alone, but not together with the others."""
    levels, cases = _prepared(cases, poses, options)
    level, state = levels[-2], _uncorrected(poses, 1)
    seen = _around([case.level(level.image, level.volume) for case in cases], _uncorrected(poses, len(cases[0].xrays)), options.footprint_mm)
    check_agreement(lambda i: JointResiduals([case.with_xrays(case.xrays[i : i + 1]) for case in seen], level.radius, free=options.freedoms()),
                    [x.name for x in seen[0].xrays], state, level)


def _uncorrected(poses, count):
    """The State of bones in `count` X-rays as they are."""
    return State(poses, np.zeros((count, 3)), np.tile(np.eye(4), (count, 1, 1)))


def _prepared(cases, poses, options):
    """(levels, cases) for bones near poses [B, 4, 4]: increments about where they lie, X-rays cropped where footprints count."""
    cases = [case.pivoted(transform_points(pose, case.pivot)) for case, pose in zip(cases, poses)]
    if options.footprint_mm:
        return levels_around(cases, poses, options), _within_reach(cases, poses, options.footprint_mm)
    return levels_for(cases[0].xrays, options.finest_px), cases


def register_together(cases, starts, geometry=(), options=None, first=1):
    """Generator of Steps that returns the JointRegistration of several bones (Cases that share their X-rays) from near starts [B, 4, 4].

    geometry: what of the views is refined with them, some of GEOMETRY. A single view of a single bone cannot tell a shifted detector from
    a shifted bone: refine geometry with several views. Of the RegistrationOptions, free, finest_px and footprint_mm count; curves of grey
    levels are not fitted, and another optimiser than Levenberg-Marquardt is refused. first: the level (recipe.LEVELS) to begin with, 1 for
    starts that miss by millimetres, 2 for closer ones.
    """
    cases, options = list(cases), options or RegistrationOptions()
    views, poses = [x.views for x in cases[0].xrays], _checked(cases, starts, geometry, options)
    levels, cases = _prepared(cases, poses, options)
    state, free = _uncorrected(poses, len(views)), options.freedoms()
    for number, level in enumerate(levels[first:], first):
        seen = _around([case.level(level.image, level.volume) for case in cases], state, options.footprint_mm)
        residuals = JointResiduals(seen, level.radius, geometry, free)
        state, _ = yield from _steps(optimise(residuals, state, level.iterations, level.stop_mm), number, len(levels))
    scores = each_correlation(residuals, state)
    coarse = [case.level(level.image, 2 * level.volume).with_xrays(seen[0].xrays) for case in cases]
    bars = tuple(_bar(seen, coarse, state, (level.radius, geometry, free), b) for b in range(len(cases)))
    return JointRegistration(state.poses, tuple(state.corrected(i, view) for i, view in enumerate(views)), state.shifts, scores, bars,
                             residuals.corrections(bars[0].further))


def _bar(fine, coarse, state, arguments, bone):
    """The Uncertainty of one bone, to which all else is unknown too: it comes first, where uncertainty() looks for it."""
    own = replace(state, poses=np.roll(state.poses, -bone, 0))
    with one_torch_thread():
        residuals = [JointResiduals([*cases[bone:], *cases[:bone]], *arguments) for cases in (fine, coarse)]
        return uncertainty(residuals[0], own, residuals[1])


def _within_reach(cases, poses, margin_mm):
    """The cases with X-rays cropped to where any of the bones lies."""
    points = np.concatenate([reach(case, pose[None]) for case, pose in zip(cases, poses)])
    xrays = [cropped(x, points, margin_px(x, points.mean(0), margin_mm)) for x in cases[0].xrays]
    return [case.with_xrays(xrays) for case in cases]


def _around(cases, state, margin_mm):
    """The cases in which only pixels count that one of the bones covers, and margin_mm around them; all for a margin of 0."""
    if not margin_mm:
        return cases
    seen = [replace(x, views=state.corrected(i, x.views)) for i, x in enumerate(cases[0].xrays)]
    masks = [torch.cat([covered(case.with_xrays(seen), pose[None], i, margin_mm)[1] for case, pose in zip(cases, state.poses)]).any(0)
             for i in range(len(seen))]
    xrays = [replace(x, mask=telling(x, mask[None])[0]) for x, mask in zip(cases[0].xrays, masks)]
    return [case.with_xrays(xrays) for case in cases]


def _checked(cases, starts, geometry, options):
    """The starts [B, 4, 4] as rigid matrices, after everything that can be refused has been looked at."""
    if unknown := [name for name in geometry if name not in GEOMETRY]:
        raise RegistrationError(f"'{unknown[0]}' is no part of a view's geometry that can be refined; expected some of {', '.join(GEOMETRY)}")
    if options.optimiser != LEVENBERG:
        raise RegistrationError(f"bones are registered together by {LEVENBERG}, not by '{options.optimiser}'; take the default optimiser")
    if not cases or len(cases) != len(starts):
        raise RegistrationError(f"{len(cases)} bones and {len(starts)} starts; expected one start for each of at least one bone")
    if any(len(c.xrays) != len(cases[0].xrays) or any(a is not b for a, b in zip(c.xrays, cases[0].xrays)) for c in cases[1:]):
        raise RegistrationError("the bones have X-rays of their own; give every case the same X-rays")
    if geometry and len(cases[0].xrays) == 1 and len(cases) == 1:
        raise RegistrationError("one view of one bone cannot tell a wrong geometry from a wrong pose; give a second view, or refine no geometry")
    starts = [checked_pose(start, f"the start of bone {b}") for b, start in enumerate(starts, 1)]
    for case, start in zip(cases, starts):
        case.check_sight(start)
    return np.stack(starts)


def _steps(job, number, count):
    """A job over States, whose steps carry the poses of all bones."""
    def told(step):
        poses = step.state["pose"].poses
        return Step(number + 1, count, step.residual, "bones together", None, {"pose": poses[0], "poses": poses})
    return mapped(job, told)
