"""Simulate scan: the job that runs in a worker thread (it touches no node), and what the main thread does with its result."""

from dataclasses import dataclass, replace
from pathlib import Path

import slicer

from ..jobs import JobThread, run
from ..physics.attenuation import AttenuationModel
from ..workflows.scan import check_scan, scan_provenance, scan_to_array, scan_to_file
from .acquisition import attenuation_from_parameters
from .geometry_node import views_from_node
from .stack import LIMIT_BYTES, fill_stack_node, link_stack_node, new_stack_image, new_stack_node, stack_bytes
from .volumes import VolumeError, array_from_volume, grid_from_volume, record


@dataclass(frozen=True)
class ScanRequest:
    """A scan to simulate; path: the stack file, or None for a stack in memory."""

    values: object
    grid: object
    views: object
    attenuation: AttenuationModel
    method: str
    name: str
    path: Path | None = None


def scan_request(volume_node, geometry_node, method, attenuation, path=None, limit_bytes=LIMIT_BYTES):
    """Checks everything that can be checked before the work. Raises VolumeError or GeometryError.

    A stack above `limit_bytes` needs a file: path ends with .nrrd.
    """
    if geometry_node is None:
        raise VolumeError("No geometry is selected: create a trajectory or import one.")
    views, values = views_from_node(geometry_node), array_from_volume(volume_node)
    request = ScanRequest(values, grid_from_volume(volume_node), views, attenuation or AttenuationModel(), method, volume_node.GetName())
    check_scan(request.grid, views, request.name)
    needed = stack_bytes(views)
    if path is None and needed > limit_bytes:
        raise VolumeError(f"{len(views)} projections of {views.shape[0]} x {views.shape[1]} pixels need {needed / 1e9:.1f} GB, more than a "
                          "node holds: choose a file for the stack, or bin the detector.")
    return replace(request, path=Path(path) if path is not None else None)


def request_from_parameters(p):
    """The scan that the panel asks for; its file is that of the panel where one is named."""
    return scan_request(p.inputVolume, p.scanGeometry, p.method.value, attenuation_from_parameters(p), p.stackFile or None)


class ScanJob:
    """A scan: `steps` is its generator, run in a thread (`start`) or at once (`jobs.run`); `finish` puts the result into the scene."""

    def __init__(self, request, volume_node, geometry_node):
        self.request, self.volume_node, self.geometry_node = request, volume_node, geometry_node
        self.thread, self._image = None, None
        self.steps = self._steps()

    def _steps(self):
        """Fills the memory of an image that no node has yet, or a file; returns the tracing target."""
        r = self.request
        what = r.values, r.grid, r.views, r.attenuation, r.method, r.name
        if r.path is not None:
            return (yield from scan_to_file(r.path, *what))
        self._image, out = new_stack_image((len(r.views), *r.views.shape))
        return (yield from scan_to_array(*what, out))[1]

    def start(self):
        """Runs the steps in a thread of their own (jobs.JobThread), which the panel's timer follows."""
        self.thread = JobThread(self.steps)
        return self

    def is_present(self):
        """Whether volume and geometry are still in the scene."""
        return all(slicer.mrmlScene.IsNodePresent(node) for node in (self.volume_node, self.geometry_node))

    def finish(self, target, stack_node=None):
        """Puts the result into `stack_node` (made when it is None) and returns it; `target` is what the steps returned."""
        r, node = self.request, stack_node or new_stack_node(f"{self.volume_node.GetName()} scan")
        if r.path is not None:
            link_stack_node(node, r.path, self.geometry_node)
        else:
            fill_stack_node(node, self._image, self.geometry_node)
        made = scan_provenance(r.grid, r.views, r.attenuation, r.method, r.name, target)
        record(node, self.volume_node, self.geometry_node, made)
        return node


def simulate(request, volume_node, geometry_node, stack_node=None, progress=None):
    """The whole scan now, in this thread; returns the stack node."""
    job = ScanJob(request, volume_node, geometry_node)
    return job.finish(run(job.steps, progress), stack_node)
