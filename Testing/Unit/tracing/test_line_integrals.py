"""Line integrals against what is known without a ray tracer: boxes, ellipsoids, chords, and changes of the world's frame."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from Unit.tracing.scenes import (
    CENTRE,
    GRIDS,
    LINEAR,
    SIZE_MM,
    VIEWS,
    cone_views,
    noise,
    parallel_views,
    relative,
    rigid_motion,
    single_rays,
)

from XRayTomoLib.geometry import FreePixels, Views, rigid
from XRayTomoLib.grids import Box, CartesianGrid, Ellipsoid, Phantom
from XRayTomoLib.tracing import METHODS, Projector, project

every_linear_method = pytest.mark.parametrize("method", LINEAR)


def integrals(grid, start, end, mu=None, method="siddon", dtype=torch.float64, **options):
    """Values [n] of the rays start -> end (RAS), through ones where no `mu` is given."""
    mu = torch.ones(grid.shape, dtype=dtype) if mu is None else torch.as_tensor(mu, dtype=dtype)
    return project(mu, grid, single_rays(start, end), method=method, **options)[0, 0].numpy()


def chord(grid, start, end):
    """Length in mm of the segments start -> end inside the grid's box, by clipping in voxel coordinates (slabs)."""
    a, b = grid.ijk_from_ras(start), grid.ijk_from_ras(end)
    half = np.array(grid.shape[::-1]) / 2
    unit_box = Box(tuple(half - 0.5), tuple(half), 1.0)
    share = np.maximum(np.minimum(unit_box.interval(a, b - a)[:, 1], 1) - np.maximum(unit_box.interval(a, b - a)[:, 0], 0), 0)
    return share * np.linalg.norm(np.asarray(end) - start, axis=-1)


# -- one ray at a time, values by hand (voxels of 2 mm, the box is [-8, 8]^3)
UNIT = CartesianGrid.centred((8, 8, 8), 2.0)
ROOT3 = np.sqrt(3)
BY_HAND = {
    "right through along R": ((-50, 0.3, 0.7), (50, 0.3, 0.7), 16.0),
    "backwards along A": ((0.3, 50, 0.7), (0.3, -50, 0.7), 16.0),
    "along S, ends inside": ((0.3, 0.7, -50), (0.3, 0.7, 1.5), 9.5),
    "starts inside": ((1.25, 0.7, 0.3), (50, 0.7, 0.3), 6.75),
    "both ends inside one voxel": ((0.25, 0.5, 0.5), (1.5, 0.5, 0.5), 1.25),
    "both ends inside, across voxels": ((-3.1, 0.5, -2.9), (4.9, 0.5, 3.1), 10.0),
    "stops short of the box": ((-50, 0, 0), (-8.5, 0, 0), 0.0),
    "points away from the box": ((-9, 0.3, 0.3), (-50, 0.3, 0.3), 0.0),
    "misses sideways": ((-50, 8.5, 0), (50, 8.5, 0), 0.0),
    "through two corners": ((-16, -16, -16), (16, 16, 16), 16 * ROOT3),
    "along a voxel edge inside": ((-50, 2.0, 4.0), (50, 2.0, 4.0), 16.0),
    "along a voxel plane inside": ((-50, 2.0, 0.3), (50, 2.0, 0.3), 16.0),
    "through voxel edges, diagonal": ((-16, -16, 0.5), (16, 16, 0.5), 16 * np.sqrt(2)),
    "cuts a corner": ((-8, 6, 0.3), (-6, 8, 0.3), 2 * np.sqrt(2)),
    "no length, inside": ((1.1, 1.2, 1.3), (1.1, 1.2, 1.3), 0.0),
    "no length, outside": ((20, 1.2, 1.3), (20, 1.2, 1.3), 0.0),
    "almost along R": ((-50, 0.5, 0.5), (50, 0.5 + 1e-9, 0.5 - 1e-9), 16.0),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("case", BY_HAND)
def test_chord_by_hand(case, dtype):
    start, end, expected = BY_HAND[case]
    assert integrals(UNIT, [start], [end], dtype=dtype)[0] == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_ray_in_a_face_counts_it_once_or_not_at_all():
    """On the border itself both answers are right; what lies between (or twice) is not."""
    for offset, counted in ((-1e-4, True), (1e-4, False)):
        value = integrals(UNIT, [(-50, 8 + offset, 0.5)], [(50, 8 + offset, 0.5)])[0]
        assert value == pytest.approx(16.0 if counted else 0.0, abs=1e-9)
    assert integrals(UNIT, [(-50, 8, 0.5)], [(50, 8, 0.5)])[0] in (pytest.approx(16.0), 0.0)


@pytest.mark.parametrize("method", ["joseph", "trilinear"])
def test_interpolating_methods_by_hand(method):
    """A constant volume away from its border integrates to the length; one voxel to its tent function."""
    start, end, expected = BY_HAND["both ends inside, across voxels"]
    assert integrals(UNIT, [start], [end], method=method)[0] == pytest.approx(expected, rel=1e-9)
    bright = torch.zeros(8, 8, 8, dtype=torch.float64)
    bright[3, 4, 5] = 1.0  # centre at RAS (3, 1, -1)
    assert integrals(UNIT, [(3, -50, -1)], [(3, 50, -1)], bright, method, step_mm=0.01)[0] == pytest.approx(2.0, rel=1e-4)
    assert integrals(UNIT, [(3.5, -50, -1)], [(3.5, 50, -1)], bright, method, step_mm=0.01)[0] == pytest.approx(1.5, rel=1e-4)
    assert integrals(UNIT, [(3.5, -50, -2)], [(3.5, 50, -2)], bright, method, step_mm=0.01)[0] == pytest.approx(0.75, rel=1e-4)


def test_maximum_by_hand():
    volume = torch.zeros(8, 8, 8, dtype=torch.float64)
    volume[3, 4, 5], volume[3, 6, 5] = 0.7, 0.4
    rays = [(3, -50, -1), (3, 50, -1)], [(3, 50, -1), (3, 3.5, -1)]  # the second stops before it meets the larger voxel
    np.testing.assert_allclose(integrals(UNIT, *rays, volume, "maximum"), [0.7, 0.4], rtol=1e-12)


# -- many rays
@pytest.mark.parametrize("surface", VIEWS)
@pytest.mark.parametrize("grid", GRIDS)
def test_volume_of_ones_gives_the_exact_chord(grid, surface):
    """Source inside and outside, oblique and cut grids; parallel rays take the whole line."""
    views = VIEWS[surface]
    start, end = views.rays(reach_mm=200.0)
    expected = chord(GRIDS[grid], start.reshape(-1, 3), end.reshape(-1, 3)).reshape(start.shape[:-1])
    p = project(torch.ones(GRIDS[grid].shape, dtype=torch.float64), GRIDS[grid], views, method="siddon")
    np.testing.assert_allclose(p, expected, rtol=1e-9, atol=1e-9)
    single = project(torch.ones(GRIDS[grid].shape), GRIDS[grid], views, method="siddon")
    np.testing.assert_allclose(single, expected, rtol=2e-6, atol=2e-5)


@pytest.mark.parametrize("grid", ["plain", "oblique", "left-handed", "sheared"])
def test_boxes_of_whole_voxels_are_exact(grid):
    """Two boxes of different density, as voxels and as chords of the sub-grids that they fill."""
    g, views = GRIDS[grid], cone_views()
    mu = torch.zeros(g.shape, dtype=torch.float64)
    parts = [((1, 2, 3), (6, 8, 7), 0.02), ((7, 1, 2), (10, 9, 8), 0.05)]
    start, end = (a.reshape(-1, 3) for a in views.rays())
    expected = 0
    for first, stop, density in parts:
        (i0, j0, k0), (i1, j1, k1) = first, stop
        mu[k0:k1, j0:j1, i0:i1] = density
        expected = expected + density * chord(g.cropped(first, stop), start, end)
    p = project(mu, g, views, method="siddon").reshape(-1)
    assert expected.max() > 0.1
    np.testing.assert_allclose(p, expected, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(project(mu.float(), g, views, method="siddon").reshape(-1), expected, rtol=1e-5, atol=2e-6)


@every_linear_method
def test_ellipsoids_converge_with_resolution(method):
    """Error against the exact chords falls as the voxels shrink and stays below that of a shift by half a voxel."""
    turn = rigid_motion()[:3, :3]
    phantom = Phantom(
        "two", (Ellipsoid(tuple(CENTRE), (5.1, 3.7, 4.4), 0.02, turn), Ellipsoid(tuple(CENTRE + [1.5, -0.7, 1.1]), (1.4, 2.1, 1.2), 0.05))
    )
    views = cone_views()[:3].resampled((21, 27))
    exact = phantom.line_integrals(*views.rays())
    errors = []
    for n in (16, 32, 64):
        grid = CartesianGrid.centred((n, n, n), SIZE_MM / n, CENTRE).transformed(rigid_about_centre())
        errors.append(relative(project(torch.from_numpy(phantom.voxelise(grid, 4)), grid, views, method=method), torch.from_numpy(exact)))
    shifted = grid.transformed(rigid(np.eye(3), 0.5 * grid.ijk_to_ras[:3, :3].sum(1)))
    half_voxel = relative(project(torch.from_numpy(phantom.voxelise(grid, 4)), shifted, views, method=method), torch.from_numpy(exact))
    assert errors[1] < 0.6 * errors[0] and errors[2] < 0.6 * errors[1]
    assert errors[2] < 0.025 < half_voxel


def rigid_about_centre():
    motion = np.eye(4)
    motion[:3, :3] = rigid_motion()[:3, :3]
    motion[:3, 3] = CENTRE - motion[:3, :3] @ CENTRE
    return motion


# -- the same scene in other words
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("surface", VIEWS)
def test_moving_the_whole_scene_changes_nothing(surface, method):
    grid, views, motion = GRIDS["sheared"], VIEWS[surface], rigid_motion()
    x = noise(grid, torch.float64)
    still = project(x, grid, views, method=method)
    assert relative(project(x, grid.transformed(motion), views.transformed(motion), method=method), still) < 1e-11


@every_linear_method
@pytest.mark.parametrize("beam", [cone_views, parallel_views])
def test_metres_in_place_of_millimetres(beam, method):
    """Lengths a thousandth, integrals a thousandth."""
    grid, views, metres = GRIDS["oblique"], beam(), np.diag([1e-3, 1e-3, 1e-3, 1.0])
    x = noise(grid, torch.float64)
    assert (
        relative(
            1e3 * project(x, grid.transformed(metres), views.transformed(metres), method=method), project(x, grid, views, method=method)
        )
        < 1e-10
    )
    assert (
        relative(
            1e3 * project(x.float(), grid.transformed(metres), views.transformed(metres), method=method),
            project(x, grid, views, method=method),
        )
        < 1e-5
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("order", [(1, 0, 2), (2, 0, 1), (2, 1, 0)])
def test_order_and_direction_of_the_voxel_axes_do_not_matter(order, method):
    """The same matter stored with other axes (i, j, k) permuted and one of them reversed."""
    grid, views = GRIDS["anisotropic"], cone_views()
    x = noise(grid, torch.float64)
    matrix = grid.ijk_to_ras.copy()
    last = grid.shape[2] - 1
    matrix[:3, 3] += last * matrix[:3, 0]
    matrix[:3, 0] *= -1  # i reversed
    permuted = np.eye(4)
    permuted[:3, :3], permuted[:3, 3] = matrix[:3, list(order)], matrix[:3, 3]
    axes = [2 - a for a in order[::-1]]  # (k, j, i) of the new array in the old one
    y = x.flip(2).permute(axes).contiguous()
    assert relative(project(y, CartesianGrid(y.shape, permuted), views, method=method), project(x, grid, views, method=method)) < 1e-11


@pytest.mark.parametrize("method", METHODS)
def test_reversed_rays_and_other_views_do_not_matter(method):
    """A ray has no direction, and a view's picture depends on no other view."""
    grid, views = GRIDS["oblique"], VIEWS["free"]
    start, end = views.rays()
    back = replace(views, surface=FreePixels(start, end))
    x = noise(grid, torch.float64)
    forth = project(x, grid, views, method=method)
    if method != "trilinear":  # its last, shorter step lies at the other end
        assert relative(project(x, grid, back, method=method), forth) < 1e-11
    A = Projector(grid, views, method=method)
    for picked in (3, slice(1, 4), [4, 0]):
        torch.testing.assert_close(A[picked](x), forth[picked if not isinstance(picked, int) else [picked]], rtol=1e-12, atol=0)


# -- continuity
@every_linear_method
def test_value_follows_the_end_point_without_jumps(method):
    """The end runs through the whole volume: never more than the largest voxel times the way it went."""
    grid = GRIDS["oblique"]
    x = noise(grid, torch.float64)
    towards = np.array([0.61, 0.53, -0.35])
    towards /= np.linalg.norm(towards)
    steps = np.linspace(-15, 15, 3001)
    ends = CENTRE + steps[:, None] * towards
    p = integrals(grid, CENTRE - 40 * towards, ends, x, method)
    assert p[0] == 0 and p[-1] > 1
    slack = 4 if method == "trilinear" else 1.0001  # the last sample also moves, by half the way
    assert abs(np.diff(p)).max() <= slack * float(x.max()) * (steps[1] - steps[0])


@pytest.mark.parametrize("method", ["joseph", "trilinear"])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_interpolated_value_has_no_jump_at_the_border(method, axis):
    """A ray parallel to a face slides out of the volume."""
    grid = CartesianGrid.centred((8, 8, 8), 1.0)
    along, across = np.eye(3)[axis], np.eye(3)[(axis + 1) % 3]
    offsets = np.linspace(2.0, 5.5, 701)
    middle = offsets[:, None] * across + 0.37 * np.eye(3)[(axis + 2) % 3]
    p = integrals(grid, middle - 30 * along, middle + 30 * along, noise(grid, torch.float64), method)
    assert p[0] > 0.5 and p[-1] == 0
    assert abs(np.diff(p)).max() <= 8 * (offsets[1] - offsets[0]) * 1.01


@pytest.mark.parametrize("shift", [0.0, 1e-9, -1e-9, 1e-7, -1e-7])
@pytest.mark.parametrize("method, dtype", [
    ("joseph", torch.float32), ("joseph", torch.float64), ("trilinear", torch.float32), ("trilinear", torch.float64),
    ("siddon", torch.float32), ("siddon", torch.float64),
])  # fmt: skip
def test_adjoint_loses_nothing_on_voxel_planes(method, dtype, shift):
    """Rays that run in the planes between voxels (and between the slabs of the threads), to rounding: A.T is still A's transpose."""
    grid = CartesianGrid.centred((8, 8, 8), 1.0)
    for direction, u, v in (([1, 0, 0], [0, 1, 0], [0, 0, 1]), ([0, 1, 0], [1, 0, 0], [0, 0, 1]), ([0, 0, 1], [1, 0, 0], [0, 1, 0])):
        origin = -4.0 * (np.array(u) + np.array(v)) + shift
        views = Views(direction=direction, origin=origin, u=u, v=v, shape=(9, 9))
        A = Projector(grid, views, method=method)
        assert A.dot_test(dtype=dtype) < (1e-5 if dtype == torch.float32 else 1e-12)
