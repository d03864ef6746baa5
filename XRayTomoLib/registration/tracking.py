"""Tracking: frame after frame of an object that moves, each from where the motion so far leads."""
import time
from dataclasses import dataclass

import numpy as np

from ..jobs import Step, run
from .case import RegistrationError
from .levenberg import Residuals, optimise
from .poses import Tangent, checked_pose
from .recipe import levels_for


@dataclass(frozen=True, eq=False)
class Track:
    """Poses [frames, 4, 4], local NCC [frames] (mean over the views) and seconds [frames]."""
    poses: np.ndarray
    scores: np.ndarray
    seconds: np.ndarray


def track(case, frames, start, finest_px=128):
    """Generator of Steps that returns the Track of `frames`: for each the list of its XRays, as many as the case has.

    start: pose at or near the first frame. From the third frame on a frame starts from the motion of the last two carried on (constant
    velocity) or from the last pose, whichever fits better. finest_px: frames with more pixels along a side are used at a coarser resolution.
    """
    frames, start = list(frames), checked_pose(start, "the start")
    case.check_sight(start)
    if not frames or any(len(xrays) != len(case.xrays) for xrays in frames):
        raise RegistrationError(f"expected at least one frame, and in each frame {len(case.xrays)} X-rays, one of each view of the case")
    # volumes one step coarser than images of this size deserve: the error stays well below their pixel
    coarse, fine = levels_for(case.xrays, finest_px)[-2:]
    poses, scores, seconds = [], [], []
    for index, xrays in enumerate(frames):
        began = time.perf_counter()
        now = case.with_xrays(xrays)
        pose = _nearest(now.level(coarse.image, 3), coarse, candidates(poses, start, case.pivot))
        pose = run(optimise(Residuals(now.level(coarse.image, 3), coarse.radius), pose, coarse.iterations, coarse.stop_mm))[0]
        residuals = Residuals(now.level(fine.image, 2), fine.radius)
        pose = run(optimise(residuals, pose, fine.iterations, 0.02))[0]
        poses.append(pose)
        scores.append(float(residuals.correlation(pose[None])[0]))
        seconds.append(time.perf_counter() - began)
        yield Step(index + 1, len(frames), 1 - scores[-1], f"frame {index + 1} of {len(frames)}", None, {"pose": pose})
    return Track(np.stack(poses), np.array(scores), np.array(seconds))


def candidates(poses, start, pivot):
    """Where the next frame may start [n, 4, 4], after `poses`: where the object was, and where it goes at constant velocity."""
    if len(poses) < 2:
        return np.stack([poses[-1] if poses else start])
    return np.stack([Tangent(tuple(pivot)).interpolated(poses[-2], poses[-1], 2.0), poses[-1]])


def _nearest(case, level, poses):
    return poses[0] if len(poses) == 1 else poses[int(np.argmax(Residuals(case, level.radius).correlation(poses)))]
