"""Stacks in one file: the same pixels from every format, read view by view; broken files are refused with one sentence."""

import gzip
import io
import json
import time

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from Unit.io.projections import stack_kit as kit

from XRayTomoLib.files import FileError
from XRayTomoLib.geometry.formats import write_geometry
from XRayTomoLib.io.projections import ProjectionError, open_projections, open_stack, recognise, write_stack
from XRayTomoLib.io.projections.stacks import writing_stack

relaxed = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def npy_bytes(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


ENCODERS = {
    "raw.nrrd": kit.nrrd_bytes,
    "big.nrrd": lambda a: kit.nrrd_bytes(a, ">"),
    "packed.nrrd": lambda a: kit.nrrd_bytes(a, encoding="gzip"),
    "skip.nrrd": lambda a: kit.nrrd_bytes(a, fields=["byte skip: 7"], skip=7),
    "from-end.nrrd": lambda a: kit.nrrd_bytes(a, fields=["byte skip: -1"], skip=9),
    "raw.mha": kit.meta_bytes,
    "big.mha": lambda a: kit.meta_bytes(a, ">"),
    "packed.mha": lambda a: kit.meta_bytes(a, compressed=True),
    "raw.nii": kit.nifti_bytes,
    "big.nii": lambda a: kit.nifti_bytes(a, ">"),
    "packed.nii.gz": lambda a: gzip.compress(kit.nifti_bytes(a)),
    "raw.npy": npy_bytes,
    "big.npy": lambda a: npy_bytes(a.astype(a.dtype.newbyteorder(">"))),
}


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "f4", "f8"])
def test_every_format_gives_the_same_pixels(tmp_path, name, dtype):
    array = kit.counts(dtype=dtype)
    (tmp_path / name).write_bytes(ENCODERS[name](array))
    stack = open_stack(tmp_path / name)
    assert (len(stack), stack.shape, stack.dtype) == (3, (4, 5), np.dtype(dtype))
    for index in (2, 0, 1):
        np.testing.assert_array_equal(stack[index], array[index])
    assert stack.to_array().dtype == np.dtype(dtype)
    np.testing.assert_array_equal(stack.to_array(), array)


@pytest.mark.parametrize("suffix", [".nrrd", ".nhdr", ".mha", ".mhd", ".nii", ".nii.gz"])
@pytest.mark.parametrize("packed", [False, True])
def test_files_of_itk(tmp_path, suffix, packed):
    array, path = kit.counts(), tmp_path / f"stack{suffix}"
    sitk.WriteImage(sitk.GetImageFromArray(array), str(path), packed)
    np.testing.assert_array_equal(open_stack(path).to_array(), array)


def test_nifti_scale_is_applied(tmp_path):
    array = kit.counts()
    (tmp_path / "s.nii").write_bytes(kit.nifti_bytes(array, scale=(0.5, -3.0)))
    np.testing.assert_allclose(open_stack(tmp_path / "s.nii").to_array(), 0.5 * array - 3.0)


def test_round_trip_with_geometry_and_provenance(tmp_path):
    views, array = kit.cone_views(), kit.counts(dtype=np.float32)
    made = {"operation": "test", "text": 'Müller\n"C:\\new"'}
    write_stack(tmp_path / "s.nrrd", array, views, provenance=made)
    stack = open_stack(tmp_path / "s.nrrd")
    np.testing.assert_array_equal(stack.to_array(), array)
    for name in ("source", "origin", "u", "v"):
        np.testing.assert_array_equal(getattr(stack.views, name), getattr(views, name))
    assert stack.kind == "line integral" and stack.found["geometry file"] == "s.geometry.json"
    assert json.loads(stack.found["provenance"]) == made
    assert len(stack.found["sha256"]) == 64 and set(stack.found["sha256"]) != {"0"}
    of_others = sitk.ReadImage(str(tmp_path / "s.nrrd"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(of_others), array)
    assert json.loads(of_others.GetMetaData("XRayTomo.provenance")) == made
    assert recognise(tmp_path / "s.nrrd") == "stacks"


def test_geometry_in_a_file_of_another_name(tmp_path):
    views = kit.cone_views()
    write_stack(tmp_path / "s.nrrd", kit.counts(), views, "counts", geometry_path=tmp_path / "größe.json")
    assert open_stack(tmp_path / "s.nrrd").views.shape == (4, 5)
    (tmp_path / "größe.json").unlink()
    with pytest.raises(ProjectionError, match=r"s.nrrd: its geometry file 'größe.json' is not in its folder"):
        open_stack(tmp_path / "s.nrrd")


def test_geometry_beside_and_given(tmp_path):
    (tmp_path / "s.mha").write_bytes(kit.meta_bytes(kit.counts()))
    assert open_stack(tmp_path / "s.mha").views is None
    write_geometry(tmp_path / "other.json", kit.cone_views())
    assert len(open_stack(tmp_path / "s.mha", geometry=tmp_path / "other.json").views) == 3
    write_geometry(tmp_path / "s.json", kit.cone_views())
    assert len(open_stack(tmp_path / "s.mha").views) == 3
    write_geometry(tmp_path / "s.json", kit.cone_views(count=2))
    with pytest.raises(ProjectionError, match="s.mha: the geometry has 2 views of 4 x 5 pixels, the projections are 3 of 4 x 5"):
        open_stack(tmp_path / "s.mha")


def test_an_unrelated_json_file_beside_a_volume_makes_no_stack(tmp_path):
    sitk.WriteImage(sitk.GetImageFromArray(kit.counts()), str(tmp_path / "ct.nii.gz"))
    (tmp_path / "ct.json").write_text('{"Modality": "CT"}')
    with pytest.raises(ProjectionError, match="no projections were recognised.*Looked for: .*stacks"):
        recognise(tmp_path / "ct.nii.gz")


def test_hints_make_a_geometry(tmp_path):
    np.save(tmp_path / "s.npy", kit.counts())
    stack = open_projections(tmp_path / "s.npy", angles=[0, 10, 20], pitch_mm=(0.5, 0.75), sdd_mm=800, sod_mm=500)
    np.testing.assert_allclose(stack.views.sdd_mm, 800)
    assert open_projections(tmp_path / "s.npy").views is None
    with pytest.raises(ProjectionError, match="does not use 'gantry'; it takes: angles, pitch_mm"):
        open_projections(tmp_path / "s.npy", gantry=3)


def test_streaming_keeps_nothing_of_a_failed_stack(tmp_path):
    (tmp_path / "s.nrrd").write_bytes(b"what was there")
    for images, message in ((2, "2 images were given, 3 were announced"), (4, "expected 3 images")):
        with pytest.raises(ProjectionError, match=message):
            with writing_stack(tmp_path / "s.nrrd", 3, (4, 5), np.uint16, kit.cone_views()) as append:
                for _ in range(images):
                    append(np.zeros((4, 5)))
    for image in (np.full((2, 3), 0.5), np.full((2, 3), 70000), np.full((2, 3), -1), np.full((2, 3), np.nan)):
        with pytest.raises(ProjectionError, match="image 1 holds numbers that uint16 cannot"):
            write_stack(tmp_path / "mixed.nrrd", [np.ones((2, 3), np.uint16), image])
        assert not (tmp_path / "mixed.nrrd").exists()
    for image in (np.full((2, 3), 1e300), np.full((2, 3), 1 + 1j)):
        with pytest.raises(ProjectionError, match="image 1 holds numbers that float32 cannot"):
            write_stack(tmp_path / "mixed.nrrd", [np.ones((2, 3), np.float32), image])
    write_stack(tmp_path / "mixed.nrrd", [np.ones((2, 3), np.float32), np.array([[0.1, np.inf, np.nan]] * 2)])
    (tmp_path / "mixed.nrrd").unlink()
    with pytest.raises(ProjectionError, match="expected 3 images of"):
        with writing_stack(tmp_path / "s.nrrd", 3, (4, 5)) as append:
            append(np.zeros((5, 4)))
    assert (tmp_path / "s.nrrd").read_bytes() == b"what was there"
    assert [file.name for file in tmp_path.iterdir()] == ["s.nrrd"]


@pytest.mark.parametrize("name", ENCODERS)
def test_truncated_files_are_refused(tmp_path, name):
    whole, path = ENCODERS[name](kit.counts()), tmp_path / name
    for length in (0, 5, len(whole) // 2, len(whole) - (10 if name == "from-end.nrrd" else 1)):
        path.write_bytes(whole[:length])
        with pytest.raises(ProjectionError, match=name):
            open_stack(path).to_array()


def test_brackets_without_end_take_no_time(tmp_path):
    """Each was once searched for its end: the square of their number, a minute here."""
    line = f"space directions: {'(' * 100_000}"
    (tmp_path / "s.nrrd").write_bytes(kit.nrrd_bytes(kit.counts(), fields=[line]))
    start = time.process_time()
    assert open_stack(tmp_path / "s.nrrd").shape == (4, 5)
    assert time.process_time() - start < 2


def test_a_truncated_stack_of_our_own_is_told_by_its_size(tmp_path):
    write_stack(tmp_path / "s.nrrd", kit.counts())
    (tmp_path / "s.nrrd").write_bytes((tmp_path / "s.nrrd").read_bytes()[:-7])
    with pytest.raises(ProjectionError, match="the header promises 120 bytes of pixels"):
        open_projections(tmp_path / "s.nrrd")


@pytest.mark.parametrize("name", ["raw.nrrd", "raw.mha", "raw.npy"])
def test_files_that_are_too_long_are_refused(tmp_path, name):
    (tmp_path / name).write_bytes(ENCODERS[name](kit.counts()) + b"!")
    with pytest.raises(ProjectionError, match="the header promises 120 bytes of pixels"):
        open_stack(tmp_path / name)


def broken(name, old, new):
    return ENCODERS[name](kit.counts()).replace(old, new)


@pytest.mark.parametrize("name, old, new, message", [
    ("raw.nrrd", b"NRRD0004", b"NRRX0004", "not that of a .nrrd"),
    ("raw.nrrd", b"type: uint16", b"type: block", "type 'block'"),
    ("raw.nrrd", b"type: uint16\n", b"", "type ''"),
    ("raw.nrrd", b"sizes: 5 4 3", b"sizes: 5 4 -3", "sizes '5 4 -3'"),
    ("raw.nrrd", b"sizes: 5 4 3", b"sizes: 5 4 0", "5 x 4 x 0 are no stack"),
    ("raw.nrrd", b"sizes: 5 4 3", b"sizes: 5 4 3 2", "5 x 4 x 3 x 2 are no stack"),
    ("raw.nrrd", b"sizes: 5 4 3", b"sizes: 100000 100000 1000000000", "the header promises"),
    ("packed.nrrd", b"sizes: 5 4 3", b"sizes: 100000 100000 1000000000", "cannot hold them"),
    ("raw.nrrd", b"encoding: raw", b"encoding: bzip2", "encoding 'bzip2'"),
    ("raw.nrrd", b"encoding: raw", b"encoding: raw\ndata file: ../other.raw", "one file in the same folder"),
    ("raw.nrrd", b"encoding: raw", b"encoding: raw\ndata file: absent.raw", "absent.raw: cannot be read"),
    ("raw.mha", b"DimSize = 5 4 3", b"DimSize = nan 4 3", "DimSize 'nan 4 3'"),
    ("raw.mha", b"DimSize", b"DimSise", "no NDims and DimSize"),
    ("raw.mha", b"MET_USHORT", b"MET_OTHER", "ElementType MET_OTHER"),
    ("raw.mha", b"LOCAL", b"/etc/passwd", "one file in the same folder"),
    ("raw.mha", b"LOCAL", b"LO\0AL", "one file in the same folder"),
    ("raw.npy", b"'<u2'", b"'|O8'", "type object"),
    ("raw.npy", b"False", b"True ", "Fortran order"),
    ("raw.npy", b"(3, 4, 5)", b"(3, 4, x)", "header of the .npy file is broken"),
])  # fmt: skip
def test_broken_headers_name_the_file_and_the_field(tmp_path, name, old, new, message):
    (tmp_path / name).write_bytes(broken(name, old, new))
    with pytest.raises(ProjectionError) as caught:
        open_stack(tmp_path / name)
    assert message in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_compressed_stacks_are_held_to_the_memory_budget(tmp_path, monkeypatch):
    array = np.zeros((20, 256, 256), np.uint16)
    (tmp_path / "s.nrrd").write_bytes(kit.nrrd_bytes(array, encoding="gzip"))
    monkeypatch.setenv("XRAYTOMO_MEMORY_MB", "1")
    with pytest.raises(ProjectionError, match="would have to be held in memory, the budget is 1 MB"):
        open_stack(tmp_path / "s.nrrd")
    (tmp_path / "s.nrrd").write_bytes(kit.nrrd_bytes(array))
    assert open_stack(tmp_path / "s.nrrd")[19].shape == (256, 256)
    with pytest.raises(ProjectionError, match="budget is 1 MB"):
        open_stack(tmp_path / "s.nrrd").to_array()


@relaxed
@given(data=st.data(), name=st.sampled_from(sorted(ENCODERS)))
def test_fuzzed_bytes_never_crash_a_reader(tmp_path, data, name):
    content = bytearray(ENCODERS[name](kit.counts()))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, min(len(content), 400) - 1))
        content[at] = data.draw(st.integers(0, 255))
    (tmp_path / name).write_bytes(content)
    try:
        open_stack(tmp_path / name).to_array()
    except FileError as error:
        assert name in str(error) or str(tmp_path) in str(error)


def test_a_view_of_six_gigabytes_costs_a_view(tmp_path):
    """2000 views of 1024 x 1536 in 2 bytes: opened and one view read without the rest."""
    resource = pytest.importorskip("resource")
    rows, cols, count = 1024, 1536, 2000
    header = kit.nrrd_bytes(np.zeros((1, 1, 1), np.uint16)).replace(b"sizes: 1 1 1", f"sizes: {cols} {rows} {count}".encode())[:-2]
    path = tmp_path / "big.nrrd"
    with open(path, "wb") as file:
        file.write(header)
        file.truncate(len(header) + 2 * rows * cols * count)
        file.seek(len(header) + 2 * rows * cols * 1234)
        file.write(np.full(rows * cols, 7, "<u2").tobytes())
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    view = open_stack(path)[1234]
    assert time.perf_counter() - start < 1.0
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) < 50_000      # kB
    assert view.shape == (rows, cols) and (view == 7).all()
