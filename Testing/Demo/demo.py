"""XRayTomo's main job on a chest phantom: the panel in a window, or, with --headless, the same work and its pictures in a folder."""

import argparse
import math
import os
import sys
import time
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHAPE, SPACING_MM = (133, 512, 512), (0.7, 0.7, 2.5)  # a chest CT
LIVE_SECONDS = 3.0
LANDMARKS = ("carina", "nodule", "T6 body")


class Times:
    """What was done and how long it took, in order."""

    def __init__(self):
        self.rows = []

    @contextmanager
    def part(self, what):
        start, notes = time.perf_counter(), []
        print(f"{what} ...", flush=True)
        yield notes.append
        self.rows.append((what, time.perf_counter() - start, "; ".join(notes)))

    def table(self):
        lines = ["# What the demo computed", "", "| part | seconds | result |", "|---|---:|---|"]
        lines += [f"| {what} | {seconds:.2f} | {notes} |" for what, seconds, notes in self.rows]
        lines += [f"| **all** | **{sum(seconds for _, seconds, _ in self.rows):.2f}** | |", ""]
        return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--headless", action="store_true", help="open no window, write pictures, scene and table only")
    parser.add_argument("--output", type=Path, default=Path("xraytomo-demo"), help="folder for the results (default %(default)s)")
    options = parser.parse_args()
    if options.headless:
        os.environ.update(QT_QPA_PLATFORM="offscreen", VTK_DEFAULT_OPENGL_WINDOW="vtkEGLRenderWindow")
    sys.path[:0] = [str(ROOT), str(ROOT / "Testing")]
    options.output.mkdir(parents=True, exist_ok=True)
    run(options)


def run(options):
    times = Times()
    with times.part("Start the application and open the panel"):
        app, widget = start_application()
    with times.part("Make a chest phantom") as note:
        volume, phantom = make_phantom()
        note(f"{' x '.join(map(str, SHAPE[::-1]))} voxels, {len(phantom.shapes)} shapes")
    with times.part("Chest radiograph (compiles or loads the kernels)") as note:
        note(chest_radiograph(widget, volume, options.output / "drr.png"))
    with times.part("Mobile C-arm at LAO 30, cranial 10 degrees") as note:
        note(carm_radiograph(widget, options.output / "drr-c-arm.png"))
    with times.part("Landmarks of the phantom in the radiograph") as note:
        note(f"{place_landmarks(widget, phantom)} of {len(LANDMARKS)} seen")
    with times.part(f"Live radiograph while the gantry turns for {LIVE_SECONDS:g} s") as note:
        note(turn_live(widget))
    with times.part("Pictures of the 3D scene and of the window"):
        take_screenshots(widget, options.output)
    with times.part("Save the scene") as note:
        note(save_scene(options.output / "demo.mrb"))
    (options.output / "table.md").write_text(times.table(), encoding="utf-8")
    print(f"\n{times.table()}\nWritten to {options.output.resolve()}", flush=True)
    if not options.headless:
        app.exec()
    finish(app)


def start_application():
    import SlicerHost

    app = SlicerHost.start([ROOT / "XRayTomo" / "XRayTomo.py"], size=(1700, 1240))
    import slicer

    app.layoutManager().setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutConventionalView)

    slicer.util.selectModule("XRayTomo")
    app.processEvents()
    return app, slicer.util.getModuleWidget("XRayTomo")


def make_phantom():
    """The chest phantom as a CT in HU, shown in the slice views."""
    import numpy as np
    import slicer

    from XRayTomoLib.grids import CartesianGrid, chest, to_hu

    phantom, grid = chest(), CartesianGrid.centred(SHAPE, SPACING_MM)
    values = np.rint(to_hu(phantom.voxelise(grid))).astype(np.int16)
    volume = slicer.util.addVolumeFromArray(values, ijkToRAS=slicer.util.vtkMatrixFromArray(grid.ijk_to_ras), name="Chest phantom")
    volume.CreateDefaultDisplayNodes()
    display = volume.GetDisplayNode()
    display.SetWindowLevelMinMax(-1000, 600)
    display.SetThreshold(-950, 3000)  # the air round the body is not drawn: the slices stand free in the 3D view
    display.ApplyThresholdOn()
    slicer.util.setSliceViewerLayers(background=volume, fit=True)
    return volume, phantom


def chest_radiograph(widget, volume, path):
    """The whole thorax on the chest stand's panel, read out in 1024 x 1024 pixels."""
    import slicer

    from XRayTomoLib.mrml.acquisition import apply_device

    p = widget.parameterNode
    with slicer.util.NodeModify(p.parameterNode):
        apply_device(p, "Chest stand")
        p.rowPitchMm, p.colPitchMm = p.rowPitchMm * p.rows / 1024, p.colPitchMm * p.cols / 1024
        p.rows = p.cols = 1024
        p.inputVolume = volume
        p.sliceNode = slicer.mrmlScene.GetNodeByID("vtkMRMLSliceNodeGreen")
    return picture(widget, path)


def carm_radiograph(widget, path):
    import slicer

    from XRayTomoLib.mrml.acquisition import apply_device

    p = widget.parameterNode
    with slicer.util.NodeModify(p.parameterNode):
        apply_device(p, "Cios Fusion")
        p.primaryDeg, p.secondaryDeg = 30.0, 10.0
    return picture(widget, path)


def wait(widget):
    """Lets the application run until no picture is under way."""
    import slicer

    section = widget.sections[2]
    slicer.app.processEvents()
    while section.live.busy or section.timer.isActive():
        slicer.app.processEvents()
    if section.ui.radiographMessageLabel.text:
        raise RuntimeError(section.ui.radiographMessageLabel.text)


def place_landmarks(widget, phantom):
    import slicer
    import vtk

    from XRayTomoLib.mrml.landmarks import new_points_node

    node = new_points_node("Landmarks", (0.2, 0.9, 0.2))
    for name in LANDMARKS:
        node.AddControlPointWorld(vtk.vtkVector3d(phantom.landmarks[name]), name)
    widget.parameterNode.landmarks = node
    slicer.app.processEvents()
    return widget.parameterNode.projectedLandmarks.GetNumberOfControlPoints()


def picture(widget, path):
    """Waits for the full radiograph and writes it as a PNG with the node's own window; returns what the panel says of it."""
    import slicer

    from XRayTomoLib.io import write_png

    wait(widget)
    node, ui = widget.parameterNode.radiograph, widget.sections[2].ui
    display = node.GetDisplayNode()
    write_png(path, slicer.util.arrayFromVolume(node)[0], (display.GetWindowLevelMin(), display.GetWindowLevelMax()))
    return f"{ui.radiographStatusLabel.text}; {ui.targetLabel.text}"


def turn_live(widget):
    """Turns the gantry there and back as a user drags a slider, and counts the frames that arrive."""
    import slicer

    p, section = widget.parameterNode, widget.sections[2]
    start, angle, before = time.perf_counter(), p.primaryDeg, section.framesShown
    while (elapsed := time.perf_counter() - start) < LIVE_SECONDS:
        p.primaryDeg = angle - 30 * math.sin(math.pi * elapsed / LIVE_SECONDS)
        slicer.app.processEvents()
    rate = (section.framesShown - before) / elapsed
    p.primaryDeg, released = angle, time.perf_counter()
    wait(widget)
    rest = time.perf_counter() - released
    return f"{rate:.0f} frames/s with all views drawn; full picture {rest:.2f} s after release"


def take_screenshots(widget, folder):
    import slicer
    from SlicerHost import driving

    layout = slicer.app.layoutManager()
    for name in ("Red", "Yellow"):  # Green looks at the radiograph
        layout.sliceWidget(name).mrmlSliceNode().SetSliceVisible(True)
    view = layout.threeDWidget(0).threeDView()
    view.mrmlViewNode().SetBoxVisible(False)
    view.mrmlViewNode().SetAxisLabelsVisible(False)
    camera = slicer.modules.cameras.logic().GetViewActiveCameraNode(view.mrmlViewNode())
    camera.SetPosition(300, 1250, 500)
    camera.SetFocalPoint(0, 0, 0)
    camera.SetViewUp(0, 0, 1)
    view.resetFocalPoint()
    camera.GetCamera().Zoom(1.6)
    driving.process(0.5)
    driving.screenshot(folder / "scene.png", view)
    driving.screenshot(folder / "panel.png")


def save_scene(path):
    import slicer

    if not slicer.util.saveScene(str(path)):
        raise OSError(f"The scene could not be saved as {path}.")
    return f"{path.name}, {path.stat().st_size / 1e6:.1f} MB"


def finish(app):
    """Ends without the interpreter's own teardown, which would take Qt and VTK apart in no order."""
    from SlicerHost import slotErrors

    app.removeTemporaryFiles()
    sys.stdout.flush()
    os._exit(1 if slotErrors else 0)


if __name__ == "__main__":
    main()
