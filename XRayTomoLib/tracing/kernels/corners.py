"""Bilinear samples of a ray, and their transpose, by vectors of the four voxels round each.

Processors are slow at gathers: four numbers in two plain loads, and one product with four weights, take less than half the time. numba has
no vectors, so these operations are written in LLVM's own language (for any processor).

A sample t lies in a window of the volume at `places[t]`, its neighbours by b `to_b` and by c `to_c` further; shares[0, t] is its fraction
of b, shares[1, t] and shares[2, t] what its lower and upper row along c count, weight included. There are RUN samples, all are used.
`real`, `intrinsic`, `types`, `make_array` are put in by targets.py.
"""
from llvmlite import ir
from numpy import int32 as i32

RUN = 16                # planes taken, and voxels copied, at a time
ROWS = 4                # of shares
NUMBER = ir.FloatType() if real(0).nbytes == 4 else ir.DoubleType()
PAIR, FOUR = ir.VectorType(NUMBER, 2), ir.VectorType(NUMBER, 4)
WORD, LONG = ir.IntType(32), ir.IntType(64)
FAST = ("fast",)


def four(*numbers):
    return ir.Constant(FOUR, [float(n) for n in numbers])


def lanes_of(*lanes):
    return ir.Constant(ir.VectorType(WORD, len(lanes)), lanes)


def load_number(builder, pointer, place, kind=NUMBER):
    return builder.load(builder.gep(pointer, [LONG(place)]), typ=kind)


def as_pair(builder, pointer):
    return builder.bitcast(pointer, PAIR.as_pointer())


class Samples:
    """One call on window, places and shares: where its samples lie, and their weights. side_by_side: to_b is 1."""

    def __init__(self, builder, window, places, shares, pitch, to_b, to_c, side_by_side):
        self.builder, self.window, self.places, self.shares, self.pitch = builder, window, places, shares, pitch
        self.to_b, self.to_c, self.side_by_side = to_b, to_c, side_by_side

    def corners(self, t):
        """Pointers to the lower and the upper neighbour of c."""
        place = self.builder.load(self.builder.gep(self.places, [LONG(t)]), typ=WORD)
        low = self.builder.gep(self.window, [self.builder.zext(place, LONG)])
        return low, self.builder.gep(low, [self.to_c])

    def pair(self, pointer):
        """The two neighbours of b."""
        if self.side_by_side:
            value = self.builder.load(as_pair(self.builder, pointer), typ=PAIR)
            value.align = NUMBER_BYTES
            return value
        value = self.builder.insert_element(ir.Constant(PAIR, ir.Undefined), self.builder.load(pointer, typ=NUMBER), WORD(0))
        return self.builder.insert_element(value, self.builder.load(self.builder.gep(pointer, [self.to_b]), typ=NUMBER), WORD(1))

    def voxels(self, t):
        """v00, v10, v01, v11."""
        low, high = self.corners(t)
        return self.builder.shuffle_vector(self.pair(low), self.pair(high), lanes_of(0, 1, 2, 3))

    def share(self, row, t):
        """shares[row, t] in all lanes."""
        at = self.builder.add(self.builder.mul(LONG(row), self.pitch), LONG(t))
        return in_four(self.builder, self.builder.load(self.builder.gep(self.shares, [at]), typ=NUMBER))

    def by_b(self, t):
        """1 - fb, fb, 1 - fb, fb."""
        return self.builder.fadd(four(1, 0, 1, 0), self.builder.fmul(four(-1, 1, -1, 1), self.share(0, t), flags=FAST), flags=FAST)

    def by_c(self, t):
        """1 - fc, 1 - fc, fc, fc times the weight."""
        return self.builder.shuffle_vector(self.share(1, t), self.share(2, t), lanes_of(0, 1, 6, 7))

    def add(self, t, values):
        """Adds the four values to the voxels."""
        for pointer, lanes in zip(self.corners(t), ((0, 1), (2, 3))):
            part = self.builder.shuffle_vector(values, values, lanes_of(*lanes))
            total = self.builder.fadd(self.pair(pointer), part, flags=FAST)
            if self.side_by_side:
                self.builder.store(total, as_pair(self.builder, pointer)).align = NUMBER_BYTES
                continue
            self.builder.store(self.builder.extract_element(total, WORD(0)), pointer)
            self.builder.store(self.builder.extract_element(total, WORD(1)), self.builder.gep(pointer, [self.to_b]))


NUMBER_BYTES = real(0).nbytes


def in_four(builder, value):
    empty = ir.Constant(FOUR, ir.Undefined)
    return builder.shuffle_vector(builder.insert_element(empty, value, WORD(0)), empty, lanes_of(0, 0, 0, 0))


def total(builder, sums):
    """The sum of all lanes of all vectors."""
    while len(sums) > 1:
        sums = [builder.fadd(a, b, flags=FAST) for a, b in zip(sums[::2], sums[1::2])]
    halves = builder.fadd(sums[0], builder.shuffle_vector(sums[0], sums[0], lanes_of(2, 3, 2, 3)), flags=FAST)
    both = builder.fadd(halves, builder.shuffle_vector(halves, halves, lanes_of(1, 1, 1, 1)), flags=FAST)
    return builder.extract_element(both, WORD(0))


def samples_of(context, builder, signature, args, side_by_side):
    window, places, shares = (make_array(signature.args[i])(context, builder, args[i]) for i in range(3))
    pitch = builder.extract_value(shares.shape, 1)
    return Samples(builder, window.data, places.data, shares.data, pitch, args[3], args[4], side_by_side)


def summing(side_by_side):
    @intrinsic
    def sum_samples(typing_context, window, places, shares, to_b, to_c):
        """Sum of the weighted samples."""
        def generate(context, builder, signature, args):
            s, sums = samples_of(context, builder, signature, args, side_by_side), [None] * 4
            for t in range(RUN):
                weights = builder.fmul(s.by_b(t), s.by_c(t), flags=FAST)
                value = builder.fmul(s.voxels(t), weights, flags=FAST)
                sums[t % 4] = value if sums[t % 4] is None else builder.fadd(sums[t % 4], value, flags=FAST)
            return total(builder, sums)
        return numba_number(window, places, shares, types.int64, types.int64), generate
    return sum_samples


def numba_number(*arguments):
    return (types.float32 if NUMBER_BYTES == 4 else types.float64)(*arguments)


def spreading(side_by_side):
    @intrinsic
    def spread_samples(typing_context, window, places, shares, to_b, to_c):
        """Adds the samples' weights to the voxels round them. Planes follow each other, so that no sample waits for the one before."""
        def generate(context, builder, signature, args):
            s = samples_of(context, builder, signature, args, side_by_side)
            for t in range(RUN):
                s.add(t, builder.fmul(s.by_b(t), s.by_c(t), flags=FAST))
            return context.get_dummy_value()
        return types.void(window, places, shares, types.int64, types.int64), generate
    return spread_samples


def grading(side_by_side):
    @intrinsic
    def add_sample_sums(typing_context, window, places, shares, to_b, to_c, sums, q):
        """Adds to sums[0..4, q] the sums of f, df/db, k df/db, df/dc, k df/dc; shares[3, t] is k."""
        def generate(context, builder, signature, args):
            s, sums = samples_of(context, builder, signature, args, side_by_side), [[None] * 2 for _ in range(5)]

            def add(i, t, value):
                sums[i][t % 2] = value if sums[i][t % 2] is None else builder.fadd(sums[i][t % 2], value, flags=FAST)
            for t in range(RUN):
                voxels, by_c, k = s.voxels(t), s.by_c(t), s.share(3, t)
                rows, weight = builder.fmul(voxels, by_c, flags=FAST), builder.fadd(s.share(1, t), s.share(2, t), flags=FAST)
                columns = builder.fmul(voxels, s.by_b(t), flags=FAST)
                by_column = builder.fmul(builder.fmul(columns, four(-1, -1, 1, 1), flags=FAST), weight, flags=FAST)
                by_row = builder.fmul(rows, four(-1, 1, -1, 1), flags=FAST)
                add(0, t, builder.fmul(rows, s.by_b(t), flags=FAST))
                for i, value in ((1, by_row), (3, by_column)):
                    add(i, t, value)
                    add(i + 1, t, builder.fmul(k, value, flags=FAST))
            out = make_array(signature.args[5])(context, builder, args[5])
            for i in range(5):
                at = builder.add(builder.mul(LONG(i), builder.extract_value(out.shape, 1)), args[6])
                pointer = builder.gep(out.data, [at])
                builder.store(builder.fadd(builder.load(pointer, typ=NUMBER), total(builder, sums[i]), flags=FAST), pointer)
            return context.get_dummy_value()
        return types.void(window, places, shares, types.int64, types.int64, sums, types.int64), generate
    return add_sample_sums


sum_beside, sum_across = summing(True), summing(False)
spread_beside, spread_across = spreading(True), spreading(False)
grade_beside, grade_across = grading(True), grading(False)


@vector
def place_samples(places, shares, ka, kc, first, stop, b, c, db, dc, w, b0, c0, b_end, c_end, to_k, to_b, to_c):
    """Places and shares of a ray's samples on RUN planes from ka; those outside first <= k < stop count nothing, the others w."""
    shares_b = shares[0]
    lower = shares[1]
    upper = shares[2]
    plane = shares[3]
    for t in range(i32(RUN)):
        k = i32(ka + t)
        kf = real(k)
        bb = min(max(b + kf * db - b0, real(0)), b_end)
        cc = min(max(c + kf * dc - c0, real(0)), c_end)
        ib = i32(bb)
        ic = i32(cc)
        fc = cc - real(ic)
        here = w if first <= k and k < stop else real(0)
        places[t] = i32(i32(t * to_k) + i32(i32(ib * to_b) + i32(ic * to_c)))
        shares_b[t] = bb - real(ib)
        upper[t] = here * fc
        lower[t] = here - here * fc
        plane[t] = kf - kc
