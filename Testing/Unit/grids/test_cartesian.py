"""Voxel grids: where voxels lie, the box, handedness, parts, refusals."""
import numpy as np
import pytest

from XRayTomoLib.geometry import pose_about
from XRayTomoLib.grids import CartesianGrid, GridError

MATRIX = np.array([[0.0, -2.0, 0.3, 10.0], [1.5, 0.0, 0.0, 20.0], [0.0, 0.4, 3.0, 30.0], [0, 0, 0, 1]])
GRID = CartesianGrid((4, 5, 6), MATRIX)


def test_voxel_centres_and_box_by_hand():
    grid = CartesianGrid.centred((2, 3, 4), (1.0, 2.0, 5.0), (10.0, 20.0, 30.0))
    np.testing.assert_allclose(grid.ras_from_ijk([0, 0, 0]), [8.5, 18, 27.5])
    np.testing.assert_allclose(grid.ras_from_ijk([3, 2, 1]), [11.5, 22, 32.5])
    np.testing.assert_allclose(grid.bounds_ras(), [[8, 12], [17, 23], [25, 35]])
    np.testing.assert_allclose(grid.centre_ras, [10, 20, 30])
    np.testing.assert_allclose(GRID.ras_from_ijk([2, 1, 3]), [10 - 2 + 0.9, 20 + 3, 30 + 0.4 + 9])
    np.testing.assert_allclose(GRID.spacing_mm, [1.5, np.hypot(2, 0.4), np.hypot(0.3, 3)])


def test_corners_are_half_a_voxel_beyond_the_centres():
    ijk = GRID.ijk_from_ras(GRID.corners_ras())
    assert {tuple(c) for c in np.round(ijk, 9)} == {(i, j, k) for i in (-0.5, 5.5) for j in (-0.5, 4.5) for k in (-0.5, 3.5)}
    np.testing.assert_allclose(GRID.corners_ras().mean(0), GRID.centre_ras)


def test_there_and_back_and_metric():
    points = np.random.default_rng(0).normal(0, 50, (2, 4, 3))
    np.testing.assert_allclose(GRID.ras_from_ijk(GRID.ijk_from_ras(points)), points, atol=1e-10)
    step = np.array([1.0, -2.0, 0.5])
    assert step @ GRID.metric @ step == pytest.approx(np.linalg.norm(MATRIX[:3, :3] @ step) ** 2)
    np.testing.assert_allclose(GRID.slice_centres(2)[1, 3], GRID.ras_from_ijk([3, 1, 2]))


def test_handedness_is_that_of_the_matrix():
    assert not CartesianGrid.centred((2, 2, 2), 1.0).is_left_handed
    assert CartesianGrid((2, 2, 2), np.diag([-1.0, 1, 1, 1])).is_left_handed
    assert not CartesianGrid((2, 2, 2), np.diag([-1.0, -1, 1, 1])).is_left_handed


def test_parts_and_moved_grids_keep_their_voxels_in_place():
    part = GRID.cropped((1, 2, 0), (6, 5, 3))
    assert part.shape == (3, 3, 5)
    np.testing.assert_allclose(part.ras_from_ijk([0, 0, 0]), GRID.ras_from_ijk([1, 2, 0]))
    np.testing.assert_allclose(part.ras_from_ijk([4, 2, 2]), GRID.ras_from_ijk([5, 4, 2]))
    motion = pose_about([0.1, 0.2, 0.3], [1, 2, 3])
    np.testing.assert_allclose(GRID.transformed(motion).ras_from_ijk([1, 2, 3]), (motion @ [*GRID.ras_from_ijk([1, 2, 3]), 1])[:3])


def test_equality_and_immutability():
    assert GRID == CartesianGrid((4, 5, 6), MATRIX.copy()) and hash(GRID) == hash(CartesianGrid((4, 5, 6), MATRIX.copy()))
    assert GRID != CartesianGrid((4, 5, 7), MATRIX) and GRID != CartesianGrid((4, 5, 6), MATRIX + np.diag([1e-9, 0, 0, 0]))
    with pytest.raises(ValueError):
        GRID.ijk_to_ras[0, 0] = 7
    MATRIX[0, 3] += 1
    assert GRID.ijk_to_ras[0, 3] == 10
    MATRIX[0, 3] -= 1


@pytest.mark.parametrize("shape, matrix, words", [
    ((0, 5, 6), np.eye(4), r"grid shape \(0, 5, 6\)"), ((5, 6), np.eye(4), r"grid shape \(5, 6\)"),
    ((4, 5, 6), np.eye(3), "no affine 4x4"), ((4, 5, 6), np.full((4, 4), np.nan), "no affine 4x4"),
    ((4, 5, 6), np.diag([1.0, 1, 1, 2]), "no affine 4x4"), ((4, 5, 6), np.diag([1.0, 0, 1, 1]), "is singular"),
    ((4, 5, 6), np.array([[1.0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]), "is singular"),
])  # fmt: skip
def test_impossible_grids_are_refused(shape, matrix, words):
    with pytest.raises(GridError, match=words):
        CartesianGrid(shape, matrix)


@pytest.mark.parametrize("start, stop", [((-1, 0, 0), (2, 2, 2)), ((0, 0, 0), (7, 2, 2)), ((2, 2, 2), (2, 3, 3))])
def test_parts_outside_are_refused(start, stop):
    with pytest.raises(GridError, match="leaves the grid of"):
        GRID.cropped(start, stop)


def test_tiny_voxels_are_no_singular_grid():
    assert CartesianGrid((4, 5, 6), np.diag([1e-9, 1e-9, 1e-9, 1])).spacing_mm == pytest.approx(1e-9)
