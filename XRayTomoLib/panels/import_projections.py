"""Section Import projections: what lies in a folder, what the user corrects, its geometry in 3D, and the stack of line integrals."""

from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from ..io.projections import READERS, load_reader
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
        self._loading = None
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

    def disconnect(self):
        self.job.stop()
        Section.disconnect(self)

    def cleanup(self):
        self.job.stop()

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
        self.ui.drawImportButton.enabled = bool(p.projectionsPath)
        self.ui.loadButton.enabled = bool(p.projectionsPath) and not self.job.running
        showProblem(self.ui.importMessageLabel, self._failure)

    def onPath(self, path):
        """A path that is there is looked into at once."""
        if self.parameters is None or self._isQuiet:
            return
        self.parameters.projectionsPath = path
        showText(self.ui.foundLabel, "")
        if path and Path(path).exists():
            self.look()

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

    def look(self):
        """Says what was found, and draws the geometry where it is known. Returns the ProjectionSet or None."""
        projections = self._open()
        if projections is None:
            return None
        showText(self.ui.foundLabel, "\n".join(f"{name}: {text}" for name, text in projections.describe().items()))
        if projections.views is None:
            self.ui.correctionsGroupBox.collapsed = False
        else:
            self._draw(projections)
        return projections

    def onDraw(self):
        projections = self.look()
        if projections is not None and projections.views is None:
            try:
                self._draw(projections)
            except ValueError as error:
                self._fail(error)

    def onLoad(self):
        p, projections = self.parameters, self.look()
        if projections is None:
            return
        options = instance_from_options(p.scanOptions, _NORMALISATION, Normalisation)
        path = p.importedStackFile or None
        self._loading = projections, options, path, p.importedGeometry if projections.views is not None else None
        self.job.start(projection_import.load_steps(projections, options, path, slicer.app.temporaryPath))
        self.update()

    def onEnd(self, result, error):
        p, (projections, options, path, geometry) = self.parameters, self._loading
        self._loading = None
        if error is not None:
            self._fail(_("Nothing was loaded: {error}").format(error=error))
            return
        report, image = result
        name = projection_import.name_of(p.projectionsPath)
        if geometry is not None and not slicer.mrmlScene.IsNodePresent(geometry):
            geometry = None
        p.projectionStack = projection_import.put_loaded(projections, image, path, name, geometry, options, p.projectionStack)
        showText(self.ui.importStatusLabel, str(report))
        self.panel.update()

    def _open(self):
        p, self._failure = self.parameters, ""
        try:
            selected = views_of(p.scanGeometry) if p.scanGeometry is not None and p.scanGeometry.GetText() else None
            corrections = instance_from_options(p.scanOptions, _CORRECTIONS, Corrections)
            projections = projection_import.open_corrected(p.projectionsPath, p.projectionsReader or None, corrections, selected)
        except (ValueError, OSError) as error:
            self._fail(error)
            return None
        showProblem(self.ui.importMessageLabel, "")
        return projections

    def _draw(self, projections):
        """Draws the geometry; the one drawn before for this import is refilled, a selected one that was taken stays as it is."""
        p = self.parameters
        if p.scanGeometry is None or projections.views is not views_of(p.scanGeometry):
            name = projection_import.name_of(p.projectionsPath)
            node = p.importedGeometry if p.importedGeometry is not None and p.importedGeometry.GetName().startswith(name) else None
            p.importedGeometry = projection_import.draw_geometry(projections, name, node)
            p.scanGeometry = p.importedGeometry
        else:
            p.importedGeometry = p.scanGeometry

    def _fail(self, error):
        self._failure = str(error)
        showProblem(self.ui.importMessageLabel, self._failure)
        self.update()

    def _store(self, name, values):
        p = self.parameters
        p.scanOptions = write_options(p.scanOptions, name, values)
