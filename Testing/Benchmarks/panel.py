"""Measures how alive the panel stays while a volume of 256^3 voxels is reconstructed from 90 views: the longest time without events.

    python Testing/Benchmarks/panel.py [--method sirt] [--seconds 40]

The stand-in application shows the previews in its slice views, as Slicer does. A timer of 5 ms stands for the user's mouse: what lies
between two of its beats beyond those 5 ms is time in which the panel answered nobody. One JSON line: the longest gap; the most that the main
thread computed in a gap, which other programs on the machine do not lengthen; the five longest [at, gap, computed]; steps and pictures.
"""
import argparse
import json
import os
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "XRayTomo"), str(ROOT), str(ROOT / "Testing")]

import SlicerHost  # noqa: E402

BEAT_SECONDS = 0.005
SIZE, VIEWS = 256, 90


class Pulse:
    """Beats in the main thread and keeps (seconds since the start, seconds since the beat before, processor seconds of the thread in them)."""

    def __init__(self):
        import qt

        self.beats, self._start, self._timer = [], time.perf_counter(), qt.QTimer()
        self._last, self._worked = self._start, time.thread_time()
        self._timer.setInterval(int(1e3 * BEAT_SECONDS))
        self._timer.connect("timeout()", self._beat)
        self._timer.start()

    def _beat(self):
        now, worked = time.perf_counter(), time.thread_time()
        self.beats.append((now - self._start, now - self._last, worked - self._worked))
        self._last, self._worked = now, worked

    def stop(self):
        self._timer.stop()
        return [(at, max(0.0, gap - BEAT_SECONDS), worked) for at, gap, worked in self.beats]


def prepared(method):
    """The section Reconstruct, opened, with a stack of random line integrals and the region of 256^3 voxels."""
    import ctk
    import numpy as np
    import slicer
    from SlicerHost import driving

    from XRayTomoLib.geometry import CArm, circle
    from XRayTomoLib.mrml import stack
    from XRayTomoLib.mrml.geometry_node import new_geometry_node, write_geometry

    slicer.util.selectModule("XRayTomo")
    driving.process()
    section = next(s for s in slicer.util.getModuleWidget("XRayTomo").sections if type(s).__name__ == "ReconstructSection")
    next(iter(section.widget.findChildren(ctk.ctkCollapsibleButton))).collapsed = False
    geometry = new_geometry_node("Circle")
    write_geometry(geometry, circle(CArm(1536, 1000, SIZE, SIZE, 1.6, 1.6), VIEWS))
    image, array = stack.new_stack_image((VIEWS, SIZE, SIZE))
    array[:] = np.random.default_rng(0).random(array.shape, np.float32)
    node = stack.new_stack_node("Projections")
    stack.fill_stack_node(node, image, geometry)
    matrix = np.diag([1.0, 1.0, 1.0, 1.0])
    matrix[:3, 3] = -(SIZE - 1) / 2
    region = slicer.util.addVolumeFromArray(np.zeros((SIZE,) * 3, np.uint8), ijkToRAS=slicer.util.vtkMatrixFromArray(matrix), name="Region")
    p = section.parameters
    p.projectionStack, p.reconstructionRegion, p.reconstructionMethod = node, region, method
    driving.wait_until(lambda: "voxels of" in section.ui.planLabel.text, 60)
    return section


def measure(method, seconds):
    """The line as a dict; the work is cancelled after so many seconds, and its volume kept."""
    from SlicerHost import driving

    section = prepared(method)
    shown, show = [], section._show
    section._show = lambda picture: (shown.append(time.perf_counter()), show(picture))
    driving.process(1.0)
    pulse, start = Pulse(), time.perf_counter()
    driving.click(section.ui.reconstructButton)
    steps = section._work.residuals
    while section.job.running and time.perf_counter() - start < seconds:
        driving.process(0.05)
    done = len(steps)
    if section.job.running:
        driving.click(section.ui.cancelReconstructionButton)
    driving.wait_until(lambda: not section.job.running, 120)
    driving.process(0.5)
    gaps = pulse.stop()
    longest = sorted(gaps, key=lambda beat: -beat[1])[:5]
    message = section.ui.reconstructionMessageLabel.text
    return {"work": "panel", "method": method, "voxels": SIZE ** 3, "views": VIEWS, "steps": done, "pictures": len(shown),
            "longest_gap_s": round(longest[0][1], 3), "most_work_s": round(max(worked for _, _, worked in gaps), 3),
            "longest": [[round(value, 3) for value in beat] for beat in longest],
            "figure": "< 0.3 s", "passes": longest[0][1] < 0.3 and bool(shown), **({"problem": message} if message else {})}


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", default="sirt")
    parser.add_argument("--seconds", type=float, default=40)
    options = parser.parse_args(arguments)
    SlicerHost.start([ROOT / "XRayTomo" / "XRayTomo.py"])
    print(json.dumps(measure(options.method, options.seconds)), flush=True)
    import slicer

    slicer.app.removeTemporaryFiles()
    os._exit(int(bool(SlicerHost.slotErrors)))       # the interpreter's own end would tear Qt and VTK down in no order


if __name__ == "__main__":
    main()
