"""What all formats promise: files are recognised as what they are, and bytes that are nothing are refused."""
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from Unit.geometry.importer_kit import assert_same_views

from XRayTomoLib.geometry import GeometryError, Views
from XRayTomoLib.geometry.formats import FORMATS, FormatError, load_format, lost_in, read_geometry, recognise_format, write_geometry

CIRCLE = np.linspace(0, 5, 7)
X, Y = (np.stack([a, b, 0 * a], 1) for a, b in ((np.cos(CIRCLE), np.sin(CIRCLE)), (-np.sin(CIRCLE), np.cos(CIRCLE))))
FACING = Views(source=-600 * Y, origin=400 * Y - 9 * X + [0, 0, -8], u=1.5 * X, v=[0, 0, 2.0], shape=(9, 13))
WRITABLE = [name for name in FORMATS if hasattr(load_format(name), "write")]
# what the files do not say of these views; formats that are not named here are tested elsewhere as to what comes back
HINTS = {"xraytomo": {}, "nerfstudio": {}, "mito": {}, "nanodrr": {}, "deepdrr": {}, "diffdrr": {}, "leap": {}, "krt": {"sdd_mm": 1000.0},
         "matrices": {"shape": FACING.shape, "sdd_mm": 1000.0}, "astra": {"shape": FACING.shape, "kind": "cone_vec"}}


def written(folder, name):
    views = FACING.flipped() if name == "nerfstudio" else FACING
    path = folder / f"g{load_format(name).SUFFIXES[-1]}"
    write_geometry(path, views, format=name)
    return path, views


@pytest.mark.parametrize("name", WRITABLE)
def test_written_files_are_recognised_and_read_back(tmp_path, name):
    path, views = written(tmp_path, name)
    assert recognise_format(path) == name
    if name in HINTS:
        assert_same_views(read_geometry(path, **HINTS[name]), views)


@pytest.mark.parametrize("name", WRITABLE)
def test_times_and_weights_are_kept_or_said_to_be_lost(tmp_path, name, caplog):
    views = replace(FACING.flipped() if name == "nerfstudio" else FACING, times=CIRCLE, weights=1 + CIRCLE)
    path = tmp_path / f"g{load_format(name).SUFFIXES[-1]}"
    write_geometry(path, views, name)
    lost = lost_in(name, views)
    assert len(caplog.records) == bool(lost) and all(word in caplog.text for word in lost)
    if not lost:
        assert_same_views(read_geometry(path, name), views)


@pytest.mark.parametrize("name", ["krt", "matrices", "nerfstudio", "mito", "nanodrr", "deepdrr", "diffdrr"])
def test_tensors_are_written_too(tmp_path, name):
    views = FACING.flipped() if name == "nerfstudio" else FACING
    source = torch.tensor(np.array(views.source), requires_grad=True)
    tensors = Views(source, None, *(np.array(a) for a in (views.origin, views.u, views.v)), views.shape)
    path = tmp_path / f"g{load_format(name).SUFFIXES[-1]}"
    write_geometry(path, tensors, format=name)
    assert_same_views(read_geometry(path, **HINTS[name]), views)


@settings(max_examples=60, deadline=None)
@given(st.one_of(st.binary(max_size=300), st.text(max_size=200).map(str.encode), st.text("{}[]\":,0123456789.eE+- \n", max_size=200).map(str.encode)))
def test_bytes_that_are_nothing_are_refused(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("fuzz") / "g.json"
    path.write_bytes(data)
    try:
        name = recognise_format(path)
    except FormatError as error:
        assert str(path) in str(error)
    else:
        with pytest.raises(GeometryError):
            read_geometry(path, format=name)
    for name in FORMATS:
        with pytest.raises(GeometryError):
            read_geometry(path, format=name)
