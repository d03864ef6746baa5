"""Section Register: an object moves to where X-rays show it, with an error bar; accepted or reverted."""

import ctk
import slicer
from slicer.i18n import tr as _

from ..mrml import moved_nodes, registration_job, xrays
from ..mrml.acquisition import attenuation_from_parameters
from ..mrml.moving_object import moving_object
from ..mrml.registration_start import name_new_marks, start_pose
from ..mrml.stored_options import read_options, write_options
from ..mrml.transforms import world_from_local
from . import dependencies
from .form import Form
from .job_bar import JobBar
from .overlay import OverlayFollower
from .registration_result import RegistrationResult
from .section import Section, showProblem, showText
from .xray_table import XRayTable

OPTIONS = "registration"  # its name among the stored options


class RegisterSection(Section):
    uiFile = "Register.ui"

    def __init__(self, panel):
        Section.__init__(self, panel)
        self._work = self._moving = None
        self._failure = ""
        self._isQuiet = False

    def setup(self):
        ui = self.ui
        self.job = JobBar(ui.registrationProgressBar, ui.cancelRegistrationButton, ui.registrationStatusLabel, self.onEnd, self.onStep)
        self.table, self.overlay, self.result = XRayTable(self), OverlayFollower(self), RegistrationResult(self)
        self.form = Form(ui.registrationOptionsWidget, self.onOptions)
        ui.segmentComboBox.connect("currentIndexChanged(int)", self.onSegment)
        ui.placeLandmarkButton.connect("clicked()", self.onPlaceLandmark)
        ui.markXrayButton.connect("clicked()", self.onMarkXray)
        ui.startButton.connect("clicked()", self.onStart)
        ui.registerButton.connect("clicked()", self.onRegister)
        ui.pauseRegistrationButton.connect("toggled(bool)", self.onPause)
        ui.cancelRegistrationButton.connect("clicked()", self.onCancel)
        ui.acceptButton.connect("clicked()", self.onAccept)
        ui.revertButton.connect("clicked()", self.onRevert)
        ui.handMoveCheckBox.connect("toggled(bool)", self.onHandMove)
        self._collapsible = self.widget.findChild(ctk.ctkCollapsibleButton, "registerCollapsibleButton")

    def connect(self):
        Section.connect(self)
        self.table.forget()

    def disconnect(self):
        """A registration belongs to the scene that goes: it ends."""
        self.job.stop()
        self.result.stop()
        self.overlay.discard()
        self._work = self._moving = None
        self.ui.pauseRegistrationButton.setChecked(False)
        Section.disconnect(self)

    def cleanup(self):
        self.job.stop()
        self.result.stop()
        self.overlay.close()

    def update(self):
        self.job.show()
        if self._collapsible.collapsed:
            return
        p, present = self.parameters, dependencies.isPresent("torch")
        self._observe()
        self.table.update()
        self._updateSegments()
        if present:
            self._updateForm()
            alone = p.movingPart is not None and not self._options()["footprint_mm"]
            showText(self.ui.movingHintLabel, _("Set the footprint, below, to about 2 mm: then the part alone counts.") if alone else "")
        self._updateButtons()
        self.result.update()
        self.overlay.update()
        showText(self.ui.registrationReportLabel, p.registrationReport)
        problem = self._nameMarks()
        showProblem(self.ui.registrationMessageLabel, self._failure or problem or ("" if present else dependencies.missingSentence()))

    def movingObject(self):
        """What moves, where it lies now. Raises a ValueError."""
        p = self.parameters
        self._moving = moving_object(p.inputVolume, attenuation_from_parameters(p), p.movingPart, p.movingSegment, self._moving)
        return self._moving

    def attempt(self, work, then=None):
        """Calls work(), and then(its result); a ValueError is shown as what is wrong."""
        self._failure = ""
        try:
            found = work()
            if then is not None:
                then(found)
        except ValueError as error:
            self._failure = str(error)
        self.panel.update()

    def onRegister(self):
        if dependencies.offer():
            self.attempt(self._begin)
        else:
            self._failure = dependencies.missingSentence()
            self.update()

    def onPause(self, on):
        self.ui.pauseRegistrationButton.setText(_("Continue") if on else _("Pause"))
        if self._work is not None:
            (self._work.pause.set if on else self._work.pause.clear)()

    def onStep(self, step):
        """The object follows in the views."""
        work = self._work
        if work is not None and work.is_present() and step.state is not None:
            self.parameters.registration = work.move(step.state["pose"], self.parameters.registration)

    def onCancel(self):
        self._leave()
        showText(self.ui.registrationStatusLabel, _("Cancelled; the object lies where it was."))
        self.panel.update()

    def onEnd(self, result, error):
        p, work, self._failure = self.parameters, self._work, ""
        if error is not None:
            self._leave()
            self._failure = _("Not registered: {error}").format(error=error)
        elif work is None or not work.is_present():
            self._leave()
            self._failure = _("Not registered: the object or an X-ray was removed meanwhile.")
        else:
            self._work = None
            self.ui.pauseRegistrationButton.setChecked(False)
            p.registration, p.registrationEllipsoid = work.finish(result, p.registration, p.registrationEllipsoid)
            words = work.request.start_words
            p.registrationReport = (_("start: {words}").format(words=words) + "\n" if words else "") + result.report()
            self.attempt(self.result.showScores)
        self.panel.update()

    def onAccept(self):
        moved_nodes.accept(self.parameters.registration)
        self.parameters.registration = None
        self.panel.update()

    def onRevert(self):
        moved_nodes.revert(self.parameters.registration)
        self._forgetResult()
        self.panel.update()

    def onStart(self):
        """Moves the object to its start, to be looked at."""
        self.attempt(self._startPose, self._goTo)

    def onHandMove(self, on):
        """Handles of the transform above the object, which is made where there is none."""
        if self._isQuiet or self.parameters is None:
            return
        if on:
            self.attempt(self._showHandles)
        else:
            moved_nodes.hide_handles(self.parameters.registration)

    def _showHandles(self):
        p, moving = self.parameters, self.movingObject()
        if moving.node.GetParentTransformNode() is not p.registration or p.registration is None:
            p.registration = moved_nodes.move(moved_nodes.together(moving.node, [p.landmarks]), world_from_local(moving.node), p.registration)
        moved_nodes.show_handles(p.registration, moving.grid.centre_ras)

    def onOptions(self, values):
        p = self.parameters
        p.registrationOptions = write_options(p.registrationOptions, OPTIONS, values)

    def onSegment(self, index):
        if not self._isQuiet and self.parameters is not None and index >= 0:
            self.parameters.movingSegment = self._segments()[index][0]

    def onPlaceLandmark(self):
        self.placePoints("landmarks", _("Landmarks"), (0.2, 0.9, 0.2))

    def onMarkXray(self):
        self.placePoints("xrayPoints", _("Landmarks on X-rays"), (0.2, 0.8, 0.9))

    def onMoved(self, caller=None, event=None):
        if self.parameters is not None and not self._collapsible.collapsed:
            self.overlay.update()

    def _begin(self):
        p = self.parameters
        nodes, start = xrays.used_xrays_of(p), (p.registrationStart, p.landmarks, p.xrayPoints)
        request = registration_job.registration_request(self.movingObject(), nodes, self._options(), None, *start)
        work = registration_job.RegistrationJob(request, nodes, [p.landmarks])
        moved_nodes.check_free(p.registration, work.nodes)
        self._work = work
        slicer.mrmlScene.SaveStateForUndo()
        moved_nodes.note_place(p.registration)
        self._forgetResult()
        self.job.start(self._work.steps)

    def _forgetResult(self):
        """The report and the error bar belong to a place that the object leaves."""
        p = self.parameters
        p.registrationReport = ""
        if p.registrationEllipsoid is not None:
            p.registrationEllipsoid.SetDisplayVisibility(False)

    def _leave(self):
        """Ends the work; the object goes back to where it was before it."""
        began = self._work is not None
        self._work = None
        self.ui.pauseRegistrationButton.setChecked(False)
        if began:
            moved_nodes.revert(self.parameters.registration)

    def _startPose(self):
        p = self.parameters
        return start_pose(p.registrationStart, self.movingObject().grid, *self._namesAndViews(), p.landmarks, p.xrayPoints)

    def _goTo(self, start):
        p, (pose, words) = self.parameters, start
        node = self.movingObject().node
        nodes = moved_nodes.together(node, [p.landmarks])
        moved_nodes.check_free(p.registration, nodes)
        moved_nodes.note_place(p.registration)
        p.registration = moved_nodes.move(nodes, pose @ world_from_local(node), p.registration)
        self._forgetResult()
        showText(self.ui.registrationStatusLabel, words)

    def _namesAndViews(self):
        nodes = xrays.used_xrays_of(self.parameters)
        return [node.GetName() for node in nodes], [xrays.view_of(node) for node in nodes]

    def _nameMarks(self):
        """New marks get the label of a landmark and the name of the X-ray on which they were made; returns what is wrong."""
        p = self.parameters
        try:
            if p.xrayPoints is not None and xrays.used_xrays_of(p):
                name_new_marks(p.xrayPoints, p.landmarks, *self._namesAndViews())
        except ValueError as error:
            return str(error)
        return ""

    def _options(self):
        from ..registration import RegistrationOptions

        return read_options(self.parameters.registrationOptions, OPTIONS, RegistrationOptions)

    def _updateForm(self):
        from ..registration import RegistrationOptions

        self.form.show(RegistrationOptions, self._options())

    def _observe(self):
        p = self.parameters
        moved = slicer.vtkMRMLTransformableNode.TransformModifiedEvent
        self.observe("moving", p.movingPart if p.movingPart is not None else p.inputVolume, moved, self.onMoved)
        self.observePoints("landmarks", "xrayPoints")

    def _segments(self):
        """(identifier, name) of the segments of the part that moves."""
        part = self.parameters.movingPart
        if part is None or not part.IsA("vtkMRMLSegmentationNode"):
            return []
        found = part.GetSegmentation()
        return [(found.GetNthSegmentID(n), found.GetNthSegment(n).GetName()) for n in range(found.GetNumberOfSegments())]

    def _updateSegments(self):
        p, box, segments = self.parameters, self.ui.segmentComboBox, self._segments()
        names = [name for _identifier, name in segments]
        self._isQuiet = True
        try:
            if [box.itemText(n) for n in range(box.count)] != names:
                box.clear()
                box.addItems(names)
            identifiers = [identifier for identifier, _name in segments]
            if segments and p.movingSegment not in identifiers:
                p.movingSegment = identifiers[0]
            box.setCurrentIndex(identifiers.index(p.movingSegment) if segments else -1)
            box.setEnabled(bool(segments))
        finally:
            self._isQuiet = False

    def _updateButtons(self):
        p, ui, idle = self.parameters, self.ui, not self.job.running
        object_ = p.inputVolume is not None or p.movingPart is not None
        ready = object_ and bool(xrays.used_xrays_of(p))
        ui.registerButton.enabled = idle and ready
        ui.startButton.enabled = idle and ready and dependencies.isPresent("torch")
        ui.registerButton.toolTip = _("Moves the object to where the X-rays show it.") if ready else _("Select a volume and add an X-ray first.")
        ui.pauseRegistrationButton.enabled = not idle
        ui.markXrayButton.enabled = p.overlaySlice is not None and self.table.selected is not None
        ui.acceptButton.enabled = ui.revertButton.enabled = idle and moved_nodes.can_revert(p.registration)
        ui.handMoveCheckBox.enabled = idle and object_
        shown = p.registration.GetDisplayNode() if p.registration is not None else None
        self._isQuiet = True
        ui.handMoveCheckBox.setChecked(shown is not None and bool(shown.GetEditorVisibility()))
        self._isQuiet = False
