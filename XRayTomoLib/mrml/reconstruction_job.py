"""Reconstruct: the job that runs in a worker thread (it touches no node), and what the main thread does with its steps."""

import threading
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import slicer

from ..jobs import run
from .acquisition import put_into_folder
from .coverage import box_of_node
from .stack import FILE_ATTRIBUTE, STACK_ATTRIBUTE, stack_geometry, stack_shape
from .trajectory_display import views_of
from .transforms import matrix_from_array
from .volumes import GEOMETRY_ROLE, PROVENANCE_ATTRIBUTE, VolumeError

STACK_ROLE = "XRayTomo.Stack"
PAUSE_SECONDS = 0.05


@dataclass(frozen=True, eq=False)
class ReconstructionRequest:
    """What is to be reconstructed: line integrals [view, row, col] (an array, or the file that holds them) and how."""

    projections: object
    views: object
    method: object
    box: object = None
    spacing_mm: float | None = None
    water_per_mm: float | None = None
    checkpoint: Path | None = None
    resume: Path | None = None
    name: str = "stack"


def reconstruction_request(stack_node, method, options, roi_node=None, spacing_mm=None, water_per_mm=None, checkpoint=None, resume=None):
    """Checks what can be checked before the work. Raises VolumeError, GeometryError, OptionError or ReconstructionError.

    method: a name of reconstruction.METHODS; options: dictionary of its options.
    """
    from ..reconstruction import method_of

    if stack_node is None:
        raise VolumeError("No projections are selected: simulate a scan, or import projections, and select the stack.")
    views, shape = views_of(stack_geometry(stack_node)), stack_shape(stack_node)
    if shape != (len(views), *views.shape):
        raise VolumeError(f"The stack '{stack_node.GetName()}' has {shape[0]} x {shape[1]} x {shape[2]} pixels, its geometry "
                          f"{len(views)} views of {views.shape[0]} x {views.shape[1]}: select the geometry that belongs to it.")
    path = stack_node.GetAttribute(FILE_ATTRIBUTE)
    projections = Path(path) if path else slicer.util.arrayFromVolume(stack_node)
    box = box_of_node(roi_node) if roi_node is not None else None
    return ReconstructionRequest(projections, views, method_of(method, options), box, spacing_mm or None, water_per_mm or None,
                                 Path(checkpoint) if checkpoint else None, Path(resume) if resume else None, stack_node.GetName())


class ReconstructionJob:
    """`steps` is its generator, run in a thread or at once; `pause` holds it between two steps; the main thread shows its steps."""

    def __init__(self, request, stack_node):
        self.request, self.stack_node = request, stack_node
        self.geometry_node = stack_geometry(stack_node)
        self.pause = threading.Event()
        self.grid = None
        self.residuals = []
        self.steps = self._steps()

    def _steps(self):
        """Returns (volume [k, j, i] float32, grid, provenance)."""
        import torch

        from ..io.projections.stacks import open_stack
        from ..reconstruction.grids import automatic_grid, automatic_spacing_mm
        from ..workflows.reconstruction import line_integrals, reconstruction

        r = self.request
        p = line_integrals(open_stack(r.projections))[0] if isinstance(r.projections, Path) else torch.from_numpy(
            np.ascontiguousarray(r.projections, dtype=np.float32))
        if r.box is None:
            self.grid = automatic_grid(r.views, r.spacing_mm)
        else:
            self.grid = grid_of_box(r.box, r.spacing_mm or automatic_spacing_mm(r.views, r.box.centre_ras)[0])
        job = reconstruction(p, r.views, r.method, self.grid, checkpoint=r.checkpoint, resume=r.resume)
        while True:
            try:
                step = next(job)
            except StopIteration as end:
                x, grid, made = end.value
                return np.asarray(x), grid, made
            if step.residual is not None:
                self.residuals.append((step.index, step.residual))
            yield replace(step, message=_message(step))
            while self.pause.is_set():
                yield replace(step, message=f"paused at {step.index} of {step.total}")
                threading.Event().wait(PAUSE_SECONDS)

    def show(self, node, values, made=None):
        """Puts a volume (preview or result) into `node` (made when it is None) and returns it."""
        import json

        if node is None or not slicer.mrmlScene.IsNodePresent(node):
            name = slicer.mrmlScene.GenerateUniqueName(f"{self.request.name} {type(self.request.method).__name__}")
            node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
            put_into_folder(node)
        values = self._shown(values)
        with slicer.util.NodeModify(node):
            node.RemoveAttribute(STACK_ATTRIBUTE)
            slicer.util.updateVolumeFromArray(node, values)
            node.SetIJKToRASMatrix(matrix_from_array(self.grid.ijk_to_ras))
            node.SetNodeReferenceID(GEOMETRY_ROLE, self.geometry_node.GetID())
            node.SetNodeReferenceID(STACK_ROLE, self.stack_node.GetID())
            if made is not None:
                node.SetAttribute(PROVENANCE_ATTRIBUTE, json.dumps(made))
            if node.GetDisplayNode() is None:
                node.CreateDefaultDisplayNodes()
            _set_window(node.GetDisplayNode(), values)
        return node

    def _shown(self, values):
        from ..workflows.reconstruction import hounsfield

        values = np.array(values, np.float32)
        return values if self.request.water_per_mm is None else hounsfield(values, self.request.water_per_mm)

    def is_present(self):
        return slicer.mrmlScene.IsNodePresent(self.stack_node) and slicer.mrmlScene.IsNodePresent(self.geometry_node)


def grid_of_box(box, spacing_mm):
    """CartesianGrid of cubes of `spacing_mm` that fills an OrientedBox, along its axes."""
    from ..grids import CartesianGrid

    count = np.maximum(1, np.ceil(2 * box.half_mm / spacing_mm - 1e-6)).astype(int)
    matrix = np.eye(4)
    matrix[:3, :3] = box.axes.T * spacing_mm
    matrix[:3, 3] = box.centre_ras - matrix[:3, :3] @ ((count - 1) / 2)
    return CartesianGrid(tuple(int(n) for n in count[::-1]), matrix)


def show_convergence(residuals, name, table=None):
    """A table node of iteration and residual with a plot of it; `table` is filled when it is given."""
    import vtk

    if table is None or not slicer.mrmlScene.IsNodePresent(table):
        table = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", slicer.mrmlScene.GenerateUniqueName(f"{name} convergence"))
        _add_plot(table)
    columns = [vtk.vtkIntArray(), vtk.vtkDoubleArray()]
    for column, title, kind in zip(columns, ("iteration", "residual"), (int, float), strict=True):
        column.SetName(title)
        for pair in residuals:
            column.InsertNextValue(kind(pair[0] if title == "iteration" else pair[1]))
    with slicer.util.NodeModify(table):
        table.RemoveAllColumns()
        for column in columns:
            table.AddColumn(column)
    return table


def _add_plot(table):
    series = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", table.GetName())
    series.SetAndObserveTableNodeID(table.GetID())
    series.SetXColumnName("iteration")
    series.SetYColumnName("residual")
    series.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeScatter)
    chart = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotChartNode", table.GetName())
    chart.AddAndObservePlotSeriesNodeID(series.GetID())
    chart.SetXAxisTitle("iteration")
    chart.SetYAxisTitle("relative residual")
    table.SetNodeReferenceID("XRayTomo.Chart", chart.GetID())


def _message(step):
    text = f"{step.index} of {step.total}" if step.total else f"{step.index}"
    return text + (f", residual {step.residual:.3g}" if step.residual is not None else "") + (f"; {step.message}" if step.message else "")


def _set_window(display, values):
    step = max(1, values.size // 65536)
    low, high = np.percentile(values.ravel()[::step], [1, 99.5])
    display.AutoWindowLevelOff()
    display.SetWindowLevelMinMax(float(low), float(high if high > low else low + 1e-6))


def reconstruct_now(stack_node, method, options, roi_node, spacing_mm, water_per_mm, output_node, checkpoint, resume, progress):
    """The whole reconstruction now, in this thread; returns the volume node."""
    request = reconstruction_request(stack_node, method, options, roi_node, spacing_mm, water_per_mm, checkpoint, resume)
    job = ReconstructionJob(request, stack_node)
    values, _grid, made = run(job.steps, progress)
    return job.show(output_node, values, made)
