"""Pictures of projections."""

from pathlib import Path

import numpy as np

from ..files import check_target, replacing
from .errors import VolumeError
from .itk import last_line, quiet_itk

PICTURES = (".png",)


def grey_levels(image, window=None, invert=False):
    """8-bit picture [row, col] of `image`: `window` = (black, white) in the image's units, by default its range; `invert` swaps them."""
    image = np.asarray(image, np.float32)
    black, white = window if window is not None else (np.nanmin(image), np.nanmax(image))
    scaled = np.clip((image - black) / max(white - black, np.finfo(np.float32).tiny), 0, 1)
    levels = np.rint(255 * np.nan_to_num(scaled)).astype(np.uint8)
    return 255 - levels if invert else levels


def write_png(path, image, window=None, invert=False):
    """Writes `image` [row, col] as an 8-bit grey PNG, row 0 on top, column 0 on the left; see `grey_levels`.

    image: colours [row, col, 3] as uint8 are written as they are.

    Raises:
        VolumeError: no picture of 2 dimensions, or the file cannot be written.
    """
    path, image = Path(path), np.asarray(image)
    is_colour = image.ndim == 3 and image.shape[2] == 3 and image.dtype == np.uint8
    if image.ndim != 2 and not is_colour or image.size == 0:
        raise VolumeError(f"{path}: an image of shape {image.shape} is no picture; expected rows x columns, or rows x columns x 3 of uint8.")
    check_target(path, PICTURES)
    try:
        with quiet_itk() as sitk, replacing(path) as temporary:
            levels = image if is_colour else grey_levels(image, window, invert)
            sitk.WriteImage(sitk.GetImageFromArray(levels, isVector=is_colour), str(temporary))
    except (OSError, RuntimeError) as error:
        raise VolumeError(f"{path}: the picture cannot be written ({last_line(error)}); choose another folder.") from error
