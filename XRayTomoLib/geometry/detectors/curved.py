"""Curved surfaces: cylinders and spheres that touch the plane at their apex pixel; pitch is measured along the arc."""
from dataclasses import dataclass

import numpy as np

from ..arrays import GeometryError, cross, namespace, norm, to_numpy, unit
from .base import Surface, spread


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
    kind = "cylindrical"
    radius_mm: float
    apex_col: float

    def __post_init__(self):
        if not abs(self.radius_mm) > 0:
            raise GeometryError(f"detector radius {self.radius_mm} mm: expected a number other than zero; use Flat for a plane")

    def check(self, views):
        towards_source(views)
        _check_turn(views.shape[1] * norm(views.u), self.radius_mm, "columns")

    def at(self, views, r, c):
        eu, ev, towards = towards_source(views)
        xp = namespace(eu, r, c)
        angle = (c - self.apex_col) * spread(norm(views.u), c) / self.radius_mm
        apex = views.origin + self.apex_col * views.u
        across = self.radius_mm * xp.sin(angle)[..., None] * spread(eu, c)
        inward = self.radius_mm * (1 - xp.cos(angle))[..., None] * spread(towards, c)
        return spread(apex, c) + across + inward + r[..., None] * spread(views.v, c)

    def locate(self, views, start, direction):
        """As Flat.locate; of the two crossings of the cylinder, the one nearer to the apex counts."""
        xp = namespace(views.origin, views.u, views.v, start, direction)
        eu, ev, towards = towards_source(views)
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
    kind = "spherical"
    radius_mm: float
    apex: tuple

    def __post_init__(self):
        if len(self.apex) != 2:
            raise GeometryError(f"detector apex {self.apex}: expected (row, col)")
        if not abs(self.radius_mm) > 0:
            raise GeometryError(f"detector radius {self.radius_mm} mm: expected a number other than zero; use Flat for a plane")

    def check(self, views):
        towards_source(views)
        rows = views.shape[0]
        _check_turn(views.shape[1] * norm(views.u), self.radius_mm, "columns")
        _check_turn(4 * max(self.apex[0] + 0.5, rows - 0.5 - self.apex[0]) * norm(views.v), self.radius_mm, "rows")

    def at(self, views, r, c):
        eu, ev, towards = towards_source(views)
        xp = namespace(eu, r, c)
        longitude = (c - self.apex[1]) * spread(norm(views.u), c) / self.radius_mm
        latitude = (r - self.apex[0]) * spread(norm(views.v), c) / self.radius_mm
        apex = views.origin + self.apex[0] * views.v + self.apex[1] * views.u
        cos_lat = xp.cos(latitude)
        parts = [(xp.sin(longitude) * cos_lat, eu), (xp.sin(latitude) + 0 * longitude, ev), (1 - xp.cos(longitude) * cos_lat, towards)]
        return spread(apex, c) + sum(self.radius_mm * f[..., None] * spread(a, c) for f, a in parts)

    def locate(self, views, start, direction):
        """As Flat.locate; of the two crossings of the sphere, the one nearer to the apex counts."""
        xp = namespace(views.origin, views.u, views.v, start, direction)
        axes = [a[:, None] for a in towards_source(views)]
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


def _check_turn(along_mm, radius_mm, name):
    """GeometryError where an arc goes more than once round; rows, as latitudes, reach a quarter of it from the apex."""
    most = float(to_numpy(along_mm).max())
    if most > 2 * np.pi * abs(radius_mm) * (1 + 1e-9):
        raise GeometryError(f"the {name} of a curved detector of radius {radius_mm:g} mm would overlap on the way round; raise the radius")


def towards_source(views):
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
