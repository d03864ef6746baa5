"""One resolution of a registration: how poses are compared there, and how one is refined."""
import numpy as np

from .evaluate import middle_half, mtre_mm
from .footprint import around_object, likeness
from .levenberg import Residuals, one_torch_thread, optimise
from .local import LocalNormalisation
from .objective import Objective
from .optimisers import climb
from .similarity import similarity_of

BATCH_RAYS = 1 << 18
LEVENBERG = "levenberg-marquardt"
DRAWN = 2                   # so many times at most the footprint is drawn at one resolution
FOLLOWED = 0.25             # share of the footprint's margin by which a pose may move without its being drawn again


class Stage:
    """A case at a Level, and the RegistrationOptions by which poses are compared and refined.

    With a footprint, each pose that is compared has its own; a pose is refined over the footprint of where it starts, which is drawn again
    where the object has moved.
    """

    def __init__(self, case, level, options):
        self.whole, self.case, self.level, self.options = case, case.level(level.image, level.volume), level, options
        self.points = middle_half(case.grid)

    def near(self, pose):
        """The case of which those pixels count that count near a pose."""
        return around_object(self.case, pose, self.options.footprint_mm) if self.options.footprint_mm else self.case

    def fine_and_coarse(self, pose):
        """The case near a pose, and the same with voxels twice as large."""
        near = self.near(pose)
        return near, self.whole.level(self.level.image, 2 * self.level.volume).with_xrays(near.xrays)

    def residuals(self, pose):
        """Levenberg-Marquardt's residuals near a pose."""
        return self._residuals(self.near(pose))

    def _residuals(self, case):
        return Residuals(case, self.level.radius, free=self.options.freedoms())

    def scores(self, poses):
        """Similarity [n] of poses [n, 4, 4], larger is better."""
        at_once = max(1, BATCH_RAYS // max(x.image.numel() for x in self.case.xrays))
        values = self._scores()
        with one_torch_thread():
            return np.concatenate([np.asarray(values(poses[i : i + at_once])) for i in range(0, len(poses), at_once)])

    def _scores(self):
        levenberg = self.options.optimiser == LEVENBERG
        if self.options.footprint_mm:
            similarity = self._local_ncc if levenberg else similarity_of(self.options.similarity)
            return lambda poses: likeness(self.case, poses, similarity, self.options.footprint_mm)
        return self._residuals(self.case).correlation if levenberg else Objective(self.case, similarity_of(self.options.similarity))

    def _local_ncc(self, radiographs, image, masks):
        return LocalNormalisation(image, masks, self.level.radius).correlation(radiographs)

    def best_of(self, poses, keep):
        """The `keep` best of poses [n, 4, 4] and their scores, the best first."""
        score = self.scores(poses)
        order = np.argsort(-score, kind="stable")[:keep]
        return poses[order], score[order]

    def refine(self, pose):
        """Generator of Steps that returns the pose at the optimum near `pose`."""
        for _ in range(DRAWN):
            before, pose = pose, (yield from self._refine(pose))[0]
            if mtre_mm(before, pose, self.points) <= FOLLOWED * self.options.footprint_mm or not self.options.footprint_mm:
                break
        return pose

    def _refine(self, pose):
        if self.options.optimiser == LEVENBERG:
            return (yield from optimise(self.residuals(pose), pose, self.level.iterations, self.level.stop_mm))
        objective = Objective(self.near(pose), similarity_of(self.options.similarity))
        return (yield from climb(self.options.optimiser, objective, pose, self.case.pivot, self.options.freedoms(), self.level.stop_mm))
