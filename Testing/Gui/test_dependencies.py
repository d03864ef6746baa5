"""What happens round the installation of packages in the panel."""
import pytest

from XRayTomoLib.panels import dependencies
from XRayTomoLib.tracing import warm


@pytest.mark.parametrize(("before", "accepted", "started"), [(set(), True, 1), (set(), False, 0), ({"numba"}, True, 0)])
def test_kernels_are_compiled_in_the_background_after_numba_came(monkeypatch, before, accepted, started):
    present, starts = {"torch", *before}, []
    monkeypatch.setattr(dependencies, "isPresent", present.__contains__)
    monkeypatch.setattr(dependencies, "_offerNumba", lambda: present.add("numba") if accepted else None)
    monkeypatch.setattr(warm, "in_background", lambda: starts.append(1))
    assert dependencies.offer()
    assert len(starts) == started
