"""The axis that the detector turns about from view to view: of circles, arcs and helices, whoever wrote the geometry."""

import numpy as np

from .arrays import norm, to_numpy, unit
from .pose import vector_from_rotation

_LEAST_TURN_RAD = 1e-6
_SAME_DIRECTION = np.cos(np.radians(0.5))
_SAME_PLACE = 1e-3  # of the distance between axis and detector


def rotation_axis(views):
    """(point [3], unit direction [3]) of the common axis of the screw motions between neighbouring views, or None where there is none.

    A screw about the axis (c, a) takes the detector's centre d to R d + (I - R) c + t a. The directions of all R must agree to half a degree;
    c is the least-squares solution of (I - R)(c) = P (d' - R d), P the projection perpendicular to a.
    """
    frames = np.stack([unit(to_numpy(a)) for a in (views.u, views.v, views.normal)], -1)
    if len(frames) < 2 or np.abs((frames[:, :, 0] * frames[:, :, 1]).sum(-1)).max() > 1e-6:
        return None
    turns = frames[1:] @ frames[:-1].transpose(0, 2, 1)
    vectors = vector_from_rotation(turns)
    moved = norm(vectors) > _LEAST_TURN_RAD
    if not moved.any():
        return None
    directions = unit(vectors[moved])
    directions *= np.sign(directions @ directions[0])[:, None]
    direction = unit(directions.sum(0))
    if (directions @ direction).min() < _SAME_DIRECTION:
        return None
    return _placed(turns[moved], to_numpy(views.centre), np.flatnonzero(moved), direction)


def _placed(turns, centres, at, direction):
    across = np.eye(3) - np.outer(direction, direction)
    left = np.eye(3) - turns
    right = (centres[at + 1] - np.einsum("nij,nj->ni", turns, centres[at])) @ across
    point = np.linalg.lstsq(left.reshape(-1, 3), right.reshape(-1), rcond=1e-9)[0]
    residual = np.einsum("nij,j->ni", left, point) @ across - right
    point = across @ point + direction * float(centres.mean(0) @ direction)
    reach = norm((centres - point) @ across).max()
    return (point, direction) if norm(residual).max() <= _SAME_PLACE * max(reach, 1e-9) else None
