"""Varian TrueBeam: bits of the pixels, properties, air scans, points where RTK's formula sees them, and broken files."""

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from Unit.io.projections import vendor_kit as kit

from XRayTomoLib.geometry.formats import FormatError, recognise_format
from XRayTomoLib.geometry.formats.truebeam import read_xim
from XRayTomoLib.io.projections import ProjectionError, open_projections, truebeam

SHAPE = (6, 9)
SOURCE_RTN = [0.0, 0.5, 0.9, 0.95, 181.25]  # KVSourceRtn: at full speed 0.545 degrees a frame; two steps are shorter than 0.9 of that
MONITOR = [100.0, 110.0, 90.0, 120.0, 80.0]


def image(seed, shape=SHAPE):
    return np.random.default_rng(seed).integers(0, 60000, shape).astype(np.int32)


def write_scan(folder, monitor=True, scan=None, **properties):
    kit.write_scan_xml(folder / "Scan.xml", **(scan or {}))
    place = folder / "Acquisitions" / "817263"
    place.mkdir(parents=True)
    for i, angle in enumerate(SOURCE_RTN):
        values = {"KVSourceRtn": angle, "KVNormChamber": MONITOR[i] if monitor else None} | properties
        kit.write_xim(place / f"Proj_{i:05}.xim", image(i), **values)
    return place


def write_air(folder, name="AIR-Half-Bowtie-125KV", file="FilterBowtie.xim", pixels=None, **properties):
    place = folder / "Calibrations" / name / "Current"
    place.mkdir(parents=True, exist_ok=True)
    kit.write_xim(place / file, np.full(SHAPE, 50000, np.int32) if pixels is None else pixels, **properties)


@given(shape=st.tuples(st.integers(2, 9), st.integers(2, 9)), data=st.data())
@kit.relaxed
def test_pixels_survive_compression_to_the_last_bit(tmp_path, shape, data):
    elements = st.one_of(st.integers(-(2**31), 2**31 - 1), st.integers(-100, 100), st.integers(0, 65535))
    pixels = data.draw(hnp.arrays(np.int32, shape, elements=elements))
    kit.write_xim(tmp_path / "p.xim", pixels)
    read = truebeam.read_pixels(tmp_path / "p.xim")
    assert read.dtype == np.int32
    np.testing.assert_array_equal(read, pixels)


@pytest.mark.parametrize(("width", "top"), [(1, 255), (2, 65535), (4, 2**31 - 1)])
def test_uncompressed_pixels(tmp_path, width, top):
    pixels = np.linspace(0, top, 54).astype(np.int64).reshape(SHAPE).astype(np.int32)
    kit.write_xim(tmp_path / "p.xim", pixels, compressed=False, bytes_per_pixel=width)
    np.testing.assert_array_equal(truebeam.read_pixels(tmp_path / "p.xim"), pixels)


def test_properties_of_every_type(tmp_path):
    kit.write_xim(tmp_path / "p.xim", image(0), KVSourceRtn=12.5)
    found = read_xim(tmp_path / "p.xim").properties
    assert (found["Count"], found["KVSourceRtn"], found["Name"], found["Doubles"], found["Integers"]) == (7, 12.5, "a text", [1.5, 2.5], [1, 2, 3])


def test_a_folder_is_recognised_and_read(tmp_path):
    place = write_scan(tmp_path)
    assert recognise_format(tmp_path) == recognise_format(tmp_path / "Scan.xml") == "truebeam"
    for path in (tmp_path, place, place / "Proj_00001.xim"):
        assert truebeam.recognise(path)
        scan = truebeam.open_projections(path)
        assert (len(scan), scan.shape, scan.dtype) == (5, SHAPE, np.int32)
        np.testing.assert_array_equal(scan[3], image(3))


def test_several_acquisitions_are_recognised_and_named(tmp_path):
    place = write_scan(tmp_path)
    (place.parent / "second").mkdir()
    kit.write_xim(place.parent / "second" / "Proj_0.xim", image(0))
    assert truebeam.recognise(tmp_path)
    with pytest.raises(FormatError, match="2 acquisitions .* one: 817263, second"):
        truebeam.open_projections(tmp_path)
    assert len(truebeam.open_projections(place)) == 5


def test_near_duplicates_are_kept_and_reported(tmp_path):
    write_scan(tmp_path)
    scan = truebeam.open_projections(tmp_path)
    assert len(scan) == 5
    assert scan.found["near-duplicate views"] == "2 lie nearer than 0.491 deg to the one before (kept)"


def test_frames_without_pixels_are_left_out_and_counted(tmp_path):
    place = write_scan(tmp_path)
    kit.write_xim(place / "Proj_00002.xim", np.zeros((0, 0), np.int32), KVSourceRtn=1.0)
    scan = truebeam.open_projections(tmp_path)
    assert len(scan) == len(scan.views) == len(scan.exposure) == 4
    assert scan.found["frames without pixels"] == "1, left out"
    np.testing.assert_array_equal(scan[2], image(3))


@given(sod=st.floats(800, 1100), sdd=st.floats(1200, 1600), lateral=st.floats(-20, 20), along=st.floats(-3, 3),
       pitch=st.tuples(st.floats(0.01, 0.1), st.floats(0.01, 0.1)))  # fmt: skip
@kit.relaxed
def test_points_are_seen_where_the_formula_of_rtk_sees_them(tmp_path_factory, sod, sdd, lateral, along, pitch):
    folder = tmp_path_factory.mktemp("scan")
    write_scan(folder, scan={"SAD": sod, "SID": sdd}, KVDetectorLat=lateral, KVDetectorLng=along, PixelWidth=pitch[0], PixelHeight=pitch[1])
    views = truebeam.open_projections(folder).views
    for seen, angle in zip(views.project(kit.POINTS), SOURCE_RTN):
        expected = kit.rtk_pixels(kit.POINTS, 180 - angle, sod, sdd, 10 * lateral, 10 * along, SHAPE, (10 * pitch[0], 10 * pitch[1]))
        np.testing.assert_allclose(seen, expected, atol=1e-6)


def test_flat_is_the_mean_of_the_air_scans_and_exposure_is_relative_to_it(tmp_path):
    write_scan(tmp_path)
    air = [np.full(SHAPE, 40000, np.int32), np.full(SHAPE, 90000, np.int32)]
    for i, pixels in enumerate(air):
        write_air(tmp_path, file=f"FilterBowtie_CC{i}.xim", pixels=pixels, KVNormChamber=[100.0, 200.0][i])
    write_air(tmp_path, file="Filter.xim", KVNormChamber=1.0)  # made without the bowtie: another beam
    scan = truebeam.open_projections(tmp_path)
    np.testing.assert_allclose(scan.flat, (40000 / (100 / 150) + 90000 / (200 / 150)) / 2)
    np.testing.assert_allclose(scan.exposure, np.array(MONITOR) / 150)
    # the same as dividing every image by its own reading of the chamber
    np.testing.assert_allclose(scan.exposure[0] * scan.flat / 100, (40000 / 100 + 90000 / 200) / 2)
    assert scan.found["air scans"] == "2 with bowtie, mean of AIR-Half-Bowtie-125KV"


@pytest.mark.parametrize("bowtie", [None, "None"])
def test_air_scan_of_a_scan_without_bowtie(tmp_path, bowtie):
    write_scan(tmp_path, monitor=False, scan={"Bowtie": bowtie})
    write_air(tmp_path, file="FilterBowtie.xim")
    write_air(tmp_path, file="Filter.xim", pixels=image(9))
    scan = truebeam.open_projections(tmp_path)
    np.testing.assert_array_equal(scan.flat, image(9))
    assert scan.exposure is None


def test_without_air_scans_exposure_is_relative_to_its_mean(tmp_path):
    write_scan(tmp_path)
    scan = truebeam.open_projections(tmp_path)
    assert scan.flat is None
    np.testing.assert_allclose(scan.exposure, np.array(MONITOR) / 100)


def test_air_scans_of_several_modes_are_not_mixed(tmp_path):
    write_scan(tmp_path)
    write_air(tmp_path)
    write_air(tmp_path, name="AIR-Half-Bowtie-140KV")
    scan = truebeam.open_projections(tmp_path)
    assert scan.flat is None
    assert "several folders" in scan.found["air scans"]


def test_air_scan_of_another_size(tmp_path):
    write_scan(tmp_path)
    write_air(tmp_path, pixels=image(0, (5, 5)))
    with pytest.raises(ProjectionError, match="the air scan has 5 x 5 pixels"):
        truebeam.open_projections(tmp_path)


@pytest.mark.parametrize(
    ("scan", "properties", "message"),
    [
        ({"SID": None}, {}, "'SID' is missing"),
        ({"SAD": "inf"}, {}, "'SAD': has values that are not finite"),
        ({"SAD": -3}, {}, "'SAD' = -3.0; expected one number above 0"),
        ({}, {"KVSourceRtn": None}, "'KVSourceRtn' is missing"),
        ({}, {"KVDetectorLat": float("nan")}, "'KVDetectorLat': has values that are not finite"),
        ({}, {"KVNormChamber": 0.0}, "'KVNormChamber' = 0.0"),
        ({}, {"PixelWidth": "wide"}, "'PixelWidth': expected numbers"),
    ],
)
def test_missing_and_impossible_values(tmp_path, scan, properties, message):
    write_scan(tmp_path, scan=scan, **properties)
    with pytest.raises(FormatError, match=message) as error:
        truebeam.open_projections(tmp_path)
    kit.one_sentence(error, tmp_path)


def test_scan_xml_is_missing(tmp_path):
    write_scan(tmp_path)
    (tmp_path / "Scan.xml").unlink()
    with pytest.raises(FormatError, match="no Scan.xml"):
        truebeam.open_projections(tmp_path)


BROKEN_HEADERS = [
    (0, b"VMS.XO", "does not begin with VMS.XI"),
    (12, struct.pack("<ii", -9, 6), "width x height = -9 x 6"),
    (12, struct.pack("<ii", 1, 6), "at least 2 x 2"),
    (32, struct.pack("<i", 2**31 - 1), "table of 2147483647 bytes"),
    (32, struct.pack("<i", -1), "table of -1 bytes"),
]


@pytest.mark.parametrize(("at", "value", "message"), BROKEN_HEADERS)
def test_broken_headers(tmp_path, at, value, message):
    path = write_scan(tmp_path) / "Proj_00001.xim"
    kit.overwrite(path, at, value)
    with pytest.raises(FormatError, match=message) as error:
        truebeam.open_projections(tmp_path)
    kit.one_sentence(error, path)


def test_sizes_that_the_file_cannot_hold(tmp_path):
    path = write_scan(tmp_path) / "Proj_00001.xim"
    content = path.read_bytes()
    path.write_bytes(content[:12] + struct.pack("<ii", 40000, 25000) + content[20:])
    with pytest.raises(ProjectionError, match="40000 x 25000 pixels need at least") as error:
        truebeam.read_pixels(path)
    kit.one_sentence(error, path)
    kit.write_xim(path, image(0), compressed=False)
    content = path.read_bytes()
    path.write_bytes(content[:12] + struct.pack("<ii", 40000, 25000) + content[20:])
    with pytest.raises(FormatError, match="but 216 bytes of pixels"):
        truebeam.read_pixels(path)


@pytest.mark.parametrize(("change", "message"), [(lambda file: file.write_bytes(b"VMS.XI" + bytes(40)), "expected"), (Path.unlink, "cannot be read")])
def test_a_file_that_is_damaged_or_lost_after_opening(tmp_path, change, message):
    file = write_scan(tmp_path) / "Proj_00001.xim"
    scan = open_projections(tmp_path)
    change(file)
    with pytest.raises(ProjectionError, match=message) as error:
        scan[1]
    kit.one_sentence(error, file)


@pytest.mark.parametrize("compressed", [True, False])
@given(data=st.data())
@kit.relaxed
def test_cut_files_are_refused(tmp_path, compressed, data):
    path = tmp_path / "cut.xim"
    kit.write_xim(path, image(0), compressed)
    kit.refuses_cuts(data, path, truebeam.read_pixels)


@given(data=st.data())
@kit.relaxed
def test_damaged_bytes_never_crash(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("damaged")
    place = write_scan(folder)
    write_air(folder, KVNormChamber=1.0)
    air = folder / "Calibrations" / "AIR-Half-Bowtie-125KV" / "Current" / "FilterBowtie.xim"
    path = data.draw(st.sampled_from([place / "Proj_00000.xim", folder / "Scan.xml", air]))
    kit.survives_damage(data, path, "truebeam", folder, SHAPE)
