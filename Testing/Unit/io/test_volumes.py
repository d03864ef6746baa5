"""Volumes keep their values and their place in the world; broken files are refused with one sentence."""

import json
import re
import struct

import nrrd
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from XRayTomoLib.files import FileError
from XRayTomoLib.grids import CartesianGrid
from XRayTomoLib.io import VolumeError, check_voxels, read_image, read_volume, write_volume

LPS_TO_RAS = np.array([-1, -1, 1])
READ = [".nrrd", ".nhdr", ".nii", ".nii.gz", ".mha", ".mhd"]
WRITTEN = [".nrrd", ".nii", ".nii.gz", ".mha"]
relaxed = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def geometries(draw):
    """(direction 3x3 of either handedness, spacing, origin)."""
    quaternion = np.array(draw(st.lists(st.floats(-1, 1), min_size=4, max_size=4)))
    w, x, y, z = quaternion / np.linalg.norm(quaternion) if np.linalg.norm(quaternion) > 0.1 else (1.0, 0.0, 0.0, 0.0)
    direction = np.array([
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ])  # fmt: skip
    direction[:, 2] *= draw(st.sampled_from([1, -1]))
    spacing = draw(st.tuples(*[st.floats(0.1, 5)] * 3))
    origin = draw(st.tuples(*[st.floats(-500, 500)] * 3))
    return direction, spacing, origin


def voxels(shape=(4, 5, 6), dtype=np.int16):
    return (np.arange(np.prod(shape)).reshape(shape) * 7 - 300).astype(dtype)


STRAIGHT = (np.eye(3), (1, 1, 1), (0, 0, 0))


def write_itk(path, array, geometry=STRAIGHT, compress=False):
    image = sitk.GetImageFromArray(array)
    direction, spacing, origin = geometry
    image.SetDirection(np.ravel(direction).tolist())
    image.SetSpacing([float(s) for s in spacing])
    image.SetOrigin([float(o) for o in origin])
    sitk.WriteImage(image, str(path), compress)
    return image


def itk_ras(image, ijk):
    return np.array(image.TransformContinuousIndexToPhysicalPoint([float(x) for x in ijk])) * LPS_TO_RAS


NO_IMAGES = [b"", b"hello, I am a text file\n" * 40, bytes(range(256)) * 8, b"NRRD0005\n", b"\x1f\x8b\x08\x00" + b"x" * 400]
POINTS = [(0, 0, 0), (5, 0, 0), (0, 4, 0), (0, 0, 3), (-0.5, 4.5, 1.25)]


@pytest.mark.parametrize("suffix", READ)
@given(geometry=geometries())
@relaxed
def test_read_places_voxels_where_itk_does(tmp_path, suffix, geometry):
    image = write_itk(tmp_path / f"v{suffix}", voxels(), geometry)
    volume = read_volume(tmp_path / f"v{suffix}")
    np.testing.assert_array_equal(volume.array, voxels())
    for ijk in POINTS:  # NIfTI keeps its geometry as float32
        np.testing.assert_allclose(volume.grid.ras_from_ijk(ijk), itk_ras(image, ijk), atol=2e-3 if "nii" in suffix else 1e-6)
    assert volume.grid.is_left_handed == (np.linalg.det(geometry[0]) < 0)


@pytest.mark.parametrize("suffix", WRITTEN)
@given(geometry=geometries())
@relaxed
def test_written_file_is_placed_by_itk_where_the_grid_says(tmp_path, suffix, geometry):
    direction, spacing, origin = geometry
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = direction * spacing, origin
    grid = CartesianGrid((4, 5, 6), matrix)
    write_volume(tmp_path / f"v{suffix}", voxels(), grid)
    image = sitk.ReadImage(str(tmp_path / f"v{suffix}"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), voxels())
    for ijk in POINTS:
        np.testing.assert_allclose(itk_ras(image, ijk), grid.ras_from_ijk(ijk), atol=2e-3 if "nii" in suffix else 1e-6)


def test_nrrd_in_ras_is_the_same_place_as_in_lps(tmp_path):
    header = {"space": "right-anterior-superior", "space directions": np.diag([2.0, 3.0, 4.0]), "space origin": [10.0, 20.0, 30.0]}
    nrrd.write(str(tmp_path / "ras.nrrd"), voxels((6, 5, 4)), header)
    expected = [[2, 0, 0, 10], [0, 3, 0, 20], [0, 0, 4, 30], [0, 0, 0, 1]]
    np.testing.assert_allclose(read_volume(tmp_path / "ras.nrrd").grid.ijk_to_ras, expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64, np.float16, bool])
@pytest.mark.parametrize("suffix", WRITTEN)
def test_values_of_every_type_survive(tmp_path, suffix, dtype):
    array = (np.arange(24).reshape(2, 3, 4) % 5).astype(dtype)
    write_volume(tmp_path / f"v{suffix}", array, CartesianGrid.centred(array.shape, 1))
    np.testing.assert_array_equal(read_volume(tmp_path / f"v{suffix}").array, array)


def test_sheared_grid_survives_in_nrrd_and_is_refused_elsewhere(tmp_path):
    matrix = np.eye(4)
    matrix[0, 1] = 0.5
    grid = CartesianGrid((4, 5, 6), matrix)
    write_volume(tmp_path / "v.nrrd", voxels(), grid)
    np.testing.assert_allclose(read_volume(tmp_path / "v.nrrd").grid.ijk_to_ras, matrix, atol=1e-12)
    for suffix in (".mha", ".nii.gz"):
        with pytest.raises(VolumeError, match="sheared grid; choose a .nrrd"):
            write_volume(tmp_path / f"v{suffix}", voxels(), grid)


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_provenance_survives(tmp_path, suffix):
    provenance = {"operation": "drr", "note": "a := b = c; é \"quoted\"", "list": list(range(3000))}
    write_volume(tmp_path / f"v{suffix}", voxels(), CartesianGrid.centred((4, 5, 6), 1), {"provenance": provenance, "ct": "chest"})
    fields = read_volume(tmp_path / f"v{suffix}").fields
    assert json.loads(fields["provenance"]) == provenance
    assert fields["ct"] == "chest"


def test_nifti_says_that_it_drops_provenance(tmp_path, caplog):
    write_volume(tmp_path / "v.nii.gz", voxels(), CartesianGrid.centred((4, 5, 6), 1), {"ct": "chest"})
    assert "provenance" in caplog.text


def one_sentence(error, path):
    text = str(error.value)
    assert "\n" not in text
    assert text.endswith(".")
    assert str(path) in text


@pytest.mark.parametrize("suffix", READ)
@pytest.mark.parametrize("content", NO_IMAGES)
def test_files_that_are_no_images(tmp_path, suffix, content, capfd):
    path = tmp_path / f"no{suffix}"
    path.write_bytes(content)
    with pytest.raises(VolumeError) as error:
        read_volume(path)
    one_sentence(error, path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("suffix", [".nrrd", ".nii", ".nii.gz", ".mha"])
@pytest.mark.parametrize("compress", [False, True])
@given(share=st.floats(0, 0.99))
@relaxed
def test_truncated_files(tmp_path, suffix, compress, share):
    path = tmp_path / f"cut{suffix}"
    write_itk(path, np.random.default_rng(0).normal(size=(7, 8, 9)).astype(np.float32), compress=compress)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(VolumeError) as error:
        read_volume(path)
    one_sentence(error, path)


@given(data=st.data())
@relaxed
def test_a_damaged_header_is_refused_or_read_but_never_crashes(tmp_path, data):
    suffix = data.draw(st.sampled_from([".nrrd", ".nii", ".mha"]))
    path = tmp_path / f"damaged{suffix}"
    write_itk(path, voxels())
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, 300))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        assert read_image(path).array.ndim == 3
    except VolumeError as error:
        assert "\n" not in str(error)


def test_sizes_in_a_header_are_not_believed(tmp_path):
    path = tmp_path / "huge.nrrd"
    write_itk(path, voxels())
    path.write_bytes(re.sub(rb"sizes: .*", b"sizes: 90000 90000 90000", path.read_bytes()))
    with pytest.raises(VolumeError, match="header promises"):
        read_volume(path)


def test_nifti_of_several_gzip_members_is_read(tmp_path):
    import gzip

    write_itk(tmp_path / "plain.nii", voxels())
    content = (tmp_path / "plain.nii").read_bytes()
    (tmp_path / "two.nii.gz").write_bytes(gzip.compress(content[:400]) + gzip.compress(content[400:]))
    np.testing.assert_array_equal(read_volume(tmp_path / "two.nii.gz").array, voxels())


def test_nifti_promise_is_read_in_both_byte_orders(tmp_path):
    path = tmp_path / "big-endian.nii"
    header = bytearray(352)
    struct.pack_into(">i", header, 0, 348)
    struct.pack_into(">8h", header, 40, 3, 6, 5, 4, 1, 1, 1, 1)
    struct.pack_into(">2h", header, 70, 4, 16)
    struct.pack_into(">8f", header, 76, 1, 1, 1, 1, 0, 0, 0, 0)
    struct.pack_into(">f", header, 108, 352)
    header[344:348] = b"n+1\0"
    path.write_bytes(bytes(header) + voxels().astype(">i2").tobytes())
    np.testing.assert_array_equal(read_volume(path).array, voxels())
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(VolumeError, match="ends before"):
        read_volume(path)


@pytest.mark.parametrize(("shape", "message"), [((3, 4, 5, 6), "4 dimensions"), ((4, 5), "2 dimensions")])
def test_other_dimensions(tmp_path, shape, message):
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros(shape, np.float32), isVector=False), str(tmp_path / "d.nrrd"))
    with pytest.raises(VolumeError, match=message):
        read_volume(tmp_path / "d.nrrd")


def test_colour_volume(tmp_path):
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((3, 4, 5, 3), np.uint8), isVector=True), str(tmp_path / "rgb.mha"))
    with pytest.raises(VolumeError, match="3 values per voxel"):
        read_volume(tmp_path / "rgb.mha")


def test_one_slice_is_an_image_but_no_volume(tmp_path):
    path = tmp_path / "slice.nrrd"
    write_volume(path, np.ones((1, 4, 5), np.float32), CartesianGrid.centred((1, 4, 5), 1))
    assert read_image(path).array.shape == (1, 4, 5)
    with pytest.raises(VolumeError, match="5 x 4 x 1 voxels are not a volume") as error:
        read_volume(path)
    one_sentence(error, path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_voxels_that_are_no_numbers(value):
    array = np.zeros((3, 3, 3), np.float32)
    array[1, 1, 1] = array[0, 0, 2] = value
    with pytest.raises(VolumeError, match="ct: 2 voxels are not finite"):
        check_voxels(array, "ct")


def test_large_finite_voxels_are_accepted():
    check_voxels(np.full((3, 3, 3), 3e38, np.float32), "ct")


@pytest.mark.parametrize(("name", "message"), [("none.nrrd", "no such file"), ("picture.jpg", "not a volume format")])
def test_wrong_paths(tmp_path, name, message):
    (tmp_path / "picture.jpg").write_bytes(b"x")
    with pytest.raises(FileError, match=message):
        read_volume(tmp_path / name)


def test_series_of_a_file(tmp_path):
    write_itk(tmp_path / "v.nrrd", voxels())
    with pytest.raises(VolumeError, match="leave it out"):
        read_volume(tmp_path / "v.nrrd", series="1.2.3")


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("v.png", (4, 5, 6), "let the name end with .nrrd or .mha"),
        ("v.nrrd", (4, 5, 7), "must be the same"),
        ("absent/v.nrrd", (4, 5, 6), "choose another folder"),
    ],
)
def test_bad_writes_leave_nothing(tmp_path, name, shape, message):
    with pytest.raises(FileError, match=message):
        write_volume(tmp_path / name, np.zeros(shape), CartesianGrid.centred((4, 5, 6), 1))
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "v.nrrd"
    grid = CartesianGrid.centred((4, 5, 6), 1)
    write_volume(path, voxels(), grid)

    def full(name, *arguments, **options):
        with open(name, "wb") as file:
            file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(nrrd, "write", full)
    with pytest.raises(VolumeError, match="No space left"):
        write_volume(path, voxels() + 1, grid)
    assert list(tmp_path.iterdir()) == [path]
    np.testing.assert_array_equal(read_volume(path).array, voxels())
