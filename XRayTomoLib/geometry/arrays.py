"""Geometry works on numpy arrays and, where gradients are wanted, on torch tensors, without importing torch by itself."""
import sys

import numpy as np


class GeometryError(ValueError):
    """A source, detector, trajectory or pose that cannot be."""


def is_tensor(value):
    # another thread may be importing torch just now: then there is no Tensor yet, and no value can be one
    return isinstance(value, getattr(sys.modules.get("torch"), "Tensor", ()))


def namespace(*values):
    """torch if one of the values is a tensor, else numpy."""
    return sys.modules["torch"] if any(map(is_tensor, values)) else np


def float64(value, xp=np):
    """`value` as a float64 array of the namespace `xp` (on a tensor: the gradient is kept)."""
    if xp is np:
        return np.asarray(value, np.float64)
    return xp.as_tensor(value, dtype=xp.float64)


def to_numpy(value):
    return value.detach().cpu().numpy() if is_tensor(value) else np.asarray(value)


def cross(a, b):
    """Cross product over the last axis, of arrays and tensors alike, with broadcasting."""
    xp = namespace(a, b)
    ax, ay, az = a[..., 0], a[..., 1], a[..., 2]
    bx, by, bz = b[..., 0], b[..., 1], b[..., 2]
    return xp.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], -1)


def norm(a):
    """Euclidean length over the last axis."""
    if not is_tensor(a):
        return (a * a).sum(-1) ** 0.5
    # torch's root would wake its threads for 2048 numbers, and these wait on a processor that the kernels' threads want
    return sys.modules["torch"].linalg.vector_norm(a if a.is_floating_point() else a.double(), dim=-1)


def unit(a):
    return a / norm(a)[..., None]
