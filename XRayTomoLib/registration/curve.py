"""Poses refined together with a grey curve for each X-ray: what beam hardening and scatter do to line integrals."""
import copy
from dataclasses import dataclass, replace

import numpy as np
import torch

from .case import compose
from .levenberg import Residuals, one_torch_thread, optimise
from .local import LocalRegression

POWERS = (2, 3)             # of the line integral, besides the first, whose gain the regression finds
WEIGHED = 2                 # times that pixels are weighed by what the pose so far leaves


@dataclass(frozen=True, eq=False)
class Curved:
    """A pose [4, 4], and for each X-ray the curve p + sum of c_k p (p / top)^(k - 1) over k in POWERS: coefficients [N, 2], tops [N]."""
    pose: np.ndarray
    coefficients: np.ndarray
    tops: np.ndarray


class CurvedResiduals(Residuals):
    """Residuals of local regressions (LocalRegression) whose state is Curved: the increment is (w, t), then the coefficients of each X-ray.

    Hardening and scatter bend grey levels by the depth of tissue, which a pose can imitate in part; fitted along, they neither pull the
    pose nor make its error bar too short.
    """

    def __init__(self, case, radius, free=range(6)):
        self.own = len(POWERS)
        super().__init__(case, radius, free=[*free, *range(6, 6 + self.own * len(case.xrays))])

    def part(self, xray, radius):
        return LocalRegression(xray.image, xray.mask, radius)

    def of(self, case):
        """The same residuals, weights included, of another volume and the same X-rays."""
        other = copy.copy(self)
        other.case = case
        return other

    def weigh(self, state):
        """From now on pixels count by the inverse of the variance that the state leaves around them."""
        for index, part in enumerate(self.parts):
            image = self.case.render(state.pose, index)[0]
            part.weigh(bend(image, state.coefficients[index], state.tops[index])[0])

    def start(self, pose):
        """The state of a pose, its curves straight."""
        tops = [max(float(self.case.render(pose, i).max()), 1e-6) for i in range(len(self.parts))]
        return Curved(np.asarray(pose, float), np.zeros((len(self.parts), self.own)), np.array(tops))

    def rendered(self, state, index):
        image, by_pose = self.case.render_with_jacobian(state.pose, index)
        jacobian = torch.zeros(*image.shape, 6 + self.own * len(self.parts))
        bent, slope, terms = bend(image, state.coefficients[index], state.tops[index])
        jacobian[..., :6] = by_pose * slope[..., None]
        jacobian[..., 6 + self.own * index : 6 + self.own * (index + 1)] = terms
        return bent, jacobian

    def moved(self, state, step):
        return replace(state, pose=compose(step[:6], state.pose, self.case.pivot), coefficients=state.coefficients + step[6:].reshape(-1, self.own))


def bend(image, coefficients, top):
    """The image after its curve, the curve's slope, and its derivatives by the coefficients [rows, cols, 2]."""
    share = image / top
    terms = torch.stack([image * share ** (k - 1) for k in POWERS], -1)
    c = torch.as_tensor(coefficients, dtype=image.dtype)
    slope = 1 + sum(c_k * k * share ** (k - 1) for c_k, k in zip(c, POWERS))
    return image + terms @ c, slope, terms


def fitted(residuals, pose, iterations, stop_mm):
    """Generator of Steps that returns the Curved state at the optimum of CurvedResiduals near `pose`, pixels weighed by what is left there."""
    state = residuals.start(pose)
    for _ in range(WEIGHED):
        with one_torch_thread():
            residuals.weigh(state)
        state = (yield from optimise(residuals, state, iterations, stop_mm))[0]
    return state
