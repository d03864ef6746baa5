"""What the tests of the formats share: random views, and broken files that every reader must refuse in one sentence."""
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import strategies as st

from XRayTomoLib.geometry import FreePixels, GeometryError, Views
from XRayTomoLib.geometry.formats import FormatError, read_geometry, write_geometry

NAMES = ("source", "direction", "origin", "u", "v", "times", "weights")


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


def assert_same(found, expected, atol=1e-9, names=NAMES):
    """Equal views to `atol`, 0 for bit by bit; a surface's fields too."""
    assert found.shape == expected.shape
    for name in names:
        before, after = getattr(expected, name), getattr(found, name)
        assert (before is None) == (after is None), name
        if before is not None:
            np.testing.assert_allclose(after, before, rtol=0, atol=atol, err_msg=name)
    ours, theirs = found.surface.as_dict(), expected.surface.as_dict()
    assert ours.keys() == theirs.keys()
    assert ours.pop("kind") == theirs.pop("kind")
    for name in (name for name in ours if ours[name] is not None):
        np.testing.assert_allclose(ours[name], theirs[name], rtol=0, atol=atol, err_msg=name)


def round_trip(path, views, format=None, writing=None, **hints):
    write_geometry(path, views, format, **(writing or {}))
    return read_geometry(path, format, **hints)


def refused(path, content, *words, format=None, **hints):
    """Writes `content` and asserts that reading it is one sentence naming the file and all `words`."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(FormatError) as caught:
        read_geometry(path, format, **hints)
    text = str(caught.value)
    assert text.startswith(str(path)) and "\n" not in text, text
    for word in words:
        assert str(word) in text, text


def survives(path, content, format, **hints):
    """Reading any bytes ends with views or with a GeometryError."""
    path.write_bytes(content)
    try:
        read_geometry(path, format, **hints)
    except GeometryError:
        pass


@st.composite
def damaged(draw, content):
    """`content` with bytes changed, removed or put in."""
    data = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        end = at + draw(st.sampled_from([0, 1, 1, 3, 40, len(data)]))
        data[at:end] = draw(st.one_of(st.binary(max_size=4), st.sampled_from([b"1e999", b"nan", b"-1", b"9999999999", b"null", b"[]", b"{}", b'""'])))
    return bytes(data)
