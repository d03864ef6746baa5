"""Checkpoints of iterative work: a state on disk that resumes the same work and no other."""
import logging
import time
from dataclasses import replace
from pathlib import Path

import torch

from ..files import replacing
from ..jobs import Step, sha256_of
from ..options import values_of
from .problem import ReconstructionError

LOG = logging.getLogger(__name__)
FORMAT = "xraytomo-checkpoint"
VERSION = 1


def fingerprint(method, views, p, grid):
    """What a state belongs to, as texts: method with its options (but the number of iterations), geometry, grid, projections."""
    options = {name: value for name, value in values_of(method).items() if name != "iterations"}
    vectors = [sha256_of(torch.as_tensor(a).numpy()) for a in (views.origin, views.u, views.v, views.source if views.direction is None else
                                                               views.direction)]
    return {"method": type(method).__name__, "options": repr(sorted(options.items())), "geometry": " ".join(vectors) + f" {views.shape}",
            "grid": f"{grid.shape} {grid.ijk_to_ras.tolist()}", "projections": sha256_of(torch.as_tensor(p).cpu().numpy())}


def save_state(path, state, belongs_to):
    """Writes a Step's state, whole or not at all; ReconstructionError where it cannot be written (a full disk leaves the file before)."""
    try:
        with replacing(path) as temporary:
            torch.save({"format": FORMAT, "version": VERSION, "belongs_to": belongs_to, "state": state}, temporary)
    except (OSError, RuntimeError) as error:        # torch's own writer raises the second
        kept = "the checkpoint before is kept" if Path(path).is_file() else "there is none before"
        raise ReconstructionError(f"{path}: the checkpoint cannot be written ({str(error).splitlines()[0]}), {kept}; make room, or choose another "
                                  "place") from error


def load_state(path, belongs_to):
    """The state in a checkpoint; ReconstructionError when it is none or belongs to other work, and says to which."""
    path = Path(path)
    if not path.is_file():
        raise ReconstructionError(f"{path}: there is no such checkpoint")
    try:
        content = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:      # torch raises many kinds for files that are not its own
        raise ReconstructionError(f"{path}: not a checkpoint, or a damaged one; start again without it") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT or content.get("version") != VERSION or "state" not in content:
        raise ReconstructionError(f"{path}: not a checkpoint of this version of XRayTomo; start again without it")
    for name, value in belongs_to.items():
        if content.get("belongs_to", {}).get(name) != value:
            raise ReconstructionError(f"{path}: the checkpoint belongs to another {name.rstrip('s')}; resume with what it was made with, or start "
                                      "without it")
    return content["state"]


def with_checkpoints(job, path, belongs_to, every_s=60.0):
    """The generator `job` of Steps, its state saved to `path` after its first step, then at most every `every_s` seconds, and at the end.

    Raises ReconstructionError where the first state cannot be written. Later (a full disk) the work goes on and keeps the checkpoint before:
    it is logged, and the step's message says so.
    """
    last, step, unsaved = None, None, None
    try:
        while True:
            step = next(job)
            unsaved = step.state
            if unsaved is not None and last is None:
                save_state(path, unsaved, belongs_to)
                last, unsaved = time.monotonic(), None
            elif unsaved is not None and time.monotonic() - last >= every_s:
                trouble = _trouble(path, unsaved, belongs_to)
                step = replace(step, message="; ".join(filter(None, (step.message, trouble))))
                last, unsaved = time.monotonic(), None
            yield step
    except StopIteration as end:
        state, unsaved = unsaved, None
        trouble = "" if state is None else _trouble(path, state, belongs_to)
        if trouble:
            yield Step(step.index, step.total, message=trouble)
        return end.value
    finally:
        if unsaved is not None and last is not None:
            _trouble(path, unsaved, belongs_to)


def _trouble(path, state, belongs_to):
    """Saves a state and returns what went wrong, or ""."""
    try:
        save_state(path, state, belongs_to)
    except ReconstructionError as error:
        LOG.warning("%s", error)
        return str(error)
    return ""
