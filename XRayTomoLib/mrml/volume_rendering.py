"""A volume node in the 3D view, its opacity as its window and level."""

import slicer


def show_rendering(node, visible):
    """Renders the volume in 3D, or hides it; makes the display node when it is shown for the first time."""
    logic = slicer.modules.volumerendering.logic()
    display = logic.GetFirstVolumeRenderingDisplayNode(node)
    if display is None:
        if not visible:
            return
        display = logic.CreateDefaultVolumeRenderingNodes(node)
    logic.CopyDisplayToVolumeRenderingDisplayNode(display)
    display.SetVisibility(visible)
