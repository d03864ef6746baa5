"""Linear interpolation along a line of float32, eight lanes at a time, without gathers.

A gather costs several times what the rest of an interpolation does. Where eight results lie within a few numbers of the line, two loads
hold all of their neighbours, and a permutation of the register picks them. numba has no vectors, so these few operations are written in
LLVM's own language. They need AVX2; lines.py says the same in plain loops, for other processors and wider steps.

`intrinsic`, `types`, `make_array`, `declare` are numba's, put in by targets.py. Result i = 0..7 lies at first + i step of the line, which
is read up to BEYOND numbers farther; results from `count` on add nothing, but all eight places must be there. `first` and `stride` (the step)
are whole numbers of 2^-32: exact along the longest line, and cheaper than float32.
"""
from llvmlite import ir

EIGHT = 8
BEYOND = 24
FRACTION = 32
FLOAT, INT, LONG = ir.FloatType(), ir.IntType(32), ir.IntType(64)
FLOATS, INTS = ir.VectorType(FLOAT, EIGHT), ir.VectorType(INT, EIGHT)
LANES = ir.Constant(INTS, list(range(EIGHT)))
ZEROS = ir.Constant(FLOATS, [0.0] * EIGHT)
FAST = ("fast",)


def in_all(builder, scalar, vector=FLOATS):
    """The scalar in every lane."""
    empty = ir.Constant(vector, ir.Undefined)
    return builder.shuffle_vector(builder.insert_element(empty, scalar, INT(0)), empty, ir.Constant(INTS, [0] * EIGHT))


def load_eight(builder, pointer):
    value = builder.load(builder.bitcast(pointer, FLOATS.as_pointer()))
    value.align = 4
    return value


def pick(builder, pointer, places):
    """pointer[places], places 0..7, in each lane."""
    permute = declare(builder.module, ir.FunctionType(FLOATS, [FLOATS, INTS]), "llvm.x86.avx2.permps")
    return builder.call(permute, [load_eight(builder, pointer), places])


def add_to(builder, pointer, value, count):
    """pointer[i] += value[i], i < count."""
    here = builder.icmp_signed("<", LANES, in_all(builder, count, INTS))
    total = builder.fadd(load_eight(builder, pointer), builder.select(here, value, ZEROS), flags=FAST)
    builder.store(total, builder.bitcast(pointer, FLOATS.as_pointer())).align = 4


def split(builder, line, first, stride, step, lanes, last):
    """The whole numbers of first + lanes * step less the least of them, the fractions, and where the line has that least."""
    back = builder.select(builder.icmp_signed("<", stride, LONG(0)), builder.mul(stride, LONG(last)), LONG(0))
    base = builder.ashr(builder.add(first, back), LONG(FRACTION))
    start = builder.sitofp(builder.sub(first, builder.shl(base, LONG(FRACTION))), FLOAT)
    start = builder.fmul(start, FLOAT(2.0 ** -FRACTION), flags=FAST)
    along = builder.fmul(ir.Constant(FLOATS, [float(i) for i in lanes]), in_all(builder, step), flags=FAST)
    place = builder.fadd(in_all(builder, start), along, flags=FAST)
    whole = builder.fptosi(place, INTS)
    return whole, builder.fsub(place, builder.sitofp(whole, FLOATS), flags=FAST), builder.gep(line, [base])


def near(builder, line, first, stride, step):
    """Left and right neighbours and the fractions, |step| <= 1: one permutation of two loads."""
    whole, part, pointer = split(builder, line, first, stride, step, range(EIGHT), EIGHT - 1)
    return pick(builder, pointer, whole), pick(builder, builder.gep(pointer, [LONG(1)]), whole), part


def wide(builder, line, first, stride, step):
    """The same for |step| < 2: each load has the neighbours of four."""
    right, halves = ir.Constant(INTS, [0] * 4 + [1] * 4), []
    for begin in (first, builder.add(first, builder.mul(stride, LONG(4)))):
        whole, part, pointer = split(builder, line, begin, stride, step, [0, 1, 2, 3] * 2, 3)
        halves.append((pick(builder, pointer, builder.add(whole, right)), part))
    (one, part_one), (two, part_two) = halves
    part = builder.shuffle_vector(part_one, part_two, ir.Constant(INTS, [0, 1, 2, 3, 12, 13, 14, 15]))
    return (builder.shuffle_vector(one, two, ir.Constant(INTS, [0, 1, 2, 3, 8, 9, 10, 11])),
            builder.shuffle_vector(one, two, ir.Constant(INTS, [4, 5, 6, 7, 12, 13, 14, 15])), part)


def sampler(neighbours):
    @intrinsic
    def add_eight(typing_context, acc, r, count, line, first, stride, step):
        """acc[r + i] += line(first + i step)."""
        def generate(context, builder, signature, args):
            to, source = (make_array(signature.args[i])(context, builder, args[i]).data for i in (0, 3))
            left, right, part = neighbours(builder, source, *args[4:])
            rise = builder.fmul(part, builder.fsub(right, left, flags=FAST), flags=FAST)
            add_to(builder, builder.gep(to, [args[1]]), builder.fadd(left, rise, flags=FAST), args[2])
            return context.get_dummy_value()
        return types.void(acc, types.int64, types.int32, line, types.int64, types.int64, types.float32), generate
    return add_eight


add_eight_near, add_eight_wide = sampler(near), sampler(wide)


@intrinsic
def spread_eight(typing_context, low, high, z, count, low_weight, high_weight, g, first, stride, step, dz):
    """Adds to voxels z + i of two lines, by the weight of each: sum over rows r of g[r] max(0, 1 - dz |first + i step - r|), where
    |step| = 1 / dz <= 1."""
    def generate(context, builder, signature, args):
        low, high, rows = (make_array(signature.args[i])(context, builder, args[i]).data for i in (0, 1, 6))
        left, right, part = near(builder, rows, *args[7:10])
        apart, one = in_all(builder, args[10]), ir.Constant(FLOATS, [1.0] * EIGHT)
        away = builder.fmul(part, apart, flags=FAST)

        def share(value, distance):
            rest = builder.fsub(one, distance, flags=FAST)
            return builder.fmul(value, builder.select(builder.fcmp_ordered(">", rest, ZEROS, flags=FAST), rest, ZEROS), flags=FAST)
        both = builder.fadd(share(left, away), share(right, builder.fsub(apart, away, flags=FAST)), flags=FAST)
        for line, weight in ((low, args[4]), (high, args[5])):
            add_to(builder, builder.gep(line, [args[2]]), builder.fmul(in_all(builder, weight), both, flags=FAST), args[3])
        return context.get_dummy_value()
    f = types.float32
    return types.void(low, high, types.int64, types.int32, f, f, g, types.int64, types.int64, f, f), generate
