"""The overlay of an X-ray and the object's radiograph as a coloured image on the X-ray's detector, and a movie of a run."""

import numpy as np
import slicer

from ..workflows.overlay import movie_steps, overlay_picture
from .acquisition import put_into_folder
from .live import Request, VolumeData
from .registration_job import matrices_of_run
from .transforms import matrix_from_array, world_from_local
from .volumes import VolumeError
from .xrays import changed_key, stored_xray

MOST_PIXELS = 640  # along the longer side: an overlay is looked at in a slice view, and follows while something is dragged


def displayed(xray):
    """A registration.XRay in at most MOST_PIXELS pixels along a side."""
    return xray.binned(max(1, -(-max(xray.image.shape) // MOST_PIXELS)))


def overlay_request(moving, xray):
    """The live.Request for the radiograph of a MovingObject on the detector of a registration.XRay."""
    return Request(VolumeData(moving.key, moving.values, moving.grid, moving.attenuation), xray.views)


def picture_of(xray, radiograph, options):
    """Colours [rows, cols, 3] from a radiograph that may be coarser than the X-ray."""
    if radiograph.shape != tuple(xray.image.shape):
        from scipy.ndimage import map_coordinates

        places = [np.linspace(-0.5, n - 0.5, 2 * m + 1)[1::2] for n, m in zip(radiograph.shape, xray.image.shape, strict=True)]
        radiograph = map_coordinates(radiograph, np.meshgrid(*places, indexing="ij"), order=1, mode="nearest")
    return overlay_picture(xray, radiograph, options)


def show_picture(node, picture, views):
    """Puts a coloured picture onto the detector of one view: into `node` (made when it is None), which is returned."""
    if node is None or not slicer.mrmlScene.IsNodePresent(node):
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", slicer.mrmlScene.GenerateUniqueName("Overlay"))
        put_into_folder(node)
    with slicer.util.NodeModify(node):
        slicer.util.updateVolumeFromArray(node, np.ascontiguousarray(picture[None]))
        node.SetIJKToRASMatrix(matrix_from_array(np.linalg.inv(world_from_local(node)) @ views.image_to_ras()))
        if node.GetDisplayNode() is None:
            node.CreateDefaultDisplayNodes()
    return node


def overlay_now(moving, xray_node, options, node=None):
    """The overlay of where the object lies now as a vector volume node."""
    from ..tracing import Projector

    xray = displayed(stored_xray(xray_node).prepared())
    radiograph = Projector(moving.grid, xray.views)(moving.attenuation.mu(moving.values))
    return show_picture(node, picture_of(xray, np.asarray(radiograph)[0], options), xray.views)


def movie_of_run(folder, transform, moving, xray_node, options):
    """Generator of Steps that writes a picture for every step of the run which made the transform node: see workflows.overlay.movie_steps.

    Reads the nodes now and touches none later.
    """
    matrices = matrices_of_run(transform)
    if not len(matrices):
        raise VolumeError("There is no run to show: register first.")
    poses = matrices @ np.linalg.inv(world_from_local(moving.node))
    stored = stored_xray(xray_node)
    return _movie(folder, moving, stored, poses, options)


def _movie(folder, moving, stored, poses, options):
    import torch

    from ..registration import Case

    xray = displayed(stored.prepared())
    case = Case(moving.grid, torch.from_numpy(moving.attenuation.mu(moving.values)), [xray])
    radiographs = (case.render(pose, 0)[0].numpy() for pose in poses)
    return (yield from movie_steps(folder, xray, radiographs, len(poses), options))


def overlay_key(moving, xray_node):
    """Equal while the picture would be the same, but for its options."""
    return moving.key, moving.grid, changed_key(xray_node)
