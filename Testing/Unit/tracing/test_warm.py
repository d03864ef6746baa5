"""What the background process compiles is what the first work after it uses."""
import os
import subprocess
import sys
import time
from pathlib import Path

from XRayTomoLib.tracing import warm

ROOT = Path(__file__).resolve().parents[3]
FIRST_RADIOGRAPH = "from XRayTomoLib.tracing import warm; next(warm.works())[1]()"


def compiled(folder):
    """Files of compiled code below the folder."""
    return {path.name for path in folder.rglob("*.nbc")}


def test_a_radiograph_after_the_first_compiles_nothing(tmp_path):
    environment = {**os.environ, "XRAYTOMO_CACHE": str(tmp_path), "PYTHONPATH": str(ROOT)}
    found = []
    for _ in range(2):
        subprocess.run([sys.executable, "-c", FIRST_RADIOGRAPH], env=environment, check=True, timeout=300)
        found.append(compiled(tmp_path))
    assert found[0] and found[1] == found[0]


def test_the_background_process_fills_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XRAYTOMO_CACHE", str(tmp_path))
    process = warm.in_background()
    try:
        while process.poll() is None and not compiled(tmp_path):
            time.sleep(0.2)
        assert compiled(tmp_path)
    finally:
        process.kill()
        process.wait()
