"""Detector surfaces: where pixel (row, col) of a view lies, and which pixel a ray meets.

A surface knows no position: it bends the plane that a view's `origin`, `u` and `v` span. `Flat` is that plane itself. Curved
surfaces touch the plane at their apex pixel and measure columns (and rows) along the arc, so that the pitch stays |u| (and |v|).
"""
from dataclasses import dataclass

import numpy as np

from .arrays import GeometryError, cross, float64, namespace, norm, to_numpy, unit


def pixel_grid(shape, xp=np):
    """Row and column numbers, [rows, 1] and [1, cols], float64."""
    rows, cols = shape
    return float64(np.arange(rows)[:, None], xp), float64(np.arange(cols)[None, :], xp)


def plane_points(views):
    """Pixel centres [N, rows, cols, 3] of the plane."""
    r, c = pixel_grid(views.shape, namespace(views.origin, views.u, views.v))
    return views.origin[:, None, None] + c[..., None] * views.u[:, None, None] + r[..., None] * views.v[:, None, None]


class Surface:
    """What every detector surface answers; a surface that holds nothing of single views stays as it is when they move."""

    def arrays(self):
        """The arrays or tensors it holds."""
        return ()

    def converted(self, xp):
        """The surface with its arrays in the namespace xp."""
        return self

    def moved(self, matrix):
        """The surface of views that are transformed by `matrix` (4x4 or [N, 4, 4])."""
        return self

    def picked(self, index):
        """The surface of the views `index`."""
        return self

    def flipped(self, cols):
        """The surface when u is turned round the middle of the `cols` columns."""
        return self

    def cropped(self, row, col, rows, cols):
        """The surface of the part of rows x cols pixels that starts at pixel (row, col)."""
        return self


@dataclass(frozen=True)
class Flat(Surface):
    """The plane of origin, u and v."""

    def points(self, views):
        return plane_points(views)

    def locate(self, views, start, direction):
        """Pixels (row, col) [N, P, 2] where the rays start + a direction, a > 0, [N, P, 3] meet the plane; NaN where they do not."""
        xp = namespace(views.origin, views.u, views.v, start, direction)
        plane = 0 * direction
        columns = xp.stack([views.u[:, None] + plane, views.v[:, None] + plane, -direction], -1)
        solution = xp.linalg.solve(columns, (start - views.origin[:, None])[..., None])[..., 0]
        found = (solution[..., 2] > 0)[..., None]
        pixels = xp.stack([solution[..., 1], solution[..., 0]], -1)
        return xp.where(found, pixels, xp.full_like(pixels, float("nan")))

    def binned(self, factor):
        return self


def local_frame(views):
    """Unit vectors along u and v and their normal w = u x v of curved detectors, [N, 3] each; sheared ones are refused."""
    eu, ev = unit(views.u), unit(views.v)
    if np.abs(to_numpy((eu * ev).sum(-1))).max() > 1e-6:
        raise GeometryError("a curved detector needs u perpendicular to v in every view; the given vectors are sheared")
    return eu, ev, cross(eu, ev)


@dataclass(frozen=True)
class Cylindrical(Surface):
    """Columns on an arc of `radius_mm` about an axis parallel to v; `apex_col` is the column that touches the plane.

    The centre of curvature lies at apex + radius_mm * towards, where `towards` is the side of the source (radius_mm > 0) or the
    other side (< 0). A focus-centred detector (third-generation CT) has radius_mm equal to the source-detector distance.
    """
    radius_mm: float
    apex_col: float

    def __post_init__(self):
        if not abs(self.radius_mm) > 0:
            raise GeometryError(f"detector radius {self.radius_mm} mm: expected a number other than zero; use Flat for a plane")

    def points(self, views):
        eu, ev, towards = _towards_source(views)
        xp = namespace(eu)
        r, c = pixel_grid(views.shape, xp)
        angle = (c - self.apex_col) * norm(views.u)[:, None, None] / self.radius_mm
        apex = views.origin + self.apex_col * views.u
        across = self.radius_mm * xp.sin(angle)[..., None] * eu[:, None, None]
        inward = self.radius_mm * (1 - xp.cos(angle))[..., None] * towards[:, None, None]
        return apex[:, None, None] + across + inward + r[..., None] * views.v[:, None, None]

    def locate(self, views, start, direction):
        """As Flat.locate; of the two crossings of the cylinder, the one nearer to the apex counts."""
        xp = namespace(views.origin, views.u, views.v, start, direction)
        eu, ev, towards = _towards_source(views)
        apex = views.origin + self.apex_col * views.u
        s = start - apex[:, None]
        axes = [a[:, None] for a in (eu, ev, towards)]
        sx, sy, sz = [(s * a).sum(-1) for a in axes]
        dx, dy, dz = [(direction * a).sum(-1) for a in axes]
        roots = _sphere_roots((sx, sz - self.radius_mm), (dx, dz), self.radius_mm, xp)
        angles = [xp.arctan2((sx + a * dx) / self.radius_mm, 1 - (sz + a * dz) / self.radius_mm) for a in roots]
        a, angle = _nearer_apex(roots, angles, xp)
        col = self.apex_col + angle * self.radius_mm / norm(views.u)[:, None]
        row = (sy + a * dy) / norm(views.v)[:, None]
        return xp.stack([row + 0 * col, col], -1)

    def flipped(self, cols):
        return Cylindrical(self.radius_mm, cols - 1 - self.apex_col)

    def binned(self, factor):
        return Cylindrical(self.radius_mm, (self.apex_col + 0.5) / factor[1] - 0.5)

    def cropped(self, row, col, rows, cols):
        return Cylindrical(self.radius_mm, self.apex_col - col)


@dataclass(frozen=True)
class Spherical(Surface):
    """Rows and columns on a sphere of `radius_mm`; `apex` = (row, col) touches the plane. Columns are longitudes, rows latitudes."""
    radius_mm: float
    apex: tuple

    def __post_init__(self):
        if not abs(self.radius_mm) > 0:
            raise GeometryError(f"detector radius {self.radius_mm} mm: expected a number other than zero; use Flat for a plane")

    def points(self, views):
        eu, ev, towards = _towards_source(views)
        xp = namespace(eu)
        r, c = pixel_grid(views.shape, xp)
        longitude = (c - self.apex[1]) * norm(views.u)[:, None, None] / self.radius_mm
        latitude = (r - self.apex[0]) * norm(views.v)[:, None, None] / self.radius_mm
        apex = views.origin + self.apex[0] * views.v + self.apex[1] * views.u
        cos_lat = xp.cos(latitude)
        parts = [(xp.sin(longitude) * cos_lat, eu), (xp.sin(latitude) + 0 * longitude, ev), (1 - xp.cos(longitude) * cos_lat, towards)]
        return apex[:, None, None] + sum(self.radius_mm * f[..., None] * a[:, None, None] for f, a in parts)

    def locate(self, views, start, direction):
        """As Flat.locate; of the two crossings of the sphere, the one nearer to the apex counts."""
        xp = namespace(views.origin, views.u, views.v, start, direction)
        axes = [a[:, None] for a in _towards_source(views)]
        apex = views.origin + self.apex[0] * views.v + self.apex[1] * views.u
        s = start - apex[:, None]
        sx, sy, sz = [(s * a).sum(-1) for a in axes]
        dx, dy, dz = [(direction * a).sum(-1) for a in axes]
        roots = _sphere_roots((sx, sy, sz - self.radius_mm), (dx, dy, dz), self.radius_mm, xp)
        R = self.radius_mm
        longitudes = [xp.arctan2((sx + a * dx) / R, 1 - (sz + a * dz) / R) for a in roots]
        a, longitude = _nearer_apex(roots, longitudes, xp)
        latitude = xp.arcsin((sy + a * dy) / R)
        row = self.apex[0] + latitude * R / norm(views.v)[:, None]
        col = self.apex[1] + longitude * R / norm(views.u)[:, None]
        return xp.stack([row, col], -1)

    def flipped(self, cols):
        return Spherical(self.radius_mm, (self.apex[0], cols - 1 - self.apex[1]))

    def binned(self, factor):
        return Spherical(self.radius_mm, tuple((a + 0.5) / f - 0.5 for a, f in zip(self.apex, factor)))

    def cropped(self, row, col, rows, cols):
        return Spherical(self.radius_mm, (self.apex[0] - row, self.apex[1] - col))


@dataclass(frozen=True, eq=False)
class FreePixels(Surface):
    """Arbitrary rays: the end point of every pixel, `targets` [N, rows, cols, 3] in RAS, and, where it differs from the view's
    source, its start, `sources` [N, rows, cols, 3]."""
    targets: object
    sources: object = None

    def arrays(self):
        return (self.targets,) if self.sources is None else (self.targets, self.sources)

    def converted(self, xp):
        return FreePixels(*(float64(a, xp) for a in self.arrays()))

    def points(self, views):
        return self.targets

    def locate(self, views, start, direction):
        raise GeometryError("points cannot be projected onto freely placed pixels: they span no surface")

    def binned(self, factor):
        raise GeometryError("a detector of freely placed pixels cannot be binned")

    def cropped(self, row, col, rows, cols):
        return FreePixels(*(a[:, row:row + rows, col:col + cols] for a in self.arrays()))

    def moved(self, matrix):
        return FreePixels(*(_move_pixels(matrix, a) for a in self.arrays()))

    def flipped(self, cols):
        return FreePixels(*(namespace(a).flip(a, (2,)) for a in self.arrays()))

    def picked(self, index):
        return FreePixels(*(a[index] for a in self.arrays()))


def _move_pixels(matrix, points):
    xp = namespace(matrix, points)
    matrix = float64(matrix, xp)
    if matrix.ndim == 3:
        matrix = matrix[:, None, None]
    return (matrix[..., :3, :3] @ float64(points, xp)[..., None])[..., 0] + matrix[..., :3, 3]


def _towards_source(views):
    """Unit u, unit v and the unit normal on the source's side, [N, 3] each."""
    eu, ev, normal = local_frame(views)
    back = -views.direction if views.source is None else views.source - views.origin
    side = (normal * back).sum(-1)
    if (to_numpy(side) == 0).any():
        raise GeometryError("the source lies in the plane of a curved detector")
    return eu, ev, normal * namespace(side).sign(side)[:, None]


def _sphere_roots(offset, direction, radius, xp):
    """The two a with |offset + a direction| = radius (NaN where there is none)."""
    A = sum(d * d for d in direction)
    B = sum(o * d for o, d in zip(offset, direction))
    C = sum(o * o for o in offset) - radius ** 2
    discriminant = B * B - A * C
    root = xp.where(discriminant >= 0, discriminant, xp.full_like(discriminant, float("nan"))) ** 0.5
    return (-B - root) / A, (-B + root) / A


def _nearer_apex(roots, angles, xp):
    """Of two crossings, the one ahead of the start whose angle from the apex is the smaller one."""
    distance = [xp.where(a > 0, abs(t), xp.full_like(t, float("inf"))) for a, t in zip(roots, angles)]
    first = distance[0] <= distance[1]
    angle = xp.where(first, angles[0], angles[1])
    found = (roots[0] > 0) | (roots[1] > 0)
    return xp.where(first, roots[0], roots[1]), xp.where(found, angle, xp.full_like(angle, float("nan")))
