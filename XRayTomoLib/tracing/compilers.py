"""numba's decorators for CPU kernels and for the functions that they alone call.

numba makes every function fit to be called by itself: optimised, in machine code, kept on disk. What kernels alone call is linked into them
and optimised there once more, so this is waste, a quarter of the time to the first radiograph. No option leaves it out; the class Linked
does, by names that numba does not publish, in the versions in which it was tried. Others compile in the ordinary way.
"""
import gc
import logging
import threading
from contextlib import contextmanager
from functools import cache, wraps

LOG = logging.getLogger(__name__)
TRIED = ("0.61", "0.62", "0.63", "0.64", "0.65", "0.66", "0.67", "0.68")


class TargetMissing(ImportError):
    """A target that cannot run here; the message says what would have to be installed."""


_pauses, _lock, _resume = 0, threading.Lock(), False


def undisturbed(function):
    """The function, called as numba loads and compiles fastest: without Python's garbage collector, which would go through numba's many objects
    for nothing, and on a stack of one piece. Python 3.11 and later keep frames in pieces of 16 KiB, and a loop that calls across the end
    of one maps and unmaps memory at every call: up to 138,000 times in the first radiograph. A frame of 1 MiB gets a piece of 2 MiB."""
    @wraps(function)
    def call(*args, **options):
        with _collection_paused():
            return function(*args, **options)
    call.__code__ = call.__code__.replace(co_stacksize=1 << 17)
    return call


@contextmanager
def _collection_paused():
    global _pauses, _resume
    with _lock:
        _resume = gc.isenabled() if _pauses == 0 else _resume
        _pauses += 1
    try:
        gc.disable()
        yield
    finally:
        with _lock:
            _pauses -= 1
            if _pauses == 0 and _resume:
                gc.enable()


def awaits_compilation(kernel):
    """Whether the kernel is numba's and was not called yet."""
    return getattr(kernel, "signatures", None) == []


@undisturbed
def load_numba():
    """The package numba; where it is missing TargetMissing says so."""
    try:
        import numba
    except ImportError as problem:
        raise TargetMissing("the fast CPU kernels need the package numba (pip install numba)") from problem
    return numba


def cpu_decorator(fastmath=True, cache=True, **options):
    """For CPU kernels: no interpreter lock, cached on disk; without numba's memory manager, whose atomic counting of every slice costs more
    than many slices' work and makes threads wait for each other: kernels allocate nothing and copy no array to another."""
    return load_numba().njit(fastmath=fastmath, nogil=True, error_model="numpy", cache=cache, _nrt=False, **options)


def inner_decorators():
    """For functions that kernels alone call: {"device": as they are, "inlined": put into their callers before types are known, "vector": told
    that array arguments do not overlap (C's `restrict`)}."""
    library = _linked()
    compilers = {"device": _compiler(library, False), "vector": _compiler(library, True)}
    inner = {name: cpu_decorator(cache=False, no_cpython_wrapper=True, pipeline_class=compiler) for name, compiler in compilers.items()}
    return {**inner, "inlined": cpu_decorator(cache=False, no_cpython_wrapper=True, inline="always")}


def no_overlap():
    """For kernels whose array arguments do not overlap."""
    return cpu_decorator(pipeline_class=_compiler(None, True))


def _compiler(library, noalias):
    """numba's ordinary compiler with these changes; library: a class, or None for numba's own; noalias: array arguments do not overlap."""
    from numba.core.compiler import CompilerBase, DefaultPassBuilder

    class Compiler(CompilerBase):
        def define_pipelines(self):
            if library is not None:
                self.state.library = library(self.state.targetctx.codegen(), self.state.func_id.func_qualname)
            if noalias:
                self.state.flags.noalias = True
            return [DefaultPassBuilder.define_nopython_pipeline(self.state)]
    return Compiler


@cache
def _linked():
    """The class of code that is only ever linked into other code, or None where it was not tried."""
    if (version := load_numba().__version__).rpartition(".")[0] not in TRIED:
        LOG.info("numba %s: kernels compile in the ordinary way, a few seconds slower", version)
        return None
    from llvmlite import binding
    from numba.core.codegen import JITCodeLibrary

    class Linked(JITCodeLibrary):
        def _optimize_final_module(self):
            pass

        def _finalize_final_module(self):
            """Gives numba the place of the function's environment, which it wants to fill, and no code."""
            places = (str(variable) for variable in self._final_module.global_variables if variable.name.startswith("_ZN08NumbaEnv"))
            self._places = binding.parse_assembly("\n".join(places))
            self._codegen._add_module(self._places)
            self._finalized = True

        def get_pointer_to_function(self, name):
            self._ensure_finalized()
            return 0
    return Linked
