"""From a rough start to the right basin: many poses at low resolution, the best ones refined."""
import numpy as np

from ..jobs import Step
from .case import compose
from .levenberg import optimise

BATCH_RAYS = 1 << 18


def spread(count, rotation_deg, translation_mm, seed=0):
    """Increments [count, 6] (rad, mm), the first zero, the others a Sobol sequence over +-rotation_deg and +-translation_mm."""
    from scipy.stats import qmc
    points = qmc.Sobol(6, seed=seed).random(count)
    scale = np.r_[np.radians([rotation_deg] * 3), [translation_mm] * 3]
    increments = (2 * points - 1) * scale
    increments[0] = 0
    return increments


def scores(residuals, poses):
    """Mean local NCC [n] of poses [n, 4, 4], rendered in batches."""
    pixels = max(x.image.numel() for x in residuals.case.xrays)
    at_once = max(1, BATCH_RAYS // pixels)
    return np.concatenate([residuals.correlation(poses[i:i + at_once]) for i in range(0, len(poses), at_once)])


def best_of(residuals, poses, keep):
    """The `keep` best poses [keep, 4, 4] and their scores, the best first."""
    value = scores(residuals, poses)
    order = np.argsort(-value)[:keep]
    return poses[order], value[order]


def search(residuals, pose, count, keep, rotation_deg, translation_mm, iterations=15, seed=0):
    """Generator of Steps that returns refined poses [keep, 4, 4], the best first: the best of `count` poses round `pose`, each refined."""
    poses = np.stack([compose(i, pose, residuals.case.pivot) for i in spread(count, rotation_deg, translation_mm, seed)])
    poses, _ = best_of(residuals, poses, keep)
    refined = []
    for index, start in enumerate(poses):
        refined.append((yield from _quiet(optimise(residuals, start, iterations, stop_mm=0.3)))[0])
        yield Step(index + 1, keep, None, "search")
    return best_of(residuals, np.stack(refined), keep)[0]


def _quiet(job):
    """Runs a job without its steps."""
    while True:
        try:
            next(job)
        except StopIteration as end:
            return end.value
    yield
