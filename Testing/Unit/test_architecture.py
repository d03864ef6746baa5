"""The rules of the house that can be read off the source: floors, lazy imports, translations, sizes."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "XRayTomoLib"
MODULE = ROOT / "XRayTomo" / "XRayTomo.py"
SOURCES = sorted(LIBRARY.rglob("*.py"))
PANELS = sorted((LIBRARY / "panels").rglob("*.py"))

FLOORS = {
    "resources": 0, "files": 0, "options": 0, "jobs": 0, "counts": 0, "memory": 0, "geometry": 0, "grids": 0,
    "tracing": 1,
    "physics": 2, "reconstruction": 2, "registration": 2, "calibration": 2, "dynamics": 2, "retrieval": 2, "io": 2,
    "workflows": 3,
    "mrml": 4, "server": 4, "cli": 4, "commands": 4,
    "panels": 5,
}  # fmt: skip
# Within a floor each unit stands alone, but for these: the grids are placed by geometry's transforms, everything may
# report progress, read its data files and keep to the memory's budget, and cli is the front door of the commands.
NEIGHBOURS = {("geometry", "resources"), ("geometry", "files"), ("geometry", "options"), ("geometry", "memory"),
              ("grids", "resources"), ("grids", "geometry"), ("cli", "commands"), ("commands", "cli")}
APPLICATION = {"slicer", "vtk", "qt", "ctk", "fastapi", "uvicorn", "PySide6", "slicer_core"}
ALLOWED_APPLICATION = {"mrml": {"slicer", "vtk"}, "panels": {"slicer", "vtk", "qt", "ctk"}, "server": {"fastapi", "uvicorn"}}
ALLOWED_IN_MODULE = {"slicer", "vtk", "qt", "ctk", "numpy", "scipy", "SimpleITK", "XRayTomoLib"}
HEAVY = {"torch", "numba", "scipy", "SimpleITK", "nrrd", "pydicom", "h5py", "matplotlib", "tqdm"}


def parse(path):
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def absolute(node, path):
    """Dotted names that an import statement of the file `path` brings in."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if node.level == 0:
        return [f"{node.module}.{alias.name}" for alias in node.names]
    package = path.relative_to(ROOT).with_suffix("").parts[: -node.level]
    return [".".join([*package, *filter(None, [node.module]), alias.name]) for alias in node.names]


def imports(path, tree=None):
    nodes = ast.walk(tree or parse(path))
    return [(node.lineno, name) for node in nodes if isinstance(node, (ast.Import, ast.ImportFrom)) for name in absolute(node, path)]


def file_scope_imports(path):
    """Imports that run when the file is imported: everything but what stands in functions and under TYPE_CHECKING."""
    found, waiting = [], list(parse(path).body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            found += [(node.lineno, name) for name in absolute(node, path)]
        elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and not is_type_checking(node):
            waiting += [child for child in ast.iter_child_nodes(node) if isinstance(child, (ast.stmt, ast.ExceptHandler))]
    return found


def is_type_checking(node):
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def unit(path):
    """The part of the house a file belongs to: the folder or module directly under XRayTomoLib."""
    return path.relative_to(LIBRARY).parts[0].removesuffix(".py")


def where(path, line):
    return f"{path.relative_to(ROOT).as_posix()}:{line}"


def top(name):
    return name.partition(".")[0]


def test_every_part_has_a_floor():
    assert {unit(path) for path in SOURCES} - {"__init__"} <= set(FLOORS)


def test_imports_go_down_the_floors():
    wrong = []
    for path in SOURCES:
        here = unit(path)
        for line, name in imports(path):
            if not name.startswith("XRayTomoLib.") or here == "__init__":
                continue
            there = name.split(".")[1]
            allowed = there == here or there.startswith("__") or (here, there) in NEIGHBOURS or FLOORS[there] < FLOORS[here]
            if not allowed:
                wrong.append(f"{where(path, line)} imports {name}")
    assert not wrong


def test_package_imports_nothing_eagerly():
    assert file_scope_imports(LIBRARY / "__init__.py") == []


def test_application_is_imported_by_its_floors_alone():
    wrong = []
    for path in SOURCES:
        forbidden = APPLICATION - ALLOWED_APPLICATION.get(unit(path), set())
        wrong += [f"{where(path, line)} imports {name}" for line, name in imports(path) if top(name) in forbidden]
    assert not wrong


def test_numba_is_imported_by_the_compiled_targets_alone_and_lazily():
    wrong = []
    for path in SOURCES:
        eager = {line for line, name in file_scope_imports(path) if top(name) == "numba"}
        lines = [line for line, name in imports(path) if top(name) == "numba"]
        wrong += [where(path, line) for line in lines if unit(path) != "tracing" or line in eager]
    assert not wrong


def test_geometry_and_grids_do_without_heavy_packages_at_import():
    files = [path for path in SOURCES if FLOORS.get(unit(path)) == 0]
    wrong = [f"{where(path, line)} imports {name}" for path in files for line, name in file_scope_imports(path) if top(name) in HEAVY]
    assert not wrong


def test_module_imports_only_what_slicer_ships():
    allowed = ALLOWED_IN_MODULE | set(sys.stdlib_module_names)
    assert [f"{where(MODULE, line)} imports {name}" for line, name in file_scope_imports(MODULE) if top(name) not in allowed] == []


def test_module_reaches_no_heavy_package_at_import():
    """Follows the library's own imports from XRayTomo.py: Slicer starts with every module, so none may load torch."""
    waiting, seen, wrong = [MODULE], set(), []
    while waiting:
        path = waiting.pop()
        for line, name in file_scope_imports(path):
            if top(name) in {"torch", "numba", "nrrd", "pydicom", "h5py", "matplotlib", "tqdm"}:
                wrong.append(f"{where(path, line)} imports {name}")
            for file in set(module_files(name)) - seen:
                seen.add(file)
                waiting.append(file)
    assert not wrong


def module_files(name):
    """Files of the library that run when the dotted `name` is imported: its packages and itself."""
    parts = name.split(".")
    if parts[0] != "XRayTomoLib":
        return []
    stems = [ROOT.joinpath(*parts[: i + 1]) for i in range(len(parts))]
    return [file for stem in stems for file in (stem / "__init__.py", stem.with_suffix(".py")) if file.is_file()]


def calls(paths):
    return [(path, node) for path in paths for node in ast.walk(parse(path)) if isinstance(node, ast.Call)]


@pytest.mark.skipif(not PANELS, reason="no panels yet")
def test_qt_constructors_get_no_keyword_arguments():
    """PythonQt rejects them, PySide6 takes them: a panel that uses them works in the host alone."""
    wrong = [
        where(path, call.lineno)
        for path, call in calls([*PANELS, MODULE])
        if isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name) and call.keywords
        and (call.func.value.id in {"qt", "ctk"} or (call.func.value.id == "slicer" and call.func.attr.startswith(("qMRML", "qSlicer"))))
    ]  # fmt: skip
    assert not wrong


@pytest.mark.skipif(not PANELS, reason="no panels yet")
def test_translated_texts_are_literals():
    wrong = [
        where(path, call.lineno)
        for path, call in calls([*SOURCES, MODULE])
        if isinstance(call.func, ast.Name) and call.func.id == "_"
        and not (call.args and isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, str))
    ]  # fmt: skip
    assert not wrong


def test_no_file_is_too_long_to_be_seen_whole():
    files = [*SOURCES, MODULE, *sorted((ROOT / "Testing").rglob("*.py"))]
    lengths = {path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    assert {name: length for name, length in lengths.items() if length > 500} == {}


def test_no_bare_except():
    files = [*SOURCES, MODULE]
    handlers = [(path, node) for path in files for node in ast.walk(parse(path)) if isinstance(node, ast.ExceptHandler)]
    assert [where(path, node.lineno) for path, node in handlers if node.type is None] == []
