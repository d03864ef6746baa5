"""Varian OBI: bits of the pixels, points where RTK's formula sees them, and broken files."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from Unit.io.projections import vendor_kit as kit

from XRayTomoLib.geometry.formats import FormatError, read_geometry, recognise_format
from XRayTomoLib.io.projections import ProjectionError, varian, varian_obi

SHAPE = (6, 8)
ANGLES = [-178.5, -90.0, 0.0, 33.25, 181.0]


def image(seed, shape=SHAPE, top=60000):
    return np.random.default_rng(seed).integers(0, top, shape).astype(np.uint32)


def write_scan(folder, write=kit.write_hnd, suffix=".hnd", info=None, **doubles):
    kit.write_projection_info(folder / "ProjectionInfo.xml", **(info or {}))
    for i, angle in enumerate(ANGLES):
        write(folder / f"Proj_{9 + i}{suffix}", image(i), **({"CTProjectionAngle": angle} | doubles))  # 9, 10, ...: not the order of letters
    return folder


@given(shape=st.tuples(st.integers(2, 9), st.integers(2, 9)), data=st.data())
@kit.relaxed
def test_pixels_survive_compression_to_the_last_bit(tmp_path, shape, data):
    kinds = [st.integers(0, 2**32 - 1), st.integers(30000, 30100), st.sampled_from([0, 1, 127, 128, 129, 255, 32767, 32768, 65535, 2**31, 2**32 - 1])]
    pixels = data.draw(hnp.arrays(np.uint32, shape, elements=data.draw(st.sampled_from(kinds))))
    kit.write_hnd(tmp_path / "p.hnd", pixels)
    read = varian_obi.read_pixels(tmp_path / "p.hnd")
    assert read.dtype == np.uint32
    np.testing.assert_array_equal(read, pixels)


@given(data=st.data())
@kit.relaxed
def test_every_width_of_difference_is_read_wherever_it_stands(data):
    pixels = image(3, (5, 7), 90)
    table, stream = kit.compress(pixels, widest=data.draw(st.sets(st.integers(0, 26))))
    read = varian.decode("image", np.frombuffer(table, np.uint8), np.frombuffer(stream, np.uint8), (5, 7))
    np.testing.assert_array_equal(read, pixels)


def test_differences_at_the_limits_of_their_width():
    """-128, 127, -32768, 32767 and one beyond each: one, two and four bytes, with signs."""
    differences = [-128, 127, -129, 128, -32768, 32767, -32769, 32768, -(2**31), 2**31 - 1, 0, -1]
    rise = np.cumsum([0, *differences], dtype=np.int64) % 2**32
    pixels = np.stack([np.zeros(13), rise, np.zeros(13)]).astype(np.uint32)
    table, stream = kit.compress(pixels)
    assert {code >> shift & 3 for code in table for shift in (0, 2, 4, 6)} == {0, 1, 2}
    np.testing.assert_array_equal(varian.decode("image", np.frombuffer(table, np.uint8), np.frombuffer(stream, np.uint8), (3, 13)), pixels)


@pytest.mark.parametrize(("write", "suffix", "dtype"), [(kit.write_hnd, ".hnd", np.uint32), (kit.write_hnc, ".hnc", np.uint16)])
def test_a_folder_is_recognised_and_read_in_the_order_of_its_numbers(tmp_path, write, suffix, dtype):
    write_scan(tmp_path, write, suffix)
    assert varian_obi.recognise(tmp_path)
    assert varian_obi.recognise(tmp_path / f"Proj_10{suffix}")
    scan = varian_obi.open_projections(tmp_path)
    assert (len(scan), scan.shape, scan.dtype) == (5, SHAPE, dtype)
    for i in range(5):
        np.testing.assert_array_equal(scan[i], image(i))
    assert scan.i0 == (139000 if suffix == ".hnd" else None)
    assert scan.found["source angle (IEC)"].startswith("-178.50 to 181.00")


def test_images_in_a_folder_below(tmp_path):
    (tmp_path / "Scan0").mkdir()
    write_scan(tmp_path / "Scan0")
    (tmp_path / "Scan0" / "ProjectionInfo.xml").rename(tmp_path / "projectioninfo.XML")
    assert len(varian_obi.open_projections(tmp_path)) == len(varian_obi.open_projections(tmp_path / "Scan0")) == 5


def test_several_scans_below_a_folder_are_recognised_and_named(tmp_path):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        write_scan(tmp_path / name)
    assert varian_obi.recognise(tmp_path)
    with pytest.raises(FormatError, match=r"2 folders in it .* \(first, second\)"):
        varian_obi.open_projections(tmp_path)


@given(fan=st.sampled_from(["HalfFan", "FullFan"]), sod=st.floats(800, 1100), sdd=st.floats(1200, 1600), x=st.floats(-20, 20), y=st.floats(-20, 20),
       lateral=st.floats(-160, 160), pitch=st.tuples(st.floats(0.1, 1), st.floats(0.1, 1)))  # fmt: skip
@kit.relaxed
def test_points_are_seen_where_the_formula_of_rtk_sees_them(tmp_path, fan, sod, sdd, x, y, lateral, pitch):
    info = {"FanType": fan, "CalibratedSAD": sod, "CalibratedSID": sdd, "CalibratedDetectorOffsetX": x, "CalibratedDetectorOffsetY": y,
            "DetectorPosLat": lateral}  # fmt: skip
    write_scan(tmp_path, info=info, IDUResolutionX=pitch[0], IDUResolutionY=pitch[1])
    views = varian_obi.open_projections(tmp_path).views
    ox = x + lateral if fan == "HalfFan" else x
    for seen, angle in zip(views.project(kit.POINTS), ANGLES):
        np.testing.assert_allclose(seen, kit.rtk_pixels(kit.POINTS, angle, sod, sdd, ox, y, SHAPE, pitch), atol=1e-6)
    assert (views.handedness == -1).all()


def test_source_of_a_patient_on_the_back_head_first(tmp_path):
    """IEC: at 0 the source is above the patient (anterior), at 90 at the patient's left; feet first it is at the right then."""
    write_scan(tmp_path)
    source = dict(zip(ANGLES, varian_obi.open_projections(tmp_path).views.source))
    np.testing.assert_allclose(source[0.0], [0, 1000, 0], atol=1e-9)
    np.testing.assert_allclose(source[-90.0], [1000, 0, 0], atol=1e-9)
    for position, right, anterior in [("FFS", -1, 1), ("HFP", -1, -1), ("FFP", 1, -1)]:
        views = varian_obi.open_projections(tmp_path, patient_position=position, isocentre_ras=(1, 2, 3)).views
        np.testing.assert_allclose(views.source[[1, 2]], [[1 + 1000 * right, 2, 3], [1, 2 + 1000 * anterior, 3]], atol=1e-9)
        np.testing.assert_allclose(np.sign(views.v[:, 2]), 1 if position[:2] == "HF" else -1)


def test_geometry_alone(tmp_path):
    write_scan(tmp_path)
    assert recognise_format(tmp_path) == recognise_format(tmp_path / "ProjectionInfo.xml") == "varian_obi"
    np.testing.assert_array_equal(read_geometry(tmp_path).source, varian_obi.open_projections(tmp_path).views.source)


@pytest.mark.parametrize(
    ("info", "message"),
    [
        ({"CalibratedSID": None}, "'CalibratedSID' is missing"),
        ({"CalibratedSAD": "nan"}, "'CalibratedSAD': has values that are not finite"),
        ({"CalibratedSAD": "far"}, "'CalibratedSAD': expected numbers"),
        ({"CalibratedSAD": 1600.0}, "source to axis 1600 mm, source to detector 1500 mm"),
        ({"DetectorPosLat": None}, "'DetectorPosLat' is missing"),
    ],
)
def test_broken_projection_info(tmp_path, info, message):
    write_scan(tmp_path, info=info)
    with pytest.raises(FormatError) as error:
        varian_obi.open_projections(tmp_path)
    kit.one_sentence(error, tmp_path / "ProjectionInfo.xml", message)


NO_XML = [b"", b"<ProjectionInfo>", b"\xff\xfe\x00", b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", b"<?xml version='1.0' encoding='nix'?><a/>"]


@pytest.mark.parametrize("content", NO_XML)
def test_what_is_no_xml(tmp_path, content):
    write_scan(tmp_path)
    (tmp_path / "ProjectionInfo.xml").write_bytes(content)
    with pytest.raises(FormatError) as error:
        varian_obi.open_projections(tmp_path)
    kit.one_sentence(error, tmp_path / "ProjectionInfo.xml")


@pytest.mark.parametrize("name", ["absent", "absent/Proj_9.hnd"])
def test_wrong_paths(tmp_path, name):
    with pytest.raises(FormatError, match="cannot be listed|folder of the scan|give that of the scan"):
        varian_obi.open_projections(tmp_path / name)


def test_projection_info_is_missing(tmp_path):
    write_scan(tmp_path)
    (tmp_path / "ProjectionInfo.xml").unlink()
    with pytest.raises(FormatError, match="no ProjectionInfo.xml"):
        varian_obi.open_projections(tmp_path)


BROKEN_HEADERS = [
    (0, b"RIFF", "does not begin with VARIAN_VA_INTERNAL"),
    (120, struct.pack("<II", 9, 6), "SizeX x SizeY = 9 x 6"),
    (120, struct.pack("<II", 0, 6), "expected at least 2 x 2 pixels"),
    (120, struct.pack("<II", 40000, 25000), "get a complete copy|expected 8 x 6"),
    (432, struct.pack("<d", np.nan), "CTProjectionAngle"),
    (432, struct.pack("<d", np.inf), "CTProjectionAngle"),
]


@pytest.mark.parametrize(("at", "value", "message"), BROKEN_HEADERS)
@pytest.mark.parametrize(("write", "suffix"), [(kit.write_hnd, ".hnd"), (kit.write_hnc, ".hnc")])
def test_broken_headers(tmp_path, write, suffix, at, value, message):
    write_scan(tmp_path, write, suffix)
    path = tmp_path / f"Proj_10{suffix}"
    content = path.read_bytes()
    path.write_bytes(content[:at] + value + content[at + len(value) :])
    with pytest.raises(FormatError, match=message) as error:
        varian_obi.open_projections(tmp_path)
    kit.one_sentence(error, path)


def test_a_billion_pixels_claimed_by_one_small_file(tmp_path, monkeypatch):
    write_scan(tmp_path)
    path = tmp_path / "Proj_10.hnd"
    content = path.read_bytes()
    path.write_bytes(content[:120] + struct.pack("<II", 40000, 25000) + content[128:])
    with pytest.raises(ProjectionError, match="40000 x 25000 pixels need at least 12") as error:
        varian_obi.read_pixels(path)
    kit.one_sentence(error, path)
    monkeypatch.setenv("XRAYTOMO_MEMORY_MB", "0.001")
    with pytest.raises(ProjectionError, match="XRAYTOMO_MEMORY_MB"):
        varian_obi.read_pixels(tmp_path / "Proj_9.hnd")


def test_a_code_that_does_not_exist(tmp_path):
    write_scan(tmp_path)
    path = tmp_path / "Proj_9.hnd"
    content = path.read_bytes()
    path.write_bytes(content[:1025] + b"\x0c" + content[1026:])
    with pytest.raises(ProjectionError, match="pixel 14 has a difference of no known width"):
        varian_obi.read_pixels(path)


@given(data=st.data(), write=st.sampled_from([kit.write_hnd, kit.write_hnc]))
@kit.relaxed
def test_cut_files_are_refused(tmp_path, data, write):
    path = tmp_path / f"cut{'.hnd' if write is kit.write_hnd else '.hnc'}"
    write(path, image(0))
    kit.refuses_cuts(data, path, varian_obi.read_pixels)


@given(data=st.data())
@kit.relaxed
def test_damaged_bytes_never_crash(tmp_path, data):
    write_scan(tmp_path)
    path = tmp_path / data.draw(st.sampled_from(["Proj_9.hnd", "ProjectionInfo.xml"]))
    kit.survives_damage(data, path, "varian_obi", tmp_path, SHAPE, 1100 if path.suffix == ".hnd" else None)
