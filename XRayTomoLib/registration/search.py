"""From a rough start to the right basin: many poses at low resolution, the best ones refined until several agree."""
import numpy as np
import torch

from ..jobs import Step, run
from .case import compose
from .evaluate import mtre_mm

AGREE_MM = 4.0              # refined starts that end closer than this, at low resolution, are one answer
ENOUGH = 6                  # so many that agree on the best answer, or half of all, end the search


def spread(count, rotation_deg, translation_mm, seed=0):
    """Increments [count, 6] (rad, mm), the first zero, the others a Sobol sequence over +-rotation_deg and +-translation_mm."""
    points = torch.quasirandom.SobolEngine(6, scramble=True, seed=seed).draw(count, dtype=torch.float64).numpy()
    scale = np.r_[np.radians([rotation_deg] * 3), [translation_mm] * 3]
    increments = (2 * points - 1) * scale
    increments[0] = 0
    return increments


def poses_around(pose, pivot, count, rotation_deg, translation_mm, seed=0, free=range(6)):
    """`pose` [4, 4] and poses spread round it [count, 4, 4]; directions that are not free stay."""
    increments = spread(count, rotation_deg, translation_mm, seed)
    increments[:, np.setdiff1d(np.arange(6), list(free))] = 0
    return np.stack([compose(i, pose, pivot) for i in increments])


def search(stage, poses, keep):
    """Generator of Steps that returns refined poses [m, 4, 4] and their scores [m] at a Stage, the best first.

    Of `poses` [n, 4, 4] the `keep` best that lie apart are refined one after the other, until ENOUGH agree with the best of them.
    """
    starts = distinct(stage.best_of(poses, len(poses))[0], stage.points, AGREE_MM, keep)
    refined, enough = [], min(ENOUGH, (keep + 1) // 2)
    for index, start in enumerate(starts):
        refined.append(run(stage.refine(start)))
        found, score = stage.best_of(np.stack(refined), len(refined))
        yield Step(index + 1, len(starts), 1 - float(score[0]), "search", None, {"pose": found[0]})
        if (mtre_mm(found, found[0], stage.points) < AGREE_MM).sum() >= enough:
            break
    return found, score


def distinct(poses, points, apart_mm, most):
    """Up to `most` of poses [n, 4, 4], in their order, that move `points` by more than apart_mm from all before them: [m, 4, 4]."""
    kept, left = [], np.ones(len(poses), bool)
    while left.any() and len(kept) < most:
        kept.append(poses[left.argmax()])
        left &= mtre_mm(poses, kept[-1], points) > apart_mm
    return np.stack(kept)
