"""nanodrr's torch path (its fused kernels need a GPU), with its own default of 500 samples a ray."""
import numpy as np
import torch
from nanodrr.data import Subject
from nanodrr.drr import render

from .diffdrr import rays
from .xraytomo import moved


def renderer(case):
    """Function from sources and pixels in RAS to pictures [N, 1, rows, cols]."""
    size = np.array(case.grid.shape[::-1])
    voxel_to_grid = np.diag([*(2 / size), 1.0])         # corners of the box to -1 and 1
    voxel_to_grid[:3, 3] = 1 / size - 1
    mu = torch.from_numpy(case.mu)[None, None]
    matrices = [torch.tensor(m, dtype=torch.float32) for m in (case.grid.ijk_to_ras, case.grid.ras_to_ijk, voxel_to_grid)]
    subject = Subject(mu, torch.zeros_like(mu), *matrices, torch.zeros(3), max_label=0, convert_to_mu=False)
    identity, no_distance = torch.eye(4)[None], torch.ones(1)
    return lambda source, target: render(subject, identity[:, :3, :3], identity, no_distance, *case.views.shape, n_samples=500,
                                         src=source, tgt=target, backend="torch")


def drr(case):
    picture, (source, target) = renderer(case), rays(case.views)

    def step():
        with torch.no_grad():
            return picture(source, target)[:, 0].numpy()
    return step


def posegrad(case):
    picture, weights = renderer(case), torch.from_numpy(case.loss_weights())

    def step():
        pose = torch.zeros(6, dtype=torch.float64, requires_grad=True)
        (picture(*rays(moved(case.views, pose)))[:, 0] * weights).sum().backward()
        return pose.grad.numpy()
    return step


WORKS = {"drr": drr, "posegrad": posegrad}
