"""One object among others, such as a bone in an arm: X-rays are cropped to what it can reach, and only the pixels around it count."""
from dataclasses import replace

import numpy as np
import torch

from ..geometry import transform_points
from ..geometry.arrays import norm, to_numpy, unit
from .images import COVERED, footprint
from .recipe import levels_for_object
from .similarity.base import spread

LEAST_PX = 32               # pixels that a footprint must have to be compared by them
WINDOW = 2.0                # half the width of the squares over which images are normalised, in margins of the footprint


def occupied_corners(grid, mu):
    """Corners [8, 3] (RAS) of the box around the voxels that attenuate more than a hundredth of the densest one."""
    occupied = (mu > COVERED * mu.max()).cpu().numpy()
    if not occupied.any():
        return grid.corners_ras()
    each = [np.flatnonzero(occupied.any(axis)) for axis in ((0, 1), (0, 2), (1, 2))]       # i, j, k
    ends = [(used[0] - 0.5, used[-1] + 0.5) for used in each]
    return grid.ras_from_ijk(np.stack(np.meshgrid(*ends, indexing="ij"), -1).reshape(8, 3))


def px_per_mm(xray, point_ras):
    """How many pixels of the X-ray's detector show a mm across its rays at a point (RAS), mean over rows and columns."""
    across = np.stack([unit(to_numpy(xray.views.u)[0]), unit(to_numpy(xray.views.v)[0])])
    pixels = to_numpy(xray.views.project(np.concatenate([[point_ras], point_ras + across])))[0]
    return float(norm(pixels[1:] - pixels[0]).mean())


def levels_around(cases, poses, options):
    """The levels at which objects (cases) at poses [n, 4, 4] are registered by their footprints: the largest object's radiograph decides the
    resolution, and images are normalised over squares of the size of bones rather than of arms."""
    alone = [x for case, pose in zip(cases, poses) for x in within_reach(case, pose[None], options.footprint_mm).xrays]
    scale = np.mean([px_per_mm(x, _centre(case, pose)) for case, pose in zip(cases, poses) for x in case.xrays])
    return levels_for_object(max(max(x.image.shape) for x in alone), options.finest_px, WINDOW * options.footprint_mm * scale)


def within_reach(case, poses, margin_mm):
    """The case with its X-rays cropped to where the object lies in any of the poses [n, 4, 4], and `margin_mm` around it."""
    points = reach(case, poses)
    return case.with_xrays([cropped(x, points, margin_px(x, _centre(case, poses[0]), margin_mm)) for x in case.xrays])


def reach(case, poses):
    """Corners (RAS) [8 n, 3] of what the object occupies at poses [n, 4, 4]."""
    corners = occupied_corners(case.grid, case.mu)
    return (corners @ poses[:, :3, :3].swapaxes(-1, -2) + poses[:, None, :3, 3]).reshape(-1, 3)


def cropped(xray, points, border_px):
    """The part of an X-ray that shows points (RAS) [P, 3], and `border_px` pixels around them, as far as the X-ray goes."""
    pixels = to_numpy(xray.views.project(points))[0]
    size = np.array(xray.image.shape)
    first = np.clip(np.floor(np.nanmin(pixels, 0)).astype(int) - border_px, 0, size - 1)
    last = np.clip(np.ceil(np.nanmax(pixels, 0)).astype(int) + border_px, first, size - 1)
    window = tuple(slice(a, b + 1) for a, b in zip(first, last))
    views = xray.views.cropped(*first.tolist(), *(last + 1 - first).tolist())
    return replace(xray, image=xray.image[window], views=views, mask=xray.mask[window])


def margin_px(xray, point_ras, margin_mm):
    """margin_mm at a point (RAS) in pixels of an X-ray, at least 1."""
    return max(1, round(margin_mm * px_per_mm(xray, point_ras)))


def covered(case, poses, index, margin_mm):
    """Radiographs of X-ray `index` for poses [n, 4, 4], and masks of those of its pixels that the object covers, or that lie within margin_mm."""
    radiographs, xray = case.render(poses, index), case.xrays[index]
    return radiographs, footprint(radiographs, margin_px(xray, _centre(case, poses[0]), margin_mm)) & xray.mask


def own_masks(case, poses, index, margin_mm):
    """Radiographs of X-ray `index` for poses [n, 4, 4] and the pixels that count for each: those of its footprint, as far as it says anything."""
    radiographs, masks = covered(case, poses, index, margin_mm)
    return radiographs, telling(case.xrays[index], masks)


def telling(xray, masks):
    """Footprints [n, rows, cols], or all pixels that count where one has less than LEAST_PX of them, or a part of the X-ray in which all values
    are the same: no pose wins by leaving the picture."""
    told = (masks.sum((-2, -1)) >= LEAST_PX) & (spread(xray.image, masks) > 0)
    return torch.where(told[:, None, None], masks, xray.mask)


def around_object(case, pose, margin_mm):
    """The case in which only pixels count that the object covers at `pose`, and margin_mm around them."""
    return case.with_xrays([replace(x, mask=own_masks(case, np.asarray(pose)[None], i, margin_mm)[1][0]) for i, x in enumerate(case.xrays)])


def likeness(case, poses, similarity, margin_mm):
    """Mean over the X-rays of similarity(radiographs, image, masks) [n] at poses [n, 4, 4], each over its own footprint."""
    total = 0.0
    for index, x in enumerate(case.xrays):
        radiographs, masks = own_masks(case, poses, index, margin_mm)
        total = total + similarity(radiographs, x.image, masks)
    return (total / len(case.xrays)).numpy()


def _centre(case, pose):
    return transform_points(pose, case.grid.centre_ras)
