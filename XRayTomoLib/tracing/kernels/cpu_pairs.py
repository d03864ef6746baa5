"""Two neighbours in one load: half the gathers of an interpolation.

`pair_bits`, `packed` and `inlined` are put in by targets.py; compiled by themselves the two halves would become two loads again.
"""
from numpy import float32 as f32
from numpy import uint32 as u32
from numpy import uint64 as u64


@inlined
def pair_packed(v, i):
    """v[i] and v[i + 1] of a float32 array (little-endian, as all machines that numba serves)."""
    bits = pair_bits(v, i)
    return u32(bits).view(f32), u32(bits >> u64(32)).view(f32)


@inlined
def pair_plain(v, i):
    """The same for other numbers."""
    return v[i], v[i + 1]


pair = pair_packed if packed else pair_plain
