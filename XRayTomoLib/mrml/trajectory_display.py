"""A geometry node of many views in 3D: source path, detectors, axis, and the current view with its arrows and pixel (0, 0).

Every object is a model node that the geometry node references (role `XRayTomo.Display.<kind>`); the world is their frame.
"""

import hashlib

import numpy as np
import slicer
import vtk

from ..geometry import Flat, FreePixels
from ..geometry.field_of_view import field_of_view, region_box
from ..geometry.rotation_axis import rotation_axis
from . import shapes
from .acquisition import put_into_folder
from .geometry_node import views_from_node

ROLE = "XRayTomo.Display."
_TEXT_ATTRIBUTE = "XRayTomo.DrawnText"
NAMES = {
    "path": "source path", "outlines": "detectors", "axis": "rotation axis", "field": "field of view", "source": "source",
    "cone": "cone of view", "detector": "detector", "columns": "u, along the columns", "rows": "v, along the rows", "corner": "pixel (0, 0)",
}  # fmt: skip
GROUPS = {
    "path": ("path",), "outlines": ("outlines",), "field": ("field",), "axis": ("axis",), "current": ("source", "cone", "detector"),
    "marks": ("columns", "rows", "corner"),
}  # fmt: skip
_COLOURS = {
    "path": (1.0, 0.75, 0.1), "outlines": (0.6, 0.75, 0.9), "axis": (0.9, 0.2, 0.2), "field": (0.3, 0.8, 0.5), "source": (1.0, 0.75, 0.1),
    "cone": (1.0, 0.9, 0.4), "detector": (1.0, 1.0, 1.0), "columns": (0.9, 0.15, 0.15), "rows": (0.15, 0.7, 0.15), "corner": (0.95, 0.1, 0.8),
}  # fmt: skip
_OPACITIES = {"outlines": 0.45, "cone": 0.12, "field": 0.15}
_MOST_OUTLINES = 36
_FIELD_POINTS = (16, 22)  # samples of the field of view along an edge of the box, where it is looked for and where it is drawn
_CURVED_PIECES = 24  # of a curved detector's side
_read = {}


def views_of(node):
    """The Views of a geometry node, read from its text once."""
    known = _read.get(node.GetID())
    if known is None or known[0] != node.GetMTime():
        _read.clear()
        _read[node.GetID()] = known = node.GetMTime(), views_from_node(node)
    return known[1]


def show_trajectory(node):
    """Draws what belongs to all views of the geometry node; makes the models that are missing."""
    views = views_of(node)
    _put(node, "path", shapes.lines(source_points(views), [list(range(len(views)))] if len(views) > 1 else []))
    picked = views[np.unique(np.linspace(0, len(views) - 1, min(len(views), _MOST_OUTLINES)).astype(int))]
    border = _border(picked)
    count = border.shape[1]
    paths = [[n * count + i for i in (*range(count), 0)] for n in range(len(picked))]
    _put(node, "outlines", shapes.lines(border.reshape(-1, 3), paths))
    _put(node, "axis", _axis(views))
    _put(node, "field", _field(views))
    display_node(node, "path").SetAttribute(_TEXT_ATTRIBUTE, _fingerprint(node))


def is_drawn(node):
    """Whether what is drawn is the geometry node's present text (a reopened scene brings its drawing along)."""
    path = display_node(node, "path")
    return path is not None and path.GetAttribute(_TEXT_ATTRIBUTE) == _fingerprint(node)


def show_view(node, index):
    """Draws view `index` (0 ...) of the geometry node as the current one."""
    views = views_of(node)[int(index)]
    source, border = source_points(views)[0], _border(views)[0]
    rows, cols = views.shape
    size = float(np.linalg.norm(views.u[0]) * cols + np.linalg.norm(views.v[0]) * rows) / 2
    corner = surface_points(views, np.zeros(1), np.zeros(1))[0, 0]
    _put(node, "source", shapes.sphere(source, 0.05 * size))
    _put(node, "cone", _cone(views, border))
    _put(node, "detector", _detector(views))
    _put(node, "columns", shapes.arrow(corner, 0.35 * cols * views.u[0]))
    _put(node, "rows", shapes.arrow(corner, 0.35 * rows * views.v[0]))
    _put(node, "corner", shapes.sphere(corner, 0.025 * size))


def display_node(node, kind):
    """The model node of `kind` (a key of NAMES) of a geometry node, or None."""
    return node.GetNodeReference(ROLE + kind)


def set_group_visible(node, group, visible):
    """Shows or hides the objects of a group (a key of GROUPS)."""
    for kind in GROUPS[group]:
        model = display_node(node, kind)
        if model is not None:
            model.GetDisplayNode().SetVisibility(visible)


def is_group_visible(node, group):
    models = [display_node(node, kind) for kind in GROUPS[group]]
    return any(model is not None and model.GetDisplayNode().GetVisibility() for model in models)


def _fingerprint(node):
    return hashlib.sha256(node.GetText().encode()).hexdigest()


def source_points(views):
    """[N, 3]: the sources; of parallel rays, points as far before the detector as it is large."""
    return views.source if views.source is not None else views.centre - views.sdd_scale() * views.direction


def surface_points(views, rows, cols):
    """Points [N, P, 3] of the detectors at the (fractional) pixels rows [P], cols [P]; free pixels at the nearest one."""
    if isinstance(views.surface, FreePixels):
        r, c = (np.clip(np.rint(a), 0, n - 1).astype(int) for a, n in zip((rows, cols), views.shape, strict=True))
        return views.surface.points(views)[:, r, c]
    return views.surface.at(views, np.asarray(rows, float)[None], np.asarray(cols, float)[None])


def _border(views):
    """Outer edge [N, B, 3] of the detectors."""
    rows, cols = views.shape
    pieces = 1 if isinstance(views.surface, Flat) else _CURVED_PIECES
    share = np.arange(pieces) / pieces
    r = np.concatenate([0 * share, share, 1 + 0 * share, 1 - share])
    c = np.concatenate([share, 1 + 0 * share, 1 - share, 0 * share])
    return surface_points(views, r * rows - 0.5, c * cols - 0.5)


def _detector(views):
    """The detector's area; texture (0, 0) is the outer corner of pixel (0, 0), s runs along columns, t along rows."""
    rows, cols = views.shape
    pieces = 2 if isinstance(views.surface, Flat) else _CURVED_PIECES + 1
    t, s = np.meshgrid(np.linspace(0, 1, pieces), np.linspace(0, 1, pieces), indexing="ij")
    points = surface_points(views, (t * rows - 0.5).ravel(), (s * cols - 0.5).ravel())[0]
    return shapes.sheet(points.reshape(pieces, pieces, 3), np.stack([s, t], -1))


def _cone(views, border):
    """The sides of the beam from the source, or along parallel rays, to the detector's edge."""
    count = len(border)
    if views.source is not None:
        return shapes.polygons(np.vstack([views.source, border]), [(0, 1 + i, 1 + (i + 1) % count) for i in range(count)])
    before = border - views.sdd_scale() * views.direction[0]
    return shapes.polygons(np.vstack([border, before]), [(i, (i + 1) % count, count + (i + 1) % count, count + i) for i in range(count)])


def _axis(views):
    found = rotation_axis(views)
    if found is None:
        return vtk.vtkPolyData()
    point, direction = found
    along = np.concatenate([(_border(views).reshape(-1, 3) - point) @ direction, (source_points(views) - point) @ direction])
    return shapes.lines(point + np.outer([along.min(), along.max()], direction), [(0, 1)])


def _field(views):
    """Surface of the region that can be reconstructed: found on a coarse grid, drawn on a finer one about what was found."""
    if isinstance(views.surface, FreePixels):
        return vtk.vtkPolyData()
    centre, half = region_box(views)
    coarse, fine = _FIELD_POINTS
    points, values = _sampled(views, centre, half, coarse)
    inside = points[values > 0]
    if not len(inside):
        return vtk.vtkPolyData()
    low, high = inside.min(0), inside.max(0)
    centre, half = (low + high) / 2, (high - low) / 2 + 2 * half / (coarse - 1)
    return shapes.level_surface(_sampled(views, centre, half, fine)[1].reshape(fine, fine, fine), centre, half, 0.0)


def _sampled(views, centre, half, count):
    """Points [count^3, 3] of the box, R fastest, and the field of view there; bounded, so that its surface is interpolated well."""
    axes = [np.linspace(c - h, c + h, count) for c, h in zip(centre, half, strict=True)]
    s, a, r = np.meshgrid(axes[2], axes[1], axes[0], indexing="ij")
    points = np.stack([r, a, s], -1).reshape(-1, 3)
    return points, np.clip(field_of_view(views, points), -max(views.shape), max(views.shape))


def _put(node, kind, polydata):
    model = display_node(node, kind) or _new_model(node, kind)
    name = f"{node.GetName()}: {NAMES[kind]}"
    if model.GetName() != name:
        model.SetName(name)
    model.SetAndObservePolyData(polydata)


def _new_model(node, kind):
    model = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode", NAMES[kind])
    model.CreateDefaultDisplayNodes()
    model.SetSelectable(kind == "detector")  # a point placed in the 3D view lands on the detector, not on the cone before it
    display = model.GetDisplayNode()
    display.SetColor(*_COLOURS[kind])
    display.SetOpacity(_OPACITIES.get(kind, 1.0))
    display.SetVisibility2D(False)
    display.SetBackfaceCulling(False)
    display.SetLighting(kind in ("source", "columns", "rows", "corner", "field"))
    display.SetLineWidth(3 if kind in ("path", "axis") else 1)
    node.SetNodeReferenceID(ROLE + kind, model.GetID())
    put_into_folder(model)
    return model
