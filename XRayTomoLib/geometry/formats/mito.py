"""The MITO folder: a curved detector and a source on a helix, as streamed from an industrial log scanner (ODL's cone-beam geometry).

metadata.json  SRC_RADIUS Rs, DET_RADIUS Rd, DET_CURVATURE_RADIUS Rc (mm; none or 0: flat), DET_NPX_X, DET_NPX_Z, DET_X_MIN/MAX (radians
               on the arc, mm on a flat detector), DET_Z_MIN/MAX (mm), DET_PIX_SIZE (mm), ROTATION_AXIS, and REC_... of the reconstruction
angles.npy     phi [N] in radians;  axial_positions.npy [N] and shifts.npy [N, 3] in mm: z = axial position + shifts[:, 2]
sinogram.npy   [N, DET_NPX_X, DET_NPX_Z] (not read here; its views are [columns, rows])

About z: source (Rs sin phi, -Rs cos phi, z); the arc's point at (theta, h) is Rz(phi) (Rc sin theta, Rd + Rc (cos theta - 1), z + h);
pixel (r, c) has theta = X_MIN + (c + 0.5) (X_MAX - X_MIN) / NPX_X, h likewise (ODL, ConeBeamGeometry and CylindricalDetector). Another
axis turns this frame by the least rotation from z to it. World = RAS with its origin on the axis.

DET_RADIUS 0 is a virtual detector in the axis: its rays are right, but end inside the object. `sdd_mm` moves the detector out along them.
"""
import json
import logging

import numpy as np

from ...files import replacing
from ..arrays import norm, to_numpy
from ..detectors import Cylindrical, Flat
from ..pose import rigid, rotation_from_vector
from ..views import Views
from . import FormatError
from .cameras import equal_over_views
from .fields import Fields, read_npy, read_object

TITLE = "MITO folder (curved detector, helix)"
SUFFIXES = (".mito",)
IS_FOLDER = True
METADATA = "metadata.json"
LOG = logging.getLogger(__name__)


def recognise(path, head):
    return path.is_dir() and (path / METADATA).is_file() and (path / "angles.npy").is_file()


def read(path, sdd_mm=None):
    """Views of a MITO folder. sdd_mm: distance from the source to the detector's apex (default: Rs + Rd, as the folder has it)."""
    metadata = read_object(path / METADATA)
    phi = _column(path / "angles.npy")
    shifts = read_npy(path / "shifts.npy")
    axial = _column(path / "axial_positions.npy", len(phi))
    if shifts.shape != (len(phi), 3):
        raise FormatError(f"{path / 'shifts.npy'}: has the shape {shifts.shape}; expected [{len(phi)}, 3], a row for each angle")
    if shifts[:, :2].any():
        LOG.warning("%s: radial and tangential shifts are not used, as MITO does not use them", path)
    views = _views(metadata, phi, axial + shifts[:, 2])
    if sdd_mm is not None:
        return _at_distance(path, views, sdd_mm)
    reach = _reconstruction_radius(metadata)
    if metadata.number("DET_RADIUS") < reach:
        LOG.warning("%s: the detector, %g mm from the axis, lies within the object (up to %.4g mm from it) and cuts its rays; give sdd_mm",
                    path, metadata.number("DET_RADIUS"), reach)
    return views


def write(path, views, axis=(0.0, 0.0, 1.0), reconstruction=None):
    """Writes the folder's geometry files (not the sinogram) for views on a circle or helix about `axis` through the origin.

    reconstruction: further fields of metadata.json, a dictionary of REC_... values.
    """
    turn = odl_rotation(axis)
    local = views.transformed(rigid(turn.T, np.zeros(3)))
    metadata, phi, z = _circle_parameters(local, axis)
    extra = dict(reconstruction or {})
    if any(not name.startswith("REC_") for name in extra):
        raise FormatError(f"reconstruction has the fields {', '.join(extra)}; expected names that begin with REC_")
    path.mkdir(exist_ok=True)
    with replacing(path / METADATA) as file:
        file.write_text(json.dumps(metadata | extra, indent=1), encoding="utf-8")
    for name, values in {"angles": phi, "axial_positions": z, "shifts": np.zeros((len(phi), 3))}.items():
        with replacing(path / f"{name}.npy") as file, open(file, "wb") as stream:
            np.save(stream, values, allow_pickle=False)


def odl_rotation(axis, where="rotation axis"):
    """Rotation [3, 3] from z to `axis`: the least one (ODL, rotation_matrix_from_to); half a turn about x for -z."""
    a = np.asarray(axis, np.float64)
    if a.shape != (3,) or not 0 < norm(a) < np.inf:
        raise FormatError(f"{where}: {axis}: expected a direction of 3 numbers, not all of them 0")
    a = a / norm(a)
    normal = np.array([-a[1], a[0], 0.0])
    length = norm(normal)
    if length < 1e-10:
        return np.diag([1.0, np.sign(a[2]), np.sign(a[2])])
    return rotation_from_vector(normal / length * np.arctan2(length, a[2]))


def _views(metadata, phi, z):
    cols, rows = metadata.count("DET_NPX_X"), metadata.count("DET_NPX_Z")
    width, height = _extent(metadata, "X"), _extent(metadata, "Z")
    curvature = metadata.number("DET_CURVATURE_RADIUS", 0.0)
    if curvature < 0:
        raise FormatError(f"{metadata.where}: 'DET_CURVATURE_RADIUS' = {curvature}; expected a radius above 0 mm, or 0 for a flat detector")
    if curvature and max(map(abs, width)) > np.pi:
        raise FormatError(f"{metadata.where}: DET_X_MIN and DET_X_MAX are {width}; expected radians on the arc, within +-pi")
    per_col, per_row = (width[1] - width[0]) / cols, (height[1] - height[0]) / rows
    step = per_col * (curvature or 1.0)
    apex_col = -width[0] / per_col - 0.5
    x, y, up = _axes(phi)
    source = -metadata.number("SRC_RADIUS", positive=True) * y + z[:, None] * up
    origin = metadata.number("DET_RADIUS") * y - apex_col * step * x + (z[:, None] + height[0] + per_row / 2) * up
    surface = Cylindrical(curvature, apex_col) if curvature else Flat()
    views = Views(source=source, origin=origin, u=step * x, v=per_row * up, shape=(rows, cols), surface=surface)
    axis = metadata.array("ROTATION_AXIS", (3,), np.array([0.0, 0.0, 1.0]))
    return views.transformed(rigid(odl_rotation(axis, f"{metadata.where}: 'ROTATION_AXIS'"), np.zeros(3)))


def _axes(phi):
    """Unit vectors [N, 3] at the angles phi: tangential, from the source to the detector, and along the axis."""
    zero, one = np.zeros_like(phi), np.ones_like(phi)
    return np.stack([np.cos(phi), np.sin(phi), zero], 1), np.stack([-np.sin(phi), np.cos(phi), zero], 1), np.stack([zero, zero, one], 1)


def _circle_parameters(views, axis):
    """(metadata, phi, z) of views about z; FormatError where they are no circle or helix."""
    if views.source is None or not isinstance(views.surface, (Flat, Cylindrical)):
        raise FormatError("a MITO folder holds a source and a flat or cylindrical detector, nothing else")
    curvature = views.surface.radius_mm if isinstance(views.surface, Cylindrical) else 0.0
    source, origin, u, v = (to_numpy(a) for a in (views.source, views.origin, views.u, views.v))
    phi = np.unwrap(np.arctan2(source[:, 0], -source[:, 1]))
    x, y, up = _axes(phi)
    (rows, cols), scale = views.shape, views.sdd_scale()
    step, per_row = (equal_over_views((a * b).sum(1), TITLE, "pixel pitch") for a, b in ((u, x), (v, up)))
    left, radius = (equal_over_views((origin * a).sum(1), TITLE, "detector position", scale) for a in (x, y))
    bottom = equal_over_views(origin[:, 2] - source[:, 2], TITLE, "detector height", scale)
    if step <= 0 or per_row <= 0:
        raise FormatError("in a MITO folder columns run with the turn (towards growing angles) and rows along the axis; in these views "
                          f"{'columns' if step <= 0 else 'rows'} run the other way: turn the pictures over and write views with u and v to match")
    per_col, first = step / (curvature or 1.0), left / (curvature or 1.0)
    metadata = {
        "GEOMETRY_ENGINE": "ODL", "GEOMETRY_NAME": "ConeBeamGeometry", "DET_NPX_X": cols, "DET_NPX_Z": rows, "DET_PIX_SIZE": float(step),
        "DET_X_MIN": first - per_col / 2, "DET_X_MAX": first + (cols - 0.5) * per_col,
        "DET_Z_MIN": bottom - per_row / 2, "DET_Z_MAX": bottom + (rows - 0.5) * per_row,
        "SRC_RADIUS": equal_over_views(-(source * y).sum(1), TITLE, "source radius"), "DET_RADIUS": radius,
        "DET_CURVATURE_RADIUS": curvature, "ROTATION_AXIS": np.asarray(axis, np.float64).tolist(),
    }
    metadata = {name: float(value) if isinstance(value, np.floating) else value for name, value in metadata.items()}
    _check_the_circle_tells_all(views, metadata, phi)
    return metadata, phi, source[:, 2]


def _check_the_circle_tells_all(views, metadata, phi):
    again = _views(Fields(TITLE, metadata | {"ROTATION_AXIS": [0, 0, 1]}), phi, to_numpy(views.source)[:, 2])
    off = max(abs(getattr(again, name) - to_numpy(getattr(views, name))).max() for name in ("source", "origin", "u", "v"))
    apex = 0.0 if isinstance(views.surface, Flat) else abs(again.surface.apex_col - views.surface.apex_col)
    if off > 1e-9 * views.sdd_scale() or apex > 1e-6:
        raise FormatError("a MITO folder holds a source on a circle or helix about the axis through the origin, with the detector facing it, "
                          f"columns along the turn and rows along the axis; these views are off by up to {off:.3g} mm: move or turn them first")


def _at_distance(path, views, sdd_mm):
    """The detector enlarged about the source until its apex is sdd_mm away: every ray stays."""
    sdd_mm = equal_over_views(np.atleast_1d(sdd_mm), TITLE, "sdd_mm")
    factor = sdd_mm / float(views.sdd_mm[0])
    if not 0 < factor < np.inf:
        raise FormatError(f"{path}: sdd_mm = {sdd_mm}; expected a length above 0 mm")
    surface = views.surface
    if isinstance(surface, Cylindrical):
        surface = Cylindrical(factor * surface.radius_mm, surface.apex_col)
    origin = views.source + factor * (views.origin - views.source)
    return Views(source=views.source, origin=origin, u=factor * views.u, v=factor * views.v, shape=views.shape, surface=surface)


def _extent(metadata, letter):
    low, high = (metadata.number(f"DET_{letter}_{end}") for end in ("MIN", "MAX"))
    if not high > low:
        raise FormatError(f"{metadata.where}: DET_{letter}_MIN = {low} is not below DET_{letter}_MAX = {high}")
    return low, high


def _reconstruction_radius(metadata):
    """How far the reconstruction reaches from the axis, as far as the metadata say (about z only)."""
    ends = [metadata.number(f"REC_{end}_{letter}", 0.0) for letter in "XY" for end in ("MIN", "MAX")]
    return float(np.hypot(max(abs(ends[0]), abs(ends[1])), max(abs(ends[2]), abs(ends[3]))))


def _column(path, count=None):
    values = read_npy(path)
    if values.ndim != 1 or len(values) < 1 or count not in (None, len(values)):
        raise FormatError(f"{path}: has the shape {values.shape}; expected [{count or 'N'}], a number for each view")
    return values
