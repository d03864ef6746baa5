"""Long work: steps that can be watched, cancelled and resumed, one worker thread for live pictures, and provenance."""
import hashlib
import platform
import shutil
import sys
import threading
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from . import __version__


@dataclass(frozen=True)
class Step:
    """What a job yields after each step: `index` of `total` (None: open-ended), a residual, a message, a preview (array), the state (a
    dictionary of tensors and numbers) from which it can be resumed, and the value of what is known beforehand, where it has one."""
    index: int
    total: int | None = None
    residual: float | None = None
    message: str = ""
    preview: object = None
    state: dict | None = None
    prior_value: float | None = None


def mapped(job, change):
    """The generator `job` with change(step) in place of each step: it returns what `job` returns, and is closed with it."""
    try:
        while True:
            try:
                step = next(job)
            except StopIteration as end:
                return end.value
            yield change(step)
    finally:
        job.close()


def run(job, progress=None):
    """Runs the generator `job` to its end and returns what it returns; progress(step) is called after each step."""
    while True:
        try:
            step = next(job)
        except StopIteration as end:
            return end.value
        if progress is not None:
            progress(step)


class LatestWorker:
    """One daemon thread that works on the newest request only: older ones that have not begun are dropped.

    compute(request) runs in the thread; results come back through `take()` in the caller's thread, in the order of the requests,
    the newest alone. An exception in compute is handed over in place of a result and never lost.
    """

    def __init__(self, compute):
        self._compute = compute
        self._wake = threading.Condition()
        self._request = self._result = None
        self._number = self._done = 0
        self._closed = False
        self._thread = threading.Thread(target=self._loop, name="xraytomo-worker", daemon=True)
        self._thread.start()

    def submit(self, request):
        """Puts `request` in place of one that still waits; returns its number."""
        with self._wake:
            self._number += 1
            self._request = (self._number, request)
            self._wake.notify()
            return self._number

    @property
    def busy(self):
        """Whether a request waits, is being worked on, or has a result that was not taken."""
        with self._wake:
            return self._done < self._number or self._result is not None

    def take(self):
        """The newest (number, request, result, error) since the last call, or None."""
        with self._wake:
            newest, self._result = self._result, None
            return newest

    def close(self, timeout=5.0):
        """Lets the present request finish and ends the thread; returns whether it ended in time."""
        with self._wake:
            self._closed, self._request = True, None
            self._wake.notify()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _loop(self):
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._request is not None or self._closed)
                if self._closed:
                    return
                (number, request), self._request = self._request, None
            result = error = None
            try:
                result = self._compute(request)
            except Exception as problem:        # handed to the thread that asked
                error = problem
            with self._wake:
                self._result, self._done = (number, request, result, error), number


class JobThread:
    """Runs the generator `job` in a daemon thread of its own, to its end or until it is cancelled between two steps.

    The owner asks from its own thread: `take()` for the newest Step, `running`, and at the end `result`, `error` or `cancelled`. A job that
    is cancelled is closed, so that its finally blocks run in the thread.
    """

    def __init__(self, job):
        self._job = job
        self._steps = deque(maxlen=1)       # the newest alone; its methods are atomic
        self._stop = threading.Event()
        self.result = self.error = None
        self.cancelled = False
        self._thread = threading.Thread(target=self._run, name="xraytomo-job", daemon=True)
        self._thread.start()

    @property
    def running(self):
        return self._thread.is_alive()

    def take(self):
        """The newest Step since the last call, or None."""
        try:
            return self._steps.pop()
        except IndexError:
            return None

    def cancel(self, timeout=5.0):
        """Ends the job after its present step; returns whether it ended in time."""
        self._stop.set()
        self._thread.join(timeout)
        return not self.running

    def _run(self):
        try:
            while not self._stop.is_set():
                self._steps.append(next(self._job))
            self.cancelled = True
            self._job.close()
        except StopIteration as end:
            self.result = end.value
        except Exception as problem:        # handed to the thread that asked
            self.error = problem


def sha256_of(array):
    """Hash of an array's type, shape and values."""
    array = np.ascontiguousarray(array)
    digest = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode())
    digest.update(memoryview(array).cast("B"))
    return digest.hexdigest()


def provenance(operation, inputs, parameters):
    """What was computed, from what and how, as a dictionary of JSON values.

    inputs: name -> identity (a file name, a node's name, a hash); parameters: name -> value.
    """
    return {"operation": operation, "inputs": dict(inputs), "parameters": dict(parameters), "software": f"XRayTomo {__version__}",
            "versions": {name: _version(name) for name in ("numpy", "torch", "numba")}, "python": platform.python_version(),
            "time": datetime.now(timezone.utc).isoformat(timespec="seconds")}


def _version(package):
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def interpreter():
    """The Python to start processes with: within Slicer that of PythonSlicer, for sys.executable may be the application itself."""
    return shutil.which("PythonSlicer") or sys.executable
