"""Table nodes and their charts."""

import slicer

CHART_ROLE = "XRayTomo.Chart"


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
    for node in (*chart_lines(chart), chart):
        if node is not None:
            slicer.mrmlScene.RemoveNode(node)


def chart_lines(chart):
    """The plot series of a chart node, or of None."""
    return [chart.GetNthPlotSeriesNode(n) for n in range(chart.GetNumberOfPlotSeriesNodes())] if chart is not None else []


def add_chart(table, x, columns):
    """A chart node of a table node, one line for each of `columns` {column: axis title} over the column `x`."""
    chart = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotChartNode", table.GetName())
    for column in columns:
        add_line(chart, table, x, column)
    chart.SetTitle(table.GetName())
    chart.SetXAxisTitle(x)
    chart.SetYAxisTitle(", ".join(dict.fromkeys(columns.values())))
    table.SetNodeReferenceID(CHART_ROLE, chart.GetID())
    return chart


def add_line(chart, table, x, column):
    """A line of a chart: a column of the table over the column `x`."""
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
