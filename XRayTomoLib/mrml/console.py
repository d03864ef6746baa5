"""Geometry and radiograph nodes for scripts, without the panel's parameter node."""

from dataclasses import fields, replace

import slicer

from ..geometry import CArm, GeometryError, carm
from ..physics.attenuation import AttenuationModel
from .acquisition import frame_provenance, put_into_folder
from .geometry_node import new_geometry_node, views_from_node, write_geometry
from .live import Request, VolumeData, render
from .volumes import array_from_volume, grid_from_volume, new_radiograph_node, record, write_radiograph


def volume_centre(volume_node):
    """World RAS [3] of the middle of a volume node."""
    return tuple(float(x) for x in grid_from_volume(volume_node).centre_ras)


def make_geometry(device, primary_deg, secondary_deg, isocentre_ras, name, device_values):
    """A geometry node; `device_values` are fields of CArm that replace the preset's."""
    known = [f.name for f in fields(CArm)]
    unknown = sorted(set(device_values) - set(known))
    if unknown:
        raise GeometryError(f"Unknown device value '{unknown[0]}'; expected one of: {', '.join(known)}.")
    views = replace(carm(device), **device_values).views(primary_deg, secondary_deg, isocentre_ras)
    node = new_geometry_node(slicer.mrmlScene.GenerateUniqueName(name or "Acquisition geometry"))
    write_geometry(node, views)
    put_into_folder(node)
    return node


def make_radiograph(volume_node, geometry_node, method, shows, attenuation, output_node):
    """Traces and writes one radiograph; nothing is written when something is wrong."""
    values, grid, views = array_from_volume(volume_node), grid_from_volume(volume_node), views_from_node(geometry_node)
    if len(views) != 1:
        raise GeometryError(f"The geometry '{geometry_node.GetName()}' has {len(views)} views: a radiograph needs one with a single view.")
    frame = render(Request(VolumeData((), values, grid, attenuation or AttenuationModel()), views, method, shows), volume_node.GetName())
    node = output_node or new_radiograph_node(volume_node)
    write_radiograph(node, frame.image, frame.views, shows)
    record(node, volume_node, geometry_node, frame_provenance(frame, volume_node.GetName()))
    put_into_folder(node)
    return node
