"""What section Register shows of a run: its steps, the plot, a movie, and the evaluation."""

import qt
from slicer.i18n import tr as _

from ..mrml import convergence, overlay, registration_evaluation, registration_job, tables, xrays
from . import dependencies
from .job_bar import JobBar
from .section import showText


class RegistrationResult:
    """The groups Run and Evaluation. `section` is the Register section."""

    def __init__(self, section):
        self._section, ui = section, section.ui
        self._isQuiet = False
        self._rows = None
        self.job = JobBar(ui.movieProgressBar, ui.cancelMovieButton, ui.movieStatusLabel, self.onMovieEnd)
        ui.replaySlider.connect("valueChanged(int)", self.onReplay)
        ui.convergencePlotButton.connect("clicked()", self.onPlot)
        ui.movieFolderPath.connect("currentPathChanged(QString)", self.onFolder)
        ui.movieButton.connect("clicked()", self.onMovie)
        ui.cancelMovieButton.connect("clicked()", section.update)
        ui.evaluateButton.connect("clicked()", self.onEvaluate)
        ui.evaluationTable.setHorizontalHeaderLabels([_("Quantity"), _("Value"), _("Unit")])
        ui.evaluationTable.horizontalHeader().setSectionResizeMode(0, qt.QHeaderView.Stretch)
        ui.evaluationTable.verticalHeader().setVisible(False)

    def stop(self):
        self.job.stop()

    def update(self):
        p, ui, idle = self._section.parameters, self._section.ui, not self._section.job.running
        self.job.show()
        steps = len(registration_job.matrices_of_run(p.registration))
        self._isQuiet = True
        try:
            if ui.movieFolderPath.currentPath != p.movieFolder:
                ui.movieFolderPath.setCurrentPath(p.movieFolder)
            if ui.replaySlider.maximum != max(steps - 1, 0):
                ui.replaySlider.setMaximum(max(steps - 1, 0))
                ui.replaySlider.setValue(max(steps - 1, 0))
        finally:
            self._isQuiet = False
        ui.replaySlider.enabled = idle and steps > 0
        ui.convergencePlotButton.enabled = convergence.table_of(p.registration) is not None
        ui.movieButton.enabled = idle and steps > 0 and bool(p.movieFolder) and self._section.table.selected is not None and not self.job.running
        ui.evaluateButton.enabled = idle and self._isKnown() and dependencies.isPresent("torch")
        self._showTable()

    def showScores(self):
        """After a run: what it reached, and what is known of it."""
        self._evaluate()
        ui = self._section.ui
        self._isQuiet = True
        ui.replaySlider.setMaximum(len(registration_job.matrices_of_run(self._section.parameters.registration)) - 1)
        ui.replaySlider.setValue(ui.replaySlider.maximum)
        self._isQuiet = False

    def onReplay(self, index):
        p = self._section.parameters
        if not self._isQuiet and p is not None and p.registration is not None:
            registration_job.show_step(p.registration, index)
            last = self._section.ui.replaySlider.maximum
            showText(self._section.ui.movieStatusLabel, _("Step {index} of {last}; the last is the result.").format(index=index, last=last))

    def onPlot(self):
        tables.show_chart(convergence.table_of(self._section.parameters.registration))

    def onFolder(self, path):
        if not self._isQuiet and self._section.parameters is not None:
            self._section.parameters.movieFolder = path

    def onMovie(self):
        p, section = self._section.parameters, self._section
        section.attempt(lambda: overlay.movie_of_run(p.movieFolder, p.registration, section.movingObject(), section.table.selected,
                                                     section.overlay.options), self.job.start)

    def onMovieEnd(self, paths, error):
        text = _("No movie: {error}").format(error=error) if error is not None else _("{count} pictures").format(count=len(paths))
        showText(self._section.ui.movieStatusLabel, text)
        self._section.panel.update()

    def onEvaluate(self):
        self._section.attempt(self._evaluate)

    def _evaluate(self):
        """Fills the evaluation's table with what is known and what the last run reached."""
        p, section = self._section.parameters, self._section
        rows = registration_evaluation.scores_of(p.registration)
        if self._isKnown():
            nodes = xrays.used_xrays_of(p)
            rows = registration_evaluation.evaluation_rows(section.movingObject(), nodes, p.trueTransform, p.landmarks, p.xrayPoints) + rows
        p.evaluation = registration_evaluation.show_evaluation(rows, p.evaluation)

    def _isKnown(self):
        """Whether there is something to compare with."""
        p = self._section.parameters
        return p.trueTransform is not None or p.landmarks is not None and p.xrayPoints is not None

    def _showTable(self):
        p, table = self._section.parameters, self._section.ui.evaluationTable
        rows = registration_evaluation.rows_of(p.evaluation) if p.evaluation is not None else []
        if rows == self._rows:
            return
        self._rows = rows
        table.setRowCount(len(rows))
        for r, row in enumerate(rows):
            for c, text in enumerate(row):
                table.setItem(r, c, qt.QTableWidgetItem(f"{float(text):.3f}" if c == 1 else text))
