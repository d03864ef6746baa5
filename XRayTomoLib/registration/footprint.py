"""One object among others, such as a bone in an arm: X-rays are cropped to what it can reach, and only the pixels around it count."""
from dataclasses import replace

import numpy as np
import torch

from ..geometry import transform_points
from ..geometry.arrays import norm, to_numpy, unit
from .images import COVERED, footprint


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


def margin_px(case, pose, index, margin_mm):
    """margin_mm at the object's centre in pixels of X-ray `index`, at least 1."""
    return max(1, round(margin_mm * px_per_mm(case.xrays[index], transform_points(pose, case.grid.centre_ras))))


def within_reach(case, poses, margin_mm):
    """The case with its X-rays cropped to where the object lies in any of the poses [n, 4, 4], and `margin_mm` around it."""
    corners = occupied_corners(case.grid, case.mu)
    points = (corners @ poses[:, :3, :3].swapaxes(-1, -2) + poses[:, None, :3, 3]).reshape(-1, 3)
    return case.with_xrays([_cropped(x, points, margin_px(case, poses[0], i, margin_mm)) for i, x in enumerate(case.xrays)])


def _cropped(xray, points, border_px):
    pixels = to_numpy(xray.views.project(points))[0]
    size = np.array(xray.image.shape)
    first = np.clip(np.floor(np.nanmin(pixels, 0)).astype(int) - border_px, 0, size - 1)
    last = np.clip(np.ceil(np.nanmax(pixels, 0)).astype(int) + border_px, first, size - 1)
    window = tuple(slice(a, b + 1) for a, b in zip(first, last))
    views = xray.views.cropped(*first.tolist(), *(last + 1 - first).tolist())
    return replace(xray, image=xray.image[window], views=views, mask=xray.mask[window])


def footprints(case, poses, index, margin_mm):
    """Radiographs of X-ray `index` for poses [n, 4, 4], and masks of the pixels that count for each: what the object covers and margin_mm
    around it; all that count in the X-ray where it covers none of them, so that no pose wins by leaving the picture."""
    radiographs = case.render(poses, index)
    own = footprint(radiographs, margin_px(case, poses[0], index, margin_mm)) & case.xrays[index].mask
    return radiographs, torch.where(own.any(-1, keepdim=True).any(-2, keepdim=True), own, case.xrays[index].mask)


def around_object(case, pose, margin_mm):
    """The case in which only pixels count that the object covers at `pose`, and margin_mm around them."""
    masks = [footprints(case, np.asarray(pose)[None], i, margin_mm)[1][0] for i in range(len(case.xrays))]
    return case.with_xrays([replace(x, mask=mask) for x, mask in zip(case.xrays, masks)])


def likeness(case, poses, similarity, margin_mm):
    """Mean similarity [n] over the X-rays at poses [n, 4, 4], each over its own footprint."""
    total = 0.0
    for index, x in enumerate(case.xrays):
        radiographs, masks = footprints(case, poses, index, margin_mm)
        total = total + similarity(radiographs, x.image, masks)
    return (total / len(case.xrays)).numpy()
