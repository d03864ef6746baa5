"""ASTRA's projection vectors as .npy files: one row a view.

Frame: ASTRA's x, y, z are R, A, S; its volume's window (by default centred, voxels of 1) must be in mm. S source, D centre of the
detector, u and v the steps from pixel (0, 0) to (0, 1) and (1, 0), d the direction of parallel rays, R the radius of a cylinder about
an axis parallel to v through a point on the source's side of D:
    cone_vec S D u v (12)   parallel3d_vec d D u v (12)   cyl_cone_vec S D u v R (13)   fanflat_vec S D u (6)   parallel_vec d D u (6)
The two planar ones lie in z = 0; a row of their detector is given the height |u|.
Formulas: astra-toolbox.com, "3D geometries" and "2D geometries"; the centre of the cylinder as in its getCylConeAxes.
"""
import numpy as np

from ..arrays import norm, to_numpy
from ..detectors import Cylindrical, Flat
from ..views import Views
from . import FormatError
from .fields import NPY_MAGIC, npy_header, read_npy
from .hints import shape_hint

TITLE = "ASTRA vectors"
SUFFIXES = (".npy",)
KINDS = {"cone_vec": 12, "parallel3d_vec": 12, "cyl_cone_vec": 13, "fanflat_vec": 6, "parallel_vec": 6}
_PARALLEL = ("parallel3d_vec", "parallel_vec")
_PLANAR = ("fanflat_vec", "parallel_vec")


def recognise(path, head):
    if not head.startswith(NPY_MAGIC):
        return False
    try:
        shape = npy_header(path, head)[0]
    except FormatError:
        return False
    return len(shape) == 2 and shape[1] in KINDS.values()


def read(path, shape=None, kind=None):
    """Views of the vectors; shape: (rows, cols) of the detector; kind: one of KINDS, needed where the row's length is that of two."""
    rows = read_npy(path)
    if rows.ndim != 2 or not len(rows) or rows.shape[1] not in KINDS.values():
        raise FormatError(f"{path}: the array has the shape {rows.shape}; expected a row of 12, 13 or 6 numbers for each view")
    kind = _kind(path, kind, rows.shape[1])
    shape = shape_hint(path, shape)
    if kind in _PLANAR:
        first, centre, u = (np.pad(rows[:, i:i + 2], ((0, 0), (0, 1))) for i in (0, 2, 4))
        v = norm(u)[:, None] * [0.0, 0.0, 1.0]
    else:
        first, centre, u, v = (rows[:, i:i + 3] for i in (0, 3, 6, 9))
    surface = Flat()
    if kind == "cyl_cone_vec":
        radius = rows[:, 12]
        if np.ptp(radius) > 1e-12 * abs(radius[0]) or not radius[0] > 0:
            raise FormatError(f"{path}: the radius (column 12) is {radius.min():.6g} to {radius.max():.6g}; expected one number above 0 in all views")
        surface = Cylindrical(radius[0], (shape[1] - 1) / 2)
    beam = {"direction" if kind in _PARALLEL else "source": first}
    return Views(**beam, origin=centre - (shape[1] - 1) / 2 * u - (shape[0] - 1) / 2 * v, u=u, v=v, shape=shape, surface=surface)


def write(path, views, kind=None):
    """Writes the vectors; kind: one of KINDS, by default the spatial one that fits. Shape, times and weights are lost."""
    fitting = "parallel3d_vec" if views.source is None else "cyl_cone_vec" if isinstance(views.surface, Cylindrical) else "cone_vec"
    kind = kind or fitting
    if kind not in (fitting, *(_PLANAR if fitting != "cyl_cone_vec" else ())) or (kind in _PARALLEL) != (views.source is None):
        raise FormatError(f"views of {'parallel rays' if views.source is None else 'a cone beam'} on a {type(views.surface).__name__} detector "
                          f"are '{fitting}', not '{kind}'")
    if not isinstance(views.surface, Cylindrical if kind == "cyl_cone_vec" else Flat):
        raise FormatError(f"ASTRA's vectors hold flat and cylindrical detectors, not a {type(views.surface).__name__}")
    first, centre, u, v = (to_numpy(a) for a in (views.direction if views.source is None else views.source, views.centre, views.u, views.v))
    if kind in _PLANAR:
        _check_planar(views, kind, first, centre, u, v)
        columns = [first[:, :2], centre[:, :2], u[:, :2]]
    else:
        columns = [first, centre, u, v]
    if kind == "cyl_cone_vec":
        columns.append(np.full((len(views), 1), _centred_radius(views)))
    with open(path, "wb") as file:
        np.save(file, np.concatenate(columns, 1), allow_pickle=False)


def _kind(path, kind, width):
    if kind is not None and kind not in KINDS:
        raise FormatError(f"{path}: 'kind' is '{kind}'; expected one of {', '.join(KINDS)}")
    fitting = [name for name, columns in KINDS.items() if columns == width]
    if kind is None and len(fitting) > 1:
        raise FormatError(f"{path}: rows of {width} numbers can be {' or '.join(fitting)}; say which with 'kind'")
    if kind is not None and kind not in fitting:
        raise FormatError(f"{path}: rows have {width} numbers; 'kind' = '{kind}' needs {KINDS[kind]}")
    return kind or fitting[0]


def _check_planar(views, kind, first, centre, u, v):
    scale = views.sdd_scale()
    heights = np.concatenate([first[:, 2] * (1.0 if views.source is None else 1 / scale), centre[:, 2] / scale, u[:, 2] / norm(u)])
    upright = abs(v[:, :2]).max() < 1e-9 * norm(v).min() and abs(v[:, 2] - norm(u)).max() < 1e-9 * norm(u).min()
    if views.shape[0] != 1 or abs(heights).max() > 1e-12 or not upright:
        raise FormatError(f"'{kind}' is planar: expected one detector row, all in z = 0, and v = (0, 0, |u|)")


def _centred_radius(views):
    surface = views.surface
    if surface.radius_mm <= 0 or abs(surface.apex_col - (views.shape[1] - 1) / 2) > 1e-9 * views.shape[1]:
        raise FormatError(f"ASTRA's cylinders are bent towards the source and touch the plane in the middle column; this one has the radius "
                          f"{surface.radius_mm:.6g} mm and its apex in column {surface.apex_col:.6g}")
    return surface.radius_mm
