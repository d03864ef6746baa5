"""Pictures of an X-ray and a radiograph of the volume laid over each other, and a movie of them."""
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..files import FileError
from ..io import write_png
from ..jobs import Step
from ..options import option

XRAY, RADIOGRAPH, BLEND, CHECKERBOARD, EDGES, DIFFERENCE = "X-ray", "radiograph", "blend", "checkerboard", "edges", "difference"
YELLOW = np.array([1, 0.85, 0], np.float32)
SAMPLES = 65536         # pixels from which the grey levels of a picture are taken
EDGE_LENGTH = 12        # edges are at most so long, in sides of a square as large as what the radiograph shows
EDGE_BLUR_PX = 1.5
FRAMES = "frame-*.png"
NOT_COUNTED = 0.4       # brightness of pixels that do not count in the registration


@dataclass(frozen=True)
class OverlayOptions:
    """What a picture of an X-ray and a radiograph shows."""
    mode: str = option(BLEND, "Overlay", "blend: X-ray green, radiograph magenta, grey where they agree; checkerboard: squares of each in turn; "
                       "edges: the radiograph's on the X-ray; difference: red where the radiograph is brighter, blue where the X-ray is",
                       choices=(BLEND, CHECKERBOARD, EDGES, DIFFERENCE, XRAY, RADIOGRAPH))
    share: float = option(0.5, "Blend", "how much of the radiograph a blend shows: 0: the X-ray alone, 1: the radiograph alone", minimum=0.0,
                          maximum=1.0)
    tiles: int = option(8, "Squares", "number of squares of a checkerboard along the longer side", minimum=1, maximum=1000)


def overlay_picture(xray, radiograph, options=None):
    """Colours [rows, cols, 3] (uint8) of a registration.XRay and a radiograph [rows, cols] of its view; pixels that do not count are dark."""
    options, mask = options or OverlayOptions(), np.asarray(xray.mask)
    fixed, moving = (levels(np.asarray(image, np.float32), mask) for image in (xray.image, radiograph))
    picture = _MAKERS[options.mode](fixed, moving, mask, options)
    picture = np.repeat(picture[..., None], 3, 2) if picture.ndim == 2 else picture
    brightness = np.where(mask, np.float32(255), np.float32(255 * NOT_COUNTED))[..., None]
    return (np.clip(picture, 0, 1) * brightness + np.float32(0.5)).astype(np.uint8)


def levels(image, mask):
    """The image in 0..1, from the first to the last percent of the pixels of `mask`."""
    counted = image[mask]
    low, high = np.percentile(counted[:: 1 + len(counted) // SAMPLES], [1, 99]).astype(image.dtype)
    return np.clip((image - low) / max(high - low, 1e-12), 0, 1)


def checkerboard(fixed, moving, tiles):
    """Squares of two pictures of one shape in turn, `tiles` along the longer side; where the second shows nothing, the first alone."""
    r, c = np.indices(fixed.shape)
    size = max(1, max(fixed.shape) // tiles)
    return np.where(((r // size + c // size) % 2 == 1) | (moving <= 0), fixed, moving)


def edges(image):
    """Mask of the steepest ridges of an image's gradient, up to EDGE_LENGTH (J. Canny, IEEE PAMI 8, 1986)."""
    from scipy import ndimage
    smooth = ndimage.gaussian_filter(image, EDGE_BLUR_PX)
    slope = np.stack(np.gradient(smooth))
    size = np.hypot(*slope)
    step = slope / np.maximum(size, 1e-12)
    places = np.indices(image.shape)
    ridge = np.all([size >= ndimage.map_coordinates(size, places + way * step, order=1, mode="nearest") for way in (-1, 1)], axis=0)
    strong = size[ridge & (size > 1e-3)]
    most = int(EDGE_LENGTH * np.sqrt((image > 0).sum()))
    return ridge & (size > (np.partition(strong, -most)[-most] if 0 < most < len(strong) else 1e-3))


def _blend(fixed, moving, mask, options):
    """The X-ray in green, the radiograph in magenta, which sum to grey."""
    own, other = (min(2 * share, 1) for share in (1 - options.share, options.share))
    return np.stack([other * moving, own * fixed, other * moving], -1)


def _edges(fixed, moving, mask, options):
    return np.where(edges(moving)[..., None], YELLOW, fixed[..., None])


def _difference(fixed, moving, mask, options):
    """Red where the radiograph is brighter after its gain and offset were fitted, blue where the X-ray is; white where both agree."""
    a, b = moving[mask] - moving[mask].mean(), fixed[mask] - fixed[mask].mean()
    gain = max(a @ b / max(a @ a, 1e-12), 0.0)
    off = gain * (moving - moving[mask].mean()) - (fixed - fixed[mask].mean())
    off = np.clip(off / (2 * fixed[mask].std() + 1e-12), -1, 1)[..., None]
    return 1 - np.maximum(off, 0) * [0, 1, 1] - np.maximum(-off, 0) * [1, 1, 0]


_MAKERS = {XRAY: lambda fixed, moving, mask, options: fixed, RADIOGRAPH: lambda fixed, moving, mask, options: moving, BLEND: _blend, EDGES: _edges,
           CHECKERBOARD: lambda fixed, moving, mask, options: checkerboard(fixed, moving, options.tiles), DIFFERENCE: _difference}


def movie_steps(folder, xray, radiographs, count, options=None):
    """Generator of Steps that writes the overlays of `count` radiographs [rows, cols] as frame-0000.png ... into `folder`; returns their paths.

    Closed before its end it takes its pictures back. Raises FileError for a folder that holds another movie.
    """
    folder, paths, whole = Path(folder), [], False
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.glob(FRAMES)):
        raise FileError(f"{folder} holds the pictures of another movie; choose an empty folder")
    try:
        for index, radiograph in enumerate(radiographs):
            paths.append(folder / FRAMES.replace("*", f"{index:04d}"))
            write_png(paths[-1], overlay_picture(xray, radiograph, options))
            yield Step(index + 1, count, None, f"picture {index + 1} of {count}")
        whole = True
    finally:
        for path in () if whole else paths:
            path.unlink(missing_ok=True)
    return paths
