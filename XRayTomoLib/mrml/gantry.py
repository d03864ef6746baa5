"""The gantry: a linear transform node that carries everything that turns or moves as one.

Its pose holds primary and secondary angle, in-plane rotation and isocentre. Source, cone of view and detector hang below it and
stand still in the gantry's own frame (the one of `CArm.local_views()` without in-plane rotation).
"""

from dataclasses import dataclass

import numpy as np
import slicer

from ..geometry import GeometryError, angles_from_gantry, gantry_from_angles, rotation_about_axis
from .transforms import matrix_from_array, matrix_of, world_from_local

_TOLERANCE = 1e-9
_BEAM = (0.0, -1.0, 0.0)  # from the detector to the source, the axis of CArm.in_plane_deg


@dataclass(frozen=True)
class GantryPose:
    """Angles in degrees (clinical signs), isocentre [3] in world RAS mm."""

    primary_deg: float
    secondary_deg: float
    in_plane_deg: float
    isocentre_ras: tuple

    def matrix(self):
        """4x4 ras_from_gantry."""
        turn = np.eye(4)
        turn[:3, :3] = rotation_about_axis(_BEAM, self.in_plane_deg)
        return gantry_from_angles(self.primary_deg, self.secondary_deg, self.isocentre_ras) @ turn

    @staticmethod
    def from_matrix(matrix):
        primary, secondary, roll = angles_from_gantry(matrix)
        return GantryPose(primary, secondary, -roll, tuple(float(x) for x in matrix[:3, 3]))


def new_gantry_node(name):
    """A linear transform node whose interaction handles move and turn but do not scale."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", name)
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetEditorVisibility(False)
    display.SetEditorSliceIntersectionVisibility(False)
    display.SetEditorTranslationEnabled(True)
    display.SetEditorRotationEnabled(True)
    display.SetEditorScalingEnabled(False)
    return node


def read_gantry(node):
    """4x4 ras_from_gantry of the node. Raises GeometryError unless it is a rotation and a translation."""
    if not node.IsTransformToWorldLinear():
        raise GeometryError(f"The gantry '{node.GetName()}' is non-rigid or under such a transform: take it out.")
    pose = matrix_of(node, to_world=True)
    rotation = pose[:3, :3]
    if not np.allclose(rotation.T @ rotation, np.eye(3), atol=1e-5) or np.linalg.det(rotation) < 0:
        raise GeometryError(f"The gantry '{node.GetName()}' scales, shears or mirrors, but a C-arm can only turn and move: undo that.")
    return pose


def move_gantry(node, pose):
    """Moves the node to the 4x4 world pose; a node that is there already is not modified, which ends two-way updates."""
    local = np.linalg.inv(world_from_local(node)) @ pose
    if not np.allclose(matrix_of(node), local, rtol=0, atol=_TOLERANCE):
        node.SetMatrixTransformToParent(matrix_from_array(local))
