"""Reconstruct: the job that runs in a worker thread (it touches no node), and what the main thread does with its pictures."""

import json
import threading
import time
from collections import deque
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import slicer

from ..jobs import Step, run
from .acquisition import put_into_folder
from .convergence import remove_convergence_of, show_convergence_of
from .coverage import box_of_node, grid_of_box
from .stack import FILE_ATTRIBUTE, STACK_ATTRIBUTE, new_stack_image, stack_geometry, stack_shape
from .trajectory_display import views_of
from .transforms import matrix_from_array, world_from_local
from .volumes import GEOMETRY_ROLE, PROVENANCE_ATTRIBUTE, VolumeError, array_from_volume, grid_from_volume

STACK_ROLE = "XRayTomo.Stack"
RECONSTRUCTION_ATTRIBUTE = "XRayTomo.Reconstruction"
PAUSE_SECONDS = 0.05
PREVIEW_SECONDS = 2.0


@dataclass(frozen=True, eq=False)
class ReconstructionRequest:
    """What is to be reconstructed: line integrals [view, row, col] (an array, or the file that holds them) and how.

    region: None (what the views can reconstruct), an OrientedBox or a CartesianGrid. start, prior: (values [k, j, i] in 1/mm, grid) or None.
    """

    projections: object
    views: object
    method: object
    region: object = None
    spacing_mm: float | None = None
    water_per_mm: float | None = None
    air_per_mm: float = 0.0
    start: tuple | None = None
    prior: tuple | None = None
    checkpoint: Path | None = None
    resume: Path | None = None
    corrections: tuple = ()
    levels: int = 0
    surround_mm: float = 0.0
    name: str = "stack"

    def grid(self):
        """Where the volume is made; takes up to half a second."""
        from ..grids import CartesianGrid
        from ..reconstruction.grids import automatic_grid, automatic_spacing_mm

        if self.region is None:
            return automatic_grid(self.views, self.spacing_mm)
        if isinstance(self.region, CartesianGrid):
            return self.region
        return grid_of_box(self.region, self.spacing_mm or automatic_spacing_mm(self.views, self.region.centre_ras)[0])

    def calibrated(self, values):
        """Attenuation (1/mm) as the result shows it: in HU where water is known."""
        from ..workflows.reconstruction import hounsfield

        return values if self.water_per_mm is None else hounsfield(values, self.water_per_mm, self.air_per_mm)

    def attenuation(self, values):
        """The other way round: 1/mm from the values of a result."""
        if self.water_per_mm is None:
            return values
        return self.air_per_mm + (values + 1000.0) * ((self.water_per_mm - self.air_per_mm) / 1000.0)


def reconstruction_request(stack_node, method, options, region_node=None, spacing_mm=None, water_per_mm=None, air_per_mm=0.0, geometry_node=None,
                           start_node=None, prior_node=None, checkpoint=None, resume=None, corrections=None, approach=None):
    """Checks what can be checked before the work. Raises VolumeError, GeometryError, OptionError or ReconstructionError.

    method: a name of reconstruction.METHODS; options: dictionary of its options. region_node: an ROI, or a volume whose grid is taken
    (with another spacing: its box). geometry_node: in place of the stack's own. start_node, prior_node: volumes in the unit of the result.
    corrections: {name: its options} of reconstruction.corrections.CORRECTIONS, which are applied in that table's order. approach: dictionary of
    options of workflows.reconstruction.Approach.
    """
    from ..options import make, values_of
    from ..reconstruction import method_of
    from ..workflows.reconstruction import Approach

    if stack_node is None:
        raise VolumeError("No projections are selected: simulate a scan, or import projections, and select the stack.")
    views, shape = views_of(geometry_node or stack_geometry(stack_node)), stack_shape(stack_node)
    if shape != (len(views), *views.shape):
        raise VolumeError(f"The stack '{stack_node.GetName()}' has {shape[0]} x {shape[1]} x {shape[2]} pixels, its geometry "
                          f"{len(views)} views of {views.shape[0]} x {views.shape[1]}: select the geometry that belongs to it.")
    path = stack_node.GetAttribute(FILE_ATTRIBUTE)
    projections = Path(path) if path else slicer.util.arrayFromVolume(stack_node)
    request = ReconstructionRequest(
        projections, views, method_of(method, options), _region(region_node, spacing_mm), spacing_mm or None, water_per_mm or None, air_per_mm,
        checkpoint=Path(checkpoint) if checkpoint else None, resume=Path(resume) if resume else None, corrections=_corrections(corrections or {}),
        **values_of(make(Approach, approach or {})), name=stack_node.GetName())
    request.calibrated(0.0)  # raises when water and air are no pair
    return replace(request, start=_known(request, start_node), prior=_known(request, prior_node))


def _corrections(chosen):
    """Corrections from {name: options}, in the order in which they are applied."""
    from ..reconstruction.corrections import CORRECTIONS, correction_of

    made = {name: correction_of(name, values) for name, values in chosen.items()}
    return tuple(made[name] for name in CORRECTIONS if name in made)


def _region(node, spacing_mm):
    if node is None:
        return None
    return grid_from_volume(node) if node.IsA("vtkMRMLScalarVolumeNode") and not spacing_mm else box_of_node(node)


def _known(request, node):
    """A volume node as (values in 1/mm, grid)."""
    if node is None:
        return None
    return request.attenuation(np.array(array_from_volume(node), np.float32)), grid_from_volume(node)


def planned(request, timed=False):
    """(grid, bytes that the work needs, bytes that it may use, None or the seconds it will take); takes up to half a second, timed: a share of
    the work itself."""
    from ..memory import budget_bytes
    from ..reconstruction.estimate import estimate
    from ..reconstruction.grids import needed_bytes

    grid = request.grid()
    needed, budget = needed_bytes(request.method, request.views, grid), budget_bytes()
    return grid, needed, budget, estimate(request.method, request.views, grid).seconds if timed and needed <= budget else None


@dataclass(frozen=True, eq=False)
class Picture:
    """A volume as the scene takes it, without a copy: vtkImageData, window and, of a result, where it comes from."""

    image: object
    window: tuple
    made: dict | None = None


class ReconstructionJob:
    """`steps` is its generator, run in a thread or at once; it returns the final Picture, or None when it was finished before there was one.

    `begin` comes first, in the main thread. `pause` holds the steps between two of them, `finish` ends them early with what is there;
    `take_picture` hands over the newest preview for `show`.
    """

    def __init__(self, request, stack_node, geometry_node=None):
        self.request, self.stack_node = request, stack_node
        self.geometry_node = geometry_node or stack_geometry(stack_node)
        self.pause, self._finish = threading.Event(), threading.Event()
        self.grid = None
        self.residuals = []  # (iteration, residual, seconds since the start) and, of methods with a prior, its value
        self._pictures = deque(maxlen=1)
        self.node = self._before = self._window = None
        self.is_shown = False
        self.steps = self._steps()

    def finish(self):
        """Ends the work after its present step; its result is what was reached."""
        self._finish.set()
        self.pause.clear()

    @property
    def is_finishing(self):
        return self._finish.is_set()

    def take_picture(self):
        """The newest preview since the last call, or None."""
        try:
            return self._pictures.pop()
        except IndexError:
            return None

    def _steps(self):
        from ..workflows.reconstruction import reconstruction

        yield Step(0, None, message="reading the projections")
        p, r = self._line_integrals(), self.request
        self.grid = r.grid()
        known = {name: _on_grid(known, self.grid) for name, known in (("start", r.start), ("prior", r.prior)) if known is not None}
        job = reconstruction(p, r.views, r.method, self.grid, r.levels, r.checkpoint, r.resume, corrections=r.corrections,
                             surround_mm=r.surround_mm, **known)
        began = shown = time.monotonic()
        first = None
        try:
            while True:
                step = next(job)
                first = first if first and first[0] < step.index else (step.index, time.monotonic())
                if step.residual is not None:
                    prior = () if step.prior_value is None else (step.prior_value,)
                    self.residuals.append((step.index, step.residual, time.monotonic() - began, *prior))
                if self._finish.is_set():
                    return self._ended_early(p, step) if step.preview is not None and self.is_iterative else None
                if step.preview is not None and (time.monotonic() - shown >= PREVIEW_SECONDS or step.index == 1):
                    self._pictures.append(self._picture(step.preview))
                    shown = time.monotonic()
                yield Step(step.index, step.total, step.residual, _message(step, first))
                yield from self._paused(step)
        except StopIteration as end:
            return self._picture(end.value[0], end.value[2])
        finally:
            job.close()

    def _paused(self, step):
        while self.pause.is_set():
            yield Step(step.index, step.total, step.residual, f"paused at {step.index} of {step.total}")
            time.sleep(PAUSE_SECONDS)

    def _line_integrals(self):
        import torch

        from ..io.projections.stacks import open_stack
        from ..workflows.reconstruction import line_integrals

        r = self.request
        if isinstance(r.projections, Path):
            return line_integrals(replace(open_stack(r.projections), views=r.views))[0]
        return torch.from_numpy(np.ascontiguousarray(r.projections, dtype=np.float32))

    def _ended_early(self, p, step):
        from ..workflows.reconstruction import reconstruction_provenance

        r = self.request
        made = reconstruction_provenance(p, r.views, r.method, self.grid, r.levels, r.corrections, r.surround_mm)
        made["parameters"]["ended_after"] = step.index
        return self._picture(step.preview, made)

    def _picture(self, x, made=None):
        image, array = new_stack_image(self.grid.shape)
        array[:] = self.request.calibrated(np.asarray(x))
        step = max(1, array.size // 65536)
        low, high = np.percentile(array.ravel()[::step], [1, 99.5])
        if made is not None and self.request.water_per_mm is not None:
            made["parameters"] |= {"water_per_mm": self.request.water_per_mm, "air_per_mm": self.request.air_per_mm}
        return Picture(image, (float(low), float(high if high > low else low + 1e-6)), made)

    def begin(self, node=None):
        """Takes `node` for the result, or makes one, with the table of its convergence: nodes are made before the work, as that takes time.

        A new node gets its display before it has voxels: afterwards Slicer would look through them for a window.
        """
        if node is not None and node is self.stack_node:
            raise VolumeError("The volume would replace its projections: choose another node for it.")
        if node is not None:
            self._before = _content(node)
        else:
            name = slicer.mrmlScene.GenerateUniqueName(f"{self.request.name} {type(self.request.method).__name__}")
            node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
            put_into_folder(node)
        node.SetAttribute(RECONSTRUCTION_ATTRIBUTE, "1")
        if node.GetDisplayNode() is None:
            node.CreateDefaultDisplayNodes()
        if self.is_iterative:
            show_convergence_of(node, [])
        self.node = node

    @property
    def is_new(self):
        """Whether the result's node was made for it."""
        return self._before is None

    @property
    def is_iterative(self):
        from ..reconstruction import is_iterative

        return is_iterative(self.request.method)

    def show(self, picture):
        """Puts a preview or the result into the node."""
        node = self.node
        with slicer.util.NodeModify(node):
            node.RemoveAttribute(STACK_ATTRIBUTE)
            self._adjust_window(node.GetDisplayNode(), picture.window)
            node.SetAndObserveImageData(picture.image)
            node.SetIJKToRASMatrix(matrix_from_array(np.linalg.inv(world_from_local(node)) @ self.grid.ijk_to_ras))
            node.SetNodeReferenceID(GEOMETRY_ROLE, self.geometry_node.GetID())
            node.SetNodeReferenceID(STACK_ROLE, self.stack_node.GetID())
            node.SetAttribute(PROVENANCE_ATTRIBUTE, json.dumps(picture.made) if picture.made else None)
        if self.residuals:
            show_convergence_of(node, _with_share(list(self.residuals)))
        self.is_shown = True

    def discard(self):
        """Takes back what `begin` and `show` did: a node that was made goes, one that was there gets its voxels back."""
        if not slicer.mrmlScene.IsNodePresent(self.node):
            return
        if self.is_new:
            remove_convergence_of(self.node)
            slicer.mrmlScene.RemoveNode(self.node)
        else:
            _restore(self.node, self._before)

    def is_present(self):
        """Whether projections, geometry and the result's node are still in the scene."""
        return all(slicer.mrmlScene.IsNodePresent(node) for node in (self.stack_node, self.geometry_node, self.node))

    def _adjust_window(self, display, window):
        """Unless the user has changed window and level since the last picture."""
        now = (display.GetWindowLevelMin(), display.GetWindowLevelMax())
        if self._window is None or np.allclose(now, self._window, rtol=1e-6, atol=0):
            display.AutoWindowLevelOff()
            display.SetWindowLevelMinMax(*window)
            self._window = display.GetWindowLevelMin(), display.GetWindowLevelMax()


def _on_grid(known, grid):
    import torch

    from ..grids.resampling import resampled

    return torch.from_numpy(np.ascontiguousarray(resampled(*known, grid), dtype=np.float32))


def _content(node):
    """What `show` replaces in a node."""
    matrix, display = slicer.vtkMRMLScalarVolumeNode(), node.GetDisplayNode()
    matrix.CopyOrientation(node)
    window = (display.GetWindowLevelMin(), display.GetWindowLevelMax()) if display is not None else None
    names = (PROVENANCE_ATTRIBUTE, STACK_ATTRIBUTE, RECONSTRUCTION_ATTRIBUTE)
    return (node.GetImageData(), matrix, window, {name: node.GetAttribute(name) for name in names},
            {role: node.GetNodeReferenceID(role) for role in (GEOMETRY_ROLE, STACK_ROLE)})


def _restore(node, content):
    image, orientation, window, attributes, references = content
    with slicer.util.NodeModify(node):
        node.SetAndObserveImageData(image)
        node.CopyOrientation(orientation)
        for name, value in attributes.items():
            node.SetAttribute(name, value)
        for role, identity in references.items():
            node.SetNodeReferenceID(role, identity)
        if window is not None:
            node.GetDisplayNode().SetWindowLevelMinMax(*window)


def _with_share(rows):
    """Rows with a prior's value get it as a share of the largest, which is drawn beside the residual."""
    top = max((row[3] for row in rows if len(row) > 3), default=0.0) or 1.0
    return [(*row, row[3] / top) if len(row) > 3 else row for row in rows]


def _message(step, first):
    """How far it is, how well it fits, and how long it will take at the pace so far."""
    text = f"{step.index} of {step.total}" if step.total else f"{step.index}"
    if step.residual is not None:
        text += f", residual {step.residual:.3g}"
    done = step.index - first[0]
    if step.total and done > 0 and step.index < step.total:
        text += f", {(step.total - step.index) * (time.monotonic() - first[1]) / done:.0f} s left"
    return text + (f"; {step.message}" if step.message else "")


def reconstruct_now(request, stack_node, geometry_node=None, output_node=None, progress=None):
    """The whole reconstruction now, in this thread; returns the volume node."""
    job = ReconstructionJob(request, stack_node, geometry_node)
    job.begin(output_node)
    try:
        job.show(run(job.steps, progress))
    except Exception:
        job.discard()
        raise
    return job.node
