"""The panel's parameters <-> the scene: gantry, geometry, source, cone, detector, landmarks and the radiograph.

`p` is the module's parameter node wrapper. Functions that get it write nodes only where something changed.
"""

from types import SimpleNamespace

import numpy as np
import slicer

from ..geometry import CArm, GeometryError, load_device
from ..geometry.formats.xraytomo import text_from_views
from ..jobs import provenance
from ..physics.attenuation import AttenuationModel
from ..workflows.radiograph import check_sight
from . import scene_objects, volumes
from .choices import IsocentreFrom
from .gantry import GantryPose, move_gantry, new_gantry_node, read_gantry
from .geometry_node import new_geometry_node, write_geometry
from .landmarks import hang_points_below, new_points_node, new_rays_node, points_ras, project_landmarks, rays_through_points
from .live import Request, VolumeData, render
from .slice_view import align_slice

FOLDER = "XRayTomo"
_SAME_MM = 1e-6


def carm_from_parameters(p):
    """The device of the panel, without in-plane rotation (the gantry carries it). Raises GeometryError for bad numbers."""
    return CArm(
        sdd_mm=p.sddMm,
        sod_mm=p.sodMm,
        rows=p.rows,
        cols=p.cols,
        col_pitch_mm=p.colPitchMm,
        row_pitch_mm=p.rowPitchMm,
        principal_offset_mm=(p.offsetUMm, p.offsetVMm),
        flipped=p.flipped,
    )


def apply_device(p, name):
    """Takes distances and detector of a preset into the parameters; angles and isocentre stay."""
    device = load_device(name)
    with slicer.util.NodeModify(p.parameterNode):
        p.device = device.name
        p.sddMm, p.sodMm = device.sdd_mm, device.sod_mm
        p.rows, p.cols = device.rows, device.cols
        p.rowPitchMm, p.colPitchMm = device.row_pitch_mm, device.col_pitch_mm


def differs_from_device(p, device):
    """Whether a distance or the detector was changed after the preset `device` was chosen."""
    preset = (device.sdd_mm, device.sod_mm, device.rows, device.cols, device.row_pitch_mm, device.col_pitch_mm)
    return preset != (p.sddMm, p.sodMm, p.rows, p.cols, p.rowPitchMm, p.colPitchMm)


def attenuation_from_parameters(p):
    return AttenuationModel(kind=p.attenuationKind.value, energy_kev=p.energyKev, air_hu=p.airHu, threshold_hu=p.thresholdHu)


def isocentre_from_parameters(p):
    """World RAS of the isocentre that the parameters ask for."""
    if p.isocentreFrom == IsocentreFrom.VOLUME and p.inputVolume is not None:
        return tuple(float(x) for x in volumes.grid_from_volume(p.inputVolume).centre_ras)
    if p.isocentreFrom == IsocentreFrom.POINT:
        positions = points_ras(p.isocentrePoint)[0] if p.isocentrePoint else []
        if not len(positions):
            raise GeometryError("The isocentre is to be a markups point, but none is there: select a point list and place a point in it.")
        return tuple(float(x) for x in positions[0])
    return p.isocentreR, p.isocentreA, p.isocentreS


def pose_from_parameters(p):
    return GantryPose(p.primaryDeg, p.secondaryDeg, p.inPlaneDeg, isocentre_from_parameters(p))


def follow_gantry(p):
    """Takes the pose of a gantry that was dragged into the parameters; a gantry moved off its isocentre makes it a free one."""
    matrix = read_gantry(p.gantry)
    here = GantryPose(p.primaryDeg, p.secondaryDeg, p.inPlaneDeg, (p.isocentreR, p.isocentreA, p.isocentreS)).matrix()
    if np.allclose(matrix, here, rtol=0, atol=_SAME_MM):
        return
    pose = GantryPose.from_matrix(matrix)
    with slicer.util.NodeModify(p.parameterNode):
        if not np.allclose(matrix[:3, 3], here[:3, 3], rtol=0, atol=_SAME_MM):
            p.isocentreFrom = IsocentreFrom.FREE
            p.isocentreR, p.isocentreA, p.isocentreS = pose.isocentre_ras
        p.primaryDeg, p.secondaryDeg, p.inPlaneDeg = pose.primary_deg, pose.secondary_deg, pose.in_plane_deg


def views_from_parameters(p):
    """The one view of the panel in world RAS."""
    return carm_from_parameters(p).local_views().transformed(pose_from_parameters(p).matrix())


def update_scene(p):
    """Brings gantry, geometry node, models and landmarks to the parameters; makes the nodes that are missing. Returns the Views.

    Raises GeometryError, VolumeError or TransformError before anything is changed.
    """
    local, pose = carm_from_parameters(p).local_views(), pose_from_parameters(p)
    views = local.transformed(pose.matrix())
    with slicer.util.NodeModify(p.parameterNode):
        _make_missing_nodes(p)
        if (p.isocentreR, p.isocentreA, p.isocentreS) != pose.isocentre_ras:
            p.isocentreR, p.isocentreA, p.isocentreS = pose.isocentre_ras
    move_gantry(p.gantry, pose.matrix())
    write_geometry(p.geometry, views)
    for kind in scene_objects.NAMES:
        scene_objects.update_object(getattr(p, kind), kind, local, p.gantry)
    scene_objects.show_on_detector(p.detector, p.radiograph)
    update_points(p, local, views)
    if p.sliceNode is not None and p.radiograph is not None:
        align_slice(p.sliceNode, p.radiograph, views)
    return views


def update_points(p, local, views):
    """Landmarks of the CT on the detector, and the rays of the points placed on the radiograph."""
    if p.landmarks is not None:
        project_landmarks(p.landmarks, views, p.projectedLandmarks)
    if p.radiographPoints is not None:
        hang_points_below(p.radiographPoints, p.gantry)
        if p.rays.GetTransformNodeID() != p.gantry.GetID():
            p.rays.SetAndObserveTransformNodeID(p.gantry.GetID())
        rays_through_points(p.radiographPoints, local, p.rays)


def request_from_parameters(p, coarse_first=True):
    """What the worker needs for the radiograph of the panel. Raises a ValueError that says what is missing or wrong."""
    values = volumes.array_from_volume(p.inputVolume)
    grid, attenuation = volumes.grid_from_volume(p.inputVolume), attenuation_from_parameters(p)
    views = views_from_parameters(p)
    check_sight(grid, views, p.inputVolume.GetName())
    key = (p.inputVolume.GetID(), p.inputVolume.GetImageData().GetMTime(), attenuation)
    return Request(VolumeData(key, values, grid, attenuation), views, p.method.value, p.shows.value, coarse_first)


def fingerprint(request):
    """Equal for requests of the same picture."""
    v = request.views
    vectors = tuple(np.concatenate([v.source[0], v.origin[0], v.u[0], v.v[0]]))
    return request.volume.key, request.volume.grid, vectors, v.shape, request.method, request.shows


def show_frame(p, frame):
    """Puts a finished picture into the output node, which is made when none is selected, and onto the detector."""
    if p.radiograph is None:
        p.radiograph = volumes.new_radiograph_node(p.inputVolume)
        put_into_folder(p.radiograph)
    new = p.radiograph.GetImageData() is None
    volumes.write_radiograph(p.radiograph, frame.image, frame.views, frame.request.shows, adjust_window=new or frame.is_full)
    if frame.is_full:
        volumes.record(p.radiograph, p.inputVolume, p.geometry, frame_provenance(frame, p.inputVolume.GetName()))
    if p.detector is not None:
        scene_objects.show_on_detector(p.detector, p.radiograph)
    if p.sliceNode is not None:
        align_slice(p.sliceNode, p.radiograph, frame.views)


def render_now(p):
    """Brings the scene to the parameters and fills the output node; returns it."""
    request = request_from_parameters(p, coarse_first=False)
    update_scene(p)
    show_frame(p, render(request, p.inputVolume.GetName()))
    return p.radiograph


def frame_provenance(frame, volume_name):
    """How the picture was made; the geometry stands in it exactly."""
    request = frame.request
    inputs = {"volume": volume_name, "ijk_to_ras": request.volume.grid.ijk_to_ras.tolist(), "shape": list(request.volume.grid.shape)}
    parameters = {"attenuation": vars(request.volume.attenuation), "method": request.method, "shows": request.shows}
    parameters |= {"target": frame.target, "geometry": text_from_views(frame.views)}
    return provenance("radiograph", inputs, parameters)


def put_into_folder(node):
    """Shows the node in the subject-hierarchy folder of this module."""
    hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
    item = hierarchy.GetItemByDataNode(node) if hierarchy else 0
    if item:
        scene_item = hierarchy.GetSceneItemID()
        folder = hierarchy.GetItemChildWithName(scene_item, FOLDER) or hierarchy.CreateFolderItem(scene_item, FOLDER)
        hierarchy.SetItemParent(item, folder)


def _make_missing_nodes(p):
    makers = SimpleNamespace(gantry=lambda: new_gantry_node("Gantry"), geometry=lambda: new_geometry_node("Acquisition geometry"))
    for kind in scene_objects.NAMES:
        setattr(makers, kind, lambda kind=kind: scene_objects.new_object_node(kind))
    if p.landmarks is not None:
        makers.projectedLandmarks = lambda: new_points_node(f"{p.landmarks.GetName()} in the radiograph", (1.0, 0.6, 0.0), locked=True)
    if p.radiographPoints is not None:
        makers.rays = lambda: new_rays_node(f"Rays of {p.radiographPoints.GetName()}")
    for role, make in vars(makers).items():
        if getattr(p, role) is None:
            node = make()
            setattr(p, role, node)
            put_into_folder(node)
