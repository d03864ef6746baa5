"""What the tests of every importer share: known points, the one check, equal views, random geometries, broken files."""
import json

import numpy as np
import pytest
from hypothesis import strategies as st

from XRayTomoLib.geometry import GeometryError, Views, rotation_from_vector
from XRayTomoLib.geometry.check import check_geometry

POINTS = np.array([[0.0, 0, 0], [20, 0, 0], [0, 30, 0], [0, 0, 25], [-13, 7, -11], [5, -17, 9]])


def assert_points_land(views, project, points=POINTS, tolerance_px=1e-7):
    """The views show `points` where the independent formula `project(points) -> [N, P, 2]` (row, col) says; returns the check."""
    found = check_geometry(views, points, np.asarray(project(np.asarray(points))))
    assert not found.behind_source.any(), found.report()
    assert found.errors_px.max() < tolerance_px, found.report()
    return found


def assert_same_views(found, expected, tolerance=1e-9):
    """Equal to `tolerance`, relative to the scene's size; times and weights too."""
    assert (len(found), found.shape, type(found.surface)) == (len(expected), expected.shape, type(expected.surface))
    scale = expected.sdd_scale()
    for name in ("source", "direction", "origin", "u", "v", "times", "weights"):
        a, b = getattr(found, name), getattr(expected, name)
        assert (a is None) == (b is None), name
        if a is not None:
            size = 1.0 if name in ("direction", "times", "weights") else scale
            np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=0, atol=tolerance * size, err_msg=name)


def random_flat_cones(seed, count=3, sheared=False, handedness=None, square=False, one_camera=False):
    """Flat cone-beam views in general position about the origin: oblique to the central ray, off-centre, any distances.

    handedness: -1 or +1 for all of them (default: by chance, one for all); one_camera: the same inner geometry in every view.
    """
    rng = np.random.default_rng(seed)
    axes = rotation_from_vector(rng.normal(size=(count, 3)) * 2)
    inner = 1 if one_camera else count
    sod, sdd = rng.uniform(300, 700, (inner, 1)), rng.uniform(900, 1500, (inner, 1))
    pitch = rng.uniform(0.3, 2.0, (inner, 2))
    if square:
        pitch[:, 1] = pitch[:, 0]
    shape = tuple(int(n) for n in rng.integers(3, 9, 2))
    sign = handedness or rng.choice([-1, 1])
    u = sign * pitch[:, :1] * axes[:, :, 0]
    v = pitch[:, 1:] * axes[:, :, 1] + (0.2 * u if sheared else 0)
    pixel = rng.uniform(-3, 10, (inner, 2))
    source = -sod * axes[:, :, 2]
    origin = source + sdd * axes[:, :, 2] - pixel[:, :1] * u - pixel[:, 1:] * v
    return Views(source=source, origin=origin, u=u, v=v, shape=shape)


seeds = st.integers(0, 2**32 - 1)


def assert_clear(error, path, *words):
    """One sentence, which names the file and has the `words`."""
    text = str(error.value if hasattr(error, "value") else error)
    assert str(path) in text and "\n" not in text.strip() and len(text) < 700, text
    assert all(str(word) in text for word in words), text


def assert_refused(read, path, *words):
    """`read(path)` raises one clear error with the `words`."""
    with pytest.raises(GeometryError) as error:
        read(path)
    assert_clear(error, path, *words)


def assert_damage_is_survived(read, path, seed=0, tries=60):
    """Cut, overwritten and shuffled forms of the good file at `path` are read or refused with a GeometryError, and nothing else."""
    rng, good = np.random.default_rng(seed), path.read_bytes()
    for i in range(tries):
        data = bytearray(good)
        if i % 3 == 0:
            data = data[:rng.integers(len(data))]
        elif i % 3 == 1:
            for _ in range(rng.integers(1, 8)):
                data[rng.integers(len(data))] = rng.integers(256)
        else:
            a, b = sorted(rng.integers(0, len(data), 2))
            data[a:b] = data[a:b][::-1]
        path.write_bytes(bytes(data))
        try:
            read(path)
        except GeometryError as error:
            assert str(path) in str(error) or "views" in str(error), error
    path.write_bytes(good)


STRANGE = [None, "", "a", [], {}, [[]], [None], True, 0, -1, 0.5, 1e300, 10**400, float("nan"), float("-inf"), [[1, 2], [3]], {"a": 1}, 10**9]


def assert_strange_values_are_refused(read, path):
    """Each value in the good JSON file at `path`, replaced by one of another kind, is read or refused with a GeometryError that names the file."""
    good = path.read_text()
    for place in _places(json.loads(good)):
        for value in STRANGE:
            document = json.loads(good)
            target = document
            for step in place[:-1]:
                target = target[step]
            target[place[-1]] = value
            path.write_text(json.dumps(document))
            try:
                read(path)
            except GeometryError as error:
                assert path.name in str(error) or str(error).startswith("views"), (place, value, error)
            except Exception as error:
                raise AssertionError(f"{place} = {value!r}: {error!r}") from error
    path.write_text(good)


def _places(value, place=()):
    """Paths of all values inside `value`; of lists, the first entry's stand for all."""
    items = value.items() if isinstance(value, dict) else list(enumerate(value))[:1] if isinstance(value, list) else ()
    for name, inner in items:
        yield (*place, name)
        yield from _places(inner, (*place, name))
