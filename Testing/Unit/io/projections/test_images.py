"""Folders of pictures: order, angles, dark and flat images, EDF, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from Unit.io.projections import stack_kit as kit

from XRayTomoLib.files import FileError
from XRayTomoLib.io.projections import ProjectionError, open_projections, recognise
from XRayTomoLib.io.projections.hints import angles_from, circular_views, read_angles
from XRayTomoLib.io.projections.pixels import Picture, natural_order

WRIST = Path(__file__).resolve().parents[5] / "shared/data/wrist"
relaxed = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def save(path, image):
    if path.suffix == ".edf":
        path.write_bytes(kit.edf_bytes(image))
    else:
        sitk.WriteImage(sitk.GetImageFromArray(image), str(path))


STORED = [(".tif", "u1"), (".tif", "u2"), (".tiff", "f4"), (".png", "u1"), (".png", "u2"), (".edf", "u2"), (".edf", "f4")]


@pytest.mark.parametrize("suffix, dtype", STORED)
def test_folder_in_natural_order(tmp_path, suffix, dtype):
    array = kit.counts(12, dtype=dtype)
    for index, image in enumerate(array):
        save(tmp_path / f"view{index}{suffix}", image)      # view10 comes after view9
    (tmp_path / "angles.txt").write_text("# degrees\n" + "".join(f"view{i}{suffix}, {30 * i}\n" for i in range(12)))
    stack = open_projections(tmp_path, pitch_mm=0.5, sdd_mm=800, sod_mm=500)
    assert recognise(tmp_path) == "images" and stack.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(stack.to_array(), array)
    np.testing.assert_allclose(np.rad2deg(np.arctan2(stack.views.source[:, 0], -stack.views.source[:, 1])) % 360, 30 * np.arange(12), atol=1e-9)


def test_dark_and_flat_images_are_averaged(tmp_path):
    for name, value in (("dark_0", 10), ("dark_1", 12), ("flat", 200), ("proj_0001", 60), ("proj_0002", 70)):
        save(tmp_path / f"{name}.tif", np.full((4, 5), value, np.uint16))
    stack = open_projections(tmp_path)
    assert len(stack) == 2 and stack.views is None
    assert (stack.dark == 11).all() and (stack.flat == 200).all()
    assert "give angles and pitch_mm" in stack.found["geometry of the files"]


def test_pages_of_one_tiff_and_images_of_one_edf(tmp_path):
    array = kit.counts()
    sitk.WriteImage(sitk.GetImageFromArray(array), str(tmp_path / "s.tif"))
    (tmp_path / "s.edf").write_bytes(b"".join(kit.edf_bytes(image) for image in array))
    for name in ("s.tif", "s.edf"):
        stack = open_projections(tmp_path / name, angles="0:360", pitch_mm=1.0)
        np.testing.assert_array_equal(stack.to_array(), array)
        np.testing.assert_allclose(stack.views.direction[1], [-np.sin(np.deg2rad(120)), np.cos(np.deg2rad(120)), 0], atol=1e-12)


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "f4", "f8"])
@pytest.mark.parametrize("order", "<>")
def test_edf_pixels(tmp_path, dtype, order):
    image = kit.counts(dtype=dtype)[0]
    (tmp_path / "s.edf").write_bytes(kit.edf_bytes(image, order, block=1024))
    pixels = Picture(tmp_path / "s.edf").page()
    np.testing.assert_array_equal(pixels, image)
    assert pixels.dtype == np.dtype(dtype)


@pytest.mark.parametrize("old, new, message", [
    (b"Dim_1 = 5", b"Dim_1 = x", "dim_1 = 'x'"),
    (b"Dim_2 = 4 ;", b"", "lacks 'dim_2'"),
    (b"Dim_2 = 4", b"Dim_2 = 999999999", "ends at byte"),
    (b"UnsignedShort", b"UnsignedOther", "DataType 'UnsignedOther'"), (b"UnsignedShort ;", b"Unsigned\nOther ;", r"DataType 'Unsigned\\nOther'"),
    (b"HeaderID = EH:000001:000000:000000 ;", b"COMPRESSION = Gzip ;", "is compressed"),
    (b"}\n", b"  ", "no EDF header|ends at byte"),       # a pixel may look like the end of the header
])  # fmt: skip
def test_broken_edf(tmp_path, old, new, message):
    (tmp_path / "s.edf").write_bytes(kit.edf_bytes(kit.counts()[0]).replace(old, new, 1))
    with pytest.raises(ProjectionError, match=message):
        Picture(tmp_path / "s.edf")


@pytest.mark.parametrize("back_to_first", [False, True])
def test_a_tiff_whose_pages_run_in_a_circle_is_refused(tmp_path, back_to_first):
    """The picture's directory is followed by one of no entry, which is followed by itself or by the picture's."""
    save(tmp_path / "s.tif", np.zeros((4, 50), np.uint8))
    content = bytearray(tmp_path.joinpath("s.tif").read_bytes().ljust(600, b"\0"))
    first = int.from_bytes(content[4:8], "little")
    after = first + 2 + 12 * int.from_bytes(content[first : first + 2], "little")
    content[after : after + 4] = (580).to_bytes(4, "little")
    content[580:586] = bytes(2) + (first if back_to_first else 580).to_bytes(4, "little")
    (tmp_path / "s.tif").write_bytes(content)
    with pytest.raises(ProjectionError, match="run in a circle"):
        Picture(tmp_path / "s.tif")


@relaxed
@given(data=st.data(), suffix=st.sampled_from([".edf", ".tif", ".png"]))
def test_fuzzed_pictures_never_crash(tmp_path, data, suffix):
    path = tmp_path / f"s{suffix}"
    save(path, kit.counts()[0])
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, min(len(content), 300) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        assert Picture(path).page().ndim == 2
    except FileError as error:
        assert path.name in str(error)


def test_what_is_refused(tmp_path):
    save(tmp_path / "a.tif", kit.counts()[0])
    save(tmp_path / "b.tif", kit.counts(cols=6)[0])
    with pytest.raises(ProjectionError, match=r"differ in pages x rows x columns \(a.tif: 1 x 4 x 5, b.tif: 1 x 4 x 6\)"):
        open_projections(tmp_path)
    (tmp_path / "b.tif").write_bytes((tmp_path / "a.tif").read_bytes()[:60])
    with pytest.raises(ProjectionError, match="b.tif"):
        open_projections(tmp_path)
    (tmp_path / "b.tif").write_bytes(b"no picture at all")
    with pytest.raises(ProjectionError, match="b.tif: the content is not that of a .tif file"):
        open_projections(tmp_path)
    colour = sitk.GetImageFromArray(np.zeros((4, 5, 3), np.uint8), isVector=True)
    sitk.WriteImage(colour, str(tmp_path / "c.png"))
    with pytest.raises(ProjectionError, match="3 values per pixel"):
        Picture(tmp_path / "c.png")


def test_pictures_that_differ_where_the_folder_was_not_looked_at(tmp_path):
    """Neither first, last, smallest nor largest, or in type alone: told when they are read."""
    picture = kit.counts()[0]
    for name, content in (("a", kit.edf_bytes(picture)), ("b", kit.edf_bytes(picture.T)), ("c", 2 * kit.edf_bytes(picture)),
                          ("d", kit.edf_bytes(picture.astype("f4"), block=2048))):
        (tmp_path / f"{name}.edf").write_bytes(content)
    stack = open_projections(tmp_path)
    with pytest.raises(ProjectionError, match="projection 1 has 5 x 4 pixels, the first has 4 x 5"):
        stack.to_array()
    with pytest.raises(ProjectionError, match="c.edf: 2 pages; expected one in each of several pictures"):
        stack[2]
    with pytest.raises(ProjectionError, match="projection 3 is stored as float32, the first as uint16"):
        stack[3]


@pytest.mark.parametrize("text, message", [
    ("1\n2\n", "2 angles for 3"), ("1\nx\n3", "line 2, 'x'"), ("1\nnan\n3", "line 2, 'nan'"), (b"\xff\xfe\0", "not a text"),
])  # fmt: skip
def test_broken_lists_of_angles(tmp_path, text, message):
    (tmp_path / "angles.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ProjectionError, match=message):
        angles_from(tmp_path / "angles.txt", 3, "scan")


def test_angle_texts_and_names(tmp_path):
    np.testing.assert_allclose(angles_from("-10:180", 4, "scan"), [-10, 50, 110, 170])
    np.testing.assert_allclose(angles_from("0:-360", 4, "scan"), [0, -90, -180, -270])
    (tmp_path / "a.csv").write_text("i;0;1.5\n\n# comment\nj;1;2.5;\n")
    np.testing.assert_allclose(read_angles(tmp_path / "a.csv"), [1.5, 2.5])
    with pytest.raises(ProjectionError, match="absent.txt: the list of angles cannot be read"):
        read_angles(tmp_path / "absent.txt")
    assert sorted(["v10.tif", "v9.tif", "V1.tif"], key=natural_order) == ["V1.tif", "v9.tif", "v10.tif"]


@settings(max_examples=40, deadline=None)
@given(angle=st.floats(-400, 400), axis_col=st.floats(0, 4), axis_row=st.floats(0, 3), flip=st.booleans(), reverse=st.booleans(), cone=st.booleans(),
       point=st.tuples(*[st.floats(-20, 20)] * 3))
def test_circular_views_against_the_formula(angle, axis_col, axis_row, flip, reverse, cone, point):
    """Beam coordinates of a point: t along u, depth along the central ray, by the rotation written out."""
    distances = (800.0, 500.0) if cone else (None, None)
    views = circular_views(1, (4, 5), [angle], (0.5, 0.75), *distances, axis_col, reverse, flip, axis_row)
    a = np.deg2rad(-angle if reverse else angle)
    x, y, z = point
    t, depth = -x * np.cos(a) - y * np.sin(a), -x * np.sin(a) + y * np.cos(a)
    m = 800 / (500 + depth) if cone else 1.0
    col = axis_col + (-1 if flip else 1) * m * t / 0.5
    np.testing.assert_allclose(views.project([point])[0, 0], [axis_row - m * z / 0.75, col], atol=1e-7)


@pytest.mark.skipif(not WRIST.exists(), reason="shared/data/wrist is not there")
def test_wrist():
    """LZW pictures of real cameras; the folder holds CT volumes and camera calibrations too, and is no scan."""
    stack = open_projections(WRIST / "xr_rad_uln_cam01_UND.0099.tif", "images")
    assert (len(stack), stack.shape, stack.dtype) == (1, (1760, 1760), np.uint8) and stack[0].std() > 10
    with pytest.raises(ProjectionError, match="not the projections of one scan.*rad_dcm_cropped.tif: 128 x 86 x 68.*read as a geometry"):
        open_projections(WRIST)


def test_a_folder_of_different_pictures_is_no_scan(tmp_path):
    for name, shape in (("a", (4, 5)), ("b", (4, 5)), ("c", (9, 9)), ("d", (4, 5))):
        save(tmp_path / f"{name}.tif", np.ones(shape, np.uint16))
    with pytest.raises(ProjectionError, match="not the projections of one scan.*a.tif: 1 x 4 x 5.*one picture") as caught:
        open_projections(tmp_path)
    assert "c.tif: 1 x 9 x 9" in str(caught.value) and "geometry" not in str(caught.value)
    for name in "abcd":
        save(tmp_path / f"{name}.tif", np.ones((2, 4, 5), np.uint16))
    with pytest.raises(ProjectionError, match="4 pictures of 2 pages each"):
        open_projections(tmp_path)
