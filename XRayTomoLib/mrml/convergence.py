"""How a reconstruction or a registration converges: a table node of its steps, and a plot of it."""

import slicer
import vtk

TABLE_ROLE = "XRayTomo.Convergence"
CHART_ROLE = "XRayTomo.Chart"
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
    found = next((series for series in _lines(chart) if series.GetYColumnName() == "prior share"), None)
    if has_prior and chart is not None and found is None:
        _add_line(chart, table, "iteration", "prior share")
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


def fill_table(table, columns):
    """Gives a table node these columns alone, each a title, a VTK array class and its values."""
    with slicer.util.NodeModify(table):
        table.RemoveAllColumns()
        for title, make, values in columns:
            column = make()
            column.SetName(title)
            for value in values:
                column.InsertNextValue(value)
            table.AddColumn(column)


def remove_chart(table):
    """Takes the chart of a table node, where it has one, and the lines in it out of the scene."""
    chart = table.GetNodeReference(CHART_ROLE)
    for node in (*_lines(chart), chart):
        if node is not None:
            slicer.mrmlScene.RemoveNode(node)


def _lines(chart):
    """The plot series of a chart node, or of None."""
    return [chart.GetNthPlotSeriesNode(n) for n in range(chart.GetNumberOfPlotSeriesNodes())] if chart is not None else []


def add_chart(table, x, columns):
    """A chart node of a table node, one line for each of `columns` {column: axis title} over the column `x`."""
    chart = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotChartNode", table.GetName())
    for column in columns:
        _add_line(chart, table, x, column)
    chart.SetTitle(table.GetName())
    chart.SetXAxisTitle(x)
    chart.SetYAxisTitle(", ".join(dict.fromkeys(columns.values())))
    table.SetNodeReferenceID(CHART_ROLE, chart.GetID())
    return chart


def _add_line(chart, table, x, column):
    series = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", column)
    series.SetAndObserveTableNodeID(table.GetID())
    series.SetXColumnName(x)
    series.SetYColumnName(column)
    series.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeScatter)
    series.SetUniqueColor()
    chart.AddAndObservePlotSeriesNodeID(series.GetID())


def show_chart(table):
    """Shows the chart of a table node in the plot view, in a layout that has one."""
    slicer.modules.plots.logic().ShowChartInLayout(table.GetNodeReference(CHART_ROLE))
