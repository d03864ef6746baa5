"""How kernels come to be compiled: undisturbed, and in the ordinary way where numba is another one."""
import gc
import logging
from functools import cache

import pytest
from Unit.tracing.scenes import GRIDS, VIEWS, noise, relative

from XRayTomoLib.tracing import Projector, compilers, targets
from XRayTomoLib.tracing.compilers import undisturbed


def test_collection_pauses_and_resumes():
    """Also inside another, after an error, and where it was off before."""
    assert gc.isenabled()
    assert undisturbed(lambda: undisturbed(gc.isenabled)() or gc.isenabled())() is False and gc.isenabled()
    with pytest.raises(ZeroDivisionError):
        undisturbed(lambda: 1 / 0)()
    assert gc.isenabled()
    gc.disable()
    try:
        undisturbed(lambda: None)()
        assert not gc.isenabled()
    finally:
        gc.enable()


def leaf():
    return None


def calls_at(depth):
    """Fifty calls from so many frames down."""
    if depth:
        return calls_at(depth - 1)
    for _ in range(50):
        leaf()
    return None


def test_calls_at_no_depth_map_memory():
    """A piece of the stack ends at some of these depths: fifty calls across its end would touch fifty new pages."""
    resource = pytest.importorskip("resource", reason="page faults are counted on Unix alone")

    def faults():
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for depth in range(400):
            calls_at(depth)
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    undisturbed(faults)()               # the stack's own pages
    assert undisturbed(faults)() < 100


@pytest.mark.parametrize("tried", [compilers.TRIED, ()])
def test_another_numba_compiles_in_the_ordinary_way(tried, monkeypatch, tmp_path, caplog):
    numba = pytest.importorskip("numba", reason="the CPU kernels need numba")
    monkeypatch.setenv("XRAYTOMO_CACHE", str(tmp_path))
    monkeypatch.setattr(targets, "_loaded", {})
    monkeypatch.setattr(compilers, "TRIED", tried)
    monkeypatch.setattr(compilers, "_linked", cache(compilers._linked.__wrapped__))
    ordinary = numba.__version__.rpartition(".")[0] not in tried
    if ordinary:
        monkeypatch.delattr("numba.core.codegen.JITCodeLibrary")        # whatever the other numba may have renamed
    grid, views, x = GRIDS["oblique"], VIEWS["flat"], noise(GRIDS["oblique"])
    with caplog.at_level(logging.INFO, compilers.__name__):
        found = Projector(grid, views, "maximum", backend="cpu")(x)
        Projector(grid, views, "siddon", backend="cpu")(x)
    assert caplog.text.count("ordinary way") == ordinary            # once, however many kernels
    assert relative(found, Projector(grid, views, "maximum", backend="torch")(x)) < 1e-6
    assert len(list(tmp_path.rglob("*.nbc"))) == 2          # the kernels alone are kept
