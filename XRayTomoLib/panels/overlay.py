"""The overlay of section Register: the selected X-ray and the object's radiograph, which follows whatever moves."""

from slicer.i18n import tr as _

from ..jobs import LatestWorker
from ..mrml import live, overlay, xrays
from ..mrml.landmarks import new_points_node, project_landmarks
from ..mrml.slice_view import align_slice, release_slice
from ..mrml.stored_options import instance_from_options, read_options, write_options
from ..workflows.overlay import OverlayOptions
from . import dependencies
from .form import Form
from .section import showProblem
from .worker_timer import WorkerTimer

OPTIONS = "overlay"  # its name among the stored options


class OverlayFollower:
    """Keeps the panel's overlay at the object, the selected X-ray and the options. `section` is the Register section."""

    def __init__(self, section):
        self._section = section
        self._live, self._preparer = live.LiveRadiograph(), LatestWorker(_prepare)
        self.timer = WorkerTimer(self.follow)
        self._prepared = self._asked = self._frame = self._slice = self._moving = None
        self._failure = ""
        self.form = Form(section.ui.overlayWidget, self.onOptions)

    @property
    def busy(self):
        """Whether a picture is under way."""
        return self._live.busy or self._preparer.busy

    @property
    def options(self):
        return instance_from_options(self._section.parameters.registrationOptions, OPTIONS, OverlayOptions)

    def onOptions(self, values):
        p = self._section.parameters
        p.registrationOptions = write_options(p.registrationOptions, OPTIONS, values)

    def discard(self):
        """A picture that is under way belongs to a scene that goes."""
        self.timer.stop()
        self._live.discard()
        self._preparer.take()
        self._prepared = self._asked = self._frame = self._slice = self._moving = None
        self._failure = ""

    def close(self):
        self.timer.stop()
        self._live.close()
        self._preparer.close()

    def update(self):
        """Asks for the picture where it would be another one than the last."""
        p = self._section.parameters
        self.form.show(OverlayOptions, read_options(p.registrationOptions, OPTIONS, OverlayOptions))
        self._updateSlice()
        node = self._section.table.selected
        problem = ""
        if node is not None and p.overlaySlice is not None and dependencies.isPresent("torch"):
            try:
                self._ask(self._section.movingObject(), node)
                self._showLandmarks()
            except ValueError as error:
                self._asked, problem = None, str(error)
        else:
            self._asked, self._failure = None, ""
        showProblem(self._section.ui.overlayStatusLabel, problem or self._failure)

    def follow(self):
        """Shows what the workers have; returns whether a picture is under way."""
        self._takePrepared()
        frame = self._live.poll()
        if frame is not None and self._prepared is not None and frame.request.views is self._prepared[1].views:
            if frame.error is not None:
                self._fail(frame.error)
            else:
                self._frame = frame
                self._show()
        return self.busy

    def _ask(self, moving, node):
        """The X-ray is prepared first, in a thread of its own, where it is another one than before."""
        wanted, options = overlay.overlay_key(moving, node), self.options
        if self._asked is not None and wanted == self._asked[0]:
            if options != self._asked[1] and self._frame is not None:
                self._asked = wanted, options
                self._show()
            return
        key = xrays.changed_key(node)
        if self._asked is None or self._asked[0][-1] != key:
            self._prepared = self._frame = None
            self._failure = ""
            self._preparer.submit((key, xrays.stored_xray(node)))
        self._asked, self._moving = (wanted, options), moving
        if self._prepared is not None:
            self._failure = ""
            self._live.submit(overlay.overlay_request(moving, self._prepared[1]))
        self.timer.start()

    def _takePrepared(self):
        newest = self._preparer.take()
        if newest is None or self._asked is None:
            return
        _number, (key, _stored), xray, error = newest
        if key != self._asked[0][-1]:
            return
        if error is not None:
            self._fail(error)
        else:
            self._prepared = key, xray
            self._live.submit(overlay.overlay_request(self._moving, xray))

    def _fail(self, error):
        self._failure = _("No overlay: {error}").format(error=error)
        showProblem(self._section.ui.overlayStatusLabel, self._failure)

    def _show(self):
        p, xray = self._section.parameters, self._prepared[1]
        if p is None or p.overlaySlice is None:
            return
        picture = overlay.picture_of(xray, self._frame.image, self.options)
        p.overlay = overlay.show_picture(p.overlay, picture, xray.views)
        align_slice(p.overlaySlice, p.overlay, xray.views)
        self._showLandmarks()

    def _showLandmarks(self):
        """The landmarks of the object where it lies now, on the X-ray, beside those that were marked there."""
        p = self._section.parameters
        if p.landmarks is None and p.overlayLandmarks is not None:
            p.overlayLandmarks.RemoveAllControlPoints()
        if p.landmarks is None or self._prepared is None:
            return
        if p.overlayLandmarks is None:
            p.overlayLandmarks = new_points_node(_("{name} in the X-ray").format(name=p.landmarks.GetName()), (1.0, 0.6, 0.0), locked=True)
        project_landmarks(p.landmarks, self._prepared[1].views, p.overlayLandmarks)

    def _updateSlice(self):
        """A slice view that no longer shows the overlay goes back to the volume; a new one shows it at once."""
        p = self._section.parameters
        if self._slice is not p.overlaySlice:
            if self._slice is not None and self._slice not in (p.sliceNode, p.projectionSlice):
                release_slice(self._slice, p.inputVolume)
            self._slice, self._asked = p.overlaySlice, None


def _prepare(request):
    """In the worker's thread."""
    _key, stored = request
    return overlay.displayed(stored.prepared())
