"""Nikon: pictures, points where CIL's convention sees them, and broken files."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st
from Unit.io.projections import vendor_kit as kit

from XRayTomoLib.geometry.formats import FormatError, read_geometry, recognise_format
from XRayTomoLib.io.projections import ProjectionError, nikon, open_projections

SHAPE = (6, 8)


def image(seed, shape=SHAPE):
    return np.random.default_rng(seed).integers(0, 65536, shape).astype(np.uint16)


def write_pictures(folder, shape=SHAPE, count=5):
    for i in range(count):
        sitk.WriteImage(sitk.GetImageFromArray(image(i, shape)), str(folder / f"rock_{9 + i}.tif"))


def write_scan(folder, **changes):
    kit.write_xtekct(folder / "rock.xtekct", **changes)
    write_pictures(folder)
    return folder


def test_a_folder_is_recognised_and_read_in_the_order_of_its_numbers(tmp_path):
    write_scan(tmp_path)
    sitk.WriteImage(sitk.GetImageFromArray(image(0)), str(tmp_path / "flat.tif"))  # is not one of rock's
    assert nikon.recognise(tmp_path)
    assert recognise_format(tmp_path) == recognise_format(tmp_path / "rock.xtekct") == "nikon"
    for path in (tmp_path, tmp_path / "rock.xtekct"):
        scan = nikon.open_projections(path)
        assert (len(scan), scan.shape, scan.dtype, scan.i0, scan.kind) == (5, SHAPE, np.uint16, 60000, "counts")
        for i in range(5):
            np.testing.assert_array_equal(scan[i], image(i))


def test_pictures_in_the_input_folder(tmp_path):
    (tmp_path / "raw").mkdir()
    kit.write_xtekct(tmp_path / "rock.xtekct", InputFolderName="raw", Name="other")
    write_pictures(tmp_path / "raw")
    np.testing.assert_array_equal(nikon.open_projections(tmp_path)[4], image(4))


@given(sod=st.floats(50, 600), more=st.floats(100, 900), start=st.floats(-360, 360), step=st.floats(-5, 5), shift=st.floats(-3, 3),
       roll=st.floats(-3, 3), tilt=st.floats(-3, 3))  # fmt: skip
@kit.relaxed
def test_points_are_seen_where_cil_has_them(tmp_path, sod, more, start, step, shift, roll, tilt):
    kit.write_xtekct(tmp_path / "rock.xtekct", SrcToObject=sod, SrcToDetector=sod + more, InitialAngle=start, AngularStep=step,
                     ObjectOffsetX=shift, ObjectRoll=roll, ObjectTilt=tilt)  # fmt: skip
    views = read_geometry(tmp_path / "rock.xtekct")
    points = kit.POINTS / 5
    for i, seen in enumerate(views.project(points)):
        angle = 180 - start - i * step
        expected = kit.cil_nikon_pixels(points, angle, SHAPE, (0.127, 0.2), sod, sod + more, shift, roll, tilt)
        np.testing.assert_allclose(seen, expected, atol=1e-6)
    assert (views.handedness == -1).all()


@given(top=st.floats(-5, 5), bottom=st.floats(-5, 5), sign=st.sampled_from([1, -1]))
@kit.relaxed
def test_axis_from_the_centres_of_rotation(tmp_path, top, bottom, sign):
    """The axis is seen on the panel where the two centres say: at top and bottom, right of the middle for the sign of CIL."""
    kit.write_xtekct(tmp_path / "rock.xtekct", CentreOfRotationTop=top, CentreOfRotationBottom=bottom)
    views = read_geometry(tmp_path / "rock.xtekct", centre_of_rotation_sign=sign)
    axis = views.project([[0.0, 0.0, -1e-3], [0.0, 0.0, 1e-3]])
    col = [(SHAPE[1] - 1) / 2 + sign * (top + bottom) / 2 / 0.127] * 2
    np.testing.assert_allclose(axis[..., 1].mean(1), col[0], atol=1e-6)
    # leans by the same angle to the panel's columns in every view: atan((top - bottom) / height)
    leaning = (axis[:, 1, 1] - axis[:, 0, 1]) * 0.127 / ((axis[:, 0, 0] - axis[:, 1, 0]) * 0.2)
    np.testing.assert_allclose(leaning, sign * (top - bottom) / (6 * 0.2), atol=1e-6)


def test_what_is_not_used_is_said(tmp_path, caplog):
    write_scan(tmp_path, DetectorOffsetX=1.5)
    (tmp_path / "_ctdata.txt").write_text("")
    found = nikon.open_projections(tmp_path).found
    assert "not used" in found["detector offset"]
    assert "_ctdata.txt" in found["angle files"]
    assert "DetectorOffsetX" in caplog.text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"SrcToObject": None}, "'SrcToObject' is missing"),
        ({"SrcToObject": 983.5}, "'SrcToObject' = 983.5 is not below 'SrcToDetector' = 983"),
        ({"AngularStep": "nan"}, "'AngularStep': has values that are not finite"),
        ({"InitialAngle": "east"}, "'InitialAngle': expected numbers"),
        ({"DetectorPixelSizeX": 0}, "'DetectorPixelSizeX' = 0"),
        ({"Projections": 1000000000}, "'Projections' = 1000000000; expected a whole number from 1 to 1000000"),
        ({"Projections": 6}, "'Projections' = 6, but there are 5 .tif pictures"),
        ({"Projections": 1.5}, "'Projections' = 1.5"),
        ({"WhiteLevel": -1}, "'WhiteLevel' = -1"),
        ({"section": "Other"}, "the section [XTekCT] is missing"),
        ({"section": "XTekCT]\nName\n  rock\n[Other"}, "not an .xtekct file"),
    ],
)
def test_missing_and_impossible_values(tmp_path, changes, message):
    write_scan(tmp_path, **changes)
    with pytest.raises(FormatError) as error:
        nikon.open_projections(tmp_path)
    kit.one_sentence(error, tmp_path / "rock.xtekct", message)


def test_what_the_views_refuse_names_the_scan_too(tmp_path, monkeypatch):
    """By the path that was given, a relative one too; what names a file in it is left as it is."""
    monkeypatch.chdir(tmp_path)
    write_scan(tmp_path, DetectorPixelSizeX=1e-320)
    for path in (tmp_path, Path("rock.xtekct")):
        with pytest.raises(ProjectionError) as error:
            open_projections(path)
        assert str(error.value).startswith(f"{path}: ")
        kit.one_sentence(error, "span no detector")
    kit.write_xtekct(tmp_path / "rock.xtekct", DetectorPixelSizeX=0)
    for path, named in ((tmp_path, tmp_path / "rock.xtekct"), (Path("rock.xtekct"), "rock.xtekct")):
        with pytest.raises(ProjectionError) as error:
            open_projections(path)
        assert str(error.value).startswith(f"{named}: 'DetectorPixelSizeX' = 0")


def test_wrong_sign(tmp_path):
    write_scan(tmp_path)
    with pytest.raises(FormatError, match="expected 1 or -1"):
        nikon.open_projections(tmp_path, centre_of_rotation_sign=0)


def test_pictures_of_another_size(tmp_path):
    kit.write_xtekct(tmp_path / "rock.xtekct")
    write_pictures(tmp_path, (5, 5))
    with pytest.raises(ProjectionError, match="expected DetectorPixelsX x DetectorPixelsY = 8 x 6"):
        nikon.open_projections(tmp_path)


def test_several_scans_in_a_folder(tmp_path):
    write_scan(tmp_path)
    kit.write_xtekct(tmp_path / "other.xtekct")
    with pytest.raises(FormatError, match="give one of them: other.xtekct, rock.xtekct"):
        nikon.open_projections(tmp_path)
    assert len(nikon.open_projections(tmp_path / "rock.xtekct")) == 5


@given(data=st.data())
@kit.relaxed
def test_damaged_bytes_never_crash(tmp_path, data):
    write_scan(tmp_path)
    path = tmp_path / data.draw(st.sampled_from(["rock.xtekct", "rock_9.tif"]))
    kit.survives_damage(data, path, "nikon", tmp_path, SHAPE)
