"""The small base of every section of the panel."""

import slicer

from ..mrml.landmarks import new_points_node
from ..resources import resource_path

_POINT_EVENTS = ("PointModifiedEvent", "PointPositionDefinedEvent", "PointRemovedEvent")


class Section:
    """One collapsible section: its widgets, and what they do with the panel's parameters.

    `panel` is the module's widget: it has `logic` and `parameterNode` (None while a scene closes) and calls, in this order, setup()
    once, connect() for a parameter node, update() after every change, disconnect(), and cleanup() at the end. `problem` says what
    in this section stops the others; it is shown here and nowhere else.
    """

    uiFile = ""
    job = None  # the JobBar of a section that works in a thread; its job belongs to the scene and ends with it

    def __init__(self, panel):
        self.panel = panel
        self.widget = slicer.util.loadUI(str(resource_path("UI/" + self.uiFile)))
        self.ui = slicer.util.childWidgetVariables(self.widget)
        self.problem = ""
        self._observed = {}
        self._guiTag = None
        for button in slicer.util.findChildren(self.widget, className="ctkCollapsibleButton"):
            button.connect("contentsCollapsed(bool)", self._onCollapsed)

    @property
    def parameters(self):
        return self.panel.parameterNode

    def setup(self):
        """Connects the widgets' own signals."""

    def connect(self):
        """Binds the widgets that name a parameter to the parameter node."""
        self._guiTag = self.parameters.connectGui(self.ui)

    def disconnect(self):
        if self.job is not None:
            self.job.stop()
        self.parameters.disconnectGui(self._guiTag)
        self._guiTag = None
        for role in list(self._observed):
            self.observe(role, None, None, None)

    def update(self):
        """Shows the parameters and acts on them."""

    def cleanup(self):
        """Lets go of everything that is not a widget."""
        if self.job is not None:
            self.job.stop()

    def observe(self, role, node, event, callback):
        """Observes `event` of the node that plays `role` now, and no longer that of the one before."""
        before, tag = self._observed.get(role, (None, None))
        if before is node:
            return
        if before is not None:
            before.RemoveObserver(tag)
            del self._observed[role]
        if node is not None:
            self._observed[role] = (node, node.AddObserver(event, callback))

    def observePoints(self, *roles):
        """Follows the points of the lists that these parameters hold now."""
        for role in roles:
            for event in _POINT_EVENTS:
                self.observe(role + event, getattr(self.parameters, role), getattr(slicer.vtkMRMLMarkupsNode, event), self.onObservedChange)

    def placePoints(self, role, name, colour, persistent=True):
        """Points are placed in the views, one or with `persistent` many, in the list that a parameter holds; it is made where there is none."""
        if getattr(self.parameters, role) is None:
            setattr(self.parameters, role, new_points_node(name, colour))
        self.place(getattr(self.parameters, role), persistent)

    def place(self, node, persistent=True):
        """Points are placed in the views, one or with `persistent` many, in this markups node."""
        markups = slicer.modules.markups.logic()
        markups.SetActiveList(node)
        markups.StartPlaceMode(persistent)

    def _onCollapsed(self, collapsed):
        """A section that opens shows all its children, those too that had nothing to say."""
        if not collapsed:
            for label in slicer.util.findChildren(self.widget, className="QLabel"):
                if not label.text:
                    label.setVisible(False)
            if self.parameters is not None and not self.panel.isUpdating:
                self.update()

    def onObservedChange(self, caller=None, event=None):
        """A node that the section follows has changed."""
        self.panel.update()


def showText(label, text):
    """A label that takes no room while it has nothing to say."""
    label.setText(text)
    label.setVisible(bool(text))


def showProblem(label, text):
    """What is wrong and what to do, in the colour of warnings."""
    label.setStyleSheet("color: #c0392b")
    showText(label, text)
