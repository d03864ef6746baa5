"""Points in files: JSON lists in RAS, with the pixels where they were observed if wanted, and markups of Slicer."""
from pathlib import Path

import numpy as np

from ..geometry.formats.fields import Fields, read_json

_LPS = np.array([-1.0, -1.0, 1.0])


def read_points(path):
    """(points in RAS [P, 3] or None, observed pixels (row, col) [N, P, 2] or None) of the file.

    {"points_ras": [[R, A, S], ...], "observed": [view][point][row, col]}, null for a point that a view does not show; [[R, A, S], ...]
    alone; or a markups file of Slicer (.mrk.json), whose coordinateSystem says LPS (also 0 or nothing) or RAS. FormatError otherwise.
    """
    found = read_json(Path(path))
    fields = Fields(str(path), found if isinstance(found, dict) else {"points_ras": found})
    if "markups" in fields:
        return _markups(fields), None
    points = fields.array("points_ras", (None, 3), None)
    if "observed" not in fields:
        return fields.array("points_ras", (None, 3)), None
    return points, _observed(fields)


def _markups(fields):
    points = []
    for markup in fields.objects("markups"):
        flip = {"0": _LPS, "1": 1.0, "LPS": _LPS, "RAS": 1.0}[markup.choice("coordinateSystem", ("LPS", "RAS", "0", "1"), "LPS")]
        points += [flip * point.array("position", (3,)) for point in markup.objects("controlPoints")]
    return np.array(points)


def _observed(fields):
    """Pixels [N, P, 2], NaN where null stands."""
    unseen = [float("nan")] * 2
    views = fields.get("observed")
    shown = [[[0, 0] if pixel is None else pixel for pixel in view] if isinstance(view, list) else view for view in views] \
        if isinstance(views, list) else views
    pixels = Fields(fields.where, {"observed": shown}).array("observed", (None, None, 2))
    for view, row in zip(pixels, views):
        view[[pixel is None for pixel in row]] = unseen
    return pixels
