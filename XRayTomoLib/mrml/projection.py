"""What the panel's current projection is made of: a view of the stack, or a request for a live radiograph."""

import numpy as np

from ..geometry import angles_from_gantry
from . import volumes
from .acquisition import attenuation_from_parameters
from .live import Request, VolumeData
from .stack import projection_of, stack_shape
from .trajectory_display import source_points
from .volumes import VolumeError


def stack_key(p):
    """Equal while the stack's current projection is the same."""
    image = p.projectionStack.GetImageData()
    stamp = image.GetMTime() if image is not None else p.projectionStack.GetMTime()
    return p.projectionStack.GetID(), stamp, p.scanGeometry.GetID(), p.scanGeometry.GetMTime(), p.viewIndex


def stack_image(p, views):
    """Image [row, col] of the panel's stack at the current view. Raises VolumeError where the stack does not fit the geometry."""
    shape, expected = stack_shape(p.projectionStack), (len(views), *views.shape)
    if shape != expected:
        raise VolumeError(
            f"The stack '{p.projectionStack.GetName()}' has {' x '.join(map(str, shape))} values (views, rows, columns), the geometry "
            f"'{p.scanGeometry.GetName()}' {' x '.join(map(str, expected))}: select the geometry of this stack."
        )
    return projection_of(p.projectionStack, p.viewIndex)


def live_request(p, views):
    """(Request for the live radiograph of the current view, key that is equal for the same picture)."""
    values, grid = volumes.array_from_volume(p.inputVolume), volumes.grid_from_volume(p.inputVolume)
    attenuation = attenuation_from_parameters(p)
    key = p.inputVolume.GetID(), p.inputVolume.GetImageData().GetMTime(), attenuation
    request = Request(VolumeData(key, values, grid, attenuation), views[p.viewIndex], p.method.value, p.shows.value)
    return request, (key, grid, p.scanGeometry.GetID(), p.scanGeometry.GetMTime(), p.viewIndex, p.method, p.shows)


def describe_view(views, index):
    """Where a view stands, for the panel: number, clinical angles of the direction from source to detector, time."""
    times = [] if views.times is None else [f"{float(views.times[int(index)]):.3f} s"]
    first, *others = view_words(views[int(index)])
    return ", ".join([f"View {index} of 0 to {len(views) - 1}: {first}", *others, *times])


def view_words(view):
    """The clinical angles of one view's direction from source to detector, as two texts."""
    ahead = view.centre[0] - source_points(view)[0]
    y = ahead / np.linalg.norm(ahead)
    x = np.cross(y, [0.0, 0.0, 1.0])
    primary, secondary = (round(angle, 1) + 0.0 for angle in angles_from_gantry(np.stack([x, y, np.cross(x, y)], -1))[:2])
    return f"{abs(primary):.1f}° {'LAO' if primary >= 0 else 'RAO'}", f"{abs(secondary):.1f}° {'cranial' if secondary >= 0 else 'caudal'}"
