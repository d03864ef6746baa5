"""Small volumes and X-rays of them, for tests that register."""

import numpy as np
import torch

from XRayTomoLib.geometry import CArm, pose_about
from XRayTomoLib.grids import CartesianGrid
from XRayTomoLib.registration.case import Case, XRay

CENTRE = np.array([10.0, -20.0, 40.0])
ARM = CArm(1000.0, 700.0, 64, 64, 4.0, 4.0)


def body(seed=0, size=48, spacing_mm=3.0, blobs=30):
    """A soft ball with hard blobs: grid and attenuation (1/mm)."""
    grid = CartesianGrid.centred((size,) * 3, spacing_mm, CENTRE)
    random, half = np.random.default_rng(seed), size * spacing_mm / 2
    axes = [(np.arange(size) + 0.5) * spacing_mm - half] * 3
    z, y, x = np.meshgrid(*axes, indexing="ij", sparse=True)
    mu = 0.01 / (1 + np.exp((np.sqrt(x * x + y * y + z * z) - 0.8 * half) / spacing_mm))
    for centre, width in zip(random.uniform(-0.5, 0.5, (blobs, 3)) * half, random.uniform(2, 6, blobs)):
        mu = mu + 0.03 * np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2 + (z - centre[2]) ** 2) / (2 * width**2))
    return grid, torch.as_tensor(mu, dtype=torch.float32)


def views(primary_deg=(20.0, 110.0)):
    return ARM.views(list(primary_deg), 0.0, CENTRE)


def pose(turn=(0.05, -0.08, 0.06), shift_mm=(4.0, -6.0, 5.0)):
    return pose_about(np.array(turn), np.array(shift_mm), CENTRE)


def xrayed(grid, mu, scene, truth, noise=0.0, seed=0, bodies=()):
    """XRays of the volume at its true pose (and of further (grid, mu, pose)), with white noise of standard deviation `noise`."""
    random, images = np.random.default_rng(seed), []
    for view in scene:
        ramp = torch.arange(view.shape[0] * view.shape[1], dtype=torch.float32).reshape(view.shape)
        image = sum(Case(g, m, [XRay(ramp, view)]).render(T, 0)[0] for g, m, T in ((grid, mu, truth), *bodies))
        images.append(image + noise * torch.as_tensor(random.normal(size=view.shape), dtype=torch.float32))
    return [XRay(image, view, name=f"view {i}") for i, (image, view) in enumerate(zip(images, scene))]
