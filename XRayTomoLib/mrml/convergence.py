"""How a reconstruction or a registration converges: a table node of its steps, and a plot of it."""

import slicer
import vtk

from .tables import CHART_ROLE, add_chart, add_line, chart_lines, fill_table, remove_chart

TABLE_ROLE = "XRayTomo.Convergence"
_COLUMNS = {
    "iteration": vtk.vtkIntArray,
    "residual": vtk.vtkDoubleArray,
    "seconds": vtk.vtkDoubleArray,
    "prior": vtk.vtkDoubleArray,
    "prior share": vtk.vtkDoubleArray,
}


def show_convergence(rows, name, table=None):
    """A table node of rows (iteration, residual) or (iteration, residual, seconds), or with (prior, prior as a share of its largest) behind these,
    and a chart node of the residual and the prior's share.

    `table` is filled when it is given and still there.
    """
    if table is None or not slicer.mrmlScene.IsNodePresent(table):
        table = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", slicer.mrmlScene.GenerateUniqueName(f"{name} convergence"))
        add_chart(table, "iteration", {"residual": "relative residual"})
    columns = [(*column, values) for column, values in zip(_COLUMNS.items(), zip(*rows, strict=True), strict=False)]
    fill_table(table, columns)
    _chart_prior(table, "prior share" in [title for title, _make, _values in columns])
    return table


def _chart_prior(table, has_prior):
    """The chart has a line for the prior where the table has a column for it."""
    chart = table.GetNodeReference(CHART_ROLE)
    found = next((series for series in chart_lines(chart) if series.GetYColumnName() == "prior share"), None)
    if has_prior and chart is not None and found is None:
        add_line(chart, table, "iteration", "prior share")
        chart.SetYAxisTitle("relative residual, prior")
    elif found is not None and not has_prior:
        slicer.mrmlScene.RemoveNode(found)
        chart.SetYAxisTitle("relative residual")


def table_of(node):
    """The table of a result node's convergence, or None."""
    return node.GetNodeReference(TABLE_ROLE) if node is not None else None


def show_convergence_of(node, rows):
    """The convergence of a result node, in the table that it refers to."""
    table = show_convergence(rows, node.GetName(), table_of(node))
    if table is not table_of(node):
        node.SetNodeReferenceID(TABLE_ROLE, table.GetID())


def remove_convergence_of(node):
    """Takes the table of a result node out of the scene, with its chart."""
    table = table_of(node)
    if table is None:
        return
    remove_chart(table)
    slicer.mrmlScene.RemoveNode(table)
