"""Gantries that turn a source and a flat panel about the patient, in the coordinates of IEC 61217.

IEC fixed system, origin at the isocentre, seen by somebody who faces the gantry: x to the right, y towards the gantry, z up. For a
patient on the back, head first (HFS), x is the patient's left, y superior, z anterior: R = -x, A = z, S = y. The other positions
turn the patient about the vertical or the long axis.
"""
import numpy as np

from ..arrays import GeometryError
from ..views import Views
from . import FormatError

RAS_FROM_IEC = {
    "HFS": [[-1, 0, 0], [0, 0, 1], [0, 1, 0]],
    "HFP": [[1, 0, 0], [0, 0, -1], [0, 1, 0]],
    "FFS": [[1, 0, 0], [0, 0, 1], [0, -1, 0]],
    "FFP": [[-1, 0, 0], [0, 0, -1], [0, -1, 0]],
}


def gantry_views(where, source_deg, sod_mm, sdd_mm, offset_mm, shape, pitch_mm, patient_position="HFS", isocentre_ras=(0.0, 0.0, 0.0)):
    """Views of a source at the IEC angles `source_deg` [N] and of the panel opposite.

    RTK's circular geometry (`ThreeDCircularProjectionGeometry`) without tilts: with g the source's angle about y, r = (cos g, 0, -sin g),
    n = (sin g, 0, cos g), the source is at sod n, pixel (row, col) at (ox + (col - (cols-1)/2) pu) r + (oy + (row - (rows-1)/2) pv) y
    + (sod - sdd) n: columns run along r, rows towards the gantry, as the panels write them.

    Args:
        where: what error messages call the scan, its file.
        offset_mm: (ox, oy) of the panel's centre from the central ray, numbers or [N] each.
        pitch_mm: (pu, pv), column and row.
        patient_position: HFS, HFP, FFS or FFP. isocentre_ras: where the isocentre lies in RAS.
    """
    if patient_position not in RAS_FROM_IEC:
        raise FormatError(f"{where}: patient position {patient_position!r}; expected one of {', '.join(RAS_FROM_IEC)}")
    if not 0 < sod_mm < sdd_mm:
        raise FormatError(f"{where}: source to axis {sod_mm:g} mm, source to detector {sdd_mm:g} mm; expected 0 < the first < the second")
    g = np.deg2rad(np.asarray(source_deg, np.float64))
    zero = np.zeros_like(g)
    r, n = np.stack([np.cos(g), zero, -np.sin(g)], 1), np.stack([np.sin(g), zero, np.cos(g)], 1)
    y = np.array([[0.0, 1.0, 0.0]])
    (rows, cols), (pu, pv) = shape, pitch_mm
    ox, oy = (np.broadcast_to(np.asarray(o, np.float64), g.shape)[:, None] for o in offset_mm)
    origin = (ox - (cols - 1) / 2 * pu) * r + (oy - (rows - 1) / 2 * pv) * y + (sod_mm - sdd_mm) * n
    ras = np.array(RAS_FROM_IEC[patient_position], np.float64)
    try:
        return Views(source=sod_mm * n @ ras.T, origin=origin @ ras.T, u=pu * r @ ras.T, v=pv * y @ ras.T, shape=shape).transformed(
            np.block([[np.eye(3), np.asarray(isocentre_ras, np.float64).reshape(3, 1)], [np.zeros((1, 3)), np.ones((1, 1))]]))
    except GeometryError as error:
        raise FormatError(f"{where}: {error}") from error
