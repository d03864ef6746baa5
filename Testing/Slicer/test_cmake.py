"""The extension configures, builds, installs and passes its tests on a stand-in for Slicer's build tree."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from Slicer.list_sources import LIST, ROOT, cmake_list, installed_files

STUB = Path(__file__).parent / "Stub"
MODULES = "lib/Slicer/qt-scripted-modules"
SEARCH_PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])


def run(*command, **options):
    process = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=600, **options)
    assert process.returncode == 0, f"{' '.join(map(str, command))}\n{process.stdout[-8000:]}\n{process.stderr[-8000:]}"
    return process.stdout


def extension_variables():
    return dict(re.findall(r'^set\(EXTENSION_(\w+) "([^"]*)"\)$', (ROOT / "CMakeLists.txt").read_text(encoding="utf-8"), re.M))


@pytest.fixture(scope="module")
def cmake():
    if not any(shutil.which(name) for name in ("cc", "gcc", "clang", "cl")):
        pytest.skip("no C compiler, which CMake's project() looks for: apt-get install gcc g++")
    tools = {name: shutil.which(name, path=SEARCH_PATH) for name in ("cmake", "ctest")}
    assert all(tools.values()), f"{tools}: install the extra 'test' (pip install -c constraints.txt -e .[test])."
    return tools


@pytest.fixture(scope="module")
def build(cmake, tmp_path_factory):
    folder = tmp_path_factory.mktemp("build")
    run(cmake["cmake"], "-S", ROOT, "-B", folder, f"-DSlicer_DIR={STUB}", f"-DPython3_EXECUTABLE={sys.executable}")
    run(cmake["cmake"], "--build", folder)
    return folder


def test_every_file_is_listed():
    assert LIST.read_text(encoding="utf-8") == cmake_list(), "run: python Testing/Slicer/list_sources.py --write"


def test_catalogue_entry_agrees_with_cmake():
    entry = json.loads((ROOT / "XRayTomo.json").read_text(encoding="utf-8"))
    variables = extension_variables()
    assert "project(XRayTomo)" in (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    assert entry["build_dependencies"] == variables["DEPENDS"].split()
    assert variables["HOMEPAGE"].startswith(entry["scm_url"].removesuffix(".git"))


@pytest.mark.parametrize("variable", ["ICONURL", "SCREENSHOTURLS"])
def test_pictures_of_the_catalogue_exist(variable):
    for url in extension_variables()[variable].split():
        assert (ROOT / url.partition("/main/")[2]).is_file(), url


def test_installed_tree_is_complete_and_finds_its_resources(cmake, build, tmp_path):
    run(cmake["cmake"], "--install", build, "--prefix", tmp_path)
    modules = tmp_path / MODULES
    scripts, resources = installed_files()
    expected = {"XRayTomo.py", *scripts, *resources}
    assert {path.relative_to(modules).as_posix() for path in modules.rglob("*") if path.is_file()} == expected
    code = "import sys; sys.path.insert(0, sys.argv[1]); from XRayTomoLib.resources import resource_path; print(resource_path('Presets'))"
    assert Path(run(sys.executable, "-c", code, modules, cwd=tmp_path).strip()) == (modules / "Resources/Presets").resolve()


def test_ctest_passes_in_the_host(cmake, build):
    output = run(cmake["ctest"], "--test-dir", build, "--output-on-failure", "--no-tests=error")
    for name in ("py_nomainwindow_qSlicerXRayTomoModuleGenericTest", "py_XRayTomo", "py_library_beside_module"):
        assert re.search(rf"{name} \.+ +Passed", output), output
