"""Bruker SkyScan: the log's geometry against the formula, the pictures in their order, and broken logs."""

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from Unit.io.projections import stack_kit as kit

from XRayTomoLib.files import FileError
from XRayTomoLib.io.projections import ProjectionError, open_projections, recognise

LOG = """[System]
Scanner=SkyScan1275
Camera Pixel Size (um)=75.0
Camera X/Y Ratio=1.0000
[User]
User Name=A
[Acquisition]
Filename Prefix=mouse_~00
Number Of Files=    4
Number Of Rows=    4
Number Of Columns=    5
Optical Axis (line)=   1
Object to Source (mm)=50.0
Camera to Source (mm)=200.0
Source Voltage (kV)=  80
Image Pixel Size (um)=20.000
Reference Intensity=58000
Rotation Step (deg)=0.600
Flat Field Correction=ON
Filter=Al 1mm
Rotation Direction=CC
Scanning Start Angle=10.000
[Reconstruction]
Reconstruction Program=NRecon
"""
relaxed = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def scan(tmp_path):
    for index, image in enumerate(kit.counts(4)):
        sitk.WriteImage(sitk.GetImageFromArray(image), str(tmp_path / f"mouse_~00{index:08d}.tif"))
    sitk.WriteImage(sitk.GetImageFromArray(kit.counts(1)[0]), str(tmp_path / "mouse_~00_spr.tif"))
    (tmp_path / "mouse_~00.log").write_text(LOG)
    return tmp_path


def test_scan(scan):
    stack = open_projections(scan)
    assert recognise(scan) == recognise(scan / "mouse_~00.log") == "bruker"
    np.testing.assert_array_equal(stack.to_array(), kit.counts(4))
    assert stack.i0 == 58000 and stack.found["scanner"] == "SkyScan1275"
    assert "assumed" in stack.found["rotation"]


def test_points_fall_where_the_formula_says(scan):
    """The object turns by +angle (counter-clockwise seen from above) in front of a fixed source at -y and detector at +y."""
    views = open_projections(scan, axis_col=1.5).views
    points = np.array([[0.3, -0.2, 0.1], [1.0, 2.0, -1.0], [0, 0, 0]])
    for index, pixels in enumerate(views.project(points)):
        a = np.deg2rad(10 + 0.6 * index)
        x, y = points[:, 0] * np.cos(a) - points[:, 1] * np.sin(a), points[:, 0] * np.sin(a) + points[:, 1] * np.cos(a)
        m = 200 / (50 + y) / 0.08          # 20 um at the object are 80 um at the camera
        np.testing.assert_allclose(pixels, np.stack([2 - m * points[:, 2], 1.5 - m * x], -1), atol=1e-9)


@pytest.mark.parametrize("old, new, message", [
    ("Object to Source (mm)=50.0", "Object to Source (mm)=nan", "Object to Source"),
    ("Object to Source (mm)=50.0", "Object to Source (mm)=300", "is not larger than"),
    ("Image Pixel Size (um)=20.000\n", "", "'Image Pixel Size (um)' is missing"),
    ("Image Pixel Size (um)=20.000", "Image Pixel Size (um)=-1", "must be above 0"),
    ("Number Of Rows=    4", "Number Of Rows=  999999999", "Number of Rows"),
    ("Number Of Rows=    4", "Number Of Rows=4.5", "expected a whole number"),
    ("Number Of Rows=    4", "Number Of Rows\n  4", "not a SkyScan log"),
    ("Number Of Rows=    4", "Number Of Rows=4\n of 5", r"Number of Rows = '4\nof 5'"),
    ("Number Of Files=    4", "Number Of Files=1000000000", "expected at most"),
    ("Number Of Files=    4", "Number Of Files=9", "number 4 of mouse_~00*.tif is missing"),
    ("mouse_~00", "rat", "no pictures rat0000.tif"),
])  # fmt: skip
def test_broken_logs(scan, old, new, message):
    (scan / "mouse_~00.log").write_text(LOG.replace(old, new))
    with pytest.raises(ProjectionError) as caught:
        open_projections(scan, "bruker")
    assert message in str(caught.value) and "mouse_~00" in str(caught.value)


def test_the_reference_picture_may_be_counted(scan):
    (scan / "mouse_~00.log").write_text(LOG.replace("Files=    4", "Files=    5"))
    assert len(open_projections(scan)) == 4
    (scan / "mouse_~0000000001.tif").unlink()
    with pytest.raises(ProjectionError, match="number 1 of"):
        open_projections(scan)


def test_a_folder_without_log_is_not_bruker(scan):
    (scan / "mouse_~00.log").write_text("nothing of use")
    assert recognise(scan) == "images"
    with pytest.raises(ProjectionError, match="no .log file of a SkyScan scan"):
        open_projections(scan, "bruker")


@relaxed
@given(data=st.data())
def test_fuzzed_logs_never_crash_the_reader(scan, data):
    content = bytearray(LOG.encode())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (scan / "mouse_~00.log").write_bytes(content)
    try:
        open_projections(scan, "bruker")
    except FileError as error:
        assert str(scan) in str(error)
