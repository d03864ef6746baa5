"""Register: the job that runs in a worker thread (it touches no node), and what the main thread does with its steps and its result."""

import json
import threading
from dataclasses import dataclass, replace

import numpy as np
import slicer

from ..jobs import provenance, run
from . import moved_nodes, shapes
from .acquisition import put_into_folder
from .choices import StartFrom
from .convergence import show_convergence_of
from .registration_start import start_options, start_pose
from .transforms import matrix_from_array, world_from_local
from .volumes import PROVENANCE_ATTRIBUTE, VOLUME_ROLE, VolumeError
from .xrays import stored_xray

PAUSE_SECONDS = 0.05
RUN_ATTRIBUTE = "XRayTomo.Run"


@dataclass(frozen=True, eq=False)
class RegistrationRequest:
    """A MovingObject, the StoredXRays that show it, the start [4, 4] and where it comes from, and the declared options."""

    moving: object
    xrays: tuple
    start: np.ndarray
    start_words: str
    options: object


def registration_request(moving, xray_nodes, options, preparation=None, start=StartFrom.PLACE, landmarks_node=None, points_node=None):
    """Checks what can be checked before the work. Raises VolumeError, GeometryError, OptionError or RegistrationError.

    moving: a MovingObject. xray_nodes: volume nodes of one slice that refer to a geometry node with a single view. options: dictionary of
    registration.RegistrationOptions; preparation: of registration.images.Preparation, in place of those that the X-rays keep. start: where
    from, with landmarks on the object and points on the X-rays where it is StartFrom.LANDMARKS.
    """
    from ..options import make
    from ..registration import RegistrationOptions

    nodes = [node for node in xray_nodes if node is not None]
    if not nodes:
        raise VolumeError("No X-ray takes part: add one under X-rays, and check its box.")
    xrays = tuple(stored_xray(node, preparation) for node in nodes)
    pose, words = start_pose(start, moving.grid, [x.name for x in xrays], [x.views for x in xrays], landmarks_node, points_node)
    return RegistrationRequest(moving, xrays, pose, words, make(RegistrationOptions, start_options(start, options)))


class RegistrationJob:
    """`steps` is its generator, run in a thread or at once; `pause` holds it; the main thread moves the object by its steps."""

    def __init__(self, request, xray_nodes, companions=()):
        """companions: nodes, such as landmarks on the object, that move along where they have its place."""
        self.request, self.xray_nodes = request, [node for node in xray_nodes if node is not None]
        self.node = request.moving.node
        self.nodes = moved_nodes.together(self.node, companions)
        self.pause = threading.Event()
        self.values = []
        self.start_matrix = world_from_local(self.node)
        self.steps = self._steps()

    def _steps(self):
        """Returns the Registration; a step's state holds the pose that takes the object from where it lies to where the X-rays show it."""
        import torch

        from ..registration import Case, register

        r = self.request
        case = Case(r.moving.grid, torch.from_numpy(r.moving.attenuation.mu(r.moving.values)), [x.prepared() for x in r.xrays])
        job = register(case, r.start, r.options)
        while True:
            try:
                step = next(job)
            except StopIteration as end:
                return end.value
            if step.residual is not None:
                self.values.append((len(self.values) + 1, step.residual, step.state["pose"]))
            yield step
            while self.pause.is_set():
                yield replace(step, message="paused")
                threading.Event().wait(PAUSE_SECONDS)

    def is_present(self):
        return all(slicer.mrmlScene.IsNodePresent(node) for node in (self.node, *self.xray_nodes))

    def move(self, pose, transform):
        """Moves the object by `pose` (4x4 of the world): the transform node above it (made when it is None), which is returned."""
        nodes = [node for node in self.nodes if slicer.mrmlScene.IsNodePresent(node)]
        return moved_nodes.move(nodes, np.asarray(pose) @ self.start_matrix, transform)

    def finish(self, result, transform, ellipsoid=None):
        """The object in its registered place, with provenance and its way there, and the error bar as a model: (transform node, model node)."""
        transform = self.move(result.pose, transform)
        r = self.request
        found = {"pose": result.pose.tolist(), "scores": dict(zip(result.names, result.scores.tolist(), strict=True)), "report": result.report()}
        chosen = {"start": r.start.tolist(), "options": vars(r.options), "preparation": {x.name: x.preparation for x in r.xrays}}
        made = provenance("register", {"object": r.moving.name, "xrays": [x.name for x in r.xrays]}, chosen | found)
        transform.SetAttribute(PROVENANCE_ATTRIBUTE, json.dumps(made))
        transform.SetNodeReferenceID(VOLUME_ROLE, self.node.GetID())
        self._show_way(result, transform)
        return transform, show_ellipsoid(result, ellipsoid)

    def _show_way(self, result, transform):
        """The start and the steps of the run as the transform's table and chart, and the matrix to the world at each, exactly."""
        steps = [(0, 1 - float(result.scores_start.mean()), result.start), *self.values]
        show_convergence_of(transform, [(index, value) for index, value, _pose in steps])
        matrices = [(np.asarray(pose) @ self.start_matrix).tolist() for _index, _value, pose in steps]
        transform.SetAttribute(RUN_ATTRIBUTE, json.dumps(matrices))


def matrices_of_run(transform):
    """Matrices [n, 4, 4] from the object's own frame to the world at every step of the run that made a transform node; n = 0 for others."""
    text = transform.GetAttribute(RUN_ATTRIBUTE) if transform is not None else None
    return np.array(json.loads(text) if text else []).reshape(-1, 4, 4)


def show_step(transform, index):
    """Takes what the transform node moved to the place where it was at a step of the run."""
    matrix = np.linalg.inv(world_from_local(transform)) @ matrices_of_run(transform)[index]
    transform.SetMatrixTransformToParent(matrix_from_array(matrix))


def show_ellipsoid(result, node=None):
    """The 95 % ellipsoid of where the object's centre lies, as a model node."""
    if node is None or not slicer.mrmlScene.IsNodePresent(node):
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode", slicer.mrmlScene.GenerateUniqueName("95 % ellipsoid"))
        node.CreateDefaultDisplayNodes()
        node.GetDisplayNode().SetColor(0.9, 0.2, 0.2)
        node.GetDisplayNode().SetOpacity(0.5)
        put_into_folder(node)
    lengths, directions = result.uncertainty.ellipsoid(result.target)
    node.SetAndObservePolyData(shapes.ellipsoid(result.target, lengths, directions))
    node.SetDisplayVisibility(True)
    return node


def register_now(request, xray_nodes, transform_node, progress, companions=()):
    """The whole registration now, in this thread; returns (transform node, Registration). A failure moves nothing."""
    job = RegistrationJob(request, xray_nodes, companions)
    moved_nodes.check_free(transform_node, job.nodes)
    result = run(job.steps, progress)
    moved_nodes.note_place(transform_node)
    return job.finish(result, transform_node)[0], result
