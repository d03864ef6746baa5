"""Compiles the CUDA target's kernels to PTX for compute capability 7.5, which needs numba-cuda but no GPU; prints a line for each."""
from types import SimpleNamespace

import numba.cuda.dispatcher
from numba import cuda, types

from XRayTomoLib.tracing.targets import METHODS, cuda_backprojection_kernels, cuda_kernels

CAPABILITY = (7, 5)
# device functions ask the present GPU what to compile for
numba.cuda.dispatcher.get_current_device = lambda: SimpleNamespace(compute_capability=CAPABILITY)


def array(number, axes):
    return types.Array(number, axes, "C")


def signatures(number, voxel):
    """Argument types of the kernels for results of type `number` and voxels of type `voxel`."""
    size, metric = (types.int64,) * 3, types.UniTuple(types.float64, 6)
    volume = (array(voxel, 2), array(types.float32, 1), *size, metric, types.float64)
    spread = (array(number, 2), array(number, 4), *size, metric, types.float64)
    rays = array(types.float64, 3)
    return {
        "bundle_forward": (*volume, array(number, 4), rays, types.int64),
        "listed_forward": (*volume, array(number, 2), rays),
        "bundle_jacobian": (*volume, array(number, 5), rays, types.int64),
        "listed_jacobian": (*volume, array(number, 3), rays),
        "bundle_adjoint": (*spread, rays, types.int64),
        "listed_adjoint": (array(number, 2), array(number, 2), *spread[2:], rays),
        "listed_subgradient": (*volume[:2], array(number, 2), array(number, 2), *size, rays),
    }


def wanted(method, coded):
    """Names of the kernels that a variant uses."""
    adjoint = "subgradient" if method == "maximum" else "adjoint"
    names = [f"{layout}_{work}" for layout in ("bundle", "listed") for work in ("forward", "jacobian", adjoint)]
    return [n for n in names if n != "bundle_subgradient" and not (coded and n.endswith("_adjoint"))]


def show(name, kernel, signature):
    ptx = cuda.compile_ptx(kernel.py_func, signature, cc=CAPABILITY, fastmath=True)[0]
    print(name, ".target sm_75" in ptx, "atom." in ptx or "red." in ptx, ".f64" in ptx)


for method in METHODS:
    for real, coded in (("float32", False), ("float64", False), ("float32", True)):
        number = getattr(types, real)
        kernels, known = cuda_kernels(real, coded, method), signatures(number, types.uint16 if coded else number)
        for name in wanted(method, coded):
            show(f"{method}/{real}/{'coded' if coded else 'number'}/{name}", kernels[name], known[name])
stack = array(types.float32, 3)
show("backproject", cuda_backprojection_kernels()["backproject"], (stack, stack, stack, types.boolean))
