"""What optimisers without residuals climb: the similarity of all X-rays as a differentiable function of the pose."""
from dataclasses import replace

import numpy as np
import torch

from ..tracing import Projector
from .case import RegistrationError
from .poses import inverse_rigid


class Objective:
    """values = objective(poses): mean similarity [n] over the X-rays of a case at poses [n, 4, 4], larger is better.

    similarity  one for all X-rays, or a list with one for each (SIMILARITIES, WeightedSum)
    landmarks   pairs (factor, LandmarkReprojection), added to it
    Gradients reach the poses (tensor), through the ray tracer; without them poses are rendered in the same batch.
    """

    def __init__(self, case, similarity, landmarks=()):
        each = list(similarity) if isinstance(similarity, (list, tuple)) else [similarity] * len(case.xrays)
        if len(each) != len(case.xrays):
            raise RegistrationError(f"{len(each)} similarities for {len(case.xrays)} X-rays; expected one for each, or one for all")
        self.case, self.landmarks = case, tuple(landmarks)
        self.measures = [one.to(x.image, x.mask) for one, x in zip(each, case.xrays)]
        self.views = [replace(x.views, origin=torch.as_tensor(np.array(x.views.origin))) for x in case.xrays]

    def __call__(self, poses):
        poses = torch.as_tensor(poses).double()
        total = sum(measure(self._radiographs(views, poses)) for measure, views in zip(self.measures, self.views)) / len(self.views)
        return total + sum(factor * term(poses) for factor, term in self.landmarks)

    def _radiographs(self, views, poses):
        seen = views[[0] * len(poses)].transformed(inverse_rigid(poses))
        return Projector(self.case.grid, seen, self.case.method)(self.case.mu)
