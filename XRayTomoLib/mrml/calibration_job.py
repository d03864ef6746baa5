"""Calibrate: the job that runs in a worker thread (it touches no node), and the geometry node that the main thread makes of its result."""

import json
from dataclasses import dataclass

import numpy as np
import slicer

from ..calibration.options import BallOptions, CentreOptions, RefineOptions
from ..jobs import run
from ..options import make
from .landmarks import points_ras
from .stack import projection_of, stack_geometry, stack_shape
from .trajectory import new_scan_geometry, show_geometry
from .trajectory_display import views_of
from .volumes import GEOMETRY_ROLE, PROVENANCE_ATTRIBUTE, VolumeError, array_from_volume, grid_from_volume

METHODS = {"centre": CentreOptions, "balls": BallOptions, "refine": RefineOptions}
REPORT_ATTRIBUTE = "XRayTomo.Report"


@dataclass(frozen=True, eq=False)
class CalibrationRequest:
    """Line integrals [view, row, col] of views, how they are calibrated, and what the method knows of the object."""

    projections: np.ndarray
    views: object
    options: object
    balls: tuple | None = None
    volume: tuple | None = None


def calibration_request(stack_node, method, options, balls_node=None, diameter_mm=0.0, volume_node=None, attenuation=None):
    """Checks what can be checked before the work. Raises VolumeError, GeometryError or OptionError.

    method: a key of METHODS, options: dictionary of its options. balls: the phantom's centres as markups, with their diameter; refine: the
    volume that was scanned, as it stands in the scanner.
    """
    if stack_node is None:
        raise VolumeError("No projections are selected: simulate a scan, or import projections, and select the stack.")
    views, shape = views_of(stack_geometry(stack_node)), stack_shape(stack_node)
    if shape != (len(views), *views.shape):
        raise VolumeError(f"The stack '{stack_node.GetName()}' and its geometry differ: {shape} and {(len(views), *views.shape)} "
                          "(views, rows, columns); select the geometry that belongs to it.")
    balls = volume = None
    if method == "balls":
        if balls_node is None:
            raise VolumeError("No ball centres are selected: place or load the phantom's points and select them under Balls.")
        balls = points_ras(balls_node)[0], diameter_mm
    if method == "refine":
        volume = attenuation.mu(array_from_volume(volume_node)), grid_from_volume(volume_node)
    projections = np.stack([np.asarray(projection_of(stack_node, i), np.float32) for i in range(shape[0])])
    return CalibrationRequest(projections, views, make(METHODS[method], options), balls, volume)


def calibration_steps(request):
    """Generator of Steps that returns a calibration.CalibrationResult."""
    from ..calibration import BallPhantom, calibrate_balls, calibrate_centre, calibrate_refine

    r = request
    if r.balls is not None:
        return calibrate_balls(r.projections, r.views, BallPhantom(*r.balls), r.options)
    if r.volume is not None:
        return calibrate_refine(r.projections, r.views, *r.volume, options=r.options)
    return calibrate_centre(r.projections, r.views, r.options)


def show_result(result, stack_node):
    """A new geometry node with the calibrated views, the report and where it comes from; the stack refers to it from now on."""
    node = new_scan_geometry(f"{stack_geometry(stack_node).GetName()} calibrated")
    show_geometry(node, result.views)
    node.SetAttribute(REPORT_ATTRIBUTE, result.report())
    node.SetAttribute(PROVENANCE_ATTRIBUTE, json.dumps(result.as_dict()))
    stack_node.SetNodeReferenceID(GEOMETRY_ROLE, node.GetID())
    return node


def is_present(stack_node):
    return slicer.mrmlScene.IsNodePresent(stack_node)


def calibrate_now(stack_node, method, options, balls_node, diameter_mm, volume_node, attenuation, progress):
    """The whole calibration now, in this thread; returns (geometry node, CalibrationResult)."""
    request = calibration_request(stack_node, method, options, balls_node, diameter_mm, volume_node, attenuation)
    result = run(calibration_steps(request), progress)
    return show_result(result, stack_node), result
