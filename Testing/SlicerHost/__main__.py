"""Slicer's command line on the host, so that it is the launcher of an extension's tests: python -m SlicerHost [options]."""

import argparse
import os
import runpy
import sys
import traceback
from pathlib import Path

import SlicerHost


def parse(arguments):
    parser = argparse.ArgumentParser("Slicer")
    for flag in ("--no-splash", "--testing", "--no-main-window", "--disable-cli-modules", "--disable-modules"):
        parser.add_argument(flag, action="store_true")
    parser.add_argument("--additional-module-paths", "--additional-module-path", nargs="+", default=[], action="extend")
    parser.add_argument("--python-code")
    parser.add_argument("--python-script", nargs=argparse.REMAINDER)
    return parser.parse_known_args(arguments)[0]


def scriptedModules(folders):
    """The files Name.py that hold a class Name, as Slicer takes them from its module paths."""
    files = [file for folder in folders for file in sorted(Path(folder).glob("*.py"))]
    return list(dict.fromkeys(file for file in files if f"class {file.stem}(" in file.read_text(encoding="utf-8")))


def main(arguments):
    options = parse(arguments)
    app = SlicerHost.start(scriptedModules(options.additional_module_paths), options.testing, not options.no_main_window)
    if options.python_code:
        exec(options.python_code, {"__name__": "__main__"})
    elif options.python_script:
        sys.argv = options.python_script
        runpy.run_path(sys.argv[0], run_name="__main__")
    else:
        return app.exec()
    return 0


def exitStatus(arguments):
    try:
        return main(arguments)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(bool(end.code))
    except Exception:
        traceback.print_exc()
        return 1


if __name__ == "__main__":
    status = exitStatus(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status or int(bool(SlicerHost.slotErrors)))  # the interpreter's own end would tear Qt and VTK down in no order
