"""Makes every picture of the documentation anew, without a display: runs what the pages print, and takes pictures of the panel.

    python Documentation/make_pictures.py [python] [command-line] [slicer] [register]      default: all of them

The chest CT (`xraytomo sample chest-ct`) is fetched when it is not in the cache.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PICTURES = HERE / "Pictures"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
MOST_BYTES = 400_000
CARINA_RAS = (0.0, -15.0, -105.0)  # in the chest CT: where the windpipe divides


def main():
    makers = {"python": python_page, "command-line": command_line_page, "slicer": slicer_page, "register": register_page}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[[], *makers], metavar="name")  # []: argparse checks the default, too
    wanted = parser.parse_args().names or makers
    for name in (name for name in makers if name in wanted):  # the application ends the process: it comes last
        with tempfile.TemporaryDirectory() as folder:
            makers[name](Path(folder))
            keep_all(Path(folder))
    if {"slicer", "register"} & set(wanted):
        end()


def keep_all(folder):
    for picture in sorted(folder.glob("*.png")):
        keep(picture)


def keep(picture):
    """Takes a picture into the documentation; one that is too heavy gets 256 colours."""
    from PIL import Image

    target = PICTURES / picture.name
    target.write_bytes(picture.read_bytes())
    if target.stat().st_size > MOST_BYTES:
        Image.open(picture).convert("RGB").quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(target, optimize=True)
    print(f"{target.relative_to(ROOT).as_posix()}, {target.stat().st_size / 1000:.0f} kB", flush=True)


def blocks(page, language):
    return [text for found, text in BLOCK.findall((HERE / page).read_text(encoding="utf-8")) if found == language]


def environment():
    return os.environ | {"PYTHONPATH": str(ROOT)}


def python_page(folder):
    """Runs the page's Python blocks one after the other, as one script."""
    script = "\n".join(blocks("python.md", "python"))
    subprocess.run([sys.executable, "-c", script], cwd=folder, env=environment(), check=True)


def command_line_page(folder):
    """Runs the page's commands; each picture has the name that its command gives it."""
    lines = "\n".join(blocks("command-line.md", "sh")).splitlines()
    command = f'"{sys.executable}" -m XRayTomoLib.cli '
    script = "\n".join(line.replace("xraytomo ", command, 1) for line in lines)
    subprocess.run(["bash", "-euc", script], cwd=folder, env=environment(), check=True)


def slicer_page(folder):
    """Follows the steps of the pages in the stand-in for Slicer."""
    import slicer

    driving = application()
    plain_view()
    driving.process(0.3)
    driving.screenshot(folder / "panel-empty.png")
    widget = slicer.util.getModuleWidget("XRayTomo")
    load_ct(widget)
    sections(widget, folder)
    gantry(widget, folder)
    landmark(widget, folder)
    scan(widget, folder)
    run_blocks("first-radiograph.md", "scan-and-reconstruct.md")


def register_page(folder):
    """Two X-rays of a chest CT at another place, and the way there."""
    import slicer

    driving = application()
    slicer.mrmlScene.Clear(0)
    driving.process(0.3)
    register(slicer.util.getModuleWidget("XRayTomo"), folder)
    run_blocks("register-xrays.md")


@cache
def application():
    """Starts the stand-in for Slicer with the module open; returns its driving."""
    os.environ.update(QT_QPA_PLATFORM="offscreen", VTK_DEFAULT_OPENGL_WINDOW="vtkEGLRenderWindow")
    sys.path[:0] = [str(ROOT), str(ROOT / "Testing")]
    import SlicerHost

    app = SlicerHost.start([ROOT / "XRayTomo" / "XRayTomo.py"], size=(1500, 1200))
    import slicer
    from SlicerHost import driving

    app.layoutManager().setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutConventionalView)
    slicer.util.selectModule("XRayTomo")
    return driving


def run_blocks(*pages):
    """Runs what the pages print for the Python console."""
    for page in pages:
        for block in blocks(page, "python"):
            exec(compile(block, page, "exec"), {})


def load_ct(widget):
    import SampleData
    import slicer

    volume = SampleData.downloadSample("XRayTomoChestCT")
    display = volume.GetDisplayNode()
    display.AutoWindowLevelOff()
    display.SetWindowLevelMinMax(-1000, 600)
    display.SetThreshold(-600, 4000)  # air is not drawn: the slices stand free in the 3D view
    display.ApplyThresholdOn()
    slicer.util.setSliceViewerLayers(background=volume, fit=True)
    p = widget.parameterNode
    p.sliceNode = slicer.mrmlScene.GetNodeByID("vtkMRMLSliceNodeGreen")
    p.inputVolume = volume
    choose_device(widget, "Chest stand", rows=768, cols=768)


def choose_device(widget, name, rows, cols):
    """The preset, its detector's area read out in rows x cols pixels."""
    import slicer
    from SlicerHost import driving

    driving.choose(widget.sections[1].ui.deviceComboBox, name)
    p = widget.parameterNode
    with slicer.util.NodeModify(p.parameterNode):
        p.rowPitchMm, p.colPitchMm = p.rowPitchMm * p.rows / rows, p.colPitchMm * p.cols / cols
        p.rows, p.cols = rows, cols
    wait(widget)


def wait(widget):
    """Lets the application run until no picture is under way."""
    import slicer
    from SlicerHost import driving

    section = widget.sections[2]
    driving.process()
    while section.live.busy or section.timer.isActive():
        slicer.app.processEvents()
    driving.process(0.3)


def plain_view():
    """The 3D view without box, letters and shading of its background, which is what makes pictures heavy."""
    import slicer

    view = slicer.app.layoutManager().threeDWidget(0).threeDView()
    node = view.mrmlViewNode()
    node.SetBoxVisible(False)
    node.SetAxisLabelsVisible(False)
    node.SetBackgroundColor(0.80, 0.82, 0.92)
    node.SetBackgroundColor2(0.80, 0.82, 0.92)
    return view


def look_from(position, zoom):
    import slicer

    view = plain_view()
    camera = slicer.modules.cameras.logic().GetViewActiveCameraNode(view.mrmlViewNode())
    camera.SetPosition(*position)
    camera.SetFocalPoint(0, 0, 0)
    camera.SetViewUp(0, 0, 1)
    view.resetFocalPoint()
    camera.GetCamera().Zoom(zoom)
    return view


def show_slices(names):
    import slicer

    for name in ("Red", "Yellow"):
        slicer.app.layoutManager().sliceWidget(name).mrmlSliceNode().SetSliceVisible(name in names)


def sections(widget, folder):
    from SlicerHost import driving

    for name, section in zip(("volume", "source-and-detector", "radiograph"), widget.sections[:3], strict=True):
        driving.screenshot(folder / f"section-{name}.png", section.widget)


def gantry(widget, folder):
    """The frontal radiograph in its slice view, and the C-arm with its handles in 3D."""
    import slicer
    from SlicerHost import driving

    green = slicer.app.layoutManager().sliceWidget("Green")
    driving.screenshot(folder / "frontal-slice-view.png", green)
    p = widget.parameterNode
    choose_device(widget, "Angiography C-arm (ceiling)", rows=480, cols=620)
    with slicer.util.NodeModify(p.parameterNode):
        p.primaryDeg, p.secondaryDeg = 30.0, 10.0
    show_slices(("Red", "Yellow"))
    widget.sections[1].ui.handlesCheckBox.checked = True
    wait(widget)
    view = look_from((900, 1500, 650), 2.2)
    driving.process(0.5)
    driving.screenshot(folder / "handles.png", view)
    widget.sections[1].ui.handlesCheckBox.checked = False


def landmark(widget, folder):
    """A landmark of the CT in the radiograph, and the whole window."""
    import slicer
    import vtk
    from SlicerHost import driving

    from XRayTomoLib.mrml.landmarks import new_points_node

    node = new_points_node("Landmarks", (0.2, 0.9, 0.2))
    node.AddControlPointWorld(vtk.vtkVector3d(CARINA_RAS), "Carina")
    widget.parameterNode.landmarks = node
    for name, axis in (("Red", 2), ("Yellow", 0)):
        slicer.app.layoutManager().sliceWidget(name).mrmlSliceNode().SetSliceOffset(CARINA_RAS[axis])
    wait(widget)
    driving.screenshot(folder / "landmark.png", slicer.app.layoutManager().sliceWidget("Green"))
    driving.screenshot(folder / "panel.png")


def scan(widget, folder):
    """A helix round the chest, its scan, and the volume made of it, by the buttons that the page names."""
    import ctk
    import slicer
    from SlicerHost import driving

    found = {type(section).__name__: section for section in widget.sections}
    p, trajectory, reconstruct = widget.parameterNode, found["TrajectorySection"], found["ReconstructSection"]
    for name in ("TrajectorySection", "ScanSection", "ReconstructSection"):
        found[name].widget.findChildren(ctk.ctkCollapsibleButton)[0].collapsed = False
    p.landmarks = None
    choose_device(widget, "Linac CBCT panel", rows=96, cols=128)
    p.primaryDeg = p.secondaryDeg = 0.0
    driving.choose(trajectory.ui.trajectoryComboBox, "Helix")
    driving.type_text(trajectory.form.control("count"), "240")
    driving.type_text(trajectory.form.control("pitch_mm"), "100")
    driving.click(trajectory.ui.createButton)
    trajectory.ui.viewSlider.setValue(20)
    wait_for(lambda: not trajectory.projection.busy)
    driving.screenshot(folder / "section-trajectory.png", trajectory.widget)
    show_slices(("Red",))
    view = look_from((1700, 2300, 1200), 1.6)
    driving.process(0.5)
    driving.screenshot(folder / "helix.png", view)
    driving.click(found["ScanSection"].ui.simulateButton)
    wait_for(lambda: not found["ScanSection"].job.running)
    driving.choose(reconstruct.ui.methodComboBox, "Helical FDK (approximate)")
    p.reconstructionSpacingMm = 4.0
    driving.click(reconstruct.ui.reconstructButton)
    wait_for(lambda: not reconstruct.job.running)
    slicer.util.setSliceViewerLayers(background=p.reconstruction, fit=True)
    driving.process(0.5)
    driving.screenshot(folder / "reconstruction.png", slicer.app.layoutManager().sliceWidget("Red"))


def register(widget, folder):
    """The chest CT is X-rayed at a place that only the X-rays know, and brought there from where it lies."""
    import ctk
    import numpy as np
    import slicer
    from SlicerHost import driving

    from XRayTomoLib.geometry import pose_about

    section = {type(section).__name__: section for section in widget.sections}["RegisterSection"]
    for each in (*widget.sections[:3], section):
        each.widget.findChildren(ctk.ctkCollapsibleButton)[0].collapsed = each is not section
    load_ct(widget)
    p, logic, ct = widget.parameterNode, widget.logic, widget.parameterNode.inputVolume
    p.live, p.sliceNode = False, None
    for kind in ("source", "cone", "detector", "axis"):
        getattr(p, kind).GetDisplayNode().SetVisibility(False)
    true = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "True place")
    true.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(pose_about(np.radians([4, -5, 6]), (14, -10, 12), (0, 0, -120))))
    ct.SetAndObserveTransformNodeID(true.GetID())
    for angle, name in ((0, "Frontal"), (90, "Lateral")):
        detector = {"rows": 480, "cols": 480, "row_pitch_mm": 0.9, "col_pitch_mm": 0.9}
        xray = logic.radiograph(ct, "Chest stand", angle, isocentreRas=(0, 0, -120), **detector)
        xray.SetName(name)
        driving.choose(section.ui.xraySelector, name)
        driving.click(section.ui.addXrayButton)
    ct.SetAndObserveTransformNodeID(None)
    p.trueTransform = true
    take_overlays(section, folder)


def take_overlays(section, folder):
    """Before, and after: in two colours, by edges, the panel and the window."""
    import slicer
    from SlicerHost import driving

    def settled():
        return not (section.overlay.busy or section.job.running)

    yellow = slicer.app.layoutManager().sliceWidget("Yellow")
    section.ui.xrayTable.selectRow(0)
    wait_for(settled)
    driving.screenshot(folder / "overlay-before.png", yellow)
    driving.click(section.ui.registerButton)
    wait_for(settled)
    if section.ui.registrationMessageLabel.text:
        raise RuntimeError(section.ui.registrationMessageLabel.text)
    driving.screenshot(folder / "overlay-after.png", yellow)
    driving.choose(section.overlay.form.control("mode"), "edges")
    wait_for(settled)
    driving.screenshot(folder / "overlay-edges.png", yellow)
    section.ui.evaluationGroupBox.collapsed = False
    driving.process(0.3)
    driving.screenshot(folder / "section-register.png", section.widget)
    show_slices(("Red",))
    yellow.mrmlSliceNode().SetSliceVisible(True)
    look_from((1500, -700, 500), 1.8)
    driving.process(0.5)
    driving.screenshot(folder / "register.png")


def wait_for(done):
    import slicer
    from SlicerHost import driving

    driving.process(0.1)
    while not done():
        slicer.app.processEvents()
    driving.process(0.3)


def end():
    """Ends without the interpreter's own teardown, which would take Qt and VTK apart in no order."""
    import slicer
    from SlicerHost import slotErrors

    slicer.app.removeTemporaryFiles()
    sys.stdout.flush()
    os._exit(1 if slotErrors else 0)


if __name__ == "__main__":
    main()
