"""Elekta Synergy: bits of the pixels, points where RTK's formula sees them, and broken files."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from Unit.io.projections import vendor_kit as kit

from XRayTomoLib.geometry.formats import FormatError, recognise_format
from XRayTomoLib.io.projections import elekta

SHAPE = (6, 6)
FRAMES = [(-179.9, 1.5, -0.25), (0.0, -2.0, 0.5), (33.0, 0.125, 0.0), (90.5, 115.0, 3.0)]


def image(seed, shape=SHAPE):
    return np.random.default_rng(seed).integers(0, 65536, shape).astype(np.uint16)


def write_scan(folder, frames=FRAMES, **naming):
    kit.write_frames_xml(folder / "_Frames.xml", frames, **naming)
    for i in range(len(FRAMES)):
        kit.write_his(folder / f"{9 + i}.1.3.46.his", image(i))
    return folder


@given(pixels=hnp.arrays(np.uint16, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9)), more=st.integers(0, 64))
@kit.relaxed
def test_pixels_are_read_to_the_last_bit(tmp_path, pixels, more):
    kit.write_his(tmp_path / "p.his", pixels, more)
    np.testing.assert_array_equal(elekta.read_pixels(tmp_path / "p.his"), pixels)


def test_counts_fall_with_attenuation():
    stored = np.array([0, 1, 2, 30000, 65534, 65535], np.uint16)
    np.testing.assert_array_equal(elekta.counts(stored), [65535, 65535, 65534, 35536, 2, 65535])


def test_a_folder_is_recognised_and_read_in_the_order_of_its_numbers(tmp_path):
    write_scan(tmp_path)
    assert elekta.recognise(tmp_path)
    assert recognise_format(tmp_path) == recognise_format(tmp_path / "_Frames.xml") == "elekta"
    scan = elekta.open_projections(tmp_path)
    assert (len(scan), scan.shape, scan.dtype, scan.i0) == (4, SHAPE, np.uint16, 65536)
    for i in range(4):  # the line integral of the reference, ln(65536 / (65536 - v))
        stored = np.clip(image(i), 1, 65534).astype(np.float64)
        np.testing.assert_allclose(np.log(scan.i0 / scan[i]), np.log(65536 / (65536 - stored)), atol=1e-12)
    assert scan.found["tube voltage"] == "120"


@given(sod=st.floats(800, 1100), sdd=st.floats(1200, 1600), centre=st.tuples(st.floats(-120, 120), st.floats(-5, 5)))
@kit.relaxed
def test_points_are_seen_where_the_formula_of_rtk_sees_them(tmp_path, sod, sdd, centre):
    frames = [(angle, u + centre[0], v + centre[1]) for angle, u, v in FRAMES]
    write_scan(tmp_path, frames)
    views = elekta.open_projections(tmp_path, sod_mm=sod, sdd_mm=sdd).views
    for seen, (angle, u, v) in zip(views.project(kit.POINTS), frames):
        np.testing.assert_allclose(seen, kit.rtk_pixels(kit.POINTS, angle, sod, sdd, -u, -v, SHAPE, (409.6 / 6, 409.6 / 6)), atol=1e-6)


def test_central_ray_meets_the_panel_at_its_centre_of_u_and_v(tmp_path):
    """UCentre, VCentre in mm from the panel's middle: where the isocentre is seen."""
    write_scan(tmp_path)
    seen = elekta.open_projections(tmp_path).views.project([[0.0, 0.0, 0.0]])[:, 0]
    np.testing.assert_allclose((seen - 2.5) * 409.6 / 6, [(v, u) for _, u, v in FRAMES], atol=1e-9)


def test_names_that_lost_a_letter(tmp_path):
    write_scan(tmp_path, names=("antryAngle", "Uentre", "Ventre"))
    lost = elekta.open_projections(tmp_path).views
    np.testing.assert_array_equal(lost.origin, elekta.open_projections(write_scan(tmp_path)).views.origin)


@pytest.mark.parametrize(
    ("frames", "naming", "message"),
    [
        (FRAMES[:3], {}, "3 frames, but the folder holds 4 .his files"),
        ([*FRAMES[:3], (float("nan"), 0.0, 0.0)], {}, "frame 4: 'GantryAngle': has values that are not finite"),
        (FRAMES, {"names": ("GantryAngle", "Centre", "VCentre")}, "frame 1: 'UCentre' is missing"),
    ],
)
def test_broken_frames(tmp_path, frames, naming, message):
    write_scan(tmp_path, frames, **naming)
    with pytest.raises(FormatError) as error:
        elekta.open_projections(tmp_path)
    kit.one_sentence(error, tmp_path / "_Frames.xml", message)


def test_frames_are_missing(tmp_path):
    write_scan(tmp_path)
    (tmp_path / "_Frames.xml").unlink()
    assert not elekta.recognise(tmp_path)
    with pytest.raises(FormatError, match="no _Frames.xml"):
        elekta.open_projections(tmp_path)


@pytest.mark.parametrize(("sod", "sdd"), [(1536, 1000), (0, 1000), (float("nan"), 1536)])
def test_impossible_distances(tmp_path, sod, sdd):
    write_scan(tmp_path)
    with pytest.raises(FormatError, match="source to axis"):
        elekta.open_projections(tmp_path, sod_mm=sod, sdd_mm=sdd)


BROKEN_HEADERS = [
    (0, b"\x01", "does not begin with the bytes 0 112 68 0"),
    (16, struct.pack("<HH", 65535, 65535), "the header asks for 8589672550 bytes"),
    (16, struct.pack("<HH", 0, 6), "expected one frame of at least 1 x 1"),
    (20, struct.pack("<H", 3), "3 frames of corners"),
    (10, struct.pack("<H", 34), "asks for 174 bytes"),
]


@pytest.mark.parametrize(("at", "value", "message"), BROKEN_HEADERS)
def test_broken_headers(tmp_path, at, value, message):
    path = write_scan(tmp_path) / "10.1.3.46.his"
    kit.overwrite(path, at, value)
    with pytest.raises(FormatError, match=message) as error:
        elekta.open_projections(tmp_path)
    kit.one_sentence(error, path)


@given(data=st.data())
@kit.relaxed
def test_cut_files_are_refused(tmp_path, data):
    kit.write_his(tmp_path / "cut.his", image(0))
    kit.refuses_cuts(data, tmp_path / "cut.his", elekta.read_pixels)


@given(data=st.data())
@kit.relaxed
def test_damaged_bytes_never_crash(tmp_path, data):
    write_scan(tmp_path)
    path = tmp_path / data.draw(st.sampled_from(["9.1.3.46.his", "_Frames.xml"]))
    kit.survives_damage(data, path, "elekta", tmp_path, SHAPE)
