"""Where a registration starts from: the object's place, landmarks, the views' isocentre, or a search over all orientations."""

import numpy as np

from .choices import StartFrom
from .landmarks import defined_points, points_ras
from .volumes import VolumeError
from .xrays import plane_distance_mm

ON_DETECTOR_PX = 1.0  # a point so near to a detector's plane was marked on it
SEARCH = {"search_count": 4096, "search_rotation_deg": 180.0, "refined_starts": 24}  # for the automatic search, at least


def marked_pixels(points_node, labels, names, views):
    """Pixels (row, col) [N, P, 2] at which the landmarks called `labels` are marked on N X-rays (lists of names and one-view Views); NaN: not.

    A point belongs to the X-ray that its description names, else to the one on whose detector's plane it lies.
    """
    pixels = np.full((len(views), len(labels), 2), np.nan)
    positions, marked = points_ras(points_node)
    for position, label, description in zip(positions, marked, _descriptions(points_node), strict=True):
        if label not in labels:
            raise VolumeError(f"The point '{label}' on an X-ray has no partner: give it the label of one of the landmarks ({', '.join(labels)}).")
        index = xray_of_point(position, description, names, views)
        if index is not None:
            pixels[index, labels.index(label)] = views[index].project(position[None])[0, 0]
    return pixels


def xray_of_point(position, description, names, views):
    """Index of the X-ray on which a point (RAS) was marked, or None: it lies on the detector of none of them."""
    if description in names:
        return names.index(description)
    near = [i for i, v in enumerate(views) if plane_distance_mm(v, position[None])[0] <= ON_DETECTOR_PX * max(a[0] for a in v.pitch_mm)]
    if len(near) > 1:
        raise VolumeError(f"It is not known whether a point was marked on '{names[near[0]]}' or '{names[near[1]]}', whose detectors share a plane: "
                          "write the X-ray's name as the point's description.")
    return near[0] if near else None


def name_new_marks(points_node, landmarks_node, names, views):
    """Gives each point that was just marked on an X-ray the label of the first landmark that is not yet marked there, and the X-ray's name as
    its description."""
    labels, done = points_ras(landmarks_node)[1] if landmarks_node is not None else [], {}
    positions, marked = points_ras(points_node)
    new = []
    for i, position, label, description in zip(defined_points(points_node), positions, marked, _descriptions(points_node), strict=True):
        if description in names:
            done.setdefault(description, set()).add(label)
        elif not description:
            index = xray_of_point(position, "", names, views)
            new += [(i, names[index])] if index is not None else []
    for i, name in new:
        points_node.SetNthControlPointDescription(i, name)
        free = [label for label in labels if label not in done.setdefault(name, set())]
        if free:
            points_node.SetNthControlPointLabel(i, free[0])
            done[name].add(free[0])


def start_pose(kind, grid, names, views, landmarks_node=None, points_node=None):
    """(pose [4, 4] of the world that takes the object from where it lies to its start, sentence for people). Raises a ValueError.

    kind: a choices.StartFrom. names, views: of the X-rays, one view each.
    """
    from ..registration.starts import pose_at_isocentre, pose_from_landmarks, pose_onto_view

    if kind == StartFrom.PLACE:
        return np.eye(4), ""
    if kind == StartFrom.LANDMARKS:
        if landmarks_node is None or points_node is None:
            raise VolumeError("Landmarks are missing: select points on the object and, with the same labels, points on the X-rays.")
        positions, labels = points_ras(landmarks_node)
        if len(set(labels)) < len(labels):
            raise VolumeError(f"Two landmarks of '{landmarks_node.GetName()}' have the same label: give each its own.")
        found = pose_from_landmarks(views, positions, marked_pixels(points_node, labels, names, views))
        return found.pose, f"{int(found.agrees.any(0).sum())} landmarks, {found.rms_px:.2f} px rms"
    if len(views) > 1:
        return pose_at_isocentre(grid, views), "centre of the object at the isocentre"
    return pose_onto_view(grid, np.eye(4), views[0]), f"centre of the object on the central ray of {names[0]}"


def start_options(kind, options):
    """The registration's options (a dictionary) as the start wants them: the automatic search tries all orientations."""
    if kind != StartFrom.SEARCH:
        return options
    return options | {name: max(options.get(name, 0), least) for name, least in SEARCH.items()}


def _descriptions(node):
    return [node.GetNthControlPointDescription(i) for i in defined_points(node)]
