"""Loads the per-ray functions for a target: the same source, another decorator and number type.

numba caches compiled code beside the source file and does not see changes in functions that a kernel calls. So each variant gets
its own copy of the kernel files in the user's cache, in a folder named by the hash of all of them and of the versions involved.
"""
import hashlib
import importlib.util
import logging
import os
import platform
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np

from .compilers import TargetMissing, cpu_decorator, inner_decorators, no_overlap, undisturbed

LOG = logging.getLogger(__name__)
KERNELS = Path(__file__).with_name("kernels")
PER_RAY = ("frame", "joseph", "siddon", "trilinear", "maximum")
METHODS = ("joseph", "siddon", "trilinear", "maximum")


def cache_folder():
    """Folder for compiled kernels: XRAYTOMO_CACHE, else the user's cache folder."""
    chosen = os.environ.get("XRAYTOMO_CACHE")
    if chosen:
        return Path(chosen)
    home = Path.home()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", home / "AppData" / "Local")) / "XRayTomo"
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "XRayTomo"
    return Path(os.environ.get("XDG_CACHE_HOME", home / ".cache")) / "xraytomo"


def sources_hash():
    """Hash of the kernel files and of what loads and compiles them."""
    import numba
    digest = hashlib.sha256(f"{numba.__version__} {np.__version__} {platform.python_version()} {platform.machine()}".encode())
    for path in (Path(__file__), Path(__file__).with_name("compilers.py"), *sorted(KERNELS.glob("*.py"))):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def variant_folder(name):
    """Folder of this variant's copies of the kernel files, made when it is not there."""
    relative = Path("kernels") / sources_hash() / name
    for base in (cache_folder(), Path(tempfile.gettempdir()) / f"xraytomo-{os.getuid() if hasattr(os, 'getuid') else 'user'}"):
        try:
            folder = base / relative
            folder.mkdir(parents=True, exist_ok=True)
            for path in KERNELS.glob("*.py"):
                _copy(path, folder / path.name)
            return folder
        except OSError as problem:
            LOG.info("compiled kernels cannot be kept in %s (%s); trying the next folder", base, problem)
    raise TargetMissing("there is no writable folder for compiled kernels; set XRAYTOMO_CACHE to one")


def _copy(source, target):
    """Copies a kernel file once, whole or not at all."""
    if not target.exists():
        scratch = target.with_suffix(f".{os.getpid()}.tmp")
        scratch.write_bytes(source.read_bytes())
        os.replace(scratch, target)


@undisturbed
def load_files(folder, names, given):
    """Runs the files one after the other, each with everything known so far put in; returns all their names."""
    known = dict(given)
    for name in names:
        unique = f"xraytomo_kernels_{folder.name.replace('-', '_')}_{name}"
        spec = importlib.util.spec_from_file_location(unique, folder / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[unique] = module
        vars(module).update(known)
        spec.loader.exec_module(module)
        known.update({k: v for k, v in vars(module).items() if not k.startswith("__")})
        if "fetch" not in known and "fetch_number" in known:
            known["fetch"] = known["fetch_coded" if known["coded"] else "fetch_number"]
        if "deposit" not in known and "deposit_alone" in known:
            known["deposit"] = known["deposit_alone"]
    return known


_loaded = {}


def _line_kernels(last):
    """Kernels that work on lines of voxels (float32): frame, lines, separable and, if `last`, backprojection."""
    lanes = has_lanes()
    key = ("lines", last, lanes)
    if key not in _loaded:
        given = {"device": cpu_decorator(), "vector": no_overlap(), **pair_given("float32"), **lane_given(),
                 "real": np.float32, "coded": False, "lanes": lanes}
        files = ("frame", "cpu_pairs", *(("lanes",) if lanes else ()), "lines", last)
        _loaded[key] = load_files(variant_folder(f"cpu-{last}-{'lanes' if lanes else 'plain'}"), files, given)
    return _loaded[key]


def has_lanes():
    """Whether this processor has the permutations of kernels/lanes.py."""
    from llvmlite import binding
    return bool(binding.get_host_cpu_features().get("avx2"))


def lane_given():
    """What kernels/lanes.py, kernels/fibres.py and kernels/windows.py need of numba."""
    from numba.core import cgutils, types
    from numba.extending import intrinsic
    from numba.np.arrayobj import make_array
    return {"intrinsic": intrinsic, "types": types, "make_array": make_array, "declare": cgutils.get_or_insert_function}


def separable_kernels():
    """Names of the kernels of the separable way."""
    return _line_kernels("separable")


def backprojection_kernels():
    """Names of the kernels of voxel-driven backprojection."""
    return _line_kernels("backprojection")


def mesh_kernels():
    """Names of the CPU kernels for triangle meshes: float64, operations as they are written."""
    if "mesh" not in _loaded:
        given = {"device": cpu_decorator(fastmath=False), "real": np.float64, "coded": False}
        _loaded["mesh"] = load_files(variant_folder("cpu-mesh"), ("frame", "mesh"), given)
    return _loaded["mesh"]


def pair_given(real):
    """What kernels/cpu_pairs.py needs: pair_bits(v, i), the 64 bits that begin at v[i] of a float32 array, and whether to use it."""
    from llvmlite import ir
    from numba.core import types
    from numba.extending import intrinsic
    from numba.np.arrayobj import make_array

    @intrinsic
    def pair_bits(typing_context, array, index):
        def generate(context, builder, signature, args):
            data = make_array(array)(context, builder, args[0]).data
            load = builder.load(builder.bitcast(builder.gep(data, [args[1]]), ir.IntType(64).as_pointer()))
            load.align = 4
            return load
        return types.uint64(array, index), generate
    return {"pair_bits": pair_bits, "packed": real == "float32", "inlined": cpu_decorator(inline="always")}


def cpu_kernels(real, coded, method):
    """Names of the CPU kernels for numbers of type `real` ("float32", "float64"), voxels stored as numbers or coded, and a method."""
    key = (real, coded, method)
    if key not in _loaded:
        folder = variant_folder(f"cpu-{real}-{'coded' if coded else 'number'}-{method}")
        given = {**inner_decorators(), **lane_given(), "real": getattr(np, real), "coded": coded}
        rays = load_files(folder, (*PER_RAY, "fibres", "shear", "windows", "cpu_tiles", "cpu_adjoint"), given)
        chosen = {"tile": rays[f"{method}_tile"], "tile_grad": rays[f"{method}_tile_grad"], "tile_adjoint": rays.get(f"{method}_tile_adjoint")}
        _loaded[key] = load_files(folder, ("cpu_drivers",), {**rays, **chosen, "device": cpu_decorator()})
    return _loaded[key]


def cuda_given(real, coded=False):
    """What the loader puts in for NVIDIA GPUs, or for numba's simulator of one (NUMBA_ENABLE_CUDASIM=1)."""
    try:
        from numba import cuda
    except ImportError as problem:
        raise TargetMissing("GPU kernels need the package numba-cuda (pip install numba-cuda)") from problem
    # a live picture is small: numba's advice to give the GPU more work is not for users
    warnings.filterwarnings("ignore", message="Grid size .* under-utilization")
    return {"cuda": cuda, "device": cuda.jit(device=True, fastmath=True), "kernel": cuda.jit(fastmath=True, cache=True),
            "real": getattr(np, real), "coded": coded}


def cuda_kernels(real, coded, method):
    """Names of the GPU kernels, chosen as in cpu_kernels."""
    key = ("cuda", real, coded, method)
    if key not in _loaded:
        given = cuda_given(real, coded)
        folder = variant_folder(f"cuda-{real}-{'coded' if coded else 'number'}-{method}")
        rays = load_files(folder, ("cuda_deposit", *PER_RAY), given)
        chosen = {part: rays.get(f"{method}_{part}") for part in ("pixel", "pixel_grad", "adjoint")}
        _loaded[key] = load_files(folder, ("cuda_drivers",), {**rays, **chosen})
    return _loaded[key]


def cuda_backprojection_kernels():
    """Names of the kernels of voxel-driven backprojection on GPUs (float32)."""
    if "cuda-backprojection" not in _loaded:
        _loaded["cuda-backprojection"] = load_files(variant_folder("cuda-backprojection"), ("cuda_backprojection",), cuda_given("float32"))
    return _loaded["cuda-backprojection"]
