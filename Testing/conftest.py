"""What all tests share: paths, and the stand-in application for the folders that need it (Host, Mrml, Gui)."""

import ctypes
import importlib.util
import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULE = ROOT / "XRayTomo" / "XRayTomo.py"
FOLDERS_WITH_APPLICATION = {"Host", "Mrml", "Gui"}
SYSTEM_LIBRARIES = {
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libfontconfig.so.1": "libfontconfig1",
    "libdbus-1.so.3": "libdbus-1-3",
}
_status = pytest.StashKey[int]()

for folder in (ROOT / "XRayTomo", ROOT / "Testing", ROOT):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def missing_for_application():
    """One sentence with the command that installs what the application lacks; None when nothing is missing."""
    packages = [name for name in ("slicer_core", "vtk", "PySide6") if importlib.util.find_spec(name) is None]
    if packages:
        return f"{', '.join(packages)} missing: pip install -c constraints.txt -e '.[app,test]'"
    if not sys.platform.startswith("linux"):
        return None
    libraries = [package for library, package in SYSTEM_LIBRARIES.items() if not _loads(library)]
    return f"system libraries missing: sudo apt-get install {' '.join(libraries)}" if libraries else None


def _loads(library):
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


class UnavailableModule(pytest.Module):
    """A test file that needs the application where it cannot run: skipped with the remedy, an error in continuous integration."""

    def collect(self):
        reason = missing_for_application()
        if os.environ.get("CI"):
            raise self.CollectError(reason)
        pytest.skip(reason, allow_module_level=True)


def pytest_pycollect_makemodule(module_path, parent):
    """Lets test files say `import qt, ctk, slicer` at their top, as in Slicer."""
    if FOLDERS_WITH_APPLICATION.isdisjoint(module_path.parts):
        return None
    if missing_for_application():
        return UnavailableModule.from_parent(parent, path=module_path)
    import SlicerHost

    SlicerHost.install()
    return None


@pytest.fixture(scope="session")
def slicer_app():
    """slicer.app with its main window and the module XRayTomo; one for all tests, as starting takes two seconds."""
    import SlicerHost

    return SlicerHost.start([MODULE] if MODULE.exists() else [])


@pytest.fixture
def clean_scene(slicer_app):
    """An empty scene before and after the test, and no exception in a slot or an observer."""
    import slicer
    from SlicerHost import driving, slotErrors

    assert slotErrors == [], "an exception in a slot or an observer before the test"
    slicer.mrmlScene.Clear(0)
    driving.process()
    yield slicer.mrmlScene
    driving.process()
    slicer.mrmlScene.Clear(0)
    driving.process()
    errors = list(slotErrors)
    slotErrors.clear()
    assert errors == [], "an exception in a slot or an observer:\n" + "\n".join(errors)


def pytest_sessionfinish(session, exitstatus):
    session.config.stash[_status] = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config):
    """Ends at once when the application ran: the interpreter's own end would tear Qt and VTK down in no order."""
    slicer = sys.modules.get("slicer")
    if hasattr(slicer, "app") and _status in config.stash:
        slicer.app.removeTemporaryFiles()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(config.stash[_status])
