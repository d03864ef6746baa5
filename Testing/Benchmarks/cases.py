"""What is measured: a volume, the views of it, and the exact answer where the object is analytic."""
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from XRayTomoLib.geometry import CArm, Views, circle, pose_about
from XRayTomoLib.grids import CartesianGrid
from XRayTomoLib.io import fetch_sample, read_volume
from XRayTomoLib.physics.attenuation import AttenuationModel

from .phantom import mixture

ARM = CArm(sdd_mm=1020.0, sod_mm=700.0, rows=256, cols=256, col_pitch_mm=2.0, row_pitch_mm=2.0)


@dataclass(frozen=True)
class Case:
    """mu [K, J, I] in 1/mm (float32) on `grid`, seen in `views`; its exact projections [views, rows, cols] (float32) where needed."""
    name: str
    grid: CartesianGrid
    views: Views
    mu: np.ndarray
    projections: np.ndarray | None = None

    def loss_weights(self):
        """Smooth weights [rows, cols] float32 of the pixels in the scalar loss: with noise it would see discretisation alone."""
        rows, cols = self.views.shape
        r, c = np.linspace(-1, 1, rows)[:, None], np.linspace(-1, 1, cols)
        return (np.cos(2.1 * r + 0.4) * np.sin(1.7 * c + 0.9) + 0.5 * np.sin(3.3 * r * c + 0.2) + 0.3 * c - 0.2 * r).astype(np.float32)

    def random_projections(self):
        """float32 [views, rows, cols] in [0, 1), what the adjoint is applied to."""
        return np.random.default_rng(0).random((len(self.views), *self.views.shape), dtype=np.float32)

    def tiny(self):
        """The same geometry with a few voxels, pixels and views: to load and compile what the case needs."""
        shape = (8, 8, 8)
        matrix = self.grid.ijk_to_ras @ np.diag([*(np.array(self.grid.shape[::-1]) / 8), 1.0])
        views = self.views[:2].resampled((8, 8))
        projections = None if self.projections is None else np.ones((len(views), 8, 8), np.float32)
        return Case(self.name, CartesianGrid(shape, matrix), views, np.ones(shape, np.float32), projections)

    def save(self, folder):
        views = {n: getattr(self.views, n) for n in ("source", "origin", "u", "v", "shape")}
        np.savez(Path(folder) / f"{self.name}.npz", ijk_to_ras=self.grid.ijk_to_ras, **views)
        np.save(Path(folder) / f"{self.name}.npy", self.mu)
        if self.projections is not None:
            np.save(Path(folder) / f"{self.name} projections.npy", self.projections)

    @staticmethod
    def load(name, folder):
        mu, projections = np.load(Path(folder) / f"{name}.npy"), Path(folder) / f"{name} projections.npy"
        with np.load(Path(folder) / f"{name}.npz") as data:
            views = Views(shape=tuple(data["shape"]), **{n: data[n] for n in ("source", "origin", "u", "v")})
            grid = CartesianGrid(mu.shape, data["ijk_to_ras"])
        return Case(name, grid, views, mu, np.load(projections) if projections.exists() else None)


def build(name):
    """(the case `name`, its analytic object or None)."""
    return CASES[name](name)


def _cube(name, views, kind="structured"):
    """256^3 voxels of 1 mm."""
    return _analytic(name, CartesianGrid.centred((256, 256, 256), 1.0), views, kind, 256.0)


def _classic(name, kind="structured"):
    """512 x 512 x 133 voxels of 0.7 x 0.7 x 2.5 mm on 200 x 200 pixels, the central ray along a volume axis."""
    arm = replace(ARM, sod_mm=850.0, rows=200, cols=200)
    return _analytic(name, CartesianGrid.centred((133, 512, 512), (0.7, 0.7, 2.5)), arm.views(90.0, 0.0), kind, 332.5)


def _analytic(name, grid, views, kind, size_mm):
    thing = mixture(kind, size_mm)
    return Case(name, grid, views, thing.voxelise(grid)), thing


def _chest(name):
    """A real CT, 512 x 512 x 133, left-handed; air up to -900 HU counts as nothing."""
    volume = read_volume(fetch_sample("chest-ct"))
    views = ARM.views(30.0, 10.0, volume.grid.centre_ras)
    return Case(name, volume.grid, views, AttenuationModel(air_hu=-900.0).mu(volume.array)), None


def oblique_view():
    return replace(ARM, in_plane_deg=5.0).views(70.0, 10.0, (5.0, -3.0, 4.0))


def arbitrary_views(count):
    """A circle whose every view is tilted, turned in its plane and shifted: no detector column is parallel to a volume axis."""
    random = np.random.default_rng(1)
    tilts, rolls, shifts = random.uniform(-5, 5, count), random.uniform(-3, 3, count), random.uniform(-4, 4, (count, 3))
    angles = 360 / count * np.arange(count)
    return Views.concatenate([replace(ARM, in_plane_deg=roll).views(angle, tilt, shift)
                              for angle, tilt, roll, shift in zip(angles, tilts, rolls, shifts)])


CASES = {
    "drr256": lambda name: _cube(name, oblique_view()),
    "drr133": _classic,
    "chest-ct": _chest,
    "smooth256": lambda name: _cube(name, oblique_view(), "smooth"),
    "smooth133": lambda name: _classic(name, "smooth"),
    "circle90": lambda name: _cube(name, circle(ARM, 90)),
    "arbitrary90": lambda name: _cube(name, arbitrary_views(90)),
    "circle180": lambda name: _cube(name, circle(ARM, 180)),
    "arbitrary180": lambda name: _cube(name, arbitrary_views(180)),
}


def exact_projections(case, thing):
    """float64 [views, rows, cols]."""
    return np.concatenate([thing.line_integrals(*view.rays()) for view in case.views])


def exact_pose_gradient(case, thing):
    """Gradient [6] (3 radians, 3 mm) of the weighted sum of the exact pixels, by central differences."""
    weights = case.loss_weights().astype(np.float64)

    def loss(pose):
        moved = case.views.transformed(pose_about(pose[:3], pose[3:]))
        return (thing.line_integrals(*moved.rays())[0] * weights).sum()
    steps = np.diag([2e-4] * 3 + [2e-2] * 3)
    return np.array([(loss(d) - loss(-d)) / (2 * d.max()) for d in steps])
