"""Import and export of geometry files, the last part of section Trajectory."""

from pathlib import Path

import qt
from slicer.i18n import tr as _

from ..geometry.formats import FORMATS, format_of_suffix, load_format, lost_in, recognise_format
from ..mrml import trajectory, trajectory_display
from ..mrml.file_hints import FileHints
from ..mrml.stored_options import instance_from_options, read_options, write_options
from .form import Form
from .section import showText

_HINTS = "geometry file"  # their name among the stored options


class GeometryFiles:
    """The controls below "Import and export"; `section` is the Trajectory section."""

    def __init__(self, section):
        self._section = section
        self._formats = [None, *FORMATS]

    def setup(self):
        ui = self._section.ui
        ui.formatComboBox.addItems([_("Recognised"), *(load_format(name).TITLE for name in FORMATS)])
        self.form = Form(ui.hintsWidget, self._store)
        ui.importButton.connect("clicked()", self.onImport)
        ui.importFolderButton.connect("clicked()", self.onFolder)
        ui.exportButton.connect("clicked()", self.onExport)
        ui.flipButton.connect("clicked()", self.onFlip)

    def update(self):
        p = self._section.parameters
        self.form.show(FileHints, read_options(p.scanOptions, _HINTS, FileHints))

    def onFolder(self):
        path = self._section.ui.importPath
        folder = qt.QFileDialog.getExistingDirectory(self._section.widget, _("Folder of a geometry"), path.currentPath)
        if folder:
            path.setCurrentPath(folder)

    def onFlip(self):
        try:
            trajectory.flip_geometry(self._section.parameters.scanGeometry)
        except ValueError as error:
            self._section.fail(error)
            return
        self._section.geometryMade()

    def onImport(self):
        p, path = self._section.parameters, self._section.ui.importPath.currentPath
        try:
            name = self._format() or recognise_format(path)
            hints = instance_from_options(p.scanOptions, _HINTS, FileHints).of_format(name)
            p.scanGeometry = trajectory.import_geometry(path, name, hints=hints)
        except (ValueError, OSError) as error:
            self._section.fail(error)
            return
        self._section.geometryMade()

    def onExport(self):
        node, path = self._section.parameters.scanGeometry, self._section.ui.exportPath.currentPath
        try:
            trajectory.export_geometry(node, path, self._format())
            lost = lost_in(self._format() or format_of_suffix(Path(path)), trajectory_display.views_of(node))
        except (ValueError, OSError) as error:
            self._section.fail(error)
            return
        self._section.fail("")
        written = _("Written to {path}").format(path=path)
        if lost:
            written += "\n" + _("The format has no place for: {names}").format(names=", ".join(lost))
        showText(self._section.ui.trajectorySummaryLabel, written)

    def _format(self):
        return self._formats[self._section.ui.formatComboBox.currentIndex]

    def _store(self, values):
        p = self._section.parameters
        p.scanOptions = write_options(p.scanOptions, _HINTS, values)
