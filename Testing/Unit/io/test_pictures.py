import numpy as np
import pytest
import SimpleITK as sitk

from XRayTomoLib.files import FileError
from XRayTomoLib.io import write_png


def picture(path):
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


def test_orientation_and_range(tmp_path):
    image = np.zeros((3, 5), np.float32)
    image[0, 4], image[2, 0] = 10, 5
    write_png(tmp_path / "p.png", image)
    levels = picture(tmp_path / "p.png")
    assert levels.shape == (3, 5)
    assert (levels[0, 4], levels[2, 0], levels[1, 1]) == (255, 128, 0)


def test_window_and_invert(tmp_path):
    write_png(tmp_path / "p.png", np.array([[-1.0, 0.0, 1.0, 2.0, np.nan]]), window=(0, 1), invert=True)
    assert picture(tmp_path / "p.png").tolist() == [[255, 255, 0, 0, 255]]


def test_constant_picture(tmp_path):
    write_png(tmp_path / "p.png", np.full((2, 2), 3.0))
    assert (picture(tmp_path / "p.png") == 0).all()


BAD = [("p.jpg", (2, 2)), ("p.png", (2, 2, 2)), ("p.png", (2, 2, 3)), ("p.png", (0, 2)), ("absent/p.png", (2, 2))]  # colours are uint8


@pytest.mark.parametrize(("name", "shape"), BAD)
def test_bad_input_leaves_nothing(tmp_path, name, shape):
    with pytest.raises(FileError):
        write_png(tmp_path / name, np.ones(shape))
    assert list(tmp_path.iterdir()) == []
