"""Zeiss .txrm: streams of a compound file, points where CIL's convention sees them, and broken files."""

import struct
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from Unit.io.projections import vendor_kit as kit

from XRayTomoLib.io.projections import ProjectionError, zeiss

SHAPE = (5, 7)


def images(count=3, dtype="<u2", shape=SHAPE):
    return np.random.default_rng(1).integers(0, 60000, (count, *shape)).astype(dtype)


@pytest.fixture
def path(tmp_path):
    pytest.importorskip("olefile", reason="olefile is missing: pip install olefile")
    return tmp_path / "scan.txrm"


@pytest.mark.parametrize("dtype", ["<u2", "<f4"])
@pytest.mark.parametrize(("count", "shape"), [(3, SHAPE), (103, (2, 3)), (2, (60, 70))])  # more than 100 images, streams above 4096 bytes
def test_images_are_read_to_the_last_bit(path, dtype, count, shape):
    stack = images(count, dtype, shape)
    kit.write_txrm(path, stack)
    assert zeiss.recognise(path)
    assert zeiss.recognise(path.parent)
    scan = zeiss.open_projections(path.parent)
    assert (len(scan), scan.shape, scan.dtype) == (count, shape, np.dtype(dtype))
    np.testing.assert_array_equal(np.stack(list(scan)), stack)


def test_reference_is_the_flat(path):
    flat = images(1, "<f4")[0]
    kit.write_txrm(path, images(), ReferenceData__Image=flat.tobytes(), ReferenceData__DataType=struct.pack("<i", 10))
    np.testing.assert_array_equal(zeiss.open_projections(path).flat, flat)


def cil_pixels(points, angle_deg, shift, pitch, sod, odd):
    """(row, col): the object turns by the angle about z, rows run upwards; what CIL would roll by `shift` stands that much earlier."""
    a = np.deg2rad(angle_deg)
    x, y = np.cos(a) * points[:, 0] - np.sin(a) * points[:, 1], np.sin(a) * points[:, 0] + np.cos(a) * points[:, 1]
    scale = 1 if sod is None else (sod + odd) / (sod + y)
    return np.stack([scale * points[:, 2] / pitch + (SHAPE[0] - 1) / 2 - shift[1], scale * x / pitch + (SHAPE[1] - 1) / 2 - shift[0]], -1)


@given(pixel=st.floats(1, 60, width=32), sod=st.floats(20, 200, width=32), odd=st.floats(20, 300, width=32), cone=st.booleans(),
       shifts=st.lists(st.floats(-9, 9, width=32), min_size=6, max_size=6))  # fmt: skip
@kit.relaxed
def test_points_are_seen_where_cil_has_them(path, pixel, sod, odd, cone, shifts):
    def floats(*values):
        return struct.pack(f"<{len(values)}f", *values)

    changes = {"PixelSize": floats(pixel), "StoRADistance": floats(-sod, 0, 0), "DtoRADistance": floats(odd, 0, 0),
               "XrayGeometry": struct.pack("<i", cone)}  # fmt: skip
    kit.write_txrm(path, images(), alignment__x_shifts=floats(*shifts[:3]), alignment__y_shifts=floats(*shifts[3:]),
                   **{f"ImageInfo__{name}": value for name, value in changes.items()})  # fmt: skip
    views = zeiss.open_projections(path).views
    points = kit.POINTS / 5
    for i, (seen, angle) in enumerate(zip(views.project(points), (-90, 0, 90))):
        pitch = pixel / 1000 * ((sod + odd) / sod if cone else 1)
        expected = cil_pixels(points, angle, (shifts[i], shifts[3 + i]), pitch, sod if cone else None, odd)
        np.testing.assert_allclose(seen, expected, atol=1e-6)


def test_a_folder_of_several_files(path):
    kit.write_txrm(path, images())
    kit.write_txrm(path.with_name("second.txrm"), images())
    assert zeiss.recognise(path.parent)
    with pytest.raises(ProjectionError, match="2 .txrm files in it; give one of them: scan.txrm, second.txrm"):
        zeiss.open_projections(path.parent)


def test_without_olefile_the_package_is_named(path, monkeypatch):
    kit.write_txrm(path, images())
    monkeypatch.setitem(sys.modules, "olefile", None)
    assert zeiss.recognise(path)
    with pytest.raises(ProjectionError, match="pip install olefile") as error:
        zeiss.open_projections(path)
    kit.one_sentence(error, path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ImageInfo__Angles": None}, "the stream ImageInfo/Angles is missing"),
        ({"ImageInfo__Angles": struct.pack("<2f", 0, 1)}, "the stream ImageInfo/Angles has 8 bytes; expected 12"),
        ({"ImageInfo__Angles": struct.pack("<3f", 0, 1, np.nan)}, "ImageInfo/Angles has values that are not finite"),
        ({"ImageInfo__PixelSize": struct.pack("<f", 0)}, "PixelSize = 0 um"),
        ({"ImageInfo__DataType": struct.pack("<i", 3)}, "ImageInfo/DataType = 3; expected 5"),
        ({"ImageInfo__NoOfImages": struct.pack("<i", 10**9)}, "NoOfImages x ImageHeight x ImageWidth = 1000000000 x 5 x 7"),
        ({"ImageInfo__ImageWidth": struct.pack("<i", 10**9)}, "NoOfImages x ImageHeight x ImageWidth = 3 x 5 x 1000000000"),
        ({"ImageInfo__ImageHeight": struct.pack("<i", -5)}, "ImageInfo/ImageHeight = -5"),
    ],
)
def test_missing_and_impossible_values(path, changes, message):
    kit.write_txrm(path, images(), **changes)
    with pytest.raises(ProjectionError) as error:
        zeiss.open_projections(path)
    kit.one_sentence(error, path, message)


def test_an_image_that_is_cut(path):
    kit.write_txrm(path, images(), ImageData1__Image2=b"\0" * 69)
    scan = zeiss.open_projections(path)
    with pytest.raises(ProjectionError, match="the stream ImageData1/Image2 has 69 bytes; expected 70"):
        scan[1]


@given(data=st.data())
@kit.relaxed
def test_cut_and_damaged_files_never_crash(path, data):
    kit.write_txrm(path, images())
    kit.survives_damage(data, path, "zeiss", path, SHAPE, data.draw(st.sampled_from([600, None])))
