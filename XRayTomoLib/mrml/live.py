"""The live radiograph: one worker thread, the newest request wins, a coarse picture first and the full one at rest.

Nothing here knows MRML or Qt. The owner calls `submit` for every change and `poll` from a timer for as long as `busy`.
A picture is traced in short pieces, so that a newer request waits for one piece at most and never for a whole old picture.
"""

import time
from dataclasses import dataclass, replace

import numpy as np

from ..geometry import FreePixels
from ..jobs import LatestWorker
from ..workflows.radiograph import coarser, quantity, radiograph

COARSE_SECONDS = 0.03  # budget of a picture while something is dragged: leaves room for 15 frames/s with the node update
PIECE_SECONDS = 0.04  # rows traced before the worker looks for a newer request
_FACTORS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
_LEAST_PIXELS = 64 * 64  # a smaller piece says little about time per pixel, and nobody can read a smaller picture


@dataclass(frozen=True)
class VolumeData:
    """What the worker needs of a volume. `key` changes whenever the attenuation would."""

    key: tuple
    values: np.ndarray
    grid: object
    attenuation: object


@dataclass(frozen=True)
class Request:
    """One radiograph to make: `views` is a single view with the full detector; `coarse_first` gives a quick picture before it."""

    volume: VolumeData
    views: object
    method: str = "joseph"
    shows: str = "line integral"
    coarse_first: bool = True


@dataclass(frozen=True)
class Frame:
    """A finished picture [row, col] of `request` on the detector `views` (the request's, or a coarser one on the same area)."""

    request: Request
    image: np.ndarray | None
    views: object
    seconds: float
    target: str
    error: Exception | None = None

    @property
    def is_full(self):
        return self.error is None and self.image.shape == self.request.views.shape


@dataclass(frozen=True)
class _Task:
    """A request and how far it has come."""

    request: Request
    coarse_done: bool = False
    image: np.ndarray | None = None
    row: int = 0
    seconds: float = 0.0


def prepare(volume):
    """The attenuation as the tensor that every picture of this volume is traced through (tracing remembers its empty blocks)."""
    import torch

    return torch.from_numpy(volume.attenuation.mu(volume.values))


def trace(mu, grid, views, method):
    """Line integrals [row, col] of one view, and the name of the target that ran."""
    from ..tracing import Projector

    projector = Projector(grid, views, method=method)
    return np.asarray(projector(mu))[0], projector.target


def render(request, name):
    """The full picture of `request`, now and in this thread: a Frame. `name` is what errors call the volume."""
    start, volume = time.perf_counter(), request.volume
    image, target = radiograph(volume.values, volume.grid, request.views, volume.attenuation, request.method, request.shows, name)
    return Frame(request, image, request.views, time.perf_counter() - start, target)


class LiveRadiograph:
    """Radiographs of the newest request, piece by piece. All methods are called from one thread."""

    def __init__(self, tracer=trace, preparer=prepare, clock=time.perf_counter):
        self._tracer, self._prepare, self._clock = tracer, preparer, clock
        self._worker = None
        self._newest = self._dropped = 0
        self._mu_key, self._mu = None, None
        self._seconds_per_pixel = {}
        self.progress = 0.0

    @property
    def busy(self):
        return self._worker is not None and self._worker.busy

    def submit(self, request):
        """Takes the place of every request before it."""
        if self._worker is None:
            self._worker = LatestWorker(self._work)
        self.progress = 0.0
        self._newest = self._worker.submit(_Task(request))

    def poll(self):
        """The newest Frame that was not shown yet, or None; keeps the worker going on the newest request."""
        taken = self._worker.take() if self._worker else None
        if taken is None or taken[0] <= self._dropped:
            return None
        number, task, outcome, error = taken
        if error is not None:
            return Frame(task.request, None, task.request.views, 0.0, "", error) if number == self._newest else None
        frame, rest = outcome
        if rest is not None and number == self._newest:
            self.progress = rest.row / task.request.views.shape[0]
            self._newest = self._worker.submit(rest)
        return frame

    def discard(self):
        """Nothing that was asked for until now will be shown; the attenuation volume is let go."""
        self._dropped = self._newest
        self._mu_key, self._mu = None, None

    def close(self):
        """Ends the thread."""
        self.discard()
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    # what follows runs in the worker's thread
    def _work(self, task):
        request = task.request
        mu = self._attenuation(request.volume)
        if request.coarse_first and not task.coarse_done:
            factor = self._factor(request)
            if factor > 1 and not isinstance(request.views.surface, FreePixels):
                return self._coarse(mu, request, factor), replace(task, coarse_done=True)
        return self._piece(mu, task)

    def _attenuation(self, volume):
        if self._mu_key != volume.key:
            self._mu = None  # first free the old one: two volumes need twice the memory
            self._mu, self._mu_key = self._prepare(volume), volume.key
        return self._mu

    def _coarse(self, mu, request, factor):
        views = coarser(request.views, factor)
        image, target, seconds = self._timed(mu, request, views)
        return Frame(request, quantity(image, request.shows), views, seconds, target)

    def _piece(self, mu, task):
        """Traces the next rows of the full picture; returns (frame or None, rest or None)."""
        request = task.request
        rows, cols = request.views.shape
        count = int(min(rows - task.row, max(1, self._affordable(request, PIECE_SECONDS) // cols)))
        image = np.empty((rows, cols), np.float32) if task.image is None else task.image
        part, target, seconds = self._timed(mu, request, request.views.cropped(task.row, 0, count, cols))
        image[task.row : task.row + count] = part
        seconds += task.seconds
        if task.row + count < rows:
            return None, replace(task, coarse_done=True, image=image, row=task.row + count, seconds=seconds)
        return Frame(request, quantity(image, request.shows), request.views, seconds, target), None

    def _factor(self, request):
        """How much coarser a picture must be to fit the budget, from the time that pixels took until now."""
        pixels, affordable = np.prod(request.views.shape), self._affordable(request, COARSE_SECONDS)
        return next((f for f in _FACTORS if pixels / f**2 <= affordable), _FACTORS[-1])

    def _affordable(self, request, seconds):
        """Number of pixels that can be traced in so many seconds."""
        per_pixel = self._seconds_per_pixel.get((request.volume.key, request.method))
        return _LEAST_PIXELS if per_pixel is None else max(_LEAST_PIXELS, seconds / per_pixel)

    def _timed(self, mu, request, views):
        """Traces and learns how long a pixel takes; the very first call compiles and is not counted."""
        known = (request.volume.key, request.method)
        if known not in self._seconds_per_pixel:
            self._tracer(mu, request.volume.grid, views.cropped(0, 0, 1, 1), request.method)
        start = self._clock()
        image, target = self._tracer(mu, request.volume.grid, views, request.method)
        seconds = self._clock() - start
        if image.size >= _LEAST_PIXELS // 4:
            before = self._seconds_per_pixel.get(known, seconds / image.size)
            self._seconds_per_pixel[known] = 0.5 * (before + seconds / image.size)
        return image, target, seconds
