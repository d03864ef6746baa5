"""The timer that follows a worker thread: it runs only while there is something to follow."""

import time

import qt

_WORKER_SHARE_SECONDS = 0.005  # Slicer's idle event loop holds the interpreter lock; the timer's slot sleeps to give it to the worker


class WorkerTimer:
    """Calls `follow()` again and again, in the main thread, until it returns False."""

    def __init__(self, follow):
        self._follow = follow
        self._timer = qt.QTimer()
        self._timer.setInterval(0)
        self._timer.connect("timeout()", self._onTimeout)

    def start(self):
        self._timer.start()

    def stop(self):
        self._timer.stop()

    def isActive(self):
        return self._timer.isActive()

    def _onTimeout(self):
        time.sleep(_WORKER_SHARE_SECONDS)
        if not self._follow():
            self._timer.stop()
