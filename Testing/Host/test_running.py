"""How the tests run: what is missing is said, what went wrong in a slot fails, and the end has the right status."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WITHOUT_A_LIBRARY = """
def pytest_collection(session):
    for plugin in session.config.pluginmanager.get_plugins():
        getattr(plugin, "SYSTEM_LIBRARIES", {})["libmissing.so.9"] = "libmissing9"
"""
TESTS = """
import qt

def test_good(clean_scene):
    assert clean_scene.GetNumberOfNodesByClass("vtkMRMLModelNode") <= 3

def test_with_an_error_in_a_slot(clean_scene):
    qt.QTimer.singleShot(0, lambda: 1 / 0)
"""


def run(folder, *arguments, **environment):
    """pytest in a process of its own; `folder` holds plugins."""
    path = os.pathsep.join([str(folder), str(ROOT)])
    environment = {**os.environ, "CI": "", "PYTHONPATH": path, **environment}
    command = [sys.executable, "-m", "pytest", "-rs", "-p", "no:cacheprovider", "--rootdir", str(ROOT), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, env=environment, check=False)


@pytest.mark.parametrize(("ci", "status"), [("", 5), ("true", 2)])
def test_missing_library_skips_with_the_remedy_and_fails_in_ci(tmp_path, ci, status):
    (tmp_path / "without_a_library.py").write_text(WITHOUT_A_LIBRARY)
    done = run(tmp_path, "-p", "without_a_library", "Testing/Host/test_views.py", CI=ci)
    assert done.returncode == status
    assert "apt-get install libmissing9" in done.stdout
    assert ("1 error" if ci else "1 skipped") in done.stdout


def test_an_error_in_a_slot_fails_its_test_and_the_run(tmp_path):
    (tmp_path / "Host").mkdir()
    (tmp_path / "Host" / "test_slots.py").write_text(TESTS)
    done = run(tmp_path, "-p", "Testing.conftest", str(tmp_path / "Host"))
    assert done.returncode == 1
    assert "2 passed, 1 error" in done.stdout
    assert "ZeroDivisionError" in done.stdout
