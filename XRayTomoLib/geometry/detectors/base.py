"""What every detector surface answers, and the plane itself."""
from dataclasses import MISSING, dataclass, fields

import numpy as np

from ..arrays import GeometryError, cross, float64, namespace, to_numpy

KINDS = {}          # surface classes by their `kind`, which is their name in files


def spread(a, like):
    """Values of views, [N] or [N, 3], with the axes they need to meet pixels `like` [N or 1, ...] (vectors: [..., 3])."""
    return a.reshape(len(a), *[1] * (like.ndim - 1), *a.shape[1:])


def pixel_grid(shape, xp=np):
    """Row and column numbers, [1, rows, 1] and [1, 1, cols], float64."""
    rows, cols = shape
    return float64(np.arange(rows)[None, :, None], xp), float64(np.arange(cols)[None, None, :], xp)


class Surface:
    """What every detector surface answers; a surface that holds nothing of single views stays as it is when they move.

    Subclasses are frozen dataclasses with a `kind`; numbers, tuples of them and arrays are what their fields may be.
    """

    def __init_subclass__(cls):
        KINDS[cls.kind] = cls

    def as_dict(self):
        """The surface as JSON values: its kind and its fields."""
        return {"kind": self.kind, **{f.name: _listed(getattr(self, f.name)) for f in fields(self)}}

    @staticmethod
    def from_dict(values):
        """The surface of a dictionary that as_dict made; GeometryError names the field that is wrong."""
        if not isinstance(values, dict) or not isinstance(values.get("kind"), str) or values["kind"] not in KINDS:
            raise GeometryError(f"detector surface {str(values)[:80]}: expected a dictionary whose 'kind' is one of {', '.join(KINDS)}")
        cls, given = KINDS[values["kind"]], {name: v for name, v in values.items() if name != "kind"}
        known = {f.name: f for f in fields(cls)}
        required = {name for name, f in known.items() if f.default is MISSING}
        if set(given) - set(known) or required - set(given):
            raise GeometryError(f"detector surface '{cls.kind}': expected the fields {', '.join(known)}, found {', '.join(given)}")
        return cls(**{name: _numbers(cls, name, v) for name, v in given.items()})

    def at(self, views, r, c):
        """World points [N, ..., 3] of the pixels (r, c), which need not be whole, [N or 1, ...] each."""
        raise NotImplementedError

    def points(self, views):
        """Centres of all pixels [N, rows, cols, 3]."""
        return self.at(views, *pixel_grid(views.shape, namespace(views.origin, *self.arrays())))

    def starts(self, views, r=None, c=None):
        """Where the rays of the pixels (all, or r, c as in `at`) start, [N, ..., 3]; None: at the view's source."""
        return None

    def locate(self, views, start, direction):
        """Pixels (row, col) [N, P, 2] where the rays start + a direction, a > 0, [N, P, 3] meet the surface; NaN where they do not."""
        raise NotImplementedError

    def check(self, views):
        """GeometryError where the surface does not fit the views."""

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

    def binned(self, factor):
        """The surface when `factor` = (rows, cols) pixels become one."""
        return self

    def cropped(self, row, col, rows, cols):
        """The surface of the part of rows x cols pixels that starts at pixel (row, col)."""
        return self


def _listed(value):
    return value if value is None or np.isscalar(value) else to_numpy(value).tolist()


def _numbers(cls, name, value):
    """A JSON value as a finite number, a tuple of numbers or, for the fields of pixels, an array; None stays where it is the default."""
    if value is None and any(f.name == name and f.default is None for f in fields(cls)):
        return None
    try:
        a = np.array(value)
    except ValueError:
        a = np.array(None)
    listed = not any(f.name == name and getattr(f.type, "__name__", f.type) in ("float", "int") for f in fields(cls))
    if a.dtype.kind not in "iuf" or not np.isfinite(a).all() or listed != (a.ndim > 0):
        expected = "finite numbers in lists of equal length" if listed else "one finite number"
        raise GeometryError(f"detector surface '{cls.kind}': field '{name}' must hold {expected}")
    if a.ndim == 0:
        return a.item()
    return tuple(map(tuple, a.tolist())) if a.ndim == 2 else tuple(a.tolist()) if a.ndim == 1 else a


@dataclass(frozen=True)
class Flat(Surface):
    """The plane of origin, u and v."""
    kind = "flat"

    def at(self, views, r, c):
        return spread(views.origin, c) + c[..., None] * spread(views.u, c) + r[..., None] * spread(views.v, c)

    def locate(self, views, start, direction):
        row, col, a = plane_crossing(views.origin, views.u, views.v, start, direction)
        xp = namespace(row)
        pixels = xp.stack([row, col], -1)
        return xp.where((a > 0)[..., None], pixels, xp.full_like(pixels, float("nan")))


def plane_crossing(origin, u, v, start, direction):
    """(row, col, a) [N, P] each, with start + a direction = origin + col u + row v; origin, u, v [N, 3], start, direction [N, P, 3].

    NaN for rays parallel to the plane. The dual vectors of u and v in the plane make rows and columns of the crossing.
    """
    xp = namespace(origin, u, v, start, direction)
    normal = cross(u, v)
    area = (normal * normal).sum(-1)[:, None]
    ahead = (direction * normal[:, None]).sum(-1)
    a = ((origin[:, None] - start) * normal[:, None]).sum(-1) / xp.where(ahead == 0, xp.full_like(ahead, float("nan")), ahead)
    away = start + a[..., None] * direction - origin[:, None]
    row, col = ((away * dual[:, None]).sum(-1) / area for dual in (cross(normal, u), cross(v, normal)))
    return row, col, a
