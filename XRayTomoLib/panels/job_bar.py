"""A job in its worker thread, followed by a progress bar, a status line and a Cancel button."""

from slicer.i18n import tr as _

from ..jobs import JobThread
from .section import showText
from .worker_timer import WorkerTimer


class JobBar:
    """Runs one job at a time; onEnd may start the next. onStep(step) is called in the main thread for the steps that are shown,
    onEnd(result, error) at the end, for a cancelled job not at all. onCancel() is for jobs that end themselves early and have a result then."""

    def __init__(self, progressBar, cancelButton, statusLabel, onEnd, onStep=None, onCancel=None):
        self._bar, self._button, self._label, self._onEnd, self._onStep = progressBar, cancelButton, statusLabel, onEnd, onStep
        self._onCancel = onCancel
        self._thread, self._wait_s = None, 0.0
        self.timer = WorkerTimer(self.follow)
        cancelButton.connect("clicked()", self.cancel)
        self.show()

    @property
    def running(self):
        return self._thread is not None

    def start(self, steps, wait_s=5.0):
        """Begins the generator of Steps `steps`; wait_s: how long those who end it wait for its present step."""
        self._thread, self._wait_s = JobThread(steps), wait_s
        self._bar.setRange(0, 0)
        showText(self._label, _("Preparing"))
        self.show()
        self.timer.start()

    def cancel(self):
        """Ends the job after its present step."""
        if self._onCancel is not None:
            if self.running:
                self._onCancel()
        elif self.stop():
            showText(self._label, _("Cancelled; nothing was kept."))

    def stop(self, wait_s=None):
        """Ends the job without a word, waiting so long for its present step (default: as it was begun); returns whether there was one."""
        self.timer.stop()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.cancel(self._wait_s if wait_s is None else wait_s)
        self.show()
        return thread is not None

    def show(self):
        """Bar and button belong to a running job."""
        self._bar.setVisible(self.running)
        self._button.enabled = self.running

    def follow(self):
        """Shows how far the job is and hands over its result; returns whether it still runs."""
        thread = self._thread
        if thread is None:
            return False
        running = thread.running
        step = thread.take()
        if step is not None:
            self._bar.setRange(0, step.total or 0)
            self._bar.setValue(step.index)
            showText(self._label, step.message)
            if self._onStep is not None:
                self._onStep(step)
        if not running:
            self._thread = None
            self.show()
            showText(self._label, "")
            self._onEnd(thread.result, thread.error)
        return self.running
