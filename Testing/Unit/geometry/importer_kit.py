"""What the tests of every importer share: known points, the one check, equal views, random geometries, broken files."""
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import strategies as st

from XRayTomoLib.geometry import FreePixels, GeometryError, Views, rotation_from_vector
from XRayTomoLib.geometry.check import check_geometry
from XRayTomoLib.geometry.formats import FormatError, read_geometry, write_geometry

NAMES = ("source", "direction", "origin", "u", "v", "times", "weights")
POINTS = np.array([[0.0, 0, 0], [20, 0, 0], [0, 30, 0], [0, 0, 25], [-13, 7, -11], [5, -17, 9]])


def assert_points_land(views, project, points=POINTS, tolerance_px=1e-7):
    """The views show `points` where the independent formula `project(points) -> [N, P, 2]` (row, col) says; returns the check."""
    found = check_geometry(views, points, np.asarray(project(np.asarray(points))))
    assert not found.behind_source.any(), found.report()
    assert found.errors_px.max() < tolerance_px, found.report()
    return found


def assert_same(found, expected, atol=1e-9, names=NAMES, surface=True):
    """Equal views to `atol`, 0 for bit by bit; a surface's fields too."""
    assert found.shape == expected.shape
    for name in names:
        before, after = getattr(expected, name), getattr(found, name)
        assert (before is None) == (after is None), name
        if before is not None:
            np.testing.assert_allclose(after, before, rtol=0, atol=atol, err_msg=name)
    if not surface:
        return
    ours, theirs = found.surface.as_dict(), expected.surface.as_dict()
    assert ours.keys() == theirs.keys()
    assert ours.pop("kind") == theirs.pop("kind")
    for name in (name for name in ours if ours[name] is not None):
        np.testing.assert_allclose(ours[name], theirs[name], rtol=0, atol=atol, err_msg=name)


def assert_same_views(found, expected, tolerance=1e-9):
    """Equal to `tolerance` of the scene's size; directions, times and weights to `tolerance` itself."""
    assert len(found) == len(expected)
    assert_same(found, expected, tolerance * expected.sdd_scale(), ("source", "origin", "u", "v"))
    assert_same(found, expected, tolerance, ("direction", "times", "weights"), surface=False)


def round_trip(path, views, format=None, writing=None, **hints):
    write_geometry(path, views, format, **(writing or {}))
    return read_geometry(path, format, **hints)


def random_flat_cones(seed, count=3, sheared=False, handedness=None, one_camera=False):
    """Flat cone-beam views in general position about the origin: oblique to the central ray, off-centre, any distances.

    handedness: -1 or +1 for all of them (default: by chance, one for all); one_camera: the same inner geometry in every view.
    """
    rng = np.random.default_rng(seed)
    axes = rotation_from_vector(rng.normal(size=(count, 3)) * 2)
    inner = 1 if one_camera else count
    sod, sdd = rng.uniform(300, 700, (inner, 1)), rng.uniform(900, 1500, (inner, 1))
    pitch = rng.uniform(0.3, 2.0, (inner, 2))
    shape = tuple(int(n) for n in rng.integers(3, 9, 2))
    sign = handedness or rng.choice([-1, 1])
    u = sign * pitch[:, :1] * axes[:, :, 0]
    v = pitch[:, 1:] * axes[:, :, 1] + (0.2 * u if sheared else 0)
    pixel = rng.uniform(-3, 10, (inner, 2))
    source = -sod * axes[:, :, 2]
    origin = source + sdd * axes[:, :, 2] - pixel[:, :1] * u - pixel[:, 1:] * v
    return Views(source=source, origin=origin, u=u, v=v, shape=shape)


def rotation(rng):
    """A random rotation matrix (QR of normal numbers, determinant +1)."""
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    return q * np.sign(np.linalg.det(q))


def radiographs(seed, count=4, shape=(5, 7), pitch=(0.7, 1.1), parallel=False, camera=False):
    """Random flat views without shear, equal pitch, seen as a radiograph is displayed (or as a camera sees)."""
    rng = np.random.default_rng(seed)
    frames = np.stack([rotation(rng) for _ in range(count)])
    across, down, normal = frames[:, 0], frames[:, 1], frames[:, 2]
    towards = -normal if camera else normal
    depth, sdd = rng.uniform(200, 600, (count, 1)), rng.uniform(700, 1500, (count, 1))
    source = depth * towards + rng.uniform(-30, 30, (count, 1)) * across + rng.uniform(-30, 30, (count, 1)) * down
    offsets = rng.uniform(-60, 60, (count, 2, 1))
    origin = (depth - sdd) * towards + offsets[:, 0] * across + offsets[:, 1] * down
    beam = {"direction": -towards} if parallel else {"source": source}
    return Views(**beam, origin=origin, u=pitch[0] * across, v=pitch[1] * down, shape=shape)


def sheared(seed, **given):
    views = radiographs(seed, **given)
    rng = np.random.default_rng(seed + 1)
    n = len(views)
    return replace(views, v=views.v * rng.uniform(0.6, 1.5, (n, 1)) + 0.3 * views.u, u=views.u * rng.uniform(0.5, 2, (n, 1)))


def free_pixels(seed, count=2, shape=(2, 3)):
    rng = np.random.default_rng(seed)
    views = radiographs(seed, count, shape)
    return replace(views, surface=FreePixels(rng.normal(0, 100, (count, *shape, 3)), rng.normal(0, 100, (count, *shape, 3))))


seeds = st.integers(0, 2**32 - 1)


def assert_clear(error, path, *words):
    """One sentence, which begins with the file and has the `words`."""
    text = str(error)
    assert text.startswith(str(path)) and "\n" not in text.strip() and len(text) < 700, text
    assert all(str(word) in text for word in words), text


def assert_refused(read, path, *words):
    """`read(path)` raises one clear error with the `words`."""
    with pytest.raises(FormatError) as error:
        read(path)
    assert_clear(error.value, path, *words)


def refused(path, content, *words, format=None, **hints):
    """Writes `content` and asserts that reading it is refused so."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert_refused(lambda path: read_geometry(path, format, **hints), path, *words)


def assert_survived(read, path):
    """`read(path)` ends with views or with one clear error, and nothing else."""
    try:
        read(path)
    except GeometryError as error:
        assert_clear(error, path)


def survives(path, content, format, **hints):
    """Any bytes are read or refused so."""
    path.write_bytes(content)
    assert_survived(lambda path: read_geometry(path, format, **hints), path)


def assert_damage_is_survived(read, path, seed=0, tries=60):
    """Cut, overwritten and shuffled forms of the good file at `path` are read or refused clearly."""
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
        assert_survived(read, path)
    path.write_bytes(good)


STRANGE = [None, "", "a", "a\nb", [], {}, [[]], [None], True, 0, -1, 0.5, 1e300, 10**400, float("nan"), float("-inf"), [[1, 2], [3]], {"a": 1}, 10**9]


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
                assert "\n" not in str(error), (place, value, error)
            except Exception as error:
                raise AssertionError(f"{place} = {value!r}: {error!r}") from error
    path.write_text(good)


def _places(value, place=()):
    """Paths of all values inside `value`; of lists, the first entry's stand for all."""
    items = value.items() if isinstance(value, dict) else list(enumerate(value))[:1] if isinstance(value, list) else ()
    for name, inner in items:
        yield (*place, name)
        yield from _places(inner, (*place, name))


@st.composite
def damaged(draw, content):
    """`content` with bytes changed, removed or put in."""
    data = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        end = at + draw(st.sampled_from([0, 1, 1, 3, 40, len(data)]))
        data[at:end] = draw(st.one_of(st.binary(max_size=4), st.sampled_from([b"1e999", b"nan", b"-1", b"9999999999", b"null", b"[]", b"{}", b'""'])))
    return bytes(data)
