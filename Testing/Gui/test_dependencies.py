"""What happens round the installation of packages in the panel."""
import sys
from pathlib import Path

import pytest
import slicer
import tomllib

from XRayTomoLib.panels import dependencies
from XRayTomoLib.tracing import warm

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(("before", "accepted", "started"), [(set(), True, 1), (set(), False, 0), ({"numba"}, True, 0)])
def test_kernels_are_compiled_in_the_background_after_numba_came(monkeypatch, before, accepted, started):
    present, starts = {"torch", *before}, []
    monkeypatch.setattr(dependencies, "isPresent", present.__contains__)
    monkeypatch.setattr(dependencies, "_offerNumba", lambda: present.add("numba") if accepted else None)
    monkeypatch.setattr(warm, "in_background", lambda: starts.append(1))
    assert dependencies.offer()
    assert len(starts) == started


def test_older_slicers_are_asked_for_the_same_numba(monkeypatch):
    installed = []
    monkeypatch.setitem(sys.modules, "slicer.packaging", None)
    monkeypatch.delattr(slicer, "packaging", raising=False)
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda *_args, **_options: True)
    monkeypatch.setattr(slicer.util, "pip_install", installed.append, raising=False)
    dependencies._offerNumba()
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]["fast"]
    assert len(installed) == 1 and all(line.startswith(installed[0]) for line in wanted)
