"""Overlays of an X-ray and a radiograph: what each shows where the two agree, where they do not, and where pixels do not count."""

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from XRayTomoLib import jobs
from XRayTomoLib.files import FileError
from XRayTomoLib.geometry import CArm
from XRayTomoLib.registration import XRay
from XRayTomoLib.workflows.overlay import BLEND, CHECKERBOARD, DIFFERENCE, EDGES, RADIOGRAPH, XRAY, OverlayOptions, movie_steps, overlay_picture

SHAPE = (48, 64)


def disc(row, col):
    r, c = np.indices(SHAPE)
    return np.clip(12 - np.hypot(r - row, c - col), 0, 6)


@pytest.fixture
def xray():
    mask = np.ones(SHAPE, bool)
    mask[:6] = False
    return XRay(torch.from_numpy(disc(24, 32)).float(), CArm(1000.0, 600.0, *SHAPE, 2.0, 2.0).views(0.0, 0.0), torch.from_numpy(mask))


def show(xray, radiograph, mode, **values):
    return overlay_picture(xray, radiograph, OverlayOptions(mode, **values)).astype(int)


def test_where_both_agree_a_blend_is_grey_a_difference_white_and_gain_and_offset_do_not_matter(xray):
    other = 3 * disc(24, 32) + 7
    blend, difference = (show(xray, other, mode)[8:] for mode in (BLEND, DIFFERENCE))
    assert np.ptp(blend, axis=2).max() <= 2 and blend.max() == 255
    assert difference.min() >= 253


def test_where_they_differ_the_blend_has_two_colours_and_the_difference_two_signs(xray):
    moved = disc(24, 42)
    blend, difference = (show(xray, moved, mode) for mode in (BLEND, DIFFERENCE))
    only_xray, only_radiograph = (24, 23), (24, 51)
    assert blend[only_xray][1] > 100 > blend[only_xray][0] and blend[only_radiograph][0] > 100 > blend[only_radiograph][1]
    assert difference[only_xray][2] == 255 > difference[only_xray][0] and difference[only_radiograph][0] == 255 > difference[only_radiograph][2]
    assert show(xray, moved, BLEND, share=1.0)[only_xray].max() == 0


def test_a_checkerboard_shows_each_in_its_squares_and_the_xray_where_the_object_is_not(xray):
    moved = disc(24, 42)
    board, fixed, moving = (show(xray, moved, mode, tiles=4) for mode in (CHECKERBOARD, XRAY, RADIOGRAPH))
    np.testing.assert_array_equal(board[16:32, 16:32], np.where(moving > 0, moving, fixed)[16:32, 16:32])
    assert (board != fixed)[16:32, 16:32].any()
    np.testing.assert_array_equal(board[16:32, 32:48], fixed[16:32, 32:48])


def test_edges_lie_on_the_radiographs_outline(xray):
    picture = show(xray, 5 * disc(24, 40), EDGES)
    rows, cols = np.nonzero(picture[..., 0] - picture[..., 2] > 200)
    radius = np.hypot(rows - 24, cols - 40)
    assert len(rows) > 30 and radius.min() > 4 and radius.max() < 13


def test_pixels_that_do_not_count_are_dark(xray):
    assert show(xray, np.ones(SHAPE) + disc(24, 32), DIFFERENCE)[2, 2].max() < 110


def test_a_movie_is_whole_or_not_there(xray, tmp_path):
    pictures = [disc(24, col) for col in (30, 31, 32)]
    paths = jobs.run(movie_steps(tmp_path / "movie", xray, iter(pictures), 3))
    assert [path.name for path in paths] == ["frame-0000.png", "frame-0001.png", "frame-0002.png"]
    np.testing.assert_array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(paths[0]))), overlay_picture(xray, pictures[0]))
    with pytest.raises(FileError, match="another movie"):
        next(movie_steps(tmp_path / "movie", xray, iter(pictures), 3))
    cancelled = movie_steps(tmp_path / "other", xray, iter(pictures), 3)
    next(cancelled)
    cancelled.close()
    assert not any((tmp_path / "other").iterdir())
