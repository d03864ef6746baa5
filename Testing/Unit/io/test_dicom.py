"""DICOM folders: real slices against pydicom's reading of the headers; several, missing and foreign files are named."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from XRayTomoLib.io import VolumeError, read_volume

SLICES = Path(__file__).resolve().parents[4] / "shared/data/ct/dicom"
pydicom = pytest.importorskip("pydicom")
pytest.importorskip("PIL", reason="the slices are JPEG 2000, which pydicom decodes with Pillow")


@pytest.fixture
def slices():
    if not SLICES.is_dir():
        pytest.skip(f"the DICOM slices are not at {SLICES}")
    return sorted(path for path in SLICES.iterdir() if path.is_file())


def test_place_and_values_agree_with_the_headers(slices):
    volume = read_volume(SLICES)
    for path in slices[::7]:
        data = pydicom.dcmread(path)
        position = np.array(data.ImagePositionPatient, float)
        k = round(volume.grid.ijk_from_ras(position * [-1, -1, 1])[2])
        across, down = np.reshape(np.array(data.ImageOrientationPatient, float), (2, 3))
        row, col = 100, 37
        lps = position + across * data.PixelSpacing[1] * col + down * data.PixelSpacing[0] * row
        np.testing.assert_allclose(volume.grid.ras_from_ijk((col, row, k)), lps * [-1, -1, 1], atol=1e-4)
        np.testing.assert_array_equal(volume.array[k], data.pixel_array * data.RescaleSlope + data.RescaleIntercept)


def test_several_series_are_listed_and_one_can_be_chosen(slices, tmp_path):
    for number, path in enumerate(slices[:8]):
        data = pydicom.dcmread(path)
        data.SeriesInstanceUID = f"1.2.3.{number % 2}"
        data.SeriesDescription = f"series {number % 2}"
        data.save_as(tmp_path / f"{number}.dcm")
    with pytest.raises(VolumeError, match=r"several series; choose one of: 1\.2\.3\.\d.* \(CT, series \d, 4 files\); "):
        read_volume(tmp_path)
    with pytest.raises(VolumeError, match=r"no series 9\.9"):
        read_volume(tmp_path, series="9.9")


def test_missing_slice(slices, tmp_path):
    for path in slices[:4] + slices[5:8]:
        shutil.copy(path, tmp_path)
    with pytest.raises(VolumeError, match="slices are missing"):
        read_volume(tmp_path)


def test_a_folder_without_images(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing here")
    with pytest.raises(VolumeError, match="holds no DICOM images"):
        read_volume(tmp_path)
