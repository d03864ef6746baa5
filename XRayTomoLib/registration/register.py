"""Registration of X-rays to a volume from a rough start: search, refinement from coarse to fine, error bar, report."""
import time
from dataclasses import dataclass, field, replace

import numpy as np

from ..geometry import transform_points
from ..jobs import Step, mapped, run
from ..options import OptionError, named, option, options_of
from .case import RegistrationError
from .curve import CurvedResiduals, fitted
from .evaluate import mtre_mm
from .footprint import levels_around, within_reach
from .levenberg import FREEDOMS, Residuals, one_torch_thread, optimise
from .optimisers import OPTIMISERS
from .poses import checked_pose, half_turns
from .recipe import levels_for
from .search import AGREE_MM, distinct, poses_around, search
from .similarity import SIMILARITIES
from .stage import LEVENBERG, Stage
from .uncertainty import Uncertainty, uncertainty

LEAST_NCC = 0.1             # mean local NCC below which X-rays and volume show nothing in common
CONTRADICTION = 2.0         # factor by which what an X-ray leaves unexplained (1 - NCC) falls without the others, where geometries contradict
GAIN = 0.03                 # of local NCC that it must gain besides


@dataclass(frozen=True)
class RegistrationOptions:
    """How X-rays are registered."""
    optimiser: str = option(LEVENBERG, "Optimiser", "what refines poses: Levenberg-Marquardt on locally normalised residuals, or a climber of "
                            "any similarity", choices=(LEVENBERG, *OPTIMISERS))
    similarity: str = option("local-ncc", "Similarity", "what the climbers climb; Levenberg-Marquardt: local-ncc", choices=tuple(SIMILARITIES))
    search_count: int = option(256, "Start poses", "poses tried at low resolution round the start; 1: the start alone", minimum=1, maximum=65536)
    search_rotation_deg: float = option(20.0, "Rotation", "how far the start may be turned about each axis", minimum=0.0, maximum=180.0, unit="deg")
    search_shift_mm: float = option(30.0, "Shift", "how far the start may be off along each axis", minimum=0.0, unit="mm")
    refined_starts: int = option(12, "Refined starts", "of these poses, how many are refined; fewer where many agree", minimum=1, maximum=100)
    half_turns: bool = option(False, "Half turns", "also start from the object turned by 180 deg about each of its axes")
    free: str = option("all", "Degrees of freedom", "what may change; the others stay", several=FREEDOMS)
    grey_curve: bool = option(True, "Grey curve", "at full resolution a curve of grey levels is fitted along, for beam hardening and scatter "
                              "(Levenberg-Marquardt only)")
    footprint_mm: float = option(0.0, "Footprint", "only what the object covers and this much around it counts, and follows it: for one bone among "
                                 "others; 0: the whole X-ray counts", minimum=0.0, unit="mm")
    finest_px: int = option(256, "Pixels", "X-rays with more pixels than this along a side are used at a coarser resolution; with a footprint: "
                            "about as many as the object covers", minimum=16)
    seed: int = option(0, "Seed", "of the poses round the start", minimum=0)

    def __post_init__(self):
        for o in options_of(self):
            try:
                object.__setattr__(self, o.name, o.checked(getattr(self, o.name)))
            except OptionError as error:
                raise RegistrationError(f"registration: {error}") from error
        if self.optimiser == LEVENBERG and self.similarity != "local-ncc":
            raise RegistrationError(f"levenberg-marquardt needs residuals, which '{self.similarity}' has not; take local-ncc, or one of "
                                    f"the optimisers {', '.join(OPTIMISERS)}")

    def freedoms(self):
        """Indices of the increment (w about R, A, S; t along R, A, S) that are free."""
        return sorted({FREEDOMS.index(name) for name in named(self.free, FREEDOMS)})


@dataclass(frozen=True, eq=False)
class Registration:
    """What came out: the pose (4x4, the object's x to the world), how sure it is, and how it was found.

    scores: local NCC of each X-ray at the start and at the end; history: (level, value, pose) of every step; repeatability_mm: mean
    distance at the targets between the answers of the refined starts that agree, `agreeing` of `refined`.
    """
    pose: np.ndarray
    start: np.ndarray
    uncertainty: Uncertainty
    names: tuple
    scores_start: np.ndarray
    scores: np.ndarray
    targets: np.ndarray
    repeatability_mm: float
    agreeing: int
    refined: int
    seconds: float
    history: list = field(repr=False)
    xrays: tuple = field(repr=False, default=())

    @property
    def target(self):
        """Where the centre of the object lies now (RAS)."""
        return self.pose[:3, :3] @ self.targets[-1] + self.pose[:3, 3]

    def report(self):
        """Lines for people."""
        pairs = ", ".join(f"{name} {a:.3f} to {b:.3f}" for name, a, b in zip(self.names, self.scores_start, self.scores))
        return "\n".join([
            f"moved by {mtre_mm(self.pose, self.start, self.targets):.2f} mm (mean over the middle of the volume) in {self.seconds:.1f} s",
            f"local NCC: {pairs}",
            f"{self.agreeing} of {self.refined} refined starts agree, at low resolution within {self.repeatability_mm:.2f} mm",
            self.uncertainty.report(self.target, self.xrays)])  # fmt: skip


def register(case, start=None, options=None):
    """Generator of Steps (state: the pose so far) that returns the Registration of a Case.

    start: 4x4 pose of the volume in the world (default: where it lies); the pivot of increments is where it takes the case's pivot.
    Nothing is moved: the pose is in the result alone.

    Raises:
        RegistrationError: a start that is no rigid transform or out of sight, X-rays that contradict each other or show something else.
    """
    began, options, history = time.perf_counter(), options or RegistrationOptions(), []
    start = np.eye(4) if start is None else checked_pose(start, "the start")
    stages, found, pose = yield from _approached(case, start, options, history)
    points = stages[0].points
    near = mtre_mm(found, found[0], points)
    agree = near < AGREE_MM
    pose, bars = yield from _finished(stages, pose, history)
    before, after = (each_correlation(stages[-1].residuals(p), p) for p in (start, pose))
    check_match(after)
    seen, level = stages[-2].near(pose), stages[-2].level
    check_agreement(lambda i: Residuals(seen.with_xrays(seen.xrays[i:i + 1]), level.radius, free=options.freedoms()),
                    [x.name for x in seen.xrays], pose, level)
    yield Step(len(stages), len(stages), 1 - float(after.mean()), "error bar", None, {"pose": pose})
    return Registration(pose, start, bars, tuple(x.name for x in case.xrays), before, after, points, float(near[agree].mean()), int(agree.sum()),
                        len(found), time.perf_counter() - began, history, case.xrays)


def approach(case, start, options):
    """Generator of Steps that returns the pose [4, 4] of a Case before the finest resolution, by search and refinement. Whether X-rays
    contradict each other is not asked: it takes all the objects that they show to tell."""
    return (yield from _approached(case, start, options, []))[-1]


def _approached(case, start, options, history):
    """Job that returns the Stages, the poses that the search found, and the pose after all stages but the finest."""
    case.check_sight(start)
    case = case.pivoted(transform_points(start, case.pivot))
    poses = np.concatenate([poses_around(s, case.pivot, options.search_count, options.search_rotation_deg, options.search_shift_mm, options.seed,
                                         options.freedoms()) for s in (half_turns(start, case.pivot) if options.half_turns else [start])])
    stages = _stages(case, poses, options)
    found, _ = yield from _kept(history, 0, search(stages[0], poses, min(options.refined_starts, len(poses))))
    return stages, found, (yield from _refined(stages, found, history))


def _stages(case, poses, options):
    """The Stages from coarse to fine, for poses [n, 4, 4] of which the first is the start."""
    if options.footprint_mm:
        levels, case = levels_around([case], poses[:1], options), within_reach(case, poses, options.footprint_mm)
    else:
        levels = levels_for(case.xrays, options.finest_px)
    with one_torch_thread():
        return [Stage(case, level, options) for level in levels]


def _refined(stages, found, history):
    """Job that takes the poses of the search through the middle stages: up to three at the first, then the best alone."""
    candidates = distinct(found, stages[0].points, 0.5 * AGREE_MM, 3)
    for number, stage in enumerate(stages[1:-1], 1):
        ends = []
        for pose in candidates:
            ends.append((yield from _kept(history, number, stage.refine(pose))))
        candidates = stage.best_of(np.stack(ends), 1)[0] if len(ends) > 1 else ends
    return candidates[0]


def _finished(stages, pose, history):
    """Job at the finest stage that returns (pose, Uncertainty)."""
    stage, number = stages[-1], len(stages) - 1
    level, free = stage.level, stage.options.freedoms()
    if not (stage.options.grey_curve and stage.options.optimiser == LEVENBERG):
        pose = yield from _kept(history, number, stage.refine(pose))
        fine, coarse = (Residuals(case, level.radius, free=free) for case in stage.fine_and_coarse(pose))
        return pose, uncertainty(fine, pose, coarse)
    fine, coarse = stage.fine_and_coarse(pose)
    residuals = CurvedResiduals(fine, level.radius, free=free)
    state = yield from _kept(history, number, fitted(residuals, pose, level.iterations, level.stop_mm))
    with one_torch_thread():
        return state.pose, uncertainty(residuals, state, residuals.of(coarse))


def _kept(history, level, job):
    """The job, whose poses and values are written into `history` as (level, value, pose)."""
    def keep(step):
        pose = getattr(step.state["pose"], "pose", step.state["pose"])
        history.append((level, step.residual, pose))
        return replace(step, state={"pose": pose})
    return mapped(job, keep)


def each_correlation(residuals, pose):
    """Local NCC [N] of each X-ray at a pose, or another state of the residuals."""
    with one_torch_thread():
        return np.array([float(part.correlation(residuals.radiograph(pose, i))) for i, part in enumerate(residuals.parts)])


def check_match(scores):
    """Raises where the X-rays show something else than what was registered (scores: local NCC of each)."""
    if scores.mean() < LEAST_NCC:
        raise RegistrationError(f"no pose within the search makes the volume look like the X-rays (local NCC {scores.mean():.2f}); check their "
                                "geometry, left and right, and that bone is bright, start closer, or give a bone among others a footprint. "
                                "Nothing was moved")


def check_agreement(of_xray, names, state, level):
    """Raises where an X-ray fits well alone, but not together with the others. of_xray(i): its own Residuals, state: the answer that all X-rays
    gave, as theirs."""
    for index, name in enumerate(names if len(names) > 1 else ()):
        alone = of_xray(index)
        together = each_correlation(alone, state)[0]
        better = each_correlation(alone, run(optimise(alone, state, level.iterations, level.stop_mm))[0])[0]
        if 1 - together > CONTRADICTION * (1 - better) and better > together + GAIN:
            raise RegistrationError(f"the geometries contradict each other: {name} fits alone (local NCC {better:.2f}) but not together with "
                                    f"the others ({together:.2f}); check the poses of the views. Nothing was moved")
