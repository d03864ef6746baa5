"""`ProjectionSet`: the projections of one scan as they lie on disk, with the geometry that the scanner wrote."""

import os
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ...files import FileError
from ...geometry import GeometryError, Views
from ...memory import budget_bytes, megabytes

COUNTS, LINE_INTEGRAL = "counts", "line integral"
KINDS = (COUNTS, LINE_INTEGRAL)
MOST_PROJECTIONS = 1_000_000        # of a scan; a header that promises more is damaged


class ProjectionError(FileError):
    """Projections that cannot be read; the message names the file, what was expected and the remedy."""


@contextmanager
def naming(path):
    """What the geometry or the disk refuses inside becomes a ProjectionError, in front of it `path` where it begins with no file there."""
    try:
        yield
    except GeometryError as error:
        text = f"{str(error).rstrip('.')}."
        named = text.startswith((f"{path}:", f"{path}{os.sep}", f"{Path(path).parent}{os.sep}"))
        raise ProjectionError(text if named else f"{path}: {text}") from error
    except OSError as error:
        raise ProjectionError(f"{error.filename or path}: cannot be read ({error.strerror or error}); check the path.") from error


@dataclass(frozen=True, eq=False)
class ProjectionSet:
    """N projections, read one at a time.

    views   geometry of the N projections in RAS, or None where the files do not tell it
    load    load(i) -> pixels [rows, cols] of projection i as they were stored
    kind    "counts" (falls with attenuation), "line integral"
    dark, flat   [rows, cols] or None: the detector without beam, the open beam (before the scan, or the mean of all)
    flat_after   [rows, cols] or None: the open beam after the scan, where the scanner kept it apart
    i0      counts of the open beam as one number, or None
    exposure     [N] the beam's output at each projection relative to that of flat or i0 (a monitor chamber's reading), or None:
                 the open beam of projection i is exposure[i] * flat
    found   what was read of the scanner's settings, name -> value with unit, for people
    """

    count: int
    shape: tuple
    dtype: np.dtype
    load: object
    source: str
    views: Views | None = None
    kind: str = COUNTS
    dark: np.ndarray | None = None
    flat: np.ndarray | None = None
    flat_after: np.ndarray | None = None
    i0: float | None = None
    exposure: np.ndarray | None = None
    found: dict = field(default_factory=dict)

    def __post_init__(self):
        if self.kind not in KINDS:
            raise ProjectionError(f"{self.source}: the kind '{self.kind}' is not known; expected one of: {', '.join(KINDS)}.")
        if self.count < 1:
            raise ProjectionError(f"{self.source}: there is no projection in it; check the path.")
        if self.views is not None and (len(self.views), self.views.shape) != (self.count, tuple(self.shape)):
            raise ProjectionError(f"{self.source}: the geometry has {len(self.views)} views of {_size(self.views.shape)} pixels, the projections are "
                                  f"{self.count} of {_size(self.shape)}; give the geometry of this scan.")
        if self.exposure is not None and np.shape(self.exposure) != (self.count,):
            raise ProjectionError(f"{self.source}: {np.size(self.exposure)} values of exposure for {self.count} projections; expected one for each.")
        for name in ("dark", "flat", "flat_after"):
            image = getattr(self, name)
            if image is not None and np.shape(image) != tuple(self.shape):
                raise ProjectionError(f"{self.source}: the {name.replace('_', ' ')} image has {_size(np.shape(image))} pixels, "
                                      f"the projections have {_size(self.shape)}; give the one of this scan.")

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        """Pixels [rows, cols] of one projection; ProjectionError where its file is damaged, or shape or type are not the first one's."""
        if not 0 <= index < self.count:
            raise IndexError(f"projection {index} of {self.count}")
        with naming(self.source):
            pixels = np.asarray(self.load(index))
        if pixels.shape != tuple(self.shape):
            raise ProjectionError(f"{self.source}: projection {index} has {_size(pixels.shape)} pixels, the first has {_size(self.shape)}.")
        if not np.can_cast(pixels.dtype, self.dtype):
            raise ProjectionError(f"{self.source}: projection {index} is stored as {pixels.dtype.name}, the first as {np.dtype(self.dtype).name}; "
                                  "store all as one type that holds them.")
        return pixels

    def __iter__(self):
        return (self[i] for i in range(self.count))

    @property
    def nbytes(self):
        """Bytes of all projections as they are stored."""
        return self.count * int(self.shape[0]) * int(self.shape[1]) * np.dtype(self.dtype).itemsize

    def picked(self, indices):
        """The projections `indices`, in that order."""
        indices = [int(i) for i in np.arange(self.count)[indices]]
        views, exposure = (None if a is None else a[indices] for a in (self.views, self.exposure))
        return replace(self, count=len(indices), load=lambda i: self.load(indices[i]), views=views, exposure=exposure)

    def with_views(self, views):
        """The same projections with another geometry."""
        return replace(self, views=views)

    def to_array(self, memory_budget_mb=None):
        """All projections [view, row, col]; ProjectionError before anything is allocated when they do not fit in memory."""
        check_memory(self.nbytes, self.source, memory_budget_mb)
        stack = np.empty((self.count, *self.shape), self.dtype)
        for index in range(self.count):
            stack[index] = self[index]
        return stack

    def mean(self):
        """Mean image [rows, cols], float64: of dark or flat images."""
        total = np.zeros(self.shape)
        for pixels in self:
            total += pixels
        return total / self.count

    def describe(self):
        """What was found, for people: name -> text."""
        lines = {
            "projections": f"{self.count} of {_size(self.shape)} pixels, {np.dtype(self.dtype).name}, {self.nbytes / 1e6:.1f} MB, {self.kind}",
            "geometry": "not known" if self.views is None else str(self.views),
        }
        given = [name.replace("_", " ") for name in ("dark", "flat", "flat_after") if getattr(self, name) is not None]
        beam = [*(f"{name} image" for name in given), *([] if self.i0 is None else [f"I0 = {self.i0:g}"])]
        if self.kind == COUNTS or beam:
            lines["open beam"] = ", ".join(beam) or "not known"
        return lines | {name: str(value) for name, value in self.found.items()}


def check_memory(needed, source, memory_budget_mb=None):
    """Raises ProjectionError when `needed` bytes exceed the memory planner's budget."""
    budget = budget_bytes(memory_budget_mb)
    if needed > budget:
        raise ProjectionError(f"{source}: {megabytes(needed)} would have to be held in memory, the budget is {megabytes(budget)}; "
                              "raise XRAYTOMO_MEMORY_MB, or store the file uncompressed, which is read view by view.")


def _size(shape):
    return " x ".join(map(str, shape))
