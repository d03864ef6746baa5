"""From an image as it was stored to an X-ray that can be registered: crop, open beam, logarithm, inversion, bad pixels, collimator."""
from dataclasses import dataclass

import numpy as np
import torch

from ..counts import isolated_pixels, line_integral, repair
from ..geometry import GeometryError
from ..options import OptionError, option, options_of
from .case import RegistrationError, XRay

LINE_INTEGRALS, COUNTS = "line integrals", "counts"
BRIGHTEST = 99.5        # percentile of the image that counts as its open beam
BLADE = 0.12            # share of the range of counts up to which a pixel may lie behind a blade
BLADE_SPREAD = 0.04     # share of the range by which counts behind a blade may spread (robust standard deviation)
LEAST_BLADE = 0.02      # share of the image below which blades are not looked for
CONVEX = 0.97           # share of its convex hull that a collimated field fills at least
LOOKED_AT_PX = 400      # larger images are looked at with fewer pixels to find their field
COVERED = 0.01          # share of the largest line integral from which on a pixel counts as covered by an object


@dataclass(frozen=True)
class Preparation:
    """How a stored image becomes line integrals up to gain and offset, and which of its pixels count."""
    values: str = option(LINE_INTEGRALS, "Values", "what the pixels mean: line integrals (or display values that rise with them), or counts",
                         choices=(LINE_INTEGRALS, COUNTS))
    inverted: bool = option(False, "Inverted", "bone is darker than air where pixels are line integrals, brighter where they are counts")
    full_scale: float = option(0.0, "Full scale", "value of a pixel that got nothing, for inverted counts; 0: the image's largest", minimum=0.0)
    open_beam: float = option(0.0, "Open beam", "counts without an object, where there is no flat image; 0: those of the brightest pixels",
                              minimum=0.0)
    crop_row: int = option(0, "First row", "first row that is kept", minimum=0, unit="px")
    crop_col: int = option(0, "First column", "first column that is kept", minimum=0, unit="px")
    crop_rows: int = option(0, "Rows", "number of rows that are kept; 0: all that follow", minimum=0, unit="px")
    crop_cols: int = option(0, "Columns", "number of columns that are kept; 0: all that follow", minimum=0, unit="px")
    bad_sigma: float = option(8.0, "Bad pixels", "single pixels this many standard deviations beyond all of their neighbours do not count; 0: none",
                              minimum=0.0)
    find_collimator: bool = option(True, "Find collimator", "pixels behind the collimator's blades do not count")
    border_px: int = option(0, "Border", "width of the frame of pixels that do not count", minimum=0, unit="px")

    def __post_init__(self):
        for o in options_of(self):
            try:
                object.__setattr__(self, o.name, o.checked(getattr(self, o.name)))
            except OptionError as error:
                raise RegistrationError(f"preparation of X-rays: {error}") from error


def prepare(image, views, preparation=None, flat=None, dark=None, bad=None, mask=None, name="X-ray"):
    """XRay of an image [rows, cols] as it was stored and its one view.

    flat, dark: images of the open beam and without a beam (for counts); bad, mask: pixels that are defective, pixels that count
    (all [rows, cols] of the whole image). Defective pixels are repaired for the picture's sake and do not count.
    """
    p = Preparation() if preparation is None else preparation
    image = np.asarray(image, np.float64)
    if len(views) != 1 or image.shape != views.shape:
        raise RegistrationError(f"{name}: an image of {image.shape} pixels and {views}; expected one view of the image's shape")
    given = {"flat": flat, "dark": dark, "bad": bad, "mask": mask}
    for what, values in given.items():
        if values is not None and np.shape(values) != image.shape:
            raise RegistrationError(f"{name}: '{what}' has the shape {np.shape(values)}, the image {image.shape}; expected the same")
    views, window = _cropped(views, p, name)
    image = image[window]
    flat, dark, bad, mask = (None if values is None else np.asarray(values)[window] for values in given.values())
    broken = ~np.isfinite(image) | (np.zeros(image.shape, bool) if bad is None else bad.astype(bool))
    if broken.all():
        raise RegistrationError(f"{name}: no pixel holds a usable number; check the image and the mask of bad pixels")
    counts, p_image = _line_integrals(np.where(broken, np.nan, image), p, flat, dark, name)
    broken |= ~np.isfinite(p_image)
    if p.bad_sigma > 0:
        broken |= isolated_pixels(np.where(broken, np.nan, p_image), p.bad_sigma)
    if broken.all():
        raise RegistrationError(f"{name}: no pixel holds a usable number; check the flat image and bad_sigma")
    keep = ~broken & _inside_border(image.shape, p.border_px)
    keep &= True if mask is None else mask.astype(bool)
    if p.find_collimator:
        keep &= collimated_field(repair(counts, broken))
    return XRay(torch.from_numpy(repair(p_image, broken)).float(), views, torch.from_numpy(keep), name)


def _cropped(views, p, name):
    rows, cols = p.crop_rows or views.shape[0] - p.crop_row, p.crop_cols or views.shape[1] - p.crop_col
    try:
        part = views.cropped(p.crop_row, p.crop_col, rows, cols)
    except GeometryError as error:
        raise RegistrationError(f"{name}: {error}; crop inside the image") from error
    return part, (slice(p.crop_row, p.crop_row + rows), slice(p.crop_col, p.crop_col + cols))


def _line_integrals(image, p, flat, dark, name):
    """The image as something bright in air (counts), and as line integrals."""
    if p.values == LINE_INTEGRALS:
        if flat is not None or dark is not None:
            raise RegistrationError(f"{name}: flat and dark images belong to counts; set values to '{COUNTS}', or leave them out")
        rising = np.nanmax(image) - image if p.inverted else image
        return np.nanmax(rising) - rising, rising
    counts = (p.full_scale or np.nanmax(image)) - image if p.inverted else image
    beam = flat if flat is not None else p.open_beam or np.nanpercentile(counts, BRIGHTEST)
    if not np.nanmax(np.asarray(beam, np.float64) - (0.0 if dark is None else dark)) > 0:
        raise RegistrationError(f"{name}: the open beam is not brighter than the dark image; check which of the images is which")
    # starved pixels are held at half a count: their true line integral is only known to be larger
    least = max(0.5 / float(np.nanmax(beam)), 1e-6)
    return counts, line_integral(counts, beam, dark, min(least, 0.5))[0].astype(np.float64)


def _inside_border(shape, width):
    inside = np.zeros(shape, bool)
    inside[width : shape[0] - width, width : shape[1] - width] = True
    return inside


def collimated_field(counts):
    """Mask [rows, cols] of what a collimator leaves open in an image that is bright in air; all True where none is recognised.

    Blades are what lies at the image's border, is as dark as the darkest part and evenly so, and leaves open one convex field (a polygon or
    a disc); the field's outline is drawn two pixels inside.
    """
    counts = np.asarray(counts, np.float64)
    step = -(-max(counts.shape) // LOOKED_AT_PX)
    found = _small_field(counts[step // 2 :: step, step // 2 :: step])
    return np.repeat(np.repeat(np.pad(found, (0, 1), mode="edge"), step, 0), step, 1)[: counts.shape[0], : counts.shape[1]]


def _small_field(counts):
    from scipy import ndimage
    whole = np.ones(counts.shape, bool)
    if min(counts.shape) < 16:
        return whole
    smooth = ndimage.median_filter(counts, 3, mode="nearest")
    low, high = np.percentile(smooth, [0.5, 99.5])
    if not high > low:
        return whole
    blades = _touching_border(smooth < low + BLADE * (high - low))
    if not LEAST_BLADE < blades.mean() < 1 - LEAST_BLADE:
        return whole
    behind = smooth[ndimage.binary_erosion(blades, iterations=2, border_value=1)]
    if len(behind) < 9 or 1.4826 * np.median(np.abs(behind - np.median(behind))) > BLADE_SPREAD * (high - low):
        return whole
    parts, _ = ndimage.label(~blades)
    field = ndimage.binary_fill_holes(parts == np.bincount(parts[parts > 0]).argmax())
    hull = _convex_hull(field)
    if hull is None or field.sum() < CONVEX * hull.sum():
        return whole
    return ndimage.binary_erosion(hull, iterations=2, border_value=1)


def _touching_border(mask):
    """The parts of a mask that touch the image's border."""
    from scipy import ndimage
    parts, _ = ndimage.label(mask)
    border = np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]])
    return np.isin(parts, np.setdiff1d(border, 0))


def _convex_hull(mask):
    """Mask of the pixels whose centres lie in the convex hull of those of `mask`; None for a mask without area."""
    from scipy.spatial import ConvexHull, QhullError
    try:
        hull = ConvexHull(np.argwhere(mask))
    except (QhullError, ValueError):        # fewer than three pixels, or all in a line
        return None
    r, c = np.mgrid[:mask.shape[0], :mask.shape[1]]
    return (hull.equations[:, :2] @ np.stack([r.ravel(), c.ravel()]) + hull.equations[:, 2:] <= 1e-9).all(0).reshape(mask.shape)


def footprint(radiographs, margin_px):
    """Masks [..., rows, cols] of what an object covers in its radiographs, and `margin_px` pixels around it: elsewhere other bones draw a
    similarity their way. Covered is what has more than COVERED of the largest line integral."""
    covered = radiographs > COVERED * radiographs.amax((-2, -1), keepdim=True)
    flat = covered.float().reshape(-1, 1, *covered.shape[-2:])
    return (torch.nn.functional.max_pool2d(flat, 2 * margin_px + 1, 1, margin_px) > 0).reshape(covered.shape)
