"""What is to be registered: a moving volume and the X-rays that show it, at every resolution."""
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from ..geometry import GeometryError, Views, rotation_from_vector
from ..grids import CartesianGrid
from ..tracing import Projector


class RegistrationError(ValueError):
    """A registration that cannot be done as asked; the message is one sentence with the remedy."""


@dataclass(frozen=True, eq=False)
class XRay:
    """One X-ray: line integrals (up to gain, offset and what scatter adds) [rows, cols], its one view, and the pixels that count."""
    image: torch.Tensor
    views: Views
    mask: torch.Tensor | None = None
    name: str = "X-ray"

    def __post_init__(self):
        image = torch.as_tensor(self.image, dtype=torch.float32)
        object.__setattr__(self, "image", image)
        if len(self.views) != 1 or tuple(image.shape) != self.views.shape:
            raise RegistrationError(f"{self.name}: an image of {tuple(image.shape)} pixels and {self.views}; expected one view of the image's shape")
        mask = torch.isfinite(image) if self.mask is None else torch.as_tensor(self.mask).bool() & torch.isfinite(image)
        object.__setattr__(self, "mask", mask)
        if not mask.any():
            raise RegistrationError(f"{self.name}: the mask leaves no pixel; let it keep the part that shows the object")
        if float(image[mask].std()) <= 1e-6 * float(image[mask].abs().max()):
            raise RegistrationError(f"{self.name}: all pixels that count have the same value; there is nothing to register to")

    def binned(self, factor):
        """The X-ray at a resolution coarser by `factor`: means of the pixels that count; a block counts when half of it does."""
        if factor == 1:
            return self
        rows, cols = (n // factor * factor for n in self.image.shape)
        kept = self.mask[:rows, :cols].float()
        total = torch.nn.functional.avg_pool2d((torch.where(self.mask, self.image, 0.0)[:rows, :cols])[None], factor)[0]
        share = torch.nn.functional.avg_pool2d(kept[None], factor)[0]
        return replace(self, image=total / share.clamp_min(1e-6), views=self.views.binned(factor), mask=share >= 0.5)


@dataclass(frozen=True, eq=False)
class Case:
    """A volume mu (1/mm) [K, J, I] on `grid` that moves about `pivot` (RAS), and X-rays that stand still.

    Poses are 4x4 matrices of the world; the increment (w, t) takes pose T to pose_about(w, t, pivot) @ T.
    """
    grid: CartesianGrid
    mu: torch.Tensor
    xrays: tuple
    pivot: np.ndarray = None
    method: str = "joseph"
    _levels: dict = field(default_factory=dict, repr=False)
    _volumes: dict = field(default_factory=dict, repr=False)

    def __post_init__(self):
        object.__setattr__(self, "xrays", tuple(self.xrays))
        object.__setattr__(self, "mu", torch.as_tensor(self.mu, dtype=torch.float32))
        if not self.xrays:
            raise RegistrationError("there is no X-ray to register to; give at least one")
        if tuple(self.mu.shape) != self.grid.shape:
            raise RegistrationError(f"the volume has {tuple(self.mu.shape)} voxels, its grid {self.grid.shape}")
        if self.pivot is None:
            object.__setattr__(self, "pivot", np.asarray(self.grid.centre_ras))

    def level(self, image_factor, volume_factor):
        """The case at a coarser resolution of images and volume (made once)."""
        key = (image_factor, volume_factor)
        if key == (1, 1):
            return self
        if key not in self._levels:
            if volume_factor not in self._volumes:
                self._volumes[volume_factor] = coarser(self.grid, self.mu, volume_factor)
            grid, mu = self._volumes[volume_factor]
            xrays = [x.binned(max(1, min(image_factor, *(n // 8 for n in x.image.shape)))) for x in self.xrays]
            self._levels[key] = Case(grid, mu, xrays, self.pivot, self.method)
        return self._levels[key]

    def with_xrays(self, xrays):
        """The same volume, and its coarser ones, with other X-rays."""
        return replace(self, xrays=tuple(xrays), _levels={})

    def pivoted(self, pivot):
        """The same case with another pivot (RAS)."""
        return replace(self, pivot=np.asarray(pivot, float), _levels={})

    def render(self, poses, index):
        """Radiographs [n, rows, cols] of X-ray `index` for the object's poses [n, 4, 4]."""
        poses = np.asarray(poses, np.float64).reshape(-1, 4, 4)
        views = self.xrays[index].views[[0] * len(poses)].transformed(np.linalg.inv(poses))
        return Projector(self.grid, views, self.method)(self.mu)

    def render_with_pull(self, pose, index, views=None):
        """Radiograph [rows, cols] of X-ray `index` and its derivatives [rows, cols, 2, 3] by each pixel's own ray's start and end in the world.

        views: other ones in place of the X-ray's own.
        """
        views = self.xrays[index].views if views is None else views
        image, by_ends = Projector(self.grid, views.transformed(np.linalg.inv(pose)), self.method).jacobian(self.mu)
        # an end e of a ray lies at T^-1 e in the object
        return image[0], _times(by_ends[0], pose[:3, :3].T)

    def render_with_jacobian(self, pose, index):
        """Radiograph [rows, cols] of X-ray `index` and its derivatives [rows, cols, 6] by the increment (w in rad, t in mm) at `pose`."""
        image, pull = self.render_with_pull(pose, index)
        return image, by_increment(pull, ends_of(self.xrays[index].views), self.pivot)

    def check_sight(self, pose):
        """Raises RegistrationError for an X-ray that does not see the object at `pose`."""
        points = np.concatenate([self.grid.corners_ras(), [self.grid.centre_ras]]) @ pose[:3, :3].T + pose[:3, 3]
        for x in self.xrays:
            try:
                pixels = x.views.project(points)[0]
            except GeometryError:
                continue
            ends = np.nanmin(pixels, 0), np.nanmax(pixels, 0)
            if not np.isfinite(pixels).any() or (ends[1] < -0.5).any() or (ends[0] > np.array(x.image.shape) - 0.5).any():
                raise RegistrationError(f"{x.name} does not see the volume in its start pose; move the volume in front of the detector, or start "
                                        "from landmarks")


def ends_of(views):
    """Starts and ends [rows, cols, 2, 3] (RAS) of the rays of one view."""
    start, end = views.rays()
    return np.stack(np.broadcast_arrays(start[0], end[0]), -2)


def by_increment(pull, ends, pivot):
    """Derivatives [rows, cols, 6] by the object's increment of pixels whose derivatives by the ends of their rays are `pull`.

    The increment (w, t) takes an end e, as the object sees it, to e - w x (e - c) - t.
    """
    arms = torch.as_tensor(ends - np.asarray(pivot), dtype=pull.dtype)
    return -torch.cat([torch.linalg.cross(arms, pull).sum(-2), pull.sum(-2)], -1)


def _times(rows, matrix):
    """rows [..., 3] @ matrix [3, 3], as one product of large matrices, which is faster than many of small ones."""
    matrix = torch.as_tensor(np.ascontiguousarray(matrix), dtype=rows.dtype)
    return (matrix.T @ rows.reshape(-1, 3).T).T.reshape(rows.shape)


def coarser(grid, mu, factor):
    """Grid and volume of means over blocks of about `factor` mm-equal voxels: each axis is binned to the finest axis' step times factor."""
    if factor == 1:
        return grid, mu
    target = factor * grid.spacing_mm.min()
    each = [max(1, min(int(round(target / s)), n)) for s, n in zip(grid.spacing_mm, grid.shape[::-1])]       # i, j, k
    kept = [n // f * f for n, f in zip(grid.shape[::-1], each)]
    matrix = grid.ijk_to_ras.copy()
    matrix[:3, 3] = grid.ras_from_ijk([(f - 1) / 2 for f in each])
    matrix[:3, :3] *= each
    small = torch.nn.functional.avg_pool3d(mu[None, :kept[2], :kept[1], :kept[0]], tuple(each[::-1]))[0]
    return CartesianGrid(tuple(small.shape), matrix), small


def compose(increment, pose, pivot):
    """pose_about(w, t, pivot) @ pose for the increment (w, t) [6]."""
    w, t, c = np.asarray(increment[:3], float), np.asarray(increment[3:], float), np.asarray(pivot, float)
    moved = np.eye(4)
    moved[:3, :3] = rotation_from_vector(w)
    moved[:3, 3] = c + t - moved[:3, :3] @ c
    return moved @ pose
