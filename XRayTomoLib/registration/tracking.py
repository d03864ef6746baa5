"""Tracking: frame after frame of an object that moves, each from where the motion so far leads."""
import time
from dataclasses import dataclass, replace

import numpy as np

from ..jobs import Step, run
from .case import RegistrationError
from .footprint import levels_around, within_reach
from .poses import Tangent, checked_pose
from .recipe import levels_for
from .register import RegistrationOptions, each_correlation
from .stage import Stage

REACH = 4.0                 # how far an object is followed from where it is expected, in margins of its footprint


@dataclass(frozen=True, eq=False)
class Track:
    """Poses [frames, 4, 4], local NCC [frames] (mean over the views) and seconds [frames]."""
    poses: np.ndarray
    scores: np.ndarray
    seconds: np.ndarray


def track(case, frames, start, finest_px=128, footprint_mm=0.0):
    """Generator of Steps that returns the Track of `frames`: for each the list of its XRays, as many as the case has.

    start: pose at or near the first frame. From the third frame on a frame starts from the motion of the last two carried on (constant
    velocity) or from the last pose, whichever fits better. finest_px: frames with more pixels along a side are used at a coarser resolution.
    footprint_mm: for one bone among others, as in RegistrationOptions.
    """
    frames, start = list(frames), checked_pose(start, "the start")
    options = RegistrationOptions(finest_px=finest_px, footprint_mm=footprint_mm)
    case.check_sight(start)
    if not frames or any(len(xrays) != len(case.xrays) for xrays in frames):
        raise RegistrationError(f"expected at least one frame, and in each frame {len(case.xrays)} X-rays, one of each view of the case")
    levels = levels_around([case], start[None], options) if footprint_mm else levels_for(case.xrays, finest_px)
    # volumes one step coarser than images of this size deserve: the error stays well below their pixel
    levels = [replace(levels[-2], volume=3), replace(levels[-1], volume=2, stop_mm=0.02)]
    poses, scores, seconds = [], [], []
    for index, xrays in enumerate(frames):
        began, near = time.perf_counter(), candidates(poses, start, case.pivot)
        now = case.with_xrays(xrays)
        coarse, fine = (Stage(within_reach(now, near, REACH * footprint_mm) if footprint_mm else now, level, options) for level in levels)
        pose = run(fine.refine(run(coarse.refine(coarse.best_of(near, 1)[0][0] if len(near) > 1 else near[0]))))
        poses.append(pose)
        scores.append(float(each_correlation(fine.residuals(pose), pose).mean()))
        seconds.append(time.perf_counter() - began)
        yield Step(index + 1, len(frames), 1 - scores[-1], f"frame {index + 1} of {len(frames)}", None, {"pose": pose})
    return Track(np.stack(poses), np.array(scores), np.array(seconds))


def candidates(poses, start, pivot):
    """Where the next frame may start [n, 4, 4], after `poses`: where the object was, and where it goes at constant velocity."""
    if len(poses) < 2:
        return np.stack([poses[-1] if poses else start])
    return np.stack([Tangent(tuple(pivot)).interpolated(poses[-2], poses[-1], 2.0), poses[-1]])
