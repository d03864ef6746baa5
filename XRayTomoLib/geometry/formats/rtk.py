"""RTK's `ThreeDCircularProjectionGeometry` as XML: flat and cylindrical detectors, written as version 3, read as 2 and 3.

Frame: RTK computes in the physical space of the ITK images that it is used with, and ITK's is LPS. So RAS = diag(-1, -1, 1) of RTK's
(x, y, z): a CT that was written as an ITK image (LPS) and an RTK geometry that belong together stay together.

Nine numbers a view; angles in degrees, g gantry (about y), o out of plane (about x), i in plane (about z):
    M = Rz(-i) Rx(-o) Ry(-g);  source = M^T (sx, sy, SID);  pixel at (x, y) mm = M^T (ox + x, oy + y, SID - SDD)
SDD = 0 means parallel rays along -z of M, the detector then at M^T (.., .., -SID). A cylinder of radius R touches that plane in
ox + x = 0 and is bent towards +z of M, the source's side where SDD > 0. The pixels' grid, (x, y) = origin_mm + (col, row) pitch_mm, is
the Origin and Spacing of RTK's projection images and does not stand in the file.
Formulas: RTK's documentation of the class; rtkThreeDCircularProjectionGeometryXMLFileReader (the matrix must agree to 1e-3).
"""
import numpy as np

from ..arrays import norm, to_numpy
from ..detectors import Cylindrical, Flat
from ..views import Views
from . import FormatError
from .fields import finite
from .hints import pitch_hint, shape_hint
from .scan import parse_xml

TITLE = "RTK XML"
SUFFIXES = (".xml",)
ROOT = "RTKThreeDCircularGeometry"
LPS_FROM_RAS = np.array([-1.0, -1.0, 1.0])
_NUMBERS = ("SourceToIsocenterDistance", "SourceToDetectorDistance", "SourceOffsetX", "SourceOffsetY", "ProjectionOffsetX", "ProjectionOffsetY",
            "InPlaneAngle", "OutOfPlaneAngle", "GantryAngle")
_RADIUS = "RadiusCylindricalDetector"
_MATRIX_TOLERANCE = 1e-3
_PARALLEL_SID_MM = 1000.0


def recognise(path, head):
    return f"<{ROOT}".encode() in head


def read(path, shape=None, pitch_mm=None, origin_mm=None):
    """Views of an RTK geometry.

    shape: (rows, cols) of the projections; pitch_mm: their Spacing, one number or (column, row); origin_mm: the first two numbers of
    their Origin, (x, y) of pixel (0, 0), by default such that the detector's centre lies at (0, 0).
    Collimation, which hides pixels and moves none, and tags that RTK does not know either are passed over.
    """
    numbers, radius = _parameters(path, parse_xml(path))
    shape, pitch = shape_hint(path, shape), pitch_hint(path, pitch_mm)
    x0, y0 = _origin(path, origin_mm, shape, pitch)
    sid, sdd, sx, sy, ox, oy = numbers[:, :6].T
    m = rotations(*numbers[:, 6:].T)
    parallel = sdd == 0
    if parallel.any() != parallel.all():
        raise FormatError(f"{path}: 'SourceToDetectorDistance' is 0 (parallel rays) in some views and not in others; split the file")

    def ras(x, y, z):
        return LPS_FROM_RAS * np.einsum("nji,nj->ni", m, np.stack(np.broadcast_arrays(x, y, z), -1))
    beam = {"direction": ras(0 * sx, 0 * sy, -1.0)} if parallel.all() else {"source": ras(sx, sy, sid)}
    origin = ras(ox + x0, oy + y0, np.where(parallel, -sid, sid - sdd))
    u, v = ras(pitch[0], 0 * sx, 0.0), ras(0 * sx, pitch[1], 0.0)
    surface = _surface(path, radius, -(ox + x0) / pitch[0], sdd)
    return Views(**beam, origin=origin, u=u, v=v, shape=shape, surface=surface)


def write(path, views, origin_mm=None):
    """Writes the views; origin_mm: (x, y) of pixel (0, 0) that the projection images will have as Origin (default: a centred detector).

    Every view needs u perpendicular to v and the pitch of the first. Times and weights are lost, and the depth of a parallel beam's
    detector where it lies before the isocentre.
    """
    numbers, radius = _numbers_of(views, origin_mm)
    common = {name: numbers[0, i] for i, name in enumerate(_NUMBERS[:-1]) if (numbers[:, i] == numbers[0, i]).all()}
    lines = ['<?xml version="1.0"?>', "<!DOCTYPE RTKGEOMETRY>", f'<{ROOT} version="3">']
    lines += [_tag(name, value) for name, value in common.items() if value != 0]
    lines += [_tag(_RADIUS, radius)] if radius else []
    for row, matrix in zip(numbers, projection_matrices(numbers)):
        lines += ["  <Projection>", *(_tag(name, value) for name, value in zip(_NUMBERS, row) if name not in common), "    <Matrix>"]
        lines += ["      " + " ".join(f"{x:.15g}" for x in line) for line in matrix]
        lines += ["    </Matrix>", "  </Projection>"]
    path.write_text("\n".join([*lines, f"</{ROOT}>", ""]), encoding="ascii")


def rotations(in_plane_deg, out_of_plane_deg, gantry_deg):
    """M [N, 3, 3] of the three angles."""
    def about(axis, angle_deg):
        c, s = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
        turned = np.zeros((len(c), 3, 3))
        i, j = [k for k in range(3) if k != axis]
        turned[:, axis, axis], turned[:, i, i], turned[:, j, j] = 1, c, c
        turned[:, i, j], turned[:, j, i] = (s, -s) if axis == 1 else (-s, s)
        return turned
    return about(2, -in_plane_deg) @ about(0, -out_of_plane_deg) @ about(1, -gantry_deg)


def projection_matrices(numbers):
    """RTK's Matrix [N, 3, 4] of the nine numbers [N, 9]: world (mm) to (x, y) on the detector (mm)."""
    sid, sdd, sx, sy, ox, oy = numbers[:, :6].T
    m, zero, one = rotations(*numbers[:, 6:].T), 0 * sid, 0 * sid + 1
    cone = sdd != 0
    scale = np.where(cone, -sdd, 1.0)
    depth = np.where(cone, 1.0, 0.0)
    rows = [[scale, zero, depth * (sx - ox), np.where(cone, sdd * sx - sid * (sx - ox), -ox)],
            [zero, scale, depth * (sy - oy), np.where(cone, sdd * sy - sid * (sy - oy), -oy)],
            [zero, zero, depth, np.where(cone, -sid, one)]]
    camera = np.stack([np.stack(row, -1) for row in rows], -2)
    return np.concatenate([camera[..., :3] @ m, camera[..., 3:]], -1)


def _parameters(path, root):
    """The nine numbers of each view [N, 9] and the cylinder's radius (0: flat). As RTK's reader does, a value holds until the next."""
    if root.tag != ROOT:
        raise FormatError(f"{path}: the root element is <{root.tag}>; expected <{ROOT}>")
    if root.get("version") not in ("2", "3"):
        raise FormatError(f"{path}: 'version' is {root.get('version')}; versions 2 and 3 can be read")
    names = {name.lower(): i for i, name in enumerate(_NUMBERS)} | {"angle": _NUMBERS.index("GantryAngle")}
    current, rows, matrices, radius = np.zeros(len(_NUMBERS)), [], [], 0.0
    for element in root:
        parts = element if str(element.tag).lower() == "projection" else [element]
        matrix = None
        for part in parts:
            name = str(part.tag).lower()
            if name in names:
                current[names[name]] = _floats(path, part, 1)[0]
            elif name == _RADIUS.lower():
                radius = _floats(path, part, 1)[0]
            elif name == "matrix":
                matrix = _floats(path, part, 12)
        if parts is element:
            rows.append(current.copy())
            matrices.append(np.full(12, np.nan) if matrix is None else matrix)
    if not rows:
        raise FormatError(f"{path}: there is no 'Projection' in it")
    numbers = np.array(rows)
    off = abs(projection_matrices(numbers).reshape(-1, 12) - np.array(matrices)).max(1) > _MATRIX_TOLERANCE
    if off.any():
        raise FormatError(f"{path}: 'Matrix' of projection {int(off.argmax())} is not that of its angles and distances; make the file anew")
    return numbers, radius


def _floats(path, element, count):
    words = (element.text or "").split()
    try:
        values = np.array([float(word) for word in words])
    except ValueError as error:
        raise FormatError(f"{path}: '{element.tag}': {error}; expected a number") from error
    if len(values) != count:
        raise FormatError(f"{path}: '{element.tag}' has {len(values)} numbers; expected {count}")
    return finite(f"{path}: '{element.tag}'", values)


def _origin(where, origin_mm, shape, pitch):
    if origin_mm is None:
        return -(shape[1] - 1) / 2 * pitch[0], -(shape[0] - 1) / 2 * pitch[1]
    origin = finite(f"{where}: 'origin_mm'", origin_mm)
    if origin.shape != (2,):
        raise FormatError(f"{where}: 'origin_mm' is {origin_mm}; expected (x, y) of pixel (0, 0)")
    return tuple(origin)


def _numbers_of(views, origin_mm):
    """The nine numbers of each view [N, 9] and the radius (0: flat)."""
    u, v = (to_numpy(a) * LPS_FROM_RAS for a in (views.u, views.v))
    pitch = norm(u)[0], norm(v)[0]
    r, c = u / norm(u)[:, None], v / norm(v)[:, None]
    if abs((r * c).sum(-1)).max() > 1e-6:
        raise FormatError("RTK knows no sheared detectors: u and v are not perpendicular in every view")
    if max(abs(norm(u) / pitch[0] - 1).max(), abs(norm(v) / pitch[1] - 1).max()) > 1e-9:
        raise FormatError("RTK's projections have one pixel pitch; that of these views changes")
    m = np.stack([r, c, np.cross(r, c)], 1)
    x0, y0 = _origin("hint", origin_mm, views.shape, pitch)
    detector = np.einsum("nij,nj->ni", m, to_numpy(views.origin) * LPS_FROM_RAS)
    if views.source is None:
        along = np.einsum("nij,nj->ni", m, to_numpy(views.direction) * LPS_FROM_RAS)
        if abs(along - [0, 0, -1]).max() > 1e-9:
            raise FormatError("RTK knows only parallel rays that meet the detector at right angles, from the side of u x v; flip the views otherwise")
        sid = np.where(detector[:, 2] < 0, -detector[:, 2], _PARALLEL_SID_MM)
        source, sdd = np.zeros_like(detector), np.zeros(len(views))
    else:
        source = np.einsum("nij,nj->ni", m, to_numpy(views.source) * LPS_FROM_RAS)
        sid, sdd = source[:, 2], source[:, 2] - detector[:, 2]
    return np.stack([sid, sdd, source[:, 0], source[:, 1], detector[:, 0] - x0, detector[:, 1] - y0, *_angles(m)], -1), \
        _radius_of(views, detector[:, 0] / pitch[0], sdd)


def _surface(where, radius, apex_cols, sdd):
    """Flat, or the cylinder that touches the plane in the columns `apex_cols` [N], which must be the same one."""
    if not radius:
        return Flat()
    if np.ptp(apex_cols) > 1e-6 or (np.sign(sdd) != np.sign(sdd[0])).any():
        raise FormatError(f"{where}: the apex of the cylindrical detector ('ProjectionOffsetX') changes from view to view; split the file")
    return Cylindrical(radius * (-1 if sdd[0] < 0 else 1), apex_cols[0])


def _radius_of(views, first_cols, sdd):
    """RTK's radius, 0 for flat views; first_cols [N]: place of column 0 on the axis of x, in columns."""
    surface = views.surface
    if isinstance(surface, Flat):
        return 0.0
    if not isinstance(surface, Cylindrical) or views.source is None:
        raise FormatError(f"RTK holds flat detectors, and cylindrical ones of cone beams; not a {type(surface).__name__}")
    if abs(first_cols + surface.apex_col).max() > 1e-6:
        raise FormatError("RTK's cylinder touches its plane on the line from the source's side through the isocentre; here its apex lies "
                          f"up to {abs(first_cols + surface.apex_col).max():.3g} columns beside it")
    if (np.sign(sdd) != np.sign(sdd[0])).any():
        raise FormatError("RTK's cylinder is bent to the same side of u x v in every view; here the source changes sides")
    return surface.radius_mm * np.sign(sdd[0])


def _angles(m):
    """In-plane, out-of-plane and gantry angle [N] in degrees; each is taken from what the others leave, so that M is exact at o = 90."""
    g = np.arctan2(m[:, 2, 0], m[:, 2, 2])
    rest = m @ rotations(0 * g, 0 * g, -np.degrees(g))
    o = np.arctan2(-rest[:, 2, 1], rest[:, 2, 2])
    i = np.arctan2(-rest[:, 1, 0], rest[:, 0, 0])
    return np.degrees(i), np.degrees(o), np.degrees(g)


def _tag(name, value):
    return f"    <{name}>{value:.17g}</{name}>"
