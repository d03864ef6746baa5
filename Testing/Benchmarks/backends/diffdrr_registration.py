"""DiffDRR's registration loop: its Registration module, its similarity, Adam from coarse to fine.

Rates, similarity and stops are those that its author publishes with xvr: 0.01 rad and 1 mm, NCC of the whole image and of patches of 9
pixels in equal parts, rates a tenth after 10 steps without gain, the next resolution after the third time or 500 steps. Views are given as the
rays of the case, so that its own detector and conventions do not matter.
"""
import sys
import time
from types import SimpleNamespace
from unittest.mock import MagicMock

import numpy as np
import torch

from .diffdrr import module, rays

# What these modules of diffdrr import for other things than the loop is not in the environment.
sys.modules.update({name: MagicMock() for name in ("timm", "kornia", "kornia.enhance", "kornia.enhance.histogram", "torchvision",
                                               "torchvision.transforms", "torchvision.transforms.functional")})

from diffdrr.metrics import MultiscaleNormalizedCrossCorrelation2d  # noqa: E402
from diffdrr.registration import Registration  # noqa: E402

LEVELS = 4, 2, 1
RATES = {"rotation": 1e-2, "translation": 1.0}
PATIENCE, PLATEAUS, STEPS, GAIN = 10, 3, 500, 1e-4


class Views(torch.nn.Module):
    """A DRR of several views that stand still to each other: the pose moves them all, about the pivot."""

    def __init__(self, case, xrays, start):
        super().__init__()
        self.xrays, self.pivot = xrays, torch.as_tensor(case.pivot, dtype=torch.float32)
        body = SimpleNamespace(grid=case.grid, mu=case.mu.numpy(), views=xrays[0].views)
        self.drr, self.rays = module(body, "siddon"), [rays(x.views.transformed(np.linalg.inv(start))) for x in xrays]

    def forward(self, pose):
        images = []
        for x, (source, target) in zip(self.xrays, self.rays):
            source, target = (pose(points - self.pivot) + self.pivot for points in (source, target))
            images.append(self.drr.render(self.drr.density, source, target).reshape(1, 1, *x.image.shape))
        return images


def registered(case, start, limit_s):
    """Pose [4, 4], steps, seconds a step at full resolution, seconds in all; ends after `limit_s` at the latest."""
    rotation, translation, steps, fine, began = torch.zeros(1, 3), torch.zeros(1, 3), 0, [], time.perf_counter()
    for level in LEVELS:
        xrays = [x.binned(level) for x in case.xrays]
        loop = Registration(Views(case, xrays, start), rotation, translation, "euler_angles", "ZXY")
        similarity = MultiscaleNormalizedCrossCorrelation2d([None, 9], [0.5, 0.5])
        share = 1 / 2 ** LEVELS.index(level)
        adam = torch.optim.Adam([{"params": [loop.rotation], "lr": share * RATES["rotation"]},
                                 {"params": [loop.translation], "lr": share * RATES["translation"]}], maximize=True)
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(adam, "max", 0.1, PATIENCE, GAIN)
        for _ in range(STEPS):
            at = time.perf_counter()
            adam.zero_grad()
            value = sum(similarity(image, x.image[None, None]).mean() for image, x in zip(loop(), xrays)) / len(xrays)
            value.backward()
            adam.step()
            plateau.step(value.item())
            steps += 1
            if level == 1:
                fine.append(time.perf_counter() - at)
            if adam.param_groups[1]["lr"] < 1.5 * share * RATES["translation"] * 0.1 ** PLATEAUS or time.perf_counter() - began > limit_s:
                break
        rotation, translation = loop.rotation.detach(), loop.translation.detach()
    move = loop.pose.matrix[0].detach().double().numpy()             # of the views, about the pivot, in the object as it lies at the start
    shift = np.eye(4)
    shift[:3, 3] = case.pivot
    return start @ shift @ np.linalg.inv(move) @ np.linalg.inv(shift), steps, float(np.median(fine)), time.perf_counter() - began
