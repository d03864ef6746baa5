"""A reconstruction as a whole: from a stack and its geometry to a volume that says where it comes from."""
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch

from ..io.projections import ProjectionError
from ..jobs import mapped, provenance, sha256_of
from ..memory import budget_bytes
from ..options import option, values_of
from ..reconstruction import ReconstructionError, is_iterative, reconstruct
from ..reconstruction.checkpoint import fingerprint, load_state, with_checkpoints
from ..reconstruction.corrections import Metal, metal_corrected
from ..reconstruction.grids import automatic_grid, needed_bytes, useful_views
from ..reconstruction.methods import preparing
from ..reconstruction.region import without_surroundings
from ..tracing import Projector

WATER_HU, AIR_HU = 0.0, -1000.0


@dataclass(frozen=True)
class Approach:
    """What helps iterative methods on their way: arguments of `reconstruction`."""
    levels: int = option(0, "Coarse starts", "coarser grids, each of half the resolution, that find the start", 0, 8)
    surround_mm: float = option(0.0, "Surroundings", "how far the object reaches beyond the region on each side; what lies there is found on coarse "
                                "voxels and taken off the projections; 0: not at all", 0.0, 10000.0, "mm")


def line_integrals(stack):
    """All line integrals [view, row, col] (float32 tensor) and Views of a ProjectionSet (io.projections).

    Raises:
        ProjectionError: it holds counts, or knows no geometry.
    """
    if stack.views is None:
        raise ProjectionError(f"{stack.source} has no geometry; give it with --geometry, or bring the projections in with `xraytomo import`.")
    if stack.kind != "line integral":
        raise ProjectionError(f"{stack.source} holds {stack.kind}, not line integrals; bring it in with `xraytomo import` first.")
    return torch.from_numpy(np.ascontiguousarray(stack.to_array(), dtype=np.float32)), stack.views


def reconstruction(p, views, method, grid=None, levels=0, checkpoint=None, resume=None, every_s=60.0, memory_budget_mb=None,
                   corrections=(), surround_mm=0.0, projector=Projector, **known):
    """Generator of Steps that returns (volume [K, J, I] in 1/mm, float32 tensor; its grid; its provenance).

    Args:
        p: line integrals [view, row, col] of `views`.
        method: an instance of one of reconstruction.METHODS.
        grid: where to reconstruct; by default what the views can reconstruct, in magnified pixels.
        checkpoint, resume: files that an iterative method's state is saved to (every `every_s` seconds) and taken up from.
        corrections: instances of reconstruction.corrections.CORRECTIONS, in the order in which they are applied.
        surround_mm: how far the object reaches beyond the grid (reconstruction.region); 0: not at all.
        projector: what makes the operator (reconstruction.distributed).
        known: weights, support, start, prior, noise (see reconstruction.Problem).

    Raises:
        ReconstructionError: the method does not suit the scan, or the memory does not hold the work.
    """
    grid = automatic_grid(views) if grid is None else grid
    check_memory(method, views, grid, memory_budget_mb)
    origin = reconstruction_provenance(p, views, method, grid, levels, corrections, surround_mm)
    seen = useful_views(views, grid)
    if not len(seen):
        raise ReconstructionError("no view sees the grid; move it into the field of view, or leave the grid to be chosen")
    if len(seen) < len(views) and is_iterative(method):
        p, views = p[torch.as_tensor(seen)], views[seen]
        known = {name: value[torch.as_tensor(seen)] if name == "weights" and value is not None else value for name, value in known.items()}
    if (checkpoint or resume) and not is_iterative(method):
        raise ReconstructionError(f"{method.TITLE} has no state to save or to resume; leave checkpoints out")
    projector = partial(projector, memory_budget_mb=memory_budget_mb)
    p, metal, first = yield from _corrected(corrections, p, views, grid, method, projector)
    if not bool(torch.isfinite(p).all()):
        raise ReconstructionError("the projections hold values that are not finite numbers; repair them with the correction bad-pixels")
    inner, kept = grid, None
    if surround_mm:
        _no_volumes(known)
        p, inner, kept = yield from preparing(without_surroundings(method, views, p, grid, surround_mm, projector), "surroundings")
    belongs = fingerprint(method, views, p, inner) if checkpoint or resume else None
    job = reconstruct(method, views, p, inner, levels=levels, state=_state(resume, belongs, p.device), projector=projector, **known)
    job = with_checkpoints(job, checkpoint, belongs, every_s) if checkpoint else job
    x = yield from job if kept is None else _cut(job, kept)
    return (x if metal is None else torch.where(metal, first, x)), grid, origin


def _corrected(corrections, p, views, grid, method, projector):
    """Generator of Steps that returns corrected projections, and the mask of the metal with the volume it was found in, or None for both."""
    metal = first = None
    for correction in corrections:
        if isinstance(correction, Metal):
            job = metal_corrected(correction, p, views, grid, lambda q: reconstruct(method, views, q, grid, projector=projector), projector)
            p, metal, first = yield from preparing(job, "metal")
        else:
            p = correction.apply(p)
    return p, metal, first


def _cut(job, kept):
    """The same Steps whose previews show the part `kept` of the volume, and that part at the end."""
    whole = yield from mapped(job, lambda step: step if step.preview is None else replace(step, preview=step.preview[kept]))
    return whole[kept].clone()


def _state(resume, belongs, device):
    if resume is None:
        return None
    state = load_state(resume, belongs)
    return {name: value.to(device) if isinstance(value, torch.Tensor) else value for name, value in state.items()}


def _no_volumes(known):
    given = [name for name in ("start", "prior", "support") if known.get(name) is not None]
    if given:
        raise ReconstructionError(f"a region with surroundings takes no {' and '.join(given)}; leave them out, or set the surroundings to 0")


def check_memory(method, views, grid, memory_budget_mb=None):
    """Raises ReconstructionError, with the figure, when volumes and projections of the method do not fit."""
    needed, budget = needed_bytes(method, views, grid), budget_bytes(memory_budget_mb)
    if needed > budget:
        raise ReconstructionError(f"{method.TITLE} on {grid} needs {needed / 1e9:.1f} GB, and {budget / 1e9:.1f} GB may be used; take larger "
                                  "voxels, a smaller region or a method that holds fewer volumes (FDK, SIRT)")


def reconstruction_provenance(p, views, method, grid, levels=0, corrections=(), surround_mm=0.0):
    """What was reconstructed, from what and how; p are the projections as they were given."""
    parameters = {"method": type(method).__name__, "options": values_of(method), "levels": levels, "views": len(views),
                  "detector": list(views.shape), "shape": list(grid.shape), "ijk_to_ras": grid.ijk_to_ras.tolist(),
                  "corrections": [{"correction": type(c).__name__, "options": values_of(c)} for c in corrections], "surround_mm": surround_mm}
    return provenance("reconstruct", {"projections": sha256_of(p.cpu().numpy()), "geometry": sha256_of(np.asarray(views.origin))}, parameters)


def hounsfield(x, mu_water_per_mm, mu_air_per_mm=0.0):
    """Attenuation (1/mm) as Hounsfield units: air is -1000, water 0."""
    if not mu_water_per_mm > mu_air_per_mm >= 0:
        raise ReconstructionError(f"water {mu_water_per_mm} and air {mu_air_per_mm} 1/mm: expected air of at least 0 and water above it")
    return AIR_HU + (x - mu_air_per_mm) * ((WATER_HU - AIR_HU) / (mu_water_per_mm - mu_air_per_mm))
