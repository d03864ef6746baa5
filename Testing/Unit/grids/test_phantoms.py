"""Analytic shapes: chords against formulas and against sums along the ray, voxels against volumes."""
import numpy as np
import pytest

from XRayTomoLib.geometry import rotation_from_vector
from XRayTomoLib.grids import Box, CartesianGrid, Cylinder, Ellipsoid, Phantom, chest, pelvis, phantom_by_name, to_hu

TURN = rotation_from_vector([0.7, -0.3, 0.5])
CENTRE = (3.0, -4.0, 5.0)
SHAPES = {"ellipsoid": (Ellipsoid, 4 / 3 * np.pi), "box": (Box, 8.0), "cylinder": (Cylinder, 2 * np.pi)}


def shape_of(name, semi_axes=(6.0, 6.0, 9.0), density=0.02, rotation=TURN, centre=CENTRE):
    return SHAPES[name][0](centre, semi_axes, density, rotation)


def chord(shape, start, end, **options):
    return Phantom("one", (shape,)).line_integrals(start, end, **options) / shape.density


def test_chords_by_hand():
    ball = Ellipsoid((0, 0, 0), (5, 5, 5), 0.1)
    assert chord(ball, [-20, 3, 0], [20, 3, 0]) == pytest.approx(8)                        # 2 sqrt(25 - 9)
    assert chord(ball, [0, 0, 0], [0, 0, 20]) == pytest.approx(5)                          # from the middle
    assert chord(ball, [1, 0, 0], [3, 0, 0]) == pytest.approx(2)                           # both ends inside
    assert chord(ball, [-20, 5.001, 0], [20, 5.001, 0]) == 0
    assert chord(ball, [-20, 3, 0], [-10, 3, 0]) == 0 and chord(ball, [-20, 3, 0], [-10, 3, 0], infinite=True) == pytest.approx(8)
    assert chord(ball, [1, 1, 1], [1, 1, 1]) == 0
    box = Box((0, 0, 0), (2, 3, 4), 0.1)
    assert chord(box, [-9, 0, 0], [9, 0, 0]) == pytest.approx(4)
    assert chord(box, [-4, -6, -8], [4, 6, 8]) == pytest.approx(2 * np.sqrt(29))           # corner to corner
    assert chord(box, [-9, 3.1, 0], [9, 3.1, 0]) == 0
    rod = Cylinder((0, 0, 0), (2, 2, 7), 0.1)
    assert chord(rod, [0, 1, -50], [0, 1, 50]) == pytest.approx(14)
    assert chord(rod, [-50, 1, 6], [50, 1, 6]) == pytest.approx(2 * np.sqrt(3))
    assert chord(rod, [-50, 1, 7.1], [50, 1, 7.1]) == 0 and chord(rod, [0, 2.1, -50], [0, 2.1, 50]) == 0


@pytest.mark.parametrize("name", SHAPES)
def test_chords_are_sums_along_the_ray(name):
    random = np.random.default_rng(0)
    start, end = CENTRE + random.normal(0, 12, (80, 3)), CENTRE + random.normal(0, 12, (80, 3))
    shape, a = shape_of(name, (5.0, 5.0, 8.0)), (np.arange(20000) + 0.5)[:, None, None] / 20000
    inside = shape.inside(start + a * (end - start)).mean(0) * np.linalg.norm(end - start, axis=1)
    exact = chord(shape, start, end)
    assert (exact > 1).sum() > 10
    np.testing.assert_allclose(exact, inside, atol=0.01)


@pytest.mark.parametrize("name", SHAPES)
def test_voxels_hold_the_volume(name):
    factor, semi_axes, errors = SHAPES[name][1], (6.0, 6.0, 9.0), []
    for n in (12, 48):
        grid = CartesianGrid.centred((n, n, n), 30 / n, CENTRE)
        volume = Phantom("one", (shape_of(name),)).voxelise(grid, 3).sum(dtype=np.float64) * (30 / n) ** 3 / 0.02
        errors.append(abs(volume / (factor * np.prod(semi_axes)) - 1))
    assert errors[0] < 0.03 and errors[1] < 2e-3


def test_voxels_lie_where_the_shape_is():
    """Centroid in RAS on an oblique, left-handed grid; densities add."""
    matrix = np.eye(4)
    matrix[:3, :3] = TURN @ np.diag([-0.8, 1.0, 1.2])
    matrix[:3, 3] = CENTRE - matrix[:3, :3] @ [14.5, 15.5, 13.5]
    grid = CartesianGrid((28, 32, 30), matrix)
    body = Ellipsoid((5.0, -6.0, 4.0), (3, 4, 5), 0.02)
    volume = Phantom("two", (body, Ellipsoid((5.0, -6.0, 4.0), (1, 1, 1), -0.02))).voxelise(grid).astype(float)
    points = np.stack([grid.slice_centres(k) for k in range(28)])
    np.testing.assert_allclose((points * volume[..., None]).sum((0, 1, 2)) / volume.sum(), body.centre, atol=0.02)
    k, j, i = np.round(grid.ijk_from_ras(body.centre)).astype(int)[::-1]
    assert volume.max() == pytest.approx(0.02, rel=1e-6) and volume[k, j, i] == pytest.approx(0, abs=0.012)


@pytest.mark.parametrize("make", [chest, pelvis])
def test_bodies_have_no_negative_density_and_bones(make):
    phantom = make()
    bounds = phantom.bounds_ras()
    points = np.random.default_rng(1).uniform(bounds[:, 0], bounds[:, 1], (60000, 3))
    values = phantom.values(points)
    assert values.min() >= -1e-9 and (values > 1.5 * 0.0193).any() and (abs(values - 0.0193) < 1e-9).mean() > 0.1
    for name, place in phantom.landmarks.items():
        assert phantom.values(np.array([place], float))[0] >= -1e-9, name


def test_names_and_units():
    assert phantom_by_name("chest").name == "chest"
    with pytest.raises(KeyError, match="phantom 'foot' is not known; expected one of: chest, pelvis"):
        phantom_by_name("foot")
    np.testing.assert_allclose(to_hu([0.0, 0.0193, 0.0386]), [-1000, 0, 1000], atol=1e-3)
