"""Projection matrices against their definition, in every file form."""
import io
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from Unit.geometry.importer_kit import (
    POINTS,
    assert_damage_is_survived,
    assert_points_land,
    assert_refused,
    assert_same_views,
    assert_strange_values_are_refused,
    random_flat_cones,
    seeds,
)

from XRayTomoLib.geometry import GeometryError, Views
from XRayTomoLib.geometry.formats import matrices, read_geometry, recognise_format, write_geometry

VIEWS = random_flat_cones(5)
HINTS = dict(shape=VIEWS.shape, sdd_mm=VIEWS.sdd_mm)


def matrix(views):
    """P written from the definition: each row is a plane through the source, dual to the pixel axes."""
    out = []
    for s, o, u, v in zip(views.source, views.origin, views.u, views.v):
        d = o - s
        volume = np.dot(np.cross(u, v), d)
        rows = np.stack([np.cross(v, d), np.cross(d, u), np.cross(u, v)]) / volume
        out.append(np.c_[rows, -rows @ s])
    return np.stack(out)


def project(points, p=None):
    h = np.einsum("nij,pj->npi", matrix(VIEWS) if p is None else p, np.c_[points, np.ones(len(points))])
    return h[..., [1, 0]] / h[..., 2:]


def saved(path, p):
    if path.suffix == ".npy":
        np.save(path, p)
    elif path.suffix == ".txt":
        path.write_text("# three rows a view\n" + "\n".join(", ".join(map(repr, row)) for row in p.reshape(-1, 4).tolist()))
    else:
        path.write_text(json.dumps({"matrices": p.tolist()}))
    return path


@pytest.mark.parametrize("name", ["p.txt", "p.npy", "p.json"])
@pytest.mark.parametrize("factor", [1.0, 1e-7, 3e9])
def test_every_form_and_any_factor(tmp_path, name, factor):
    path = saved(tmp_path / name, factor * matrix(VIEWS))
    assert recognise_format(path) == "matrices"
    views = read_geometry(path, **HINTS)
    assert_points_land(views, project)
    assert_same_views(views, VIEWS)
    assert (views.handedness == VIEWS.handedness).all()


def test_signs_are_taken_from_a_point_ahead(tmp_path):
    """RTK's matrices have w < 0 at the object."""
    path = saved(tmp_path / "p.txt", -matrix(VIEWS) * np.array([1, -1, 1])[:, None, None])
    assert_same_views(read_geometry(path, ahead_ras=(0, 0, 0), **HINTS), VIEWS)
    assert np.isnan(read_geometry(path, **HINTS).project(POINTS)[0]).all()


@pytest.mark.parametrize("first", [0.5, 1.0])
def test_numbering_of_pixels(tmp_path, first):
    shift = np.array([[1, 0, first], [0, 1, first], [0, 0, 1]])
    path = saved(tmp_path / "p.npy", shift @ matrix(VIEWS))
    assert_same_views(read_geometry(path, first_pixel=first, **HINTS), VIEWS)


@settings(max_examples=30, deadline=None)
@given(seeds, st.booleans(), st.sampled_from(["json", "npy", "txt"]))
def test_round_trip(tmp_path_factory, seed, sheared, suffix):
    path = tmp_path_factory.mktemp("matrices") / f"g.matrices.{suffix}"
    views = random_flat_cones(seed, sheared=sheared)
    write_geometry(path, views)
    hints = {} if suffix == "json" else dict(shape=views.shape, sdd_mm=views.sdd_mm)
    assert_same_views(read_geometry(path, **hints), views)


def test_what_cannot_be_written(tmp_path):
    parallel = Views(direction=[0, 1, 0], origin=[0, 0, 0], u=[1, 0, 0], v=[0, 0, 1], shape=(3, 3))
    with pytest.raises(GeometryError, match="parallel rays"):
        write_geometry(tmp_path / "g.matrices.json", parallel)
    assert list(tmp_path.iterdir()) == []


def test_broken_files(tmp_path):
    good = matrix(VIEWS)
    for p, words in [(good[:, :, :3], ["shape"]), (np.where(good == good[1, 2, 3], np.nan, good), ["finite"]), (np.zeros((0, 3, 4)), ["shape"]),
                     (np.zeros((2, 3, 4)), ["matrix 0", "no source"]), (np.array([["a"]]), ["numbers"])]:
        assert_refused(lambda path: matrices.read(path, **HINTS), saved(tmp_path / "p.npy", np.asarray(p)), *words)
    path = tmp_path / "p.txt"
    for text, words in [("", ["0 numbers"]), ("1 2 3 4", ["4 numbers"]), ("1 2 x 4", ["x"]), ("1 2 3 inf\n" * 3, ["finite"])]:
        path.write_text(text)
        assert_refused(lambda path: matrices.read(path, **HINTS), path, *words)
    path = tmp_path / "p.json"
    path.write_text(json.dumps({"matrices": [[1, 2], [3]]}))
    assert_refused(lambda path: matrices.read(path, **HINTS), path, "matrices")
    assert_refused(lambda p: matrices.read(p, sdd_mm=1000.0), saved(path, good), "shape")


def test_a_header_that_claims_a_thousand_million_views(tmp_path):
    data = io.BytesIO()
    np.lib.format.write_array_header_1_0(data, {"descr": "<f8", "fortran_order": False, "shape": (10**9, 3, 4)})
    (tmp_path / "p.npy").write_bytes(data.getvalue() + bytes(960))
    assert_refused(lambda path: matrices.read(path, **HINTS), tmp_path / "p.npy", "bytes")


def test_pickles_are_refused(tmp_path):
    np.save(tmp_path / "p.npy", np.array([{"a": 1}], object), allow_pickle=True)
    assert_refused(lambda path: matrices.read(path, **HINTS), tmp_path / "p.npy", "numbers")


@pytest.mark.parametrize("name", ["p.txt", "p.npy", "p.json"])
def test_damage(tmp_path, name):
    assert_damage_is_survived(lambda path: matrices.read(path, **HINTS), saved(tmp_path / name, matrix(VIEWS)))


def test_strange_values(tmp_path):
    write_geometry(tmp_path / "g.matrices.json", VIEWS)
    assert_strange_values_are_refused(matrices.read, tmp_path / "g.matrices.json")
