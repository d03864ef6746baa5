"""The projection of the current view: of the stack where one is selected, else a live radiograph of the volume."""

from slicer.i18n import tr as _

from ..mrml import live, projection, stack
from ..mrml.slice_view import align_slice, release_slice
from . import dependencies
from .section import showProblem, showText
from .worker_timer import WorkerTimer


class ProjectionFollower:
    """Keeps the panel's projection node at the current view of its geometry. `section` is the Trajectory section."""

    def __init__(self, section):
        self._section = section
        self._live = live.LiveRadiograph()
        self.timer = WorkerTimer(self.follow)
        self._asked = self._stack = self._slice = None
        self._failure = ""

    @property
    def busy(self):
        """Whether a picture is under way."""
        return self._live.busy

    def reset(self):
        """Another scene: its stack goes with its geometry already."""
        self._asked = None
        self._stack = self._section.parameters.projectionStack

    def discard(self):
        """A picture that is under way belongs to a scene that goes."""
        self.timer.stop()
        self._live.discard()

    def close(self):
        self.timer.stop()
        self._live.close()

    def followStack(self):
        """A stack that was just selected brings its geometry."""
        p = self._section.parameters
        if p.projectionStack is not self._stack:
            self._stack, self._asked = p.projectionStack, None
            geometry = p.projectionStack.GetNodeReference(stack.GEOMETRY_ROLE) if p.projectionStack is not None else None
            if geometry is not None and geometry is not p.scanGeometry:
                p.scanGeometry = geometry

    def update(self, views):
        """Shows the current one of `views`; returns what is wrong."""
        p = self._section.parameters
        self._updateSlice()
        try:
            self._status(projection.describe_view(views, p.viewIndex))
            return self._showStack(views) if p.projectionStack is not None else self._askLive(views)
        except ValueError as error:
            self._asked = None
            return str(error)

    def follow(self):
        """Shows what the worker has; returns whether a picture is under way."""
        frame = self._live.poll()
        if frame is not None:
            self._show(frame)
        return self._live.busy

    def _showStack(self, views):
        p = self._section.parameters
        wanted = projection.stack_key(p)
        if wanted != self._asked:
            image = projection.stack_image(p, views)
            self._put(image, views[p.viewIndex], "line integral", True)
            self._asked = wanted
        return ""

    def _askLive(self, views):
        p = self._section.parameters
        if p.inputVolume is None or not p.live or self._section.panel.sections[0].problem:
            return ""
        missing = dependencies.missingSentence()
        if missing:
            return missing
        request, wanted = projection.live_request(p, views)
        if wanted != self._asked:
            self._asked, self._failure = wanted, ""
            self._live.submit(request)
            self.timer.start()
        return self._failure

    def _show(self, frame):
        p = self._section.parameters
        if frame.error is not None:
            self._failure = _("No projection: {error}").format(error=frame.error)
            showProblem(self._section.ui.trajectoryMessageLabel, self._failure)
        elif p.scanGeometry is not None and p.projectionStack is None:
            self._put(frame.image, frame.views, frame.request.shows, frame.is_full)

    def _put(self, image, view, shows, isFull):
        p = self._section.parameters
        if p.projection is None:
            p.projection = stack.new_projection_node(_("{name} projection").format(name=p.scanGeometry.GetName()))
        adjust = isFull or p.projection.GetImageData() is None
        stack.show_projection(p.projection, image, p.scanGeometry, p.viewIndex, shows, adjust, view)
        if p.projectionSlice is not None:
            align_slice(p.projectionSlice, p.projection, view)

    def _status(self, text):
        showText(self._section.ui.viewStatusLabel, text)

    def _updateSlice(self):
        """The slice view that no longer looks at the projection goes back to the CT; a new one looks at it at once."""
        p = self._section.parameters
        if self._slice is not p.projectionSlice:
            if self._slice is not None and self._slice is not p.sliceNode:
                release_slice(self._slice, p.inputVolume)
            self._slice, self._asked = p.projectionSlice, None
