"""Several volumes and meshes traced into one picture.

At every point of space counts what has the highest priority there. An object *hides* those of lower priority: a mesh of mode "replace"
inside its surface; a volume inside its box, or, where it says what its "nothing here" is, inside the surface of the voxels that are
something. A mesh of mode "add" hides nothing. Objects of equal priority add up.

Every hiding region is thus a closed surface of triangles, whose crossings cut each ray into exact pieces. An object's picture is its
integral over the whole ray less that over the hidden pieces, traced through the same volume by the same method: exact to that method
for Joseph and Siddon, whose integrals add up over pieces (trilinear places its samples anew on each). Voxels that are nothing count 0;
Joseph and trilinear interpolate down to that 0 over one voxel, while the surface lies on the voxels' sides.
"""
import math
from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from ..geometry import FreePixels, Views
from ..geometry.arrays import is_tensor, norm, to_numpy
from ..grids import CartesianGrid
from ..grids.meshes import TriangleMesh
from .cpu import TILE
from .meshes import PIXELS, chords, crossings, rays_at, surface_of, world_rays
from .projector import ProjectionError, Projector


@dataclass(frozen=True, eq=False)
class SceneVolume:
    """mu [..., K, J, I] in 1/mm on `grid`. nothing: a mask [K, J, I] of voxels that are nothing, a number (voxels of that value in all
    channels; NaN is one), or None: all of the box is something."""
    grid: CartesianGrid
    mu: torch.Tensor
    priority: int = 0
    nothing: object = None

    def __post_init__(self):
        mu = torch.as_tensor(self.mu)
        if tuple(mu.shape[-3:]) != self.grid.shape or not mu.is_floating_point():
            raise ProjectionError(f"scene volume of shape {tuple(mu.shape)} and type {mu.dtype}: expected floats [..., K, J, I], "
                                  f"(K, J, I) = {self.grid.shape}")
        object.__setattr__(self, "mu", mu)
        if np.ndim(self.nothing) and np.shape(self.nothing) != self.grid.shape:
            raise ProjectionError(f"the mask of nothing has shape {np.shape(self.nothing)}: expected that of the grid, {self.grid.shape}")

    @property
    def lead(self):
        return tuple(self.mu.shape[:-3])

    @property
    def hides(self):
        """Whether lower priorities do not show everywhere: a volume of nothing hides nothing."""
        return self.mesh is not None

    @cached_property
    def empty(self):
        """The mask [K, J, I] of voxels that are nothing, a boolean tensor, or None."""
        if self.nothing is None or np.ndim(self.nothing):
            return None if self.nothing is None else torch.as_tensor(self.nothing, device=self.mu.device).bool()
        same = self.mu.detach().isnan() if np.isnan(self.nothing) else self.mu.detach() == self.nothing
        return same.reshape(-1, *self.grid.shape).all(0)

    def values(self):
        """mu with 0 where there is nothing."""
        if self.empty is None:
            return self.mu
        return self._cleared() if self.mu.requires_grad else self._kept

    def _cleared(self):
        return torch.where(self.empty, torch.zeros_like(self.mu), self.mu)

    @cached_property
    def _kept(self):
        return self._cleared()

    @cached_property
    def mesh(self):
        """The surface of what hides, or None when every voxel is nothing."""
        if self.empty is None:
            size = np.array(self.grid.shape[::-1], float)
            return TriangleMesh.box(size, (size - 1) / 2).transformed(self.grid.ijk_to_ras)
        solid = ~to_numpy(self.empty)
        return TriangleMesh.of_voxels(solid, self.grid.ijk_to_ras) if solid.any() else None

    @property
    def points_ras(self):
        return self.grid.corners_ras()


@dataclass(frozen=True, eq=False)
class SceneMesh:
    """A watertight mesh of attenuation mu in 1/mm, a number or a tensor [...] of channels; mode "add" or "replace"."""
    mesh: TriangleMesh
    mu: object
    priority: int = 1
    mode: str = "replace"

    def __post_init__(self):
        if self.mode not in ("add", "replace"):
            raise ProjectionError(f"mesh mode '{self.mode}' is not known; expected add or replace")
        self.mesh.require_closed()
        object.__setattr__(self, "mu", self.mu if is_tensor(self.mu) else torch.as_tensor(self.mu, dtype=torch.float64))

    @property
    def hides(self):
        return self.mode == "replace"

    @property
    def lead(self):
        return tuple(self.mu.shape)

    @property
    def points_ras(self):
        return to_numpy(self.mesh.vertices)


class Scene:
    """p = scene(views): line integrals [..., views, rows, cols] of SceneVolumes and SceneMeshes together.

    Leading shapes (channels) broadcast. Gradients reach volumes, the meshes' mu and vertices, and every tensor of `views`. method,
    backend, step_mm, skip_air: as of Projector, for the volumes; meshes run on the CPU kernels, or on the reference for "torch".
    """

    def __init__(self, objects, method="joseph", backend="auto", step_mm=None, skip_air=True):
        self.objects = list(objects)
        if not self.objects:
            raise ProjectionError("a scene needs at least one object")
        if method == "maximum":
            raise ProjectionError("the maximum intensity does not add up over the objects of a scene; choose a line integral")
        self.lead = torch.broadcast_shapes(*(o.lead for o in self.objects))
        volumes = [o.mu for o in self.objects if isinstance(o, SceneVolume)]
        self.dtype = volumes[0].dtype if volumes and volumes[0].dtype == torch.float64 else torch.float32
        self.device = volumes[0].device if volumes else torch.device("cpu")
        self.options = {"method": method, "backend": backend, "step_mm": step_mm, "skip_air": skip_air}

    def __repr__(self):
        kinds = Counter(type(o).__name__ for o in self.objects)
        return f"Scene({', '.join(f'{n} {kind}' for kind, n in kinds.items())})"

    def __call__(self, views):
        rays = world_rays(views, np.concatenate([o.points_ras for o in self.objects]))
        over = [(o, [h for h in self.objects if h.hides and h.priority > o.priority]) for o in self.objects]
        over = [(o, hiders) for o, hiders in over if hiders]
        crossed = [o for o in self.objects if isinstance(o, SceneMesh) and any(o in hiders for _, hiders in over)]
        pictures = [self._whole(o, views, rays).to(self.device, self.dtype) for o in self.objects if o not in crossed]
        shape, pixels = (*self.lead, len(views), *views.shape), math.prod(views.shape)
        total = sum(pictures[1:], pictures[0]) if pictures else torch.zeros(shape, dtype=self.dtype, device=self.device)
        total = total.expand(shape).contiguous().flatten(-3)
        step, each = max(1, PIXELS // pixels), 1 if rays.shape[1] == 6 else pixels
        for i in range(0, len(views) if over else 0, step):
            part = _Part(rays[i * each:(i + step) * each], views.shape, self.options)
            for ray, values in (*map(part.whole, crossed), *(part.hidden(o, hiders) for o, hiders in over)):
                total.index_add_(-1, (ray + i * pixels).to(total.device), values.to(total).expand(*self.lead, -1))
        return total.reshape(shape)

    def _whole(self, o, views, rays):
        """The picture [..., views, rows, cols] of an object that nothing hides."""
        if isinstance(o, SceneVolume):
            return Projector(o.grid, views, **self.options)(o.values())
        lengths = chords(surface_of(o.mesh, rays, self.options["backend"]), rays, views.shape)
        return o.mu.to(lengths.device)[..., None, None, None] * lengths.reshape(len(views), *views.shape)


class _Part:
    """What meshes that hide show, and less of what is hidden, on the rays of some views: rays [n] and what is added there [..., n]. Few rays
    as a rule, so pictures of it would cost more. Crossings are found once an object."""

    def __init__(self, rays, shape, options):
        self.rays, self.shape, self.options = rays, list(shape), options
        self.found = {}

    def whole(self, mesh):
        """All of a mesh, of its crossings, whose parameters nearly cancel: added up in float64."""
        ray, a, sign = self._crossings(mesh)
        start, end = rays_at(self.rays, self.shape, ray)
        ray, place = torch.unique_consecutive(ray, return_inverse=True)
        lengths = torch.zeros(len(ray), dtype=a.dtype).index_add(0, place, sign * a.clamp(0, 1) * norm(end - start))
        return ray, mesh.mu.to(a.device)[..., None] * lengths

    def hidden(self, o, hiders):
        """Less the integrals of an object over the pieces of the rays that lie inside any of the hiders."""
        ray, a, inside = self._pieces([] if isinstance(o, SceneVolume) else [o], hiders)
        start, end = rays_at(self.rays, self.shape, ray)
        start, end = (start + a[:, i:i + 1] * (end - start) for i in (0, 1))
        if isinstance(o, SceneMesh):
            return ray, -o.mu.to(a.device)[..., None] * (inside * norm(end - start))
        if not len(ray):
            return ray, o.mu.new_zeros((*o.lead, 0))
        return ray, -Projector(o.grid, _as_views(start, end), **self.options)(o.values())[..., 0, 0, :]

    def _pieces(self, own, hiders):
        """Pieces between crossings that lie inside any of the hiders: ray [m], ends [m, 2] in [0, 1], how often inside `own` [m].

        They follow each other by squares of pixels, for volumes are traced fastest by rays that lie close together.
        """
        groups = [self._crossings(o) for o in (*own, *hiders)]
        ray, sign = (np.concatenate([g[i].numpy() for g in groups]) for i in (0, 2))
        hiding = np.repeat([i >= len(own) for i in range(len(groups))], [len(g[0]) for g in groups])
        a = torch.cat([g[1] for g in groups]).clamp(0, 1)
        order = np.lexsort((a.detach().numpy(), ray))
        ray, sign, hiding, a = ray[order], sign[order], hiding[order], a.index_select(0, torch.from_numpy(order))
        inside, cover = -np.cumsum(sign * ~hiding), -np.cumsum(sign * hiding)       # closed surfaces: 0 again after each ray
        longer = (ray[1:] == ray[:-1]) & (cover[:-1] > 0) & (np.diff(a.detach().numpy()) > 0)
        first = np.flatnonzero(longer)
        first = first[np.argsort(self._square(ray[first]), kind="stable")]
        ends = [a.index_select(0, torch.from_numpy(i)) for i in (first, first + 1)]
        return torch.from_numpy(ray[first]), torch.stack(ends, 1), torch.from_numpy(inside[first])

    def _square(self, ray):
        """Number of the square of pixels that each ray [m] belongs to."""
        rows, cols = self.shape
        view, pixel = np.divmod(ray, rows * cols)
        across, down = -(-cols // TILE), -(-rows // TILE)
        return (view * down + pixel // cols // TILE) * across + pixel % cols // TILE

    def _crossings(self, o):
        """Crossings of all rays with the surface of an object."""
        if id(o) not in self.found:
            self.found[id(o)] = crossings(surface_of(o.mesh, self.rays, self.options["backend"]), self.rays, self.shape)
        return self.found[id(o)]


def _as_views(start, end):
    """Rays [m, 3] -> [m, 3] as one view of 1 x m pixels."""
    away = end[:1].detach()
    return Views(source=start[:1].detach(), origin=away, u=[[1.0, 0, 0]], v=[[0, 1.0, 0]], shape=(1, len(start)),
                 surface=FreePixels(end[None, None], start[None, None]))
