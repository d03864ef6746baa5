"""The files that the extension installs, as CMake's list: `python Testing/Slicer/list_sources.py --write` after adding one."""

import argparse
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIST = ROOT / "sources.cmake"


def installed_files() -> tuple[list[str], list[str]]:
    """Python files of the library, and the data files of the library and of Resources, relative to the repository."""
    found = [p for folder in ("XRayTomoLib", "Resources") for p in sorted((ROOT / folder).rglob("*")) if p.is_file()]
    names = [p.relative_to(ROOT).as_posix() for p in found if "__pycache__" not in p.parts and not p.name.startswith(".")]
    scripts = [name for name in names if name.startswith("XRayTomoLib/") and name.endswith(".py")]
    return scripts, [name for name in names if name not in scripts]


def cmake_list() -> str:
    scripts, resources = installed_files()
    parts = ["# Written by Testing/Slicer/list_sources.py --write; a test compares it with the folders.\n"]
    for variable, names in (("XRAYTOMO_SCRIPTS", scripts), ("XRAYTOMO_RESOURCES", resources)):
        parts.append("\n".join([f"set({variable}", *(f'  "{name}"' for name in names), "  )\n"]))
    return "\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"write {LIST.name} instead of printing it")
    if parser.parse_args().write:
        LIST.write_text(cmake_list(), encoding="utf-8", newline="\n")
    else:
        print(cmake_list(), end="")


if __name__ == "__main__":
    main()
