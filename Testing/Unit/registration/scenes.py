"""Views and poses that the tests of registration share."""

import numpy as np

from XRayTomoLib.geometry import CArm, pose_about
from XRayTomoLib.geometry.arrays import to_numpy

CENTRE = np.array([30.0, -120.0, 800.0])
ARM = CArm(1020.0, 530.0, 200, 240, 1.2, 1.4, principal_offset_mm=(8.0, -5.0), in_plane_deg=12.0)


def views(primary_deg=(10.0, 95.0), secondary_deg=(-5.0, 15.0)):
    """C-arm views about CENTRE, neither square nor centred."""
    return ARM.views(list(primary_deg), list(secondary_deg)[: len(primary_deg)], CENTRE)


def random_pose(seed, turn=0.4, shift_mm=25.0):
    g = np.random.default_rng(seed)
    return pose_about(g.uniform(-turn, turn, 3), g.uniform(-shift_mm, shift_mm, 3), CENTRE)


def landmarks(seed, count, size_mm=60.0):
    return CENTRE + np.random.default_rng(seed).uniform(-size_mm, size_mm, (count, 3))


def seen(views, pose, points, noise_px=0.0, seed=0):
    """Pixels [N, P, 2] of the points as `pose` moves them."""
    moved = points @ pose[:3, :3].T + pose[:3, 3]
    pixels = to_numpy(views.project(moved))
    return pixels + noise_px * np.random.default_rng(seed).normal(size=pixels.shape)
