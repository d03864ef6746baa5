"""The data files are found in the source tree, in a wheel and in the flat layout of Slicer's build and installed extensions."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from XRayTomoLib.resources import resource_path

ROOT = Path(__file__).resolve().parents[2]
DATA = {path.relative_to(ROOT).as_posix() for path in (ROOT / "Resources").rglob("*") if path.is_file()}


def found_from(folder, working_directory):
    """Where a fresh Python that imports the package from `folder` finds the presets."""
    code = "import sys; sys.path.insert(0, sys.argv[1]); from XRayTomoLib.resources import resource_path as p; print(p('Presets/devices'))"
    process = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True, cwd=working_directory)
    return Path(process.stdout.strip())


def test_source_tree():
    assert resource_path("Presets/devices") == ROOT / "Resources/Presets/devices"


def test_beside_the_package_as_in_slicer(tmp_path):
    shutil.copytree(ROOT / "XRayTomoLib", tmp_path / "modules/XRayTomoLib", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "Resources", tmp_path / "modules/Resources")
    assert found_from(tmp_path / "modules", tmp_path) == (tmp_path / "modules/Resources/Presets/devices").resolve()


def test_wheel(tmp_path):
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", tmp_path, ROOT]
    subprocess.run(command, capture_output=True, text=True, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        archive.extractall(tmp_path / "site")
    scripts = {path.relative_to(ROOT).as_posix() for path in (ROOT / "XRayTomoLib").rglob("*.py")}
    assert names == scripts | {f"XRayTomoLib/{name}" for name in DATA}
    assert found_from(tmp_path / "site", tmp_path) == (tmp_path / "site/XRayTomoLib/Resources/Presets/devices").resolve()


def test_missing_resource_is_named():
    with pytest.raises(FileNotFoundError, match="'Presets/none.json' is at none of .*install XRayTomo again"):
        resource_path("Presets/none.json")
