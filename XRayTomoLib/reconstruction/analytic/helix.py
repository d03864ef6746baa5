"""Helices found from the views themselves, and their projections on an upright panel in the order of the angle."""
import math
from dataclasses import dataclass

import numpy as np
import torch

from ...geometry import Flat, Views
from ...geometry.arrays import to_numpy
from ...geometry.rotation_axis import rotation_axis
from ..problem import ReconstructionError
from .orbit import Orbit, fit_orbit
from .panel import column_positions, is_upright, resampled, row_positions, upright_panel

EVENNESS = 1e-3         # how far a source may leave the common helix: share of the radius, of the feed, of the angular step


@dataclass(frozen=True, eq=False)
class Helix:
    """Sources at `centre` + sod (cos a e1 + sin a e2) + (z0 + h a) way, for `angle` a (rad) rising in steps of `step`; h > 0.

    way: unit vector of the table feed, along or against the axis. u, w: column and row positions (mm) on the upright panel, from the foot
    of the source, along the rotation and the way; `order` sorts the views, reach_mm is the radius of the field of view.
    """
    orbit: Orbit
    way: np.ndarray
    angle: np.ndarray
    z0: float
    h: float
    sod_mm: float
    order: np.ndarray
    u: np.ndarray | None = None
    w: np.ndarray | None = None
    sdd_mm: float = math.inf

    @property
    def step(self):
        return (self.angle[-1] - self.angle[0]) / (len(self.angle) - 1)

    @property
    def reach_mm(self):
        return self.sod_mm * math.sin(math.atan(np.abs(self.u).max() / self.sdd_mm))

    def views_at(self, angle):
        """Upright flat views at the angles (rad) [n]."""
        orbit = self.orbit
        e1 = orbit.radial[0] * np.cos(orbit.angle[0]) - orbit.tangent[0] * np.sin(orbit.angle[0])
        e2 = np.cross(orbit.axis, e1)
        radial = np.cos(angle)[:, None] * e1 + np.sin(angle)[:, None] * e2
        tangent = np.cross(orbit.axis, radial)
        source = orbit.centre + self.sod_mm * radial + (self.z0 + self.h * angle)[:, None] * self.way
        origin = source - self.sdd_mm * radial + self.u[0] * tangent + self.w[0] * self.way
        return Views(source=source, origin=origin, u=(self.u[1] - self.u[0]) * tangent, v=(self.w[1] - self.w[0]) * self.way,
                     shape=(len(self.w), len(self.u)))

    def between(self, first, last):
        """Views in the middles between the views first..last."""
        return self.views_at((self.angle[first:last] + self.angle[first + 1:last + 1]) / 2)


def fit_helix(views):
    """The helix of cone-beam `views`, evenly stepped; raises ReconstructionError where there is none."""
    if views.source is None:
        raise ReconstructionError("parallel rays have no helix of sources; take an iterative method")
    found = rotation_axis(views)
    if found is None:
        raise ReconstructionError("the views turn about no common axis; take an iterative method (CGLS, SIRT) for this trajectory")
    orbit = fit_orbit(views, axis=found[1])
    turned = np.unwrap(orbit.angle)
    order = np.argsort(turned, kind="stable")
    turned = turned[order]
    height = (to_numpy(views.source)[order] - orbit.centre) @ orbit.axis
    h, z0 = np.polyfit(turned, height, 1)
    step = (turned[-1] - turned[0]) / (len(turned) - 1)
    uneven = np.abs(turned - turned[0] - step * np.arange(len(turned))).max() / abs(step)
    if abs(h) < 1e-6 * orbit.sod_mm.mean() or np.abs(height - z0 - h * turned).max() > EVENNESS * abs(h) * 2 * math.pi or uneven > 0.05:
        raise ReconstructionError("the sources do not run on an evenly stepped helix; take FDK for a circle, an iterative method otherwise")
    way = orbit.axis if h > 0 else -orbit.axis
    return Helix(orbit, way, turned, float(z0 if h > 0 else -z0), abs(float(h)), float(orbit.sod_mm.mean()), order)


def upright_helix(p, views, helix):
    """(projections [N, rows, cols] in the helix' order, with u and w rising, the helix with u, w and sdd_mm)."""
    orbit = helix.orbit
    panel = views if is_upright(views, orbit) and isinstance(views.surface, Flat) else upright_panel(views, orbit)
    p = p if panel is views else resampled(p, views, panel)
    across, depth = column_positions(panel, orbit)
    height = row_positions(panel, orbit) * np.sign(helix.way @ orbit.axis)
    if np.ptp(across, axis=0).max() > 1e-3 * np.ptp(across[0]) or np.ptp(height, axis=0).max() > 1e-3 * np.ptp(height[0]):
        raise ReconstructionError("the panel moves against the source from view to view; take an iterative method for this helix")
    u, w, p = across.mean(0), height.mean(0), p[torch.as_tensor(helix.order.copy())]
    if u[0] > u[-1]:
        u, p = u[::-1].copy(), p.flip(2)
    if w[0] > w[-1]:
        w, p = w[::-1].copy(), p.flip(1)
    return p, Helix(helix.orbit, helix.way, helix.angle, helix.z0, helix.h, helix.sod_mm, helix.order, u, w, float(depth.mean()))
