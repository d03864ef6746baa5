"""A scan of a volume: the line integrals of every view, as a job that is followed, cancelled, and writes to memory or to a file."""

import time

import numpy as np

from ..geometry import GeometryError
from ..jobs import Step, provenance
from .radiograph import check_sight

STEP_SECONDS = 0.2  # of a step: often enough for a progress bar, seldom enough to cost nothing
_LOOKED_AT = 48  # views that are asked whether they see the volume


def scan(values, grid, views, attenuation, put, method="joseph", name="volume"):
    """Generator of Steps that calls put(i, image [row, col] float32) for view after view; returns the name of the tracing target.

    Args:
        values: voxels [k, j, i] on `grid`, of which `attenuation` (an AttenuationModel) makes 1/mm.
        method: joseph, siddon or trilinear.
        name: what errors call the volume.

    Raises:
        GeometryError: see `check_scan`.
    """
    check_scan(grid, views, name)
    import torch

    from ..tracing import Projector

    mu = torch.from_numpy(attenuation.mu(values))
    done, portion, target = 0, 1, ""
    while done < len(views):
        start = time.perf_counter()
        projector = Projector(grid, views[done : done + portion], method=method)
        images, target = np.asarray(projector(mu)), projector.target
        for image in images:
            put(done, image)
            done += 1
        yield Step(done, len(views), message=f"view {done} of {len(views)}", preview=images[-1])
        seconds = max(time.perf_counter() - start, 1e-6)
        portion = int(np.clip(portion * STEP_SECONDS / seconds, 1, 2 * portion))
    return target


def scan_to_array(values, grid, views, attenuation, method="joseph", name="volume", out=None):
    """As `scan`; the job returns (stack [view, row, col] float32, target). out: the stack to fill, made when it is not given."""
    if out is None:
        out = np.empty((len(views), *views.shape), np.float32)
    return out, (yield from scan(values, grid, views, attenuation, out.__setitem__, method, name))


def scan_to_file(path, values, grid, views, attenuation, method="joseph", name="volume"):
    """As `scan`, into a stack file (.nrrd) with its geometry beside it, whole or not at all; the job returns the target."""
    from ..io.projections.stacks import writing_stack

    check_scan(grid, views, name)
    origin = scan_provenance(grid, views, attenuation, method, name)
    with writing_stack(path, len(views), views.shape, np.float32, views, provenance=origin) as append:
        return (yield from scan(values, grid, views, attenuation, lambda _index, image: append(image), method, name))


def scan_provenance(grid, views, attenuation, method, name, target=""):
    """How a scan was made; its geometry lies beside it."""
    inputs = {"volume": name, "ijk_to_ras": grid.ijk_to_ras.tolist(), "shape": list(grid.shape)}
    return provenance("scan", inputs, {"attenuation": vars(attenuation), "method": method, "views": repr(views), "target": target})


def check_scan(grid, views, name):
    """Raises GeometryError when a source lies inside the volume's box, or none of (up to 48) views sees the volume."""
    if views.source is not None:
        half = np.array(grid.shape[::-1]) / 2
        inside = (np.abs(grid.ijk_from_ras(views.source) - half + 0.5) <= half).all(axis=1)
        if inside.any():
            view = int(np.argmax(inside))
            place = ", ".join(f"{x:.0f}" for x in views.source[view])
            raise GeometryError(
                f"view {view}: the source at RAS ({place}) mm lies inside the volume '{name}'; raise the source-isocentre distance or move "
                "the isocentre."
            )
    problem = None
    for view in np.unique(np.linspace(0, len(views) - 1, min(len(views), _LOOKED_AT)).astype(int)):
        try:
            return check_sight(grid, views[int(view)], name)
        except GeometryError as error:
            problem = problem or error
    raise problem
