"""Small scenes that every test of the ray tracer shares: crooked grids, crooked detectors, nothing symmetric."""

from dataclasses import replace

import numpy as np
import torch

from XRayTomoLib.geometry import CArm, Cylindrical, FreePixels, Spherical, Views, pose_about, rotation_from_vector
from XRayTomoLib.grids import CartesianGrid

CENTRE = np.array([5.0, -7.0, 3.0])
SIZE_MM = 12.0


def grid_about(shape, axes):
    """Grid of `shape` whose steps are the columns of `axes` (mm), centred at CENTRE."""
    matrix = np.eye(4)
    matrix[:3, :3] = axes
    matrix[:3, 3] = CENTRE - axes @ (np.array(shape[::-1]) - 1) / 2
    return CartesianGrid(shape, matrix)


TURN = rotation_from_vector([0.5, -0.4, 0.9])
GRIDS = {
    "plain": CartesianGrid.centred((9, 10, 11), 1.1, CENTRE),
    "oblique": grid_about((9, 10, 11), TURN @ np.diag([1.1, 1.2, 1.3])),
    "left-handed": grid_about((9, 10, 11), TURN @ np.diag([-1.1, 1.2, 1.3])),
    "anisotropic": grid_about((3, 21, 8), TURN @ np.diag([1.5, 0.55, 4.0])),
    "sheared": grid_about((9, 10, 11), TURN @ np.array([[1.1, 0.3, -0.2], [0.0, 1.2, 0.25], [0.0, 0.0, 1.3]])),
    "one slice": grid_about((1, 10, 11), TURN @ np.diag([1.1, 1.2, 3.0])),
}


def cone_views():
    """Five cone views of 7 x 9 pixels: three of a C-arm, one with its source inside the grids, one whose detector cuts them."""
    arm = CArm(60.0, 35.0, 7, 9, 2.9, 3.3, principal_offset_mm=(1.3, -2.1), in_plane_deg=17.0)
    outside = arm.views([11.0, 103.0, 251.0], [7.0, -23.0, 41.0], CENTRE)
    inside = Views(
        source=CENTRE + [1.03, 0.51, -1.97], origin=CENTRE + [20, -11.3, -9.1], u=[-0.4, 2.6, 0.3], v=[0.2, 0.1, 3.1], shape=(7, 9)
    )
    cutting = Views(source=CENTRE + [3, -40, 8.4], origin=CENTRE + [8.1, 1.3, -7.2], u=[-2.1, 0.4, 0.1], v=[0.1, -0.3, 2.2], shape=(7, 9))
    return Views.concatenate([outside, inside, cutting])


def parallel_views():
    cone = cone_views()
    return Views(direction=cone.centre - cone.source, origin=cone.origin, u=cone.u, v=cone.v, shape=cone.shape)


def free_views():
    cone = cone_views()
    random = np.random.default_rng(5)
    start, end = cone.rays()
    return replace(cone, surface=FreePixels(end + random.normal(0, 0.7, end.shape), start + random.normal(0, 0.7, end.shape)))


def curved_views(surface):
    """The cone views with v made perpendicular to u, as curved detectors need it."""
    cone = cone_views()
    shear = (cone.u * cone.v).sum(1) / (cone.u**2).sum(1)
    return replace(cone, v=cone.v - shear[:, None] * cone.u, surface=surface)


VIEWS = {
    "flat": cone_views(),
    "parallel": parallel_views(),
    "cylindrical": curved_views(Cylindrical(80.0, 3.3)),
    "spherical": curved_views(Spherical(-70.0, (2.2, 5.1))),
    "free": free_views(),
}
LINEAR = ("joseph", "siddon", "trilinear")


def noise(grid, dtype=torch.float32, seed=0, lead=()):
    """Random voxels, half of them empty."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.rand(*lead, *grid.shape, generator=generator, dtype=torch.float64)
    return (values * (values > 0.5)).to(dtype)


def single_rays(start, end):
    """Views of one row whose pixels are the rays start -> end [n, 3] (RAS)."""
    start, end = np.asarray(start, float), np.asarray(end, float)
    pixels = FreePixels(end[None, None], np.broadcast_to(start, end.shape)[None, None].copy())
    return Views(source=[0, 0, 0], origin=[0, 0, 0], u=[1, 0, 0], v=[0, 1, 0], shape=(1, len(end)), surface=pixels)


def relative(a, b):
    """|a - b| / |b|."""
    a, b = torch.as_tensor(a).double(), torch.as_tensor(b).double()
    return float((a - b).norm() / b.norm())


def rigid_motion():
    return pose_about([0.3, -1.1, 0.7], [20.0, -35.0, 11.0], [3.0, 1.0, -2.0])
