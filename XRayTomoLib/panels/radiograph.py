"""Section Radiograph: the picture, live while something is dragged, and the points on it."""

from slicer.i18n import tr as _

from ..mrml import acquisition
from ..mrml.live import LiveRadiograph
from ..mrml.slice_view import release_slice
from ..mrml.volumes import RADIOGRAPH_ATTRIBUTE
from . import dependencies
from .section import Section, showProblem, showText
from .worker_timer import WorkerTimer


class RadiographSection(Section):
    uiFile = "Radiograph.ui"

    def __init__(self, panel):
        Section.__init__(self, panel)
        self.live = LiveRadiograph()
        self._asked = self._slice = None
        self._failure = ""
        self.framesShown = 0
        self.timer = WorkerTimer(self.follow)

    def setup(self):
        self.ui.radiographSelector.addAttribute("vtkMRMLScalarVolumeNode", RADIOGRAPH_ATTRIBUTE, "1")
        self.ui.renderButton.connect("clicked()", self.onRender)
        self.ui.placeLandmarkButton.connect("clicked()", self.onPlaceLandmark)
        self.ui.placePointButton.connect("clicked()", self.onPlacePoint)

    def connect(self):
        Section.connect(self)
        self._asked = None

    def disconnect(self):
        """A picture that is under way belongs to the scene that goes: it is not shown."""
        self.timer.stop()
        self.live.discard()
        Section.disconnect(self)

    def cleanup(self):
        self.timer.stop()
        self.live.close()

    def update(self):
        self.observePoints("landmarks", "radiographPoints")
        self._updateSlice()
        problem = dependencies.missingSentence() or self._updatePicture()
        showProblem(self.ui.radiographMessageLabel, problem)

    def onRender(self):
        """The full picture now, whether or not live update is on."""
        if not dependencies.offer():
            showProblem(self.ui.radiographMessageLabel, dependencies.missingSentence())
            return
        self._asked = None
        showProblem(self.ui.radiographMessageLabel, self._updatePicture(asked=True))

    def follow(self):
        """Shows what the worker has; returns whether a picture is under way."""
        frame = self.live.poll()
        if frame is not None:
            self._show(frame)
        elif self.live.progress:
            showText(self.ui.radiographStatusLabel, _("Rendering, {percent:.0f} %").format(percent=100 * self.live.progress))
        return self.live.busy

    def onPlaceLandmark(self):
        self.placePoints("landmarks", _("Landmarks"), (0.2, 0.9, 0.2), persistent=False)

    def onPlacePoint(self):
        self.placePoints("radiographPoints", _("Points on the radiograph"), (0.2, 0.9, 0.9), persistent=False)

    def _updatePicture(self, asked=False):
        """Asks for a picture when it would differ from the last one asked for. Returns what is wrong."""
        p = self.parameters
        ready = p.inputVolume is not None and not any(section.problem for section in self.panel.sections)
        self.ui.renderButton.enabled = ready
        self.ui.renderButton.toolTip = _("Makes the full radiograph now.") if ready else _("Select a volume and a possible geometry first.")
        if not ready:
            return ""
        try:
            request = acquisition.request_from_parameters(p, coarse_first=not asked)
        except ValueError as error:
            self._asked = None
            return str(error)
        wanted = acquisition.fingerprint(request)
        if wanted != self._asked:
            self._failure = ""
            if p.live or asked:
                self._asked = wanted
                self.live.submit(request)
                self.timer.start()
        return self._failure

    def _show(self, frame):
        p = self.parameters
        if frame.error is not None:
            self._failure = _("No radiograph: {error}").format(error=frame.error)
            showText(self.ui.radiographStatusLabel, "")
            showProblem(self.ui.radiographMessageLabel, self._failure)
            return
        if p.inputVolume is None or frame.request.volume.key[0] != p.inputVolume.GetID():
            return  # the volume was deleted or changed while its picture was under way
        acquisition.show_frame(p, frame)
        self.framesShown += 1
        rows, cols = frame.image.shape
        showText(self.ui.targetLabel, frame.target)
        text = _("{rows} x {cols} pixels in {ms:.0f} ms").format(rows=rows, cols=cols, ms=1000 * frame.seconds)
        showText(self.ui.radiographStatusLabel, text)

    def _updateSlice(self):
        """The slice view that no longer looks at the radiograph goes back to the CT."""
        p = self.parameters
        if self._slice is not None and self._slice is not p.sliceNode:
            release_slice(self._slice, p.inputVolume)
        self._slice = p.sliceNode
