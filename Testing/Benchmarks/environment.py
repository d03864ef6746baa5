"""The environment of the peers: a virtual environment of its own, nothing in it is needed by XRayTomo."""
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
CONSTRAINTS = HERE.parents[1] / "constraints.txt"
OURS = ["torch", "numpy", "scipy", "numba", "simpleitk", "pynrrd", "tqdm"]


def make(folder):
    """Creates the environment in `folder`, or brings it up to date."""
    venv.create(folder, with_pip=True)
    pip = [str(python_in(folder)), "-m", "pip", "install", "--quiet"]
    # torch goes first, in the tested version; the peers come without dependencies, or they would draw another one.
    subprocess.run([*pip, "-c", str(CONSTRAINTS), *OURS], check=True)
    subprocess.run([*pip, "--no-deps", "-r", str(HERE / "requirements.txt")], check=True)
    return 0


def python_in(folder):
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def interpreter(folder, needed):
    """Path of the environment's Python. Where there is none: this one if no peer is `needed`, else an end with the remedy."""
    python = python_in(folder)
    if python.exists():
        return str(python)
    if needed:
        raise SystemExit(f"{folder}: there is no environment of the peers; make it with: python Testing/Benchmarks/run.py setup")
    return sys.executable
