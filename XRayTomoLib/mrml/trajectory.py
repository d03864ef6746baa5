"""Trajectories of the panel and of scripts -> geometry nodes; geometry files <-> geometry nodes."""

from dataclasses import fields, replace
from pathlib import Path

import slicer

from ..files import stem_of
from ..geometry import CArm, GeometryError, load_device
from ..geometry.detector_options import DetectorOptions
from ..geometry.devices import carm
from ..geometry.formats import read_geometry as read_file
from ..geometry.formats import write_geometry as write_file
from ..geometry.trajectories import TRAJECTORIES, Jitter
from ..options import OptionError, make, options_of
from .acquisition import carm_from_parameters, isocentre_from_parameters, put_into_folder
from .geometry_node import FORMAT, new_geometry_node, write_geometry
from .landmarks import defined_points, drawn_points_ras
from .stored_options import instance_from_options
from .trajectory_display import show_trajectory, show_view, views_of

FREE = "free"
DETECTOR, JITTER = "detector", "jitter"  # their names among the stored options, beside those of the trajectories


def views_from_options(trajectory, device, isocentre_ras, detector, jitter):
    """Views of a Trajectory with the C-arm `device`, DetectorOptions and Jitter."""
    views = trajectory.views(detector.device(device), isocentre_ras)
    return jitter.applied(detector.applied(views), isocentre_ras)


def device_from_parameters(p):
    """The C-arm of Source and detector, with its in-plane rotation and the limits of the preset."""
    try:
        preset = carm(load_device(p.device))
    except GeometryError:  # a scene from a house with devices of its own: nothing is known of its limits
        return replace(carm_from_parameters(p), in_plane_deg=p.inPlaneDeg)
    limits = {name: getattr(preset, name) for name in ("primary_limits_deg", "secondary_limits_deg")}
    return replace(carm_from_parameters(p), in_plane_deg=p.inPlaneDeg, **limits)


def trajectory_from_parameters(p):
    """The Trajectory that the panel declares. Raises GeometryError when it needs a curve that is not there."""
    if p.trajectory not in TRAJECTORIES:
        raise GeometryError(f"Trajectory '{p.trajectory}' is not known; choose one of: {', '.join(TRAJECTORIES)}.")
    trajectory = instance_from_options(p.scanOptions, p.trajectory, TRAJECTORIES[p.trajectory])
    return _through_curve(trajectory, p.trajectoryCurve) if p.trajectory == FREE else trajectory


def create_from_parameters(p):
    """Makes or refills the geometry node of the panel with its trajectory, draws it, and returns it."""
    views = views_from_options(
        trajectory_from_parameters(p), device_from_parameters(p), isocentre_from_parameters(p),
        instance_from_options(p.scanOptions, DETECTOR, DetectorOptions), instance_from_options(p.scanOptions, JITTER, Jitter),
    )  # fmt: skip
    name = _name_of(p.trajectory)
    if p.scanGeometry is None:
        p.scanGeometry = new_scan_geometry(name)
    elif p.scanGeometry.GetName() in map(_name_of, TRAJECTORIES):  # a name that was made, for another trajectory
        p.scanGeometry.SetName(name)
    show_geometry(p.scanGeometry, views)
    return p.scanGeometry


def make_trajectory(name, device, isocentre_ras, curve_node, detector, jitter, node_name, values):
    """A geometry node for scripts: `values` are options of the trajectory or values of the device (fields of CArm)."""
    if name not in TRAJECTORIES:
        raise GeometryError(f"Trajectory '{name}' is not known; expected one of: {', '.join(TRAJECTORIES)}.")
    declared, device_fields = {o.name for o in options_of(TRAJECTORIES[name])}, {f.name for f in fields(CArm)}
    unknown = sorted(set(values) - declared - device_fields)
    if unknown:
        known = f"options of the trajectory: {', '.join(sorted(declared))}; values of the device: {', '.join(sorted(device_fields))}"
        raise GeometryError(f"Unknown value '{unknown[0]}'; {known}.")
    try:
        trajectory = make(TRAJECTORIES[name], {n: v for n, v in values.items() if n in declared})
        changes = make(DetectorOptions, detector or {}), make(Jitter, jitter or {})
    except OptionError as error:
        raise GeometryError(str(error)) from error
    if name == FREE:
        trajectory = _through_curve(trajectory, curve_node)
    changed = replace(carm(device), **{n: v for n, v in values.items() if n in device_fields})
    views = views_from_options(trajectory, changed, isocentre_ras, *changes)
    node = new_scan_geometry(node_name or _name_of(name))
    show_geometry(node, views)
    return node


def import_geometry(path, format=None, name=None, hints=None):
    """A geometry node from a file of any format that is read, drawn in the scene."""
    views = read_file(path, format, **(hints or {}))
    node = new_scan_geometry(name or stem_of(path))
    show_geometry(node, views)
    return node


def flip_geometry(node):
    """Turns u of all views round the detector's centre: the mirrored picture on the same area."""
    show_geometry(node, views_of(node).flipped())


def export_geometry(node, path, format=None, hints=None):
    """Writes a geometry node to a file; the format by default by the name's suffix. Returns the path."""
    write_file(path, views_of(node), format, **(hints or {}))
    return Path(path)


def new_scan_geometry(name):
    """An empty geometry node that the panel's selector offers."""
    node = new_geometry_node(slicer.mrmlScene.GenerateUniqueName(name))
    node.SetAttribute("XRayTomo.Format", FORMAT)
    put_into_folder(node)
    return node


def show_geometry(node, views):
    """Writes `views` into the node and draws them, the first as the current one."""
    write_geometry(node, views)
    show_trajectory(node)
    show_view(node, 0)


def _name_of(trajectory):
    return f"{TRAJECTORIES[trajectory].TITLE} trajectory"


def _through_curve(trajectory, curve_node):
    """The free trajectory along a markups curve as it is drawn, in world RAS."""
    if curve_node is None or len(defined_points(curve_node)) < 2:
        raise GeometryError("A free trajectory needs a markups curve with at least 2 points: draw one, the source will follow it.")
    closed = trajectory.closed or bool(curve_node.IsA("vtkMRMLMarkupsClosedCurveNode"))
    return replace(trajectory, points_ras=drawn_points_ras(curve_node), closed=closed)
