"""Section Import projections: what lies in a folder, what the user corrects, its geometry in 3D, and the stack of line integrals."""

from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from ..io.projections import READERS, ProjectionError, load_reader
from ..io.projections.normalise import Normalisation
from ..mrml import projection_import
from ..mrml.projection_import import Corrections
from ..mrml.stored_options import instance_from_options, read_options, write_options
from ..mrml.trajectory_display import views_of
from .form import Form
from .job_bar import JobBar
from .section import Section, showProblem, showText

_CORRECTIONS, _NORMALISATION = "import corrections", "import normalisation"  # their names among the stored options


class ImportProjectionsSection(Section):
    uiFile = "ImportProjections.ui"

    def __init__(self, panel):
        Section.__init__(self, panel)
        self._failure = ""
        self._then = self._selected = self._loading = None
        self._isQuiet = False

    def setup(self):
        self.ui.readerComboBox.addItems([_("Recognised"), *(load_reader(name).TITLE for name in READERS)])
        self.correctionsForm = Form(self.ui.correctionsWidget, lambda values: self._store(_CORRECTIONS, values))
        self.normalisationForm = Form(self.ui.normaliseWidget, lambda values: self._store(_NORMALISATION, values))
        self.job = JobBar(self.ui.importProgressBar, self.ui.cancelImportButton, self.ui.importStatusLabel, self.onEnd)
        self.ui.projectionsPath.connect("currentPathChanged(QString)", self.onPath)
        self.ui.importStackPath.connect("currentPathChanged(QString)", self.onStackPath)
        self.ui.projectionsFolderButton.connect("clicked()", self.onFolder)
        self.ui.readerComboBox.connect("currentIndexChanged(int)", self.onReader)
        self.ui.drawImportButton.connect("clicked()", self.onDraw)
        self.ui.loadButton.connect("clicked()", self.onLoad)
        self.ui.cancelImportButton.connect("clicked()", self.update)

    def update(self):
        p = self.parameters
        self.job.show()
        self._isQuiet = True
        for edit, path in ((self.ui.projectionsPath, p.projectionsPath), (self.ui.importStackPath, p.importedStackFile)):
            if edit.currentPath != path:
                edit.setCurrentPath(path)
        self.ui.readerComboBox.setCurrentIndex(READERS.index(p.projectionsReader) + 1 if p.projectionsReader in READERS else 0)
        self._isQuiet = False
        self.correctionsForm.show(Corrections, read_options(p.scanOptions, _CORRECTIONS, Corrections))
        self.normalisationForm.show(Normalisation, read_options(p.scanOptions, _NORMALISATION, Normalisation))
        self.ui.drawImportButton.enabled = self.ui.loadButton.enabled = bool(p.projectionsPath) and not self.job.running
        isLoading = self.job.running and self._then is None
        self.ui.projectionsPath.enabled = self.ui.projectionsFolderButton.enabled = not isLoading
        showProblem(self.ui.importMessageLabel, self._failure)

    def onPath(self, path):
        """A path that is there is looked into at once."""
        if self.parameters is None or self._isQuiet:
            return
        self.job.stop()
        self.parameters.projectionsPath = path
        showText(self.ui.foundLabel, "")
        if path and Path(path).exists():
            self._open(self._show)

    def onStackPath(self, path):
        if self.parameters is not None and not self._isQuiet:
            self.parameters.importedStackFile = path

    def onFolder(self):
        folder = qt.QFileDialog.getExistingDirectory(self.widget, _("Folder of the scan"), self.parameters.projectionsPath)
        if folder:
            self.ui.projectionsPath.setCurrentPath(folder)

    def onReader(self, index):
        if self.parameters is not None and not self._isQuiet:
            self.parameters.projectionsReader = READERS[index - 1] if index > 0 else ""

    def onDraw(self):
        self._open(self._showDrawn)

    def onLoad(self):
        self._open(self._load)

    def onEnd(self, result, error):
        """What was opened goes on to what was asked for, the stack into its node."""
        then, self._then = self._then, None
        if error is not None:
            self._fail(error if then is not None else _("Nothing was loaded: {error}").format(error=error))
        elif then is not None:
            self._tryTo(then, result)
        else:
            self._put(*result)

    def _tryTo(self, then, projections):
        try:
            then(projections)
        except ValueError as error:
            self._fail(error)
        else:
            self.update()

    def _open(self, then):
        """Opens the files in the worker thread; `then` gets the ProjectionSet."""
        p, self._failure = self.parameters, ""
        showProblem(self.ui.importMessageLabel, "")
        try:
            selected = views_of(p.scanGeometry) if p.scanGeometry is not None and p.scanGeometry.GetText() else None
            corrections = instance_from_options(p.scanOptions, _CORRECTIONS, Corrections)
        except ValueError as error:
            self._fail(error)
            return
        self._then, self._selected = then, p.scanGeometry if corrections.use_selected else None
        steps = projection_import.open_steps(p.projectionsPath, p.projectionsReader or None, corrections, selected)
        self.job.start(steps, wait_s=0.0)  # nothing is kept of it
        self.update()

    def _show(self, projections):
        """Says what was found, and draws the geometry where it is known."""
        showText(self.ui.foundLabel, "\n".join(f"{name}: {text}" for name, text in projections.describe().items()))
        if projections.views is None:
            self.ui.correctionsGroupBox.collapsed = False
        else:
            self._draw(projections)

    def _showDrawn(self, projections):
        """As `_show`; what cannot be drawn is a failure."""
        self._show(projections)
        if projections.views is None:
            raise ProjectionError(projection_import.unknown_geometry(projections))

    def _load(self, projections):
        self._show(projections)
        p = self.parameters
        options = instance_from_options(p.scanOptions, _NORMALISATION, Normalisation)
        path, name = p.importedStackFile or None, projection_import.name_of(p.projectionsPath)
        self._loading = projections, options, path, name, p.importedGeometry if projections.views is not None else None
        self.job.start(projection_import.load_steps(projections, options, path, slicer.app.temporaryPath))

    def _put(self, report, image):
        p, (projections, options, path, name, geometry) = self.parameters, self._loading
        self._loading = None
        if geometry is not None and not slicer.mrmlScene.IsNodePresent(geometry):
            geometry = None
        p.projectionStack = projection_import.put_loaded(projections, image, path, name, geometry, options, p.projectionStack)
        showText(self.ui.importStatusLabel, str(report))
        self.panel.update()

    def _draw(self, projections):
        """Draws the geometry; the one drawn before for this import is refilled, a selected one that was taken stays as it is."""
        p = self.parameters
        if self._selected is not None and slicer.mrmlScene.IsNodePresent(self._selected):
            p.importedGeometry = self._selected
            return
        name = projection_import.name_of(p.projectionsPath)
        node = p.importedGeometry if p.importedGeometry is not None and p.importedGeometry.GetName().startswith(name) else None
        p.importedGeometry = projection_import.draw_geometry(projections, name, node)
        p.scanGeometry = p.importedGeometry

    def _fail(self, error):
        self._failure = str(error)
        showProblem(self.ui.importMessageLabel, self._failure)
        self.update()

    def _store(self, name, values):
        p = self.parameters
        p.scanOptions = write_options(p.scanOptions, name, values)
