"""The 3D scene of a geometry as a picture: source path, detectors, u and v, pixel (0, 0), isocentre. Needs matplotlib (extra `plot`)."""
import numpy as np

from ..geometry import GeometryError
from ..geometry.arrays import norm, to_numpy, unit

FAINT = 60           # detectors drawn beside the solid one
EDGE = 17            # points along an edge of the detector
COLOURS = {"source": "tab:red", "detector": "tab:blue", "u": "tab:orange", "v": "tab:green"}


def draw(path, views, view=0, isocentre_ras=(0.0, 0.0, 0.0)):
    """Writes the picture of `views` to the PNG file `path`; the view number `view` is drawn solid, with its beam."""
    from matplotlib.figure import Figure

    if not 0 <= view < len(views):
        raise GeometryError(f"view {view}: expected 0 to {len(views) - 1}")
    outlines = {i: _outline(views[i]) for i in {view, *np.linspace(0, len(views) - 1, min(len(views), FAINT)).astype(int).tolist()}}
    figure = Figure(figsize=(9, 8), dpi=110, layout="constrained")
    axes = figure.add_subplot(projection="3d")
    for i, outline in outlines.items():
        axes.plot(*outline.T, color=COLOURS["detector"], alpha=1.0 if i == view else 0.2, linewidth=1.8 if i == view else 0.8)
    if views.source is not None:
        axes.plot(*to_numpy(views.source).T, ".-", color=COLOURS["source"], linewidth=0.8, markersize=3, label="sources")
    _draw_view(axes, views[view], outlines[view])
    axes.plot(*np.array(isocentre_ras, float)[:, None], "k+", markersize=12, label="isocentre")
    axes.set(xlabel="R (mm)", ylabel="A (mm)", zlabel="S (mm)", title=f"{len(views)} views; view {view} solid")
    axes.set_aspect("equal")
    axes.legend(loc="upper left", fontsize=8)
    figure.savefig(path, format="png")


def _draw_view(axes, one, outline):
    first = to_numpy(one.surface.at(one, np.zeros((1, 1)), np.zeros((1, 1))))[0, 0]
    corners = outline[:-1:EDGE - 1]
    if one.source is None:
        starts = corners - 2 * one.sdd_scale() * to_numpy(one.direction)
    else:
        starts = np.broadcast_to(to_numpy(one.source), corners.shape)
        axes.plot(*starts[0][:, None], "o", color=COLOURS["source"], markersize=7)
    for start, corner in zip(starts, corners):
        axes.plot(*np.stack([start, corner]).T, color=COLOURS["source"], alpha=0.35, linewidth=0.8)
    axes.plot(*first[:, None], "s", color="black", markersize=5, label="pixel (0, 0)")
    for name, vector, count in (("u", one.u, one.shape[1]), ("v", one.v, one.shape[0])):
        vector = to_numpy(vector)[0]
        length = 0.5 * max(count * norm(vector), 0.3 * norm(corners - corners.mean(0)).max())
        axes.quiver(*first, *(length * unit(vector)), color=COLOURS[name], linewidth=2, arrow_length_ratio=0.2, label=f"{name} ({_axis(name)})")


def _axis(name):
    return {"u": "column to column", "v": "row to row"}[name]


def _outline(one):
    """The closed line [4 (EDGE - 1) + 1, 3] through the outer pixels of a single view, along its surface."""
    rows, cols = one.shape
    go = np.linspace(0, 1, EDGE)[:-1]
    still = np.zeros(EDGE - 1)
    r = np.rint(np.concatenate([still, go, still + 1, 1 - go, [0]]) * (rows - 1))[None]
    c = np.rint(np.concatenate([go, still + 1, 1 - go, still, [0]]) * (cols - 1))[None]
    return to_numpy(one.surface.at(one, r, c))[0]
