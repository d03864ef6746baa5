"""Several volumes and meshes traced into one picture.

At every point of space counts what has the highest priority there. An object *hides* those of lower priority: a mesh of mode "replace"
inside its surface; a volume inside its box, or, where it says what its "nothing here" is, inside the surface of the voxels that are
something. A mesh of mode "add" hides nothing. Objects of equal priority add up.

Every hiding region is thus a closed surface of triangles, whose crossings cut each ray into exact pieces. An object's picture is its
integral over the whole ray less that over the hidden pieces, traced through the same volume by the same method: exact to that method
for Joseph and Siddon, whose integrals add up over pieces (trilinear places its samples anew on each). Voxels that are nothing count 0;
Joseph and trilinear interpolate down to that 0 over one voxel, while the surface lies on the voxels' sides.
"""
from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from ..geometry import FreePixels, Views
from ..geometry.arrays import is_tensor, norm, to_numpy
from ..grids import CartesianGrid
from ..grids.meshes import TriangleMesh
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

    hides = True

    @property
    def lead(self):
        return tuple(self.mu.shape[:-3])

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
        step = max(1, PIXELS // (views.shape[0] * views.shape[1]))
        return torch.cat([self._picture(views[i:i + step]) for i in range(0, len(views), step)], -3)

    def _picture(self, views):
        rays = world_rays(views, np.concatenate([o.points_ras for o in self.objects]))
        trace = _Trace(views, rays, self.options)
        total = torch.zeros(*self.lead, len(views), *views.shape, dtype=self.dtype, device=self.device)
        for o in self.objects:
            hiders = [h for h in self.objects if h.hides and h.priority > o.priority]
            picture = trace.volume(o, hiders) if isinstance(o, SceneVolume) else trace.mesh(o, hiders)
            total = total + picture.to(total)
        return total


class _Trace:
    """The objects of a scene seen in some views; crossings are found once an object."""

    def __init__(self, views, rays, options):
        self.views, self.rays, self.options = views, rays, options
        self.shape = list(views.shape)
        self.pixels = len(views) * views.shape[0] * views.shape[1]
        self.found = {}

    def volume(self, o, hiders):
        """Line integrals [..., views, rows, cols] of the parts of a volume that nothing hides."""
        mu = o.values()
        p = Projector(o.grid, self.views, **self.options)(mu)
        ray, start, end = self._hidden(hiders)
        if not len(ray):
            return p
        pieces = Projector(o.grid, _as_views(start, end), **self.options)(mu)[..., 0, 0, :]
        hidden = torch.zeros(*p.shape[:-3], self.pixels, dtype=p.dtype, device=p.device).index_add(-1, ray.to(p.device), pieces)
        return p - hidden.reshape(p.shape)

    def mesh(self, o, hiders):
        """mu times the length of the ray inside the mesh and outside of what hides it."""
        length = chords(self._surface(o), self.rays, self.shape).reshape(-1)
        ray, a, inside, cover = self._pieces([o], hiders)
        if len(ray):
            start, end = rays_at(self.rays, self.shape, ray)
            length = length.index_add(0, ray, -(inside * cover.clamp(max=1)) * a.diff(dim=1)[:, 0] * norm(end - start))
        return o.mu.to(length.device)[..., None, None, None] * length.reshape(len(self.views), *self.shape)

    def _hidden(self, hiders):
        """Pieces of rays inside any of the hiders: ray [m], start and end [m, 3] in RAS."""
        ray, a, _, cover = self._pieces([], hiders)
        ray, a = ray[cover > 0], a[cover > 0]
        start, end = rays_at(self.rays, self.shape, ray)
        along = end - start
        return ray, start + a[:, :1] * along, start + a[:, 1:] * along

    def _pieces(self, own, hiders):
        """The rays cut at all crossings: ray [m], ends of the piece [m, 2] in [0, 1], how often it is inside `own`, and inside `hiders`."""
        groups = [self._crossings(h) for h in (*own, *hiders) if hiders]
        groups = [(*g, len(own) == 0 or i > 0) for i, g in enumerate(groups) if g is not None]
        if not groups:
            none = torch.zeros(0, dtype=torch.int64)
            return none, torch.zeros(0, 2, dtype=torch.float64), none, none
        ray, a, sign = (torch.cat(t) for t in zip(*(g[:3] for g in groups)))
        hiding = torch.cat([torch.full_like(g[2], g[3]) for g in groups])
        order = torch.from_numpy(np.lexsort((to_numpy(a), to_numpy(ray))))
        ray, a, sign, hiding = ray[order], a[order].clamp(0, 1), sign[order], hiding[order]
        inside, cover = -(sign * (1 - hiding)).cumsum(0), -(sign * hiding).cumsum(0)    # closed surfaces: 0 again after each ray
        piece = (ray[1:] == ray[:-1]) & (a[1:] > a[:-1])
        return ray[:-1][piece], torch.stack([a[:-1], a[1:]], 1)[piece], inside[:-1][piece], cover[:-1][piece]

    def _crossings(self, o):
        """Crossings of all rays with the surface of an object, or None where it has none."""
        if id(o) not in self.found:
            self.found[id(o)] = None if o.mesh is None else crossings(self._surface(o), self.rays, self.shape)
        return self.found[id(o)]

    def _surface(self, o):
        return surface_of(o.mesh, self.rays, self.options["backend"])


def _as_views(start, end):
    """Rays [m, 3] -> [m, 3] as one view of 1 x m pixels."""
    away = end[:1].detach()
    return Views(source=start[:1].detach(), origin=away, u=[[1.0, 0, 0]], v=[[0, 1.0, 0]], shape=(1, len(start)),
                 surface=FreePixels(end[None, None], start[None, None]))
