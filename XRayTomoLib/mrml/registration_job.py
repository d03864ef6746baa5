"""Register: the job that runs in a worker thread (it touches no node), and what the main thread does with its steps and its result."""

import json
import threading
from dataclasses import dataclass, replace

import numpy as np
import slicer

from ..jobs import provenance, run
from . import shapes
from .acquisition import put_into_folder
from .geometry_node import views_from_node
from .transforms import matrix_from_array, world_from_local
from .volumes import GEOMETRY_ROLE, PROVENANCE_ATTRIBUTE, VOLUME_ROLE, VolumeError, array_from_volume, grid_from_volume, write_radiograph

PAUSE_SECONDS = 0.05
BEFORE_ATTRIBUTE = "XRayTomo.TransformBefore"


@dataclass(frozen=True, eq=False)
class RegistrationRequest:
    """Voxels on their grid (world RAS), their attenuation, X-rays as (image, views, name), and the declared options."""

    values: object
    grid: object
    attenuation: object
    xrays: tuple
    options: object
    preparation: object
    name: str = "volume"


def registration_request(volume_node, xray_nodes, attenuation, options, preparation):
    """Checks what can be checked before the work. Raises VolumeError, GeometryError, OptionError or RegistrationError.

    xray_nodes: volume nodes of one slice that refer to a geometry node with a single view (radiographs and projections do).
    options, preparation: dictionaries of registration.RegistrationOptions and registration.images.Preparation.
    """
    from ..options import make
    from ..registration import RegistrationOptions
    from ..registration.images import Preparation

    nodes = [node for node in xray_nodes if node is not None]
    if not nodes:
        raise VolumeError("No X-ray is selected: import one, or select a radiograph, under X-ray 1.")
    xrays = tuple((*image_and_views(node), node.GetName()) for node in nodes)
    return RegistrationRequest(array_from_volume(volume_node), grid_from_volume(volume_node), attenuation, xrays,
                               make(RegistrationOptions, options), make(Preparation, preparation), volume_node.GetName())


def image_and_views(node):
    """(image [row, col], its one view) of an X-ray's volume node."""
    geometry = node.GetNodeReference(GEOMETRY_ROLE)
    if geometry is None:
        raise VolumeError(f"The X-ray '{node.GetName()}' has no geometry: import it with its geometry, or select a radiograph that has one.")
    if node.GetImageData() is None:
        raise VolumeError(f"The X-ray '{node.GetName()}' is empty: select another one.")
    image, views = slicer.util.arrayFromVolume(node), views_from_node(geometry)
    if image.ndim != 3 or image.shape[0] != 1 or len(views) != 1 or image.shape[1:] != views.shape:
        raise VolumeError(f"The X-ray '{node.GetName()}' has {' x '.join(map(str, image.shape))} pixels, its geometry '{geometry.GetName()}' "
                          f"{len(views)} views of {views.shape[0]} x {views.shape[1]}: one image and one view of the same size are needed.")
    return np.array(image[0], np.float32), views


class RegistrationJob:
    """`steps` is its generator, run in a thread or at once; `pause` holds it; the main thread moves the volume by its steps."""

    def __init__(self, request, volume_node, xray_nodes):
        self.request, self.volume_node = request, volume_node
        self.xray_nodes = [node for node in xray_nodes if node is not None]
        self.pause = threading.Event()
        self.values = []
        self.start_matrix = world_from_local(volume_node)
        self.case = None
        self.steps = self._steps()

    def _steps(self):
        """Returns the Registration; a step's state holds the pose that takes the volume from where it lies to where the X-rays show it."""
        import torch

        from ..registration import Case, register
        from ..registration.images import prepare

        r = self.request
        xrays = [prepare(image, views, r.preparation, name=name) for image, views, name in r.xrays]
        self.case = Case(r.grid, torch.from_numpy(r.attenuation.mu(r.values)), xrays)
        job = register(self.case, None, r.options)
        while True:
            try:
                step = next(job)
            except StopIteration as end:
                return end.value
            if step.residual is not None:
                self.values.append((len(self.values) + 1, step.residual))
            yield step
            while self.pause.is_set():
                yield replace(step, message="paused")
                threading.Event().wait(PAUSE_SECONDS)

    def is_present(self):
        return all(slicer.mrmlScene.IsNodePresent(node) for node in (self.volume_node, *self.xray_nodes))

    def move(self, pose, node):
        """Moves the volume by `pose` (4x4 of the world): the transform node above it (made when it is None), which is returned."""
        if node is None or not slicer.mrmlScene.IsNodePresent(node):
            node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", slicer.mrmlScene.GenerateUniqueName("Registration"))
            put_into_folder(node)
        if self.volume_node.GetParentTransformNode() is not node:
            before = self.volume_node.GetParentTransformNode()
            node.SetAttribute(BEFORE_ATTRIBUTE, before.GetID() if before is not None else "")
        node.SetMatrixTransformToParent(matrix_from_array(np.asarray(pose) @ self.start_matrix))
        self.volume_node.SetAndObserveTransformNodeID(node.GetID())
        return node

    def finish(self, result, transform, ellipsoid=None):
        """The volume in its registered place, with provenance, and the error bar as a model: (transform node, model node)."""
        transform = self.move(result.pose, transform)
        r = self.request
        made = provenance("register", {"volume": r.name, "xrays": [name for _i, _v, name in r.xrays]},
                          {"pose": result.pose.tolist(), "scores": result.scores.tolist(), "report": result.report()})
        transform.SetAttribute(PROVENANCE_ATTRIBUTE, json.dumps(made))
        transform.SetNodeReferenceID(VOLUME_ROLE, self.volume_node.GetID())
        return transform, show_ellipsoid(result, ellipsoid)

    def overlay(self, result, node=None):
        """The registered radiograph of the first X-ray's view as a volume node on its detector."""
        if node is None or not slicer.mrmlScene.IsNodePresent(node):
            node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", slicer.mrmlScene.GenerateUniqueName("Registered radiograph"))
            put_into_folder(node)
        write_radiograph(node, self.case.render(result.pose, 0)[0].numpy(), self.case.xrays[0].views)
        node.SetNodeReferenceID(VOLUME_ROLE, self.volume_node.GetID())
        return node


def revert(volume_node, transform):
    """Takes the volume back to where it was before it was registered."""
    if volume_node is not None and transform is not None and volume_node.GetParentTransformNode() is transform:
        before = slicer.mrmlScene.GetNodeByID(transform.GetAttribute(BEFORE_ATTRIBUTE) or "")
        volume_node.SetAndObserveTransformNodeID(before.GetID() if before is not None else None)


def show_ellipsoid(result, node=None):
    """The 95 % ellipsoid of where the volume's centre lies, as a model node."""
    if node is None or not slicer.mrmlScene.IsNodePresent(node):
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode", slicer.mrmlScene.GenerateUniqueName("95 % ellipsoid"))
        node.CreateDefaultDisplayNodes()
        node.GetDisplayNode().SetColor(0.9, 0.2, 0.2)
        node.GetDisplayNode().SetOpacity(0.5)
        put_into_folder(node)
    lengths, directions = result.uncertainty.ellipsoid(result.target)
    node.SetAndObservePolyData(shapes.ellipsoid(result.target, lengths, directions))
    return node


def register_now(volume_node, xray_nodes, attenuation, options, preparation, transform_node, progress):
    """The whole registration now, in this thread; returns (transform node, Registration). A failure moves nothing."""
    job = RegistrationJob(registration_request(volume_node, xray_nodes, attenuation, options, preparation), volume_node, xray_nodes)
    result = run(job.steps, progress)
    return job.finish(result, transform_node)[0], result
