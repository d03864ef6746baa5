"""The project's own JSON: exact to the last bit for every surface, old versions read, damaged texts refused."""
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from Unit.geometry.importer_kit import assert_same, damaged, free_pixels, radiographs, refused, round_trip, sheared, survives

from XRayTomoLib.geometry import Cylindrical, Spherical, Views, carm
from XRayTomoLib.geometry.detectors import Panels, Polar
from XRayTomoLib.geometry.detectors.base import KINDS
from XRayTomoLib.geometry.formats import recognise_format
from XRayTomoLib.geometry.formats.xraytomo import FormatError, text_from_views, views_from_text
from XRayTomoLib.resources import resource_path

SCHEMA = json.loads(resource_path("Schemas/xraytomo-geometry.schema.json").read_text(encoding="utf-8"))
THIRD = 1 / 3
CASES = {
    "flat": replace(sheared(0), times=np.arange(4) * THIRD, weights=np.full(4, 0.1)),
    "parallel": radiographs(1, parallel=True),
    "cylindrical": replace(radiographs(2), surface=Cylindrical(-700 * THIRD, 2 * THIRD)),
    "spherical": replace(radiographs(3), surface=Spherical(900 * THIRD, (THIRD, 0.1))),
    "polar": replace(radiographs(8), surface=Polar((2.1, 3.2), 5 * THIRD, 2 * THIRD, 10 * THIRD, -360 / 7)),
    "panels": replace(radiographs(9), surface=Panels.on_arc((5, 6), 2, 1000 * THIRD, (0.7, 1.1)), shape=(5, 6)),
    "free pixels": free_pixels(4),
    "free pixels from one source": replace(free_pixels(5), surface=replace(free_pixels(5).surface, sources=None)),
}
EXAMPLE = text_from_views(CASES["cylindrical"])
numbers = st.floats(-1e4, 1e4, allow_nan=False)
vectors = st.tuples(numbers, numbers, numbers)


@pytest.mark.parametrize("views", CASES.values(), ids=CASES)
def test_files_are_exact_and_follow_the_schema(tmp_path, views):
    jsonschema = pytest.importorskip("jsonschema")
    path = tmp_path / "scan.json"
    assert_same(round_trip(path, views), views, atol=0)
    assert recognise_format(path) == "xraytomo"
    jsonschema.validate(json.loads(path.read_text()), SCHEMA)


@settings(max_examples=50, deadline=None)
@given(sources=st.lists(vectors, min_size=1, max_size=4), origin=vectors, times=st.booleans(), direction=st.none() | vectors)
def test_text_is_exact(sources, origin, times, direction):
    parallel = direction is not None and np.linalg.norm(direction) > 1e-3
    beam = {"direction": [direction] * len(sources)} if parallel else {"source": sources}
    times = np.linspace(0, 1, len(sources)) / 3 if times else None
    views = Views(origin=origin, u=(0.1, 0.2, 0.3), v=(0.0, -THIRD, 0.7), shape=(3, 5), times=times, **beam)
    assert_same(views_from_text(text_from_views(views)), views, atol=0)


def test_tensors_are_written_as_their_numbers():
    views = radiographs(6)
    tensor = replace(views, source=torch.tensor(views.source, requires_grad=True))
    assert_same(views_from_text(text_from_views(tensor)), views, atol=0)


def test_version_1_is_read():
    text = ('{"format": "xraytomo-geometry", "version": 1, "shape": [2, 3], "surface": {"kind": "flat"}, "source": [[0.0, -600.0, 0.0]], '
            '"direction": null, "origin": [[1.0, 400.0, 0.5]], "u": [[-1.0, 0.0, 0.0]], "v": [[0.0, 0.0, -1.0]], "times": null, "weights": null}')
    expected = Views(source=[0, -600, 0], origin=[1, 400, 0.5], u=[-1, 0, 0], v=[0, 0, -1], shape=(2, 3))
    assert_same(views_from_text(text), expected, atol=0)


def test_every_surface_stands_in_the_schema():
    kinds = [form["properties"]["kind"]["const"] for form in SCHEMA["$defs"]["surface"]["oneOf"]]
    assert sorted(kinds) == sorted(KINDS)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "other"}, ("format",)),
        ({"version": 3}, ("version 3", "update")),
        ({"surface": {"kind": "cylinder"}}, ("surface", "cylinder")),
        ({"surface": {"kind": "cylindrical", "radius_mm": 3}}, ("apex_col",)),
        ({"surface": {"kind": "cylindrical", "radius_mm": "3", "apex_col": 1}}, ("radius_mm",)),
        ({"surface": {"kind": "spherical", "radius_mm": 3, "apex": [1]}}, ("apex",)),
        ({"surface": {"kind": ["flat"]}}, ("surface",)),
        ({"surface": {"kind": "cylindrical", "radius_mm": [3], "apex_col": 1}}, ("radius_mm",)),
        ({"surface": {"kind": "free_pixels", "targets": 3}}, ("targets",)),
        ({"surface": None}, ("surface",)),
        ({"shape": "big"}, ("shape",)),
        ({"shape": [10**9]}, ("shape",)),
        ({"shape": [0.5, 3]}, ("shape",)),
        ({"origin": [[1, 2]]}, ("origin",)),
        ({"origin": [[1, 2, float("nan")]]}, ("origin", "finite")),
        ({"u": [["1", "2", "3"]]}, ("u", "numbers")),
        ({"source": [[0, 0, 0]], "direction": [[0, 0, 1]]}, ("exactly one",)),
        ({"source": [[0, 0, 0]] * 3}, ("3",)),
        ({"u": [[0, 0, 0]]}, ("span no detector",)),
        ({"time": [1.0]}, ("time", "not known")),
    ],
)
def test_damaged_texts_are_refused(tmp_path, change, words):
    document = json.loads(text_from_views(carm("Free form").views([0, 90]))) | change
    refused(tmp_path / "scan.json", json.dumps(document), *words, format="xraytomo")


def test_files_that_are_cut_off_are_refused(tmp_path):
    for length in (0, 1, 40, len(EXAMPLE) // 2, len(EXAMPLE) - 3):
        refused(tmp_path / "scan.json", EXAMPLE[:length], format="xraytomo")
    refused(tmp_path / "scan.json", b"\xff\xfe\x00", "UTF-8", format="xraytomo")
    refused(tmp_path / "scan.json", "[" * 100_000, format="xraytomo")


def test_what_is_not_finite_is_not_written():
    with pytest.raises(FormatError, match="finite"):
        text_from_views(replace(radiographs(7), times=np.full(4, np.nan)))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=damaged(EXAMPLE.encode()))
def test_fuzzed_bytes_never_crash(tmp_path, content):
    survives(tmp_path / "scan.json", content, "xraytomo")
