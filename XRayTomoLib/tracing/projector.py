"""`Projector`: line integrals of a volume along the rays of some views, and the exact adjoint."""
import logging
import math
import weakref

import numpy as np
import torch

from ..geometry import Flat
from ..geometry.arrays import is_tensor, norm, to_numpy
from ..memory import budget_bytes, check, plan_listed
from . import reference
from .compilers import TargetMissing, load_numba
from .operator import LinearOperator
from .targets import METHODS

LOG = logging.getLogger(__name__)
NO_MAP = torch.empty(0, dtype=torch.uint8)
NO_TABLE = torch.empty(0, dtype=torch.float32)
ONE_PASS_BYTES = 256 << 20      # a Jacobian up to this size is kept for backward instead of tracing twice


class ProjectionError(ValueError):
    """A projection that cannot be computed as asked."""


class Projector(LinearOperator):
    """p = A(mu): integrals (mm x 1/mm) of mu [..., K, J, I] on `grid` along all rays of `views`: [..., views, rows, cols].

    method   "joseph" (default), "siddon" (exact for voxels of constant value), "trilinear", "maximum" (largest sample, no adjoint)
    backend  "auto" (compiled kernels where the tensors lie), "cpu" (numba), "cuda" (numba-cuda, for tensors on a GPU), "torch" (reference)
    step_mm  sample distance of "trilinear"; default: half the smallest voxel step
    skip_air drop voxels that are exactly 0 at both ends of each ray (forward only, exact to rounding); a map of them is made once a volume
    lookup   for 16-bit integer volumes: 65536 attenuation values, indexed by the voxel's bits
    memory_budget_mb  working memory that may be used (memory.py); larger work is done in portions

    Volumes may be float32, float64, float16 or, with `lookup`, int16 and uint16; the last three are traced without a float copy.
    Gradients reach the volume and every tensor of `views`.
    """

    def __init__(self, grid, views, method="joseph", backend="auto", step_mm=None, skip_air=True, lookup=None,
                 memory_budget_mb=None):
        if method not in METHODS:
            raise ProjectionError(f"projection method '{method}' is not known; expected one of: {', '.join(METHODS)}")
        if step_mm is not None and not step_mm > 0:
            raise ProjectionError(f"step_mm {step_mm}: expected a length of more than 0 mm")
        self.grid, self.views, self.method, self.skip_air = grid, views, method, skip_air
        self.memory_budget_mb = memory_budget_mb
        self.step_mm = float(step_mm) if step_mm is not None else 0.5 * float(grid.spacing_mm.min())
        self.asked, self.backend, self.device = backend, choose_backend(backend), torch.device("cuda" if backend == "cuda" else "cpu")
        self.table = NO_TABLE if lookup is None else torch.as_tensor(lookup, dtype=torch.float32)
        if len(self.table) not in (0, 65536):
            raise ProjectionError(f"lookup has {len(self.table)} values: expected one for each of the 65536 codes of 16 bits")
        self.domain_shape, self.range_shape = grid.shape, (len(views), *views.shape)
        g = grid.metric
        self.metric = [float(x) for x in (g[0, 0], g[1, 1], g[2, 2], g[0, 1], g[0, 2], g[1, 2])]

    def __getitem__(self, index):
        """The same operator for some of the views."""
        return self._for(self.views[index])

    def _for(self, views):
        return Projector(self.grid, views, self.method, self.asked, self.step_mm, self.skip_air, self.table if len(self.table) else None,
                         self.memory_budget_mb)

    @property
    def target(self):
        """What computes, for people."""
        from . import cpu
        return {"cpu": f"CPU (numba, {cpu.THREADS} threads)", "cuda": "NVIDIA GPU (numba-cuda)", "torch": "torch reference (slow)"}[self.backend]

    # -- the two directions
    def forward(self, x):
        volume, lead = self._volume(x)
        pieces = self._pieces(volume, math.prod(self.range_shape))
        if len(pieces) > 1:
            return self._forward_in(pieces, x, lead)
        p = self._traced(volume, self._rays(volume.device), self._air(x, volume))
        return p.reshape(*lead, *self.range_shape)

    def adjoint(self, y):
        if self.method == "maximum":
            raise ProjectionError("the maximum intensity is not linear and has no adjoint; gradients of A(mu) work")
        y = self._checked(y, self.range_shape, "range")
        if y.dtype not in (torch.float32, torch.float64):
            raise ProjectionError(f"projections of type {y.dtype}: expected float32 or float64")
        pieces = self._pieces(y.reshape(-1, *self.range_shape), math.prod(self.domain_shape))
        if len(pieces) > 1:
            return self._adjoint_in(pieces, y)
        lead, rays = y.shape[:-3], self._rays(y.device)
        channels = y.reshape(-1, *self.range_shape)
        if self._backend(y.device) == "torch":
            return self._reference_adjoint(channels, rays).reshape(*lead, *self.domain_shape)
        from .ops import backproject
        if rays.shape[1] == 2:
            channels = channels.flatten(1)
        return backproject(channels, rays, list(self.domain_shape), self.metric, self.method, self.step_mm).reshape(*lead, *self.domain_shape)

    def jacobian(self, x):
        """Projections [..., views, rows, cols] and the derivatives of each pixel by its own ray's start and end in RAS,
        [..., views, rows, cols, 2, 3] (1/mm x mm per mm); one pass, no graph.
        """
        volume, lead = self._volume(x)
        with torch.no_grad():
            rays = self._rays(volume.device)
            full = self._reference_jacobian(volume, rays) if self._backend(volume.device) == "torch" else self._jacobian(volume, rays)[1]
        full = full.reshape(*lead, *self.range_shape, 7)
        by_voxel = full[..., 1:].reshape(*full.shape[:-1], 2, 3)
        to_ijk = torch.as_tensor(self.grid.ras_to_ijk[:3, :3].copy(), dtype=full.dtype, device=full.device)
        return full[..., 0], by_voxel @ to_ijk

    # -- in portions that fit the memory
    def _pieces(self, source, result_size):
        """Portions (views, rows) of the work on `source` [channels, ...]; raises MemoryPlanError where even one does not fit."""
        if torch.compiler.is_compiling():        # a compiled graph is fixed: no portions in it
            return [()]
        budget, result = budget_bytes(self.memory_budget_mb), len(source) * result_size * max(4, source.element_size())
        if isinstance(self.views.surface, Flat):
            check(result, 0, budget, "")
            return [()]
        return plan_listed(len(self.views), *self.views.shape, result, budget).portions

    def _piece(self, views, rows):
        part = self.views[views]
        return self._for(part.cropped(rows.start, 0, rows.stop - rows.start, part.shape[1]))

    def _forward_in(self, pieces, x, lead):
        rows_of = {}
        for views, rows in pieces:
            rows_of.setdefault(views.start, []).append(self._piece(views, rows)(x))
        return torch.cat([torch.cat(parts, -2) for parts in rows_of.values()], -3).reshape(*lead, *self.range_shape)

    def _adjoint_in(self, pieces, y):
        total = 0
        for views, rows in pieces:
            part = self._piece(views, rows).adjoint(y[..., views, rows, :])
            total = part if isinstance(total, int) else total.add_(part) if not part.requires_grad else total + part
        return total

    def _backend(self, device):
        """What computes on tensors of `device`."""
        return self.backend if device.type == self.device.type else choose_backend(self.asked, device)

    def _traced(self, volume, rays, occupancy):
        if self._backend(volume.device) == "torch":
            return self._reference(volume, rays)
        from .ops import project
        pixels = self.views.shape[0] * self.views.shape[1] * len(self.views) * len(volume)
        if rays.requires_grad and self.method != "maximum" and pixels * 7 * 4 <= ONE_PASS_BYTES:
            return self._jacobian(volume, rays)[0]
        return project(volume, self._table(volume), occupancy, rays, list(self.views.shape), self.metric, self.method, self.step_mm)

    def _jacobian(self, volume, rays):
        from .ops import project_jacobian
        return project_jacobian(volume, self._table(volume), rays, list(self.views.shape), self.metric, self.method, self.step_mm)

    def _listed(self, rays):
        from .ops import list_rays
        return rays if rays.shape[1] == 2 else list_rays(rays, self.views.shape)

    def _reference(self, volume, rays):
        return reference.line_integrals(self._decoded(volume), self._listed(rays), self.metric, self.method, self.step_mm)

    def _reference_adjoint(self, y, rays):
        with torch.enable_grad():
            probe = torch.zeros(len(y), *self.domain_shape, dtype=y.dtype, device=y.device, requires_grad=True)
            p = reference.line_integrals(probe, self._listed(rays), self.metric, self.method, self.step_mm)
            return torch.autograd.grad(p, probe, y.reshape(p.shape), create_graph=y.requires_grad)[0]

    def _reference_jacobian(self, volume, rays):
        with torch.enable_grad():
            listed = self._listed(rays).detach().requires_grad_()
            rows = []
            for channel in self._decoded(volume):
                p = reference.line_integrals(channel[None], listed, self.metric, self.method, self.step_mm)
                rows.append(torch.cat([p[0, :, None], torch.autograd.grad(p.sum(), listed)[0].reshape(-1, 6).to(p.dtype)], 1))
        return torch.stack(rows).detach()

    # -- what goes in
    def _volume(self, x):
        """The volume as [channels, K, J, I] and its leading shape."""
        x = self._checked(x, self.domain_shape, "domain")
        coded = x.dtype in (torch.float16, torch.int16, torch.uint16)
        if not coded and x.dtype not in (torch.float32, torch.float64):
            raise ProjectionError(f"volume of type {x.dtype}: expected float32, float64, float16, or int16/uint16 with a lookup table")
        if x.dtype in (torch.int16, torch.uint16) and not len(self.table):
            raise ProjectionError(f"a volume of type {x.dtype} needs `lookup`, the attenuation of each code (AttenuationModel.lookup)")
        if coded and x.dtype == torch.float16 and x.requires_grad:
            raise ProjectionError("float16 volumes are traced as they lie, without gradients; convert to float32 for them")
        return x.reshape(-1, *self.domain_shape), x.shape[:-3]

    def _table(self, volume):
        if volume.dtype == torch.float16:
            return float16_table(volume.device)
        if self.table.device != volume.device:
            self.table = self.table.to(volume.device)
        return self.table if volume.dtype in (torch.int16, torch.uint16) else NO_TABLE.to(volume.device)

    def _decoded(self, volume):
        table = self._table(volume)
        return table[volume.view(torch.int16).long() & 0xFFFF] if len(table) else volume

    def _rays(self, device):
        """The views' rays in voxel coordinates: bundles [N, 6, 3] or a list [n, 2, 3], float64, part of the views' graph."""
        reach = None if self.views.direction is None else self._reach()
        if isinstance(self.views.surface, Flat):
            bundles = torch.as_tensor(self.views.ray_bundle(reach))
            to_ijk = torch.as_tensor(self.grid.ras_to_ijk.copy(), device=bundles.device)
            shift = torch.zeros(6, 3, dtype=torch.float64, device=bundles.device)
            shift[0] = shift[3] = to_ijk[:3, 3]
            return (bundles @ to_ijk[:3, :3].T + shift).to(device)
        start, end = (torch.as_tensor(a) for a in self.views.rays(reach))
        ends = torch.stack([start.expand_as(end), end], -2).reshape(-1, 2, 3)
        to_ijk = torch.as_tensor(self.grid.ras_to_ijk.copy(), device=ends.device)
        return (ends @ to_ijk[:3, :3].T + to_ijk[:3, 3]).to(device)

    def _reach(self):
        """How far parallel rays must run to both sides of their pixel to cross the whole grid (mm)."""
        pixels = to_numpy(self.views.surface.points(self.views[:1]))[:, ::max(1, self.views.shape[0] - 1), ::max(1, self.views.shape[1] - 1)]
        centre = self.grid.centre_ras
        extent = norm(pixels.reshape(-1, 3) - to_numpy(self.views.centre)[0]).max()
        away = norm(to_numpy(self.views.centre) - centre).max()
        return float(away + extent + norm(self.grid.corners_ras() - centre).max() + self.grid.spacing_mm.max())

    def _air(self, x, volume):
        """The map of occupied blocks of x, made once and kept as long as x lives unchanged."""
        wanted = (self.skip_air and not torch.compiler.is_compiling() and self.method == "joseph" and self._backend(volume.device) == "cpu"
                  and not (is_tensor(x) and x.requires_grad))
        return air_map(x if is_tensor(x) else volume, volume, self._table(volume)) if wanted else NO_MAP


_maps = {}          # id of a tensor -> (its version, its lookup table, its map)
_float16 = {}       # device -> table


def air_map(owner, volume, table):
    """Map of occupied blocks of `volume`, remembered for the tensor `owner` until it changes or goes."""
    from . import cpu
    known = _maps.get(id(owner))
    if known is None or known[0] != owner._version or not torch.equal(known[1], table):
        blocks = torch.from_numpy(cpu.occupancy(volume.detach().contiguous().numpy(), table.numpy()))
        if known is None:
            weakref.finalize(owner, _maps.pop, id(owner), None)
        known = _maps[id(owner)] = (owner._version, table, blocks)
    return known[2]


def float16_table(device):
    """The float32 value of each of the 65536 float16 codes."""
    if device not in _float16:
        _float16[device] = torch.from_numpy(np.arange(65536, dtype=np.uint16).view(np.float16).astype(np.float32)).to(device)
    return _float16[device]


def available_backends():
    """Names of the targets that can run here, the fastest first."""
    found = []
    for name in ("cuda", "cpu"):
        try:
            CHECKS[name]()
            found.append(name)
        except TargetMissing as reason:
            LOG.debug("target %s is not available: %s", name, reason)
    return [*found, "torch"]


def _check_cuda():
    if torch.version.cuda is None or not torch.cuda.is_available():
        raise TargetMissing("torch finds no NVIDIA GPU")
    try:
        from numba import cuda
        usable = cuda.is_available()
    except ImportError:
        usable = False
    if not usable:
        extra = f"cu{torch.version.cuda.partition('.')[0]}"
        raise TargetMissing(f"GPU kernels need the package numba-cuda and its compiler (pip install 'numba-cuda[{extra}]')")


CHECKS = {"cpu": load_numba, "cuda": _check_cuda, "torch": lambda: None}
_announced = set()


def choose_backend(name, device=None):
    """What computes on tensors of `device` (default: the CPU, or "cuda" for that backend): the named backend, or with "auto" the
    compiled kernels of that device, else the reference."""
    device = device or torch.device("cuda" if name == "cuda" else "cpu")
    if name == "auto":
        return _automatic_backend(device)
    if name not in CHECKS:
        raise ProjectionError(f"backend '{name}' is not known; expected auto, {', '.join(CHECKS)}")
    if name not in ("torch", device.type):
        raise ProjectionError(f"backend '{name}' computes on '{name}' tensors, and these lie on '{device.type}': move them, or take 'auto'")
    CHECKS[name]()
    return name


def _automatic_backend(device):
    """The device's compiled kernels; where they are missing, the reference, which is said once."""
    try:
        if device.type not in CHECKS:
            raise TargetMissing(f"there are no compiled kernels for tensors on '{device.type}'")
        CHECKS[device.type]()
        return device.type
    except TargetMissing as reason:
        if str(reason) not in _announced:
            _announced.add(str(reason))
            LOG.warning("%s; projections use the torch reference, which is many times slower", reason)
        return "torch"
