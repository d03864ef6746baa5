"""The module as Slicer's own tests load it: without a main window, and its self test."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def slicer_without_window(code):
    command = [sys.executable, "-m", "SlicerHost", "--testing", "--no-main-window", "--additional-module-paths", str(ROOT / "XRayTomo")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "Testing"), os.environ.get("PYTHONPATH", "")])}
    return subprocess.run([*command, "--python-code", code], capture_output=True, text=True, env=environment, timeout=240, check=False)


@pytest.mark.parametrize(
    "code",
    [
        "widget = slicer.util.getModuleWidget('XRayTomo'); assert widget.parameterNode is not None; widget.cleanup()",
        "slicer.modules.XRayTomoInstance.runTest()",
    ],
    ids=["panel", "self test"],
)
def test_module_without_main_window(code):
    done = slicer_without_window(f"import slicer; {code}; print('finished')")
    assert done.returncode == 0, done.stderr[-3000:]
    assert "finished" in done.stdout
