"""`Views`: the acquisition geometry of N projections as one immutable value."""
from dataclasses import dataclass, replace

import numpy as np

from .arrays import GeometryError, cross, float64, is_tensor, namespace, norm, to_numpy, unit
from .detectors import Flat, FreePixels, Surface
from .detectors.base import spread
from .pose import rotation_about_axis


@dataclass(frozen=True, eq=False)
class Views:
    """N source and detector poses in RAS millimetres.

    source    [N, 3] focal spots, or None for parallel rays
    direction [N, 3] unit direction of parallel rays (towards the detector), or None
    origin    [N, 3] centre of pixel (row 0, col 0)
    u, v      [N, 3] steps from a column, a row to the next
    shape     (rows, cols)
    surface   how the detector departs from the plane of u and v (detectors.py)
    times     [N] seconds or None;  weights [N] or None

    One-view values may be given as [3]; rows of length 1 are repeated. One tensor among the values makes all of them tensors, and
    gradients reach it.
    """
    source: object = None
    direction: object = None
    origin: object = None
    u: object = None
    v: object = None
    shape: tuple = None
    surface: Surface = Flat()
    times: object = None
    weights: object = None

    def __post_init__(self):
        if (self.source is None) == (self.direction is None):
            raise GeometryError("views need either a source (cone beam) or a direction (parallel beam), exactly one of them")
        if self.shape is None or len(self.shape) != 2 or any(int(n) != n or n < 1 for n in self.shape):
            raise GeometryError(f"detector shape {self.shape}: expected (rows, cols), both at least 1")
        names = ["origin", "u", "v", "source" if self.direction is None else "direction"]
        xp = namespace(*(getattr(self, name) for name in names), *self.surface.arrays())
        given = {name: _vectors(name, getattr(self, name), xp) for name in names}
        count = max(len(a) for a in given.values())
        for name, a in given.items():
            if len(a) not in (1, count):
                raise GeometryError(f"views.{name} has {len(a)} rows, the other vectors have {count}; expected {count} or 1")
            object.__setattr__(self, name, a if len(a) == count else _repeat(a, count))
        for name in ("times", "weights"):
            object.__setattr__(self, name, _per_view(name, getattr(self, name), count))
        object.__setattr__(self, "surface", self.surface.converted(xp))
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))
        if self.direction is not None:
            object.__setattr__(self, "direction", _unit_or_same(self.direction))
        self._check()

    def _check(self):
        area = norm(cross(to_numpy(self.u), to_numpy(self.v)))
        if not (area > 0).all():
            i = int(np.argmin(area))
            raise GeometryError(f"view {i}: u {to_numpy(self.u)[i]} and v {to_numpy(self.v)[i]} span no detector; "
                                "both need a length and different directions")
        self.surface.check(self)

    # -- a sequence of views
    def __len__(self):
        return len(self.origin)

    def __getitem__(self, index):
        """A Views of the picked ones: an integer, a slice, a list or a mask."""
        if isinstance(index, (int, np.integer)):
            if not -len(self) <= index < len(self):
                raise IndexError(f"view {index} of {len(self)} views")
            index = slice(index, index + 1 if index != -1 else None)
        elif not isinstance(index, slice):
            index = np.asarray(to_numpy(index))

        def pick(a):
            return a if a is None else a[index]
        return Views(pick(self.source), pick(self.direction), pick(self.origin), pick(self.u), pick(self.v), self.shape,
                     self.surface.picked(index), pick(self.times), pick(self.weights))

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    @staticmethod
    def concatenate(parts):
        """All views of `parts` (equal detector shape, surface and kind of beam), one after the other."""
        parts = list(parts)
        if not parts:
            raise GeometryError("there are no views to concatenate")
        first = parts[0]
        if any(p.shape != first.shape or p.surface != first.surface or (p.source is None) != (first.source is None) for p in parts):
            raise GeometryError("views can be concatenated only when detector shape, surface and kind of beam are the same")

        def join(name):
            values = [getattr(p, name) for p in parts]
            if any(a is None for a in values):
                return None
            xp = namespace(*values)
            return xp.concatenate([float64(a, xp) for a in values], 0)
        return replace(first, **{n: join(n) for n in ("source", "direction", "origin", "u", "v", "times", "weights")})

    def __repr__(self):
        beam = "cone" if self.direction is None else "parallel"
        pitch = " x ".join(f"{p[0]:.4g}" for p in self.pitch_mm)
        return f"Views({len(self)} {beam}, {self.shape[0]} rows x {self.shape[1]} cols, pitch (col x row) {pitch} mm, {type(self.surface).__name__})"

    # -- rays and pixels
    def rays(self, reach_mm=None):
        """Start and end points of every pixel's ray, [N, rows, cols, 3] each.

        Parallel rays have no source: they run `reach_mm` to both sides of the pixel (required there).
        """
        return self._ends(self.surface.points(self), self.surface.starts(self), reach_mm)

    def _ends(self, end, own_start, reach_mm):
        """Start and end [N, ..., 3] of the rays to the points `end` [N, ..., 3]; own_start: where the surface says that they start."""
        if self.direction is None:
            return (spread(self.source, end[..., 0]) + 0 * end if own_start is None else own_start), end
        along = self._reach(reach_mm) * spread(self.direction, end[..., 0])
        return end - along, end + along

    def ray_bundle(self, reach_mm=None):
        """Flat views as affine bundles [N, 6, 3]: start = b0 + c b1 + r b2, end = b3 + c b4 + r b5 of pixel (r, c)."""
        if not isinstance(self.surface, Flat):
            raise GeometryError(f"a {type(self.surface).__name__} detector is no affine bundle of rays; use rays()")
        xp = namespace(self.origin, self.u, self.v, self.source, self.direction)
        if self.direction is None:
            zero = 0 * self.origin
            return xp.stack([self.source, zero, zero, self.origin, self.u, self.v], 1)
        along = self._reach(reach_mm) * self.direction
        return xp.stack([self.origin - along, self.u, self.v, self.origin + along, self.u, self.v], 1)

    def _reach(self, reach_mm):
        if reach_mm is None:
            raise GeometryError("parallel rays have no ends of their own; give reach_mm, how far they run to both sides of the detector")
        return reach_mm

    def project(self, points_ras):
        """Pixels (row, col) [N, P, 2] of the world points [P, 3] (or [N, P, 3]); NaN for a point behind the source.

        Fractions count from pixel centres; a result outside [-0.5, rows - 0.5) x [-0.5, cols - 0.5) misses the detector.
        """
        xp = namespace(points_ras, self.origin, self.source, self.direction)
        points = float64(points_ras, xp)
        points = points if points.ndim == 3 else points[None]
        if self.direction is None:
            start = self.source[:, None] + 0 * points
            return self.surface.locate(self, start, points - start)
        far = 1e3 * (norm(points - self.origin[:, None]).max() + self.sdd_scale())
        along = self.direction[:, None] + 0 * points
        return self.surface.locate(self, points - far * along, along)

    def unproject(self, pixels):
        """Start and end [N, P, 3] of the rays through the pixels (row, col) [P, 2] or [N, P, 2], which need not be whole (but for freely
        placed ones). Parallel rays run from about as far before the detector as it is large to as far behind it."""
        xp = namespace(pixels, self.origin)
        pixels = float64(pixels, xp)
        pixels = pixels if pixels.ndim == 3 else pixels[None]
        at = pixels[..., 0], pixels[..., 1]
        return self._ends(self.surface.at(self, *at), self.surface.starts(self, *at), None if self.direction is None else self.sdd_scale())

    def sdd_scale(self):
        """A length of the order of the scene: the detector's diagonal and distance, the largest of all views (mm)."""
        diagonal = norm(to_numpy(self.u)) * self.shape[1] + norm(to_numpy(self.v)) * self.shape[0]
        back = 0 if self.source is None else norm(to_numpy(self.source) - to_numpy(self.origin))
        return float(np.max(diagonal + back))

    # -- derived values
    @property
    def pitch_mm(self):
        """Column pitch |u| and row pitch |v|, [N] each."""
        return norm(self.u), norm(self.v)

    @property
    def centre(self):
        """Centre of the detector's plane [N, 3]: the middle between its outer pixels."""
        rows, cols = self.shape
        return self.origin + (cols - 1) / 2 * self.u + (rows - 1) / 2 * self.v

    @property
    def normal(self):
        """Unit vector along u x v [N, 3]."""
        return unit(cross(self.u, self.v))

    @property
    def handedness(self):
        """Sign [N] of (u x v).(D - S): -1 as a radiograph is displayed (seen from the detector), +1 as a camera sees it."""
        ahead = self.direction if self.source is None else self.centre - self.source
        return np.sign(to_numpy((self.normal * ahead).sum(-1)))

    @property
    def sdd_mm(self):
        """Distance [N] from the source to the detector's plane; infinite for parallel rays."""
        if self.source is None:
            return np.full(len(self), np.inf)
        return abs((self.normal * (self.origin - self.source)).sum(-1))

    def corners(self):
        """The detector's outer corners [N, 4, 3], pixel edges not centres: (top left, top right, bottom right, bottom left)."""
        rows, cols = self.shape
        ends = [(-0.5, -0.5), (-0.5, cols - 0.5), (rows - 0.5, cols - 0.5), (rows - 0.5, -0.5)]
        xp = namespace(self.origin, self.u, self.v)
        return xp.stack([self.origin + c * self.u + r * self.v for r, c in ends], 1)

    def image_to_ras(self, view=0, thickness_mm=1.0):
        """4x4 ijk_to_ras of view `view`'s picture as a volume of one slice: i = column, j = row, k along u x v."""
        matrix = np.eye(4)
        matrix[:3, 0], matrix[:3, 1] = to_numpy(self.u)[view], to_numpy(self.v)[view]
        matrix[:3, 2] = thickness_mm * to_numpy(self.normal)[view]
        matrix[:3, 3] = to_numpy(self.origin)[view]
        return matrix

    # -- new views from these
    def transformed(self, matrix):
        """The views moved by the rigid (or affine) 4x4 `matrix`, one for all or [N, 4, 4] (array or tensor)."""
        parallel = self.source is None
        values = [self.direction if parallel else self.source, self.origin, self.u, self.v]
        xp = namespace(matrix, *values)
        matrix = float64(matrix, xp)
        points = float64([[0.0 if parallel else 1.0], [1.0], [0.0], [0.0]], xp)       # the others are vectors
        together = xp.stack([float64(a, xp) for a in values], -2)                     # in one product: poses are moved in every step
        moved = together @ xp.swapaxes(matrix[..., :3, :3], -1, -2) + points * matrix[..., None, :3, 3]
        start, origin, u, v = xp.moveaxis(moved, -2, 0)
        source, direction = (None, start) if parallel else (start, None)
        return Views(source, direction, origin, u, v, self.shape, self.surface.moved(matrix), self.times, self.weights)

    def binned(self, factor):
        """A coarser detector on the same area: `factor` (rows, cols) pixels become one; a remainder at the end is left out."""
        fr, fc = (factor, factor) if np.isscalar(factor) else factor
        if fr < 1 or fc < 1 or fr > self.shape[0] or fc > self.shape[1]:
            raise GeometryError(f"binning {fr} x {fc} of a detector of {self.shape[0]} x {self.shape[1]} pixels leaves no pixel")
        rows, cols = self.shape[0] // fr, self.shape[1] // fc
        origin = self.origin + (fc - 1) / 2 * self.u + (fr - 1) / 2 * self.v
        return replace(self, origin=origin, u=fc * self.u, v=fr * self.v, shape=(rows, cols), surface=self.surface.binned((fr, fc)))

    def resampled(self, shape):
        """The same detector area (flat) divided into `shape` = (rows, cols) pixels, more or fewer."""
        if not isinstance(self.surface, Flat):
            raise GeometryError("only a flat detector can be resampled to any number of pixels; use binned()")
        rows, cols = shape
        if rows < 1 or cols < 1:
            raise GeometryError(f"detector shape {tuple(shape)}: expected (rows, cols), both at least 1")
        u, v = self.u * (self.shape[1] / cols), self.v * (self.shape[0] / rows)
        corner = self.origin - 0.5 * self.u - 0.5 * self.v
        return replace(self, origin=corner + 0.5 * u + 0.5 * v, u=u, v=v, shape=(rows, cols))

    def flipped(self):
        """u turned round the detector's centre: the mirrored picture, on the same area."""
        return replace(self, origin=self.origin + (self.shape[1] - 1) * self.u, u=-self.u, surface=self.surface.flipped(self.shape[1]))

    def cropped(self, row, col, rows, cols):
        """The detector's part of rows x cols pixels that starts at pixel (row, col)."""
        if row < 0 or col < 0 or row + rows > self.shape[0] or col + cols > self.shape[1]:
            raise GeometryError(f"region of {rows} x {cols} pixels at ({row}, {col}) leaves the detector of {self.shape[0]} x {self.shape[1]}")
        return replace(self, origin=self.origin + row * self.v + col * self.u, shape=(rows, cols),
                       surface=self.surface.cropped(row, col, rows, cols))

    def with_surface(self, surface):
        """The views with another detector surface on the same plane (see detectors.py)."""
        return replace(self, surface=surface)

    def with_detector(self, tilt_deg=0.0, slant_deg=0.0, in_plane_deg=0.0, shift_mm=(0.0, 0.0, 0.0)):
        """The views with a detector that is turned about its centre and then shifted, the source stays.

        In this order: in_plane_deg about u x v, from u towards v; slant_deg about v as it then is, tilt_deg about u as it then is (right
        hand). shift_mm: along the given views' u, v and u x v. Angles are numbers or one for each view.
        """
        local = rotation_about_axis((0, 0, 1), in_plane_deg) @ rotation_about_axis((0, 1, 0), slant_deg) @ rotation_about_axis((1, 0, 0), tilt_deg)
        xp = namespace(self.u, self.v)
        across = cross(self.normal, unit(self.u))
        axes = xp.stack([unit(self.u), across, self.normal], -1)
        shift = float64(shift_mm, xp)[..., None] * xp.stack([unit(self.u), unit(self.v), self.normal], -2)
        return self.with_moved_detector(axes @ float64(local, xp) @ axes.swapaxes(-1, -2), shift.sum(-2))

    def with_moved_detector(self, rotation, shift_mm):
        """The views with a detector turned about its centre by `rotation` ([3, 3] or [N, 3, 3]) and shifted ([3] or [N, 3], in RAS)."""
        if isinstance(self.surface, FreePixels):
            raise GeometryError("freely placed pixels cannot be moved against their source; move the targets themselves")
        u, v = ((rotation @ a[..., None])[..., 0] for a in (self.u, self.v))
        rows, cols = self.shape
        return replace(self, origin=self.centre + shift_mm - (cols - 1) / 2 * u - (rows - 1) / 2 * v, u=u, v=v)

    def projection_matrices(self):
        """[N, 3, 4] of flat cone views: (x, 1) -> (col w, row w, w), with w = 1 on the detector plane (0 at the source)."""
        if not isinstance(self.surface, Flat) or self.source is None:
            raise GeometryError("projection matrices exist for flat cone-beam views only")
        xp = namespace(self.origin, self.u, self.v, self.source)
        inverse = xp.linalg.inv(xp.stack([self.u, self.v, self.origin - self.source], -1))
        return xp.concatenate([inverse, -(inverse @ self.source[..., None])], -1)


def _vectors(name, value, xp):
    """`value` as float64 [n, 3] of the namespace xp; a clear error for anything else."""
    if value is None:
        raise GeometryError(f"views.{name} is missing: expected [N, 3] in mm")
    a = float64(value, xp)
    a = a if a.ndim == 2 else a.reshape(1, -1)
    if a.shape[-1] != 3 or len(a) == 0:
        raise GeometryError(f"views.{name} has shape {tuple(np.shape(to_numpy(value)))}: expected [N, 3] in mm, N at least 1")
    if not np.isfinite(to_numpy(a)).all():
        raise GeometryError(f"views.{name} has values that are not finite numbers")
    return a


def _unit_or_same(a):
    """Unit vectors; numbers that are of unit length to rounding keep their bits, so that what was written reads back the same."""
    if not is_tensor(a) and (abs(norm(a) - 1) < 1e-15).all():
        return a
    return unit(a)


def _repeat(a, count):
    return a.expand(count, 3) if is_tensor(a) else np.broadcast_to(a, (count, 3))


def _per_view(name, value, count):
    if value is None:
        return None
    a = float64(value, namespace(value)).reshape(-1)
    if len(a) != count:
        raise GeometryError(f"views.{name} has {len(a)} values: expected one for each of the {count} views")
    return a



