"""Bilinear samples of a ray on eight planes at a time, their derivatives and their transpose, without gathers.

Processors are slow at gathers. A window of the volume is laid out by fibres: the voxels of an octet of planes side by side, one of each. Fibres
lean as the rays of the tile do (shear.py), by whole voxels from plane to plane, so that a ray passes three or four of them along either axis,
however steep it is. Each takes part in the eight samples by max(0, 1 - |distance|) along b times the same along c. So fibres are read by plain
loads of eight voxels. numba has no vectors, so these operations are written in LLVM's own language (for any processor).

A ray has two octets of planes in a window, and for each the place of its first fibre there (the one of lowest b and c), its position b, c on
the octet's first plane, in fibres from that one, and the lanes first <= t < stop that count; `db`, `dc` are its steps from plane to plane. It
passes at most `columns` fibres along b and `rows` along c; rows are `pitch` voxels apart.
`real`, `intrinsic`, `types`, `make_array`, `declare` are put in by targets.py.
"""
from llvmlite import ir

EIGHT = 8
RUN = 16                    # planes of a window: two octets
SLOPE_B, SLOPE_C, WEIGHT, AT_B, AT_C = 2, 3, 4, 5, 7      # rows of part; of the last two and of whole: the first octet's, the next row the second's
PLACE, FIRST, STOP = 5, 7, 9                              # rows of whole
NUMBER_BYTES = real(0).nbytes
NUMBER = ir.FloatType() if NUMBER_BYTES == 4 else ir.DoubleType()
WORD, LONG = ir.IntType(32), ir.IntType(64)
OCTET, QUAD = ir.VectorType(NUMBER, EIGHT), ir.VectorType(NUMBER, 4)
FAST = ("fast",)


def in_octet(value):
    return ir.Constant(OCTET, [float(value)] * EIGHT)


def words(*values):
    return ir.Constant(ir.VectorType(WORD, len(values)), values)


ZERO, ONE = in_octet(0), in_octet(1)
LANES = ir.Constant(OCTET, [float(i) for i in range(EIGHT)])


def in_all(builder, scalar):
    empty = ir.Constant(ir.VectorType(scalar.type, EIGHT), ir.Undefined)
    return builder.shuffle_vector(builder.insert_element(empty, scalar, WORD(0)), empty, words(*[0] * EIGHT))


def larger(builder, a, b):
    return builder.select(builder.fcmp_ordered(">", a, b, flags=FAST), a, b)


def extreme(name):
    @intrinsic
    def of_two(typing_context, a, b):
        """The smaller or larger of two numbers, in a form that the compiler knows in loops."""
        def generate(context, builder, signature, args):
            function = declare(builder.module, ir.FunctionType(NUMBER, [NUMBER] * 2), f"llvm.{name}.f{8 * NUMBER_BYTES}")
            return builder.call(function, args, fastmath=FAST)
        number = types.float32 if NUMBER_BYTES == 4 else types.float64
        return number(number, number), generate
    return of_two


least, most = extreme("minnum"), extreme("maxnum")


def add_product(builder, total, a, b):
    product = builder.fmul(a, b, flags=FAST)
    return product if total is None else builder.fadd(total, product, flags=FAST)


def hat(builder, distance):
    """max(0, 1 - |distance|)."""
    size = builder.call(declare(builder.module, ir.FunctionType(OCTET, [OCTET]), f"llvm.fabs.v8f{8 * NUMBER_BYTES}"), [distance], fastmath=FAST)
    return larger(builder, builder.fsub(ONE, size, flags=FAST), ZERO)


def one_where(builder, whole, value):
    """1 in the lanes where `whole`, rounded down, is `value`."""
    return builder.select(builder.fcmp_ordered("==", whole, in_octet(value)), ONE, ZERO)


def rounded_down(builder, value):
    return builder.call(declare(builder.module, ir.FunctionType(OCTET, [OCTET]), f"llvm.floor.v8f{8 * NUMBER_BYTES}"), [value], fastmath=FAST)


def between(builder, low, high, part):
    """low + part (high - low), and high - low."""
    rise = builder.fsub(high, low, flags=FAST)
    return add_product(builder, low, part, rise), rise


def pointer_to(builder, pointer, vector_type):
    return builder.bitcast(pointer, vector_type.as_pointer())


def load(builder, pointer, vector_type=OCTET, align=NUMBER_BYTES):
    value = builder.load(pointer_to(builder, pointer, vector_type), typ=vector_type)
    value.align = align
    return value


def store(builder, value, pointer):
    builder.store(value, pointer_to(builder, pointer, value.type)).align = NUMBER_BYTES


def total(builder, lanes):
    """The sum of all lanes."""
    for half in (4, 2, 1):
        lanes = builder.fadd(lanes, builder.shuffle_vector(lanes, lanes, words(*[(i + half) % EIGHT for i in range(EIGHT)])), flags=FAST)
    return builder.extract_element(lanes, WORD(0))


def four_totals(builder, octets):
    """The sums of the lanes of four octets, in four lanes."""
    def folded(a, b, low, high):
        return builder.fadd(builder.shuffle_vector(a, b, words(*low)), builder.shuffle_vector(a, b, words(*high)), flags=FAST)
    pairs = [folded(*octets[i:i + 2], (0, 1, 2, 3, 8, 9, 10, 11), (4, 5, 6, 7, 12, 13, 14, 15)) for i in (0, 2)]
    fours = folded(*pairs, (0, 1, 4, 5, 8, 9, 12, 13), (2, 3, 6, 7, 10, 11, 14, 15))
    return folded(fours, fours, (0, 2, 4, 6), (1, 3, 5, 7))


def repeat(builder, times, values, body):
    """values = body(index, values), `times` (a word) >= 1 times; not unrolled, for few times are usual."""
    before, again, after = builder.block, builder.append_basic_block("again"), builder.append_basic_block("after")
    builder.branch(again)
    builder.position_at_end(again)
    nodes = [builder.phi(v.type) for v in (WORD(0), *values)]
    new = body(nodes[0], nodes[1:])
    count = builder.add(nodes[0], WORD(1))
    for node, first, following in zip(nodes, (WORD(0), *values), (count, *new)):
        node.add_incoming(first, before)
        node.add_incoming(following, builder.block)
    builder.cbranch(builder.icmp_signed("<", count, times), again, after).set_metadata("llvm.loop", rolled(builder.module))
    builder.position_at_end(after)
    return new


def where(builder, condition, compute, otherwise):
    """The values that compute() gives where the condition holds, else `otherwise`."""
    before, then, after = builder.block, builder.append_basic_block("then"), builder.append_basic_block("after")
    builder.cbranch(condition, then, after)
    builder.position_at_end(then)
    values, end = compute(), builder.block
    builder.branch(after)
    builder.position_at_end(after)
    nodes = [builder.phi(v.type) for v in otherwise]
    for node, value, other in zip(nodes, values, otherwise):
        node.add_incoming(value, end)
        node.add_incoming(other, before)
    return nodes


def rolled(module):
    """Metadata of one more loop that is not to be unrolled: a node that names itself."""
    still = module.add_metadata([ir.MetaDataString(module, "llvm.loop.unroll.disable")])
    node = module.add_metadata([still, ir.MetaDataString(module, f"loop {len(module.metadata)}")])
    node.operands = (node, still)
    return node


class Octet:
    """Eight samples of one ray in a builder: positions b and c [8 lanes] from the fibre at `pointer`, which leans by `shifts` (b, c)."""

    def __init__(self, builder, pointer, starts, steps, shifts, pitch):
        self.builder, self.pointer, self.pitch = builder, pointer, pitch
        self.b, self.c = (builder.fsub(add_product(builder, in_all(builder, start), LANES, in_all(builder, step)), shift, flags=FAST)
                          for start, step, shift in zip(starts, steps, shifts))

    def fibre(self, column, row):
        """Pointer to a fibre."""
        return self.builder.gep(self.pointer, [self.builder.add(self.builder.mul(row, self.pitch), LONG(RUN * column))])


class FewFibres(Octet):
    """Where at most `count` fibres are passed along either axis: all loops unrolled. What rounding puts beyond them is extrapolated."""

    def __init__(self, count, *octet):
        self.count = count
        super().__init__(*octet)

    def weights(self, position):
        """Weight of each fibre along an axis; their sum is 1."""
        builder, last = self.builder, self.count - 1
        first_weight = larger(builder, builder.fsub(ONE, position, flags=FAST), ZERO)
        last_weight = larger(builder, builder.fsub(position, in_octet(last - 1), flags=FAST), ZERO)
        if self.count == 3:
            middle = [builder.fsub(builder.fsub(ONE, first_weight, flags=FAST), last_weight, flags=FAST)]
        else:
            middle = [hat(builder, builder.fsub(position, in_octet(j), flags=FAST)) for j in range(1, last)]
        return [first_weight, *middle, last_weight]

    def each(self):
        """(row, [pointers to its fibres])."""
        for r in range(self.count):
            yield r, [self.fibre(j, LONG(r)) for j in range(self.count)]

    def sums(self):
        """The samples."""
        by_b, by_c, samples = self.weights(self.b), self.weights(self.c), None
        for r, fibres in self.each():
            inner = None
            for fibre, weight in zip(fibres, by_b):
                inner = add_product(self.builder, inner, load(self.builder, fibre), weight)
            samples = add_product(self.builder, samples, inner, by_c[r])
        return samples

    def interval(self, position):
        """Where the position has passed the fibres 1..count - 2, and how far it is beyond the last one passed."""
        builder, passed, start = self.builder, [], ZERO
        for j in range(1, self.count - 1):
            passed.append(builder.fcmp_ordered(">=", position, in_octet(j), flags=FAST))
            start = builder.select(passed[-1], in_octet(j), start)
        return passed, builder.fsub(position, start, flags=FAST)

    def between(self, values, interval):
        """What lies between the two of `values` at the position, and the step from one to the other."""
        (passed, part), (low, high, *_) = interval, values
        for j, beyond in enumerate(passed):
            low, high = (self.builder.select(beyond, new, old) for new, old in ((values[j + 1], low), (values[j + 2], high)))
        return between(self.builder, low, high, part)

    def slopes(self):
        """The samples, their derivatives by b and by c."""
        along_b, along_c = self.interval(self.b), self.interval(self.c)
        rows = [self.between([load(self.builder, fibre) for fibre in fibres], along_b) for _, fibres in self.each()]
        value, by_c = self.between([value for value, _ in rows], along_c)
        return value, self.between([step for _, step in rows], along_c)[0], by_c

    def spread(self, weights):
        """Adds the weights of the samples to the voxels round them."""
        by_b, by_c = self.weights(self.b), self.weights(self.c)
        for r, fibres in self.each():
            mine = self.builder.fmul(weights, by_c[r], flags=FAST)
            for fibre, weight in zip(fibres, by_b):
                store(self.builder, add_product(self.builder, load(self.builder, fibre), weight, mine), fibre)


class ManyFibres(Octet):
    """Where `columns` and `rows` (words) of fibres are passed, as by rays that fan out: in loops."""

    def __init__(self, columns, rows, *octet):
        self.columns, self.rows = columns, rows
        super().__init__(*octet)

    def over(self, count, position, values, body):
        """values = body(index, position less the index, values) over the fibres of an axis."""
        def step(index, state):
            position, *rest = state
            return [self.builder.fsub(position, ONE, flags=FAST), *body(self.builder.zext(index, LONG), position, rest)]
        return repeat(self.builder, count, [position, *values], step)[1:]

    def over_all(self, b, c, values, body):
        """values = body(pointer to the fibre, b, c, values), with b and c less the fibre's place, over all fibres."""
        def row(r, c, values):
            start = self.builder.gep(self.pointer, [self.builder.mul(r, self.pitch)])

            def column(j, b, values):
                return body(self.builder.gep(start, [self.builder.mul(j, LONG(RUN))]), b, c, values)
            return self.over(self.columns, b, values, column)
        return self.over(self.rows, c, values, row)

    def sums(self):
        def add(fibre, b, c, values):
            weight = self.builder.fmul(hat(self.builder, b), hat(self.builder, c), flags=FAST)
            return [add_product(self.builder, values[0], load(self.builder, fibre), weight)]
        return self.over_all(self.b, self.c, [ZERO], add)[0]

    def slopes(self):
        builder = self.builder
        wholes = [rounded_down(builder, larger(builder, position, ZERO)) for position in (self.b, self.c)]
        part_b, part_c = (builder.fsub(position, whole, flags=FAST) for position, whole in zip((self.b, self.c), wholes))

        def add(fibre, b, c, corners):
            voxels = load(builder, fibre)
            on_b, on_c = ([one_where(builder, whole, j) for j in (0, -1)] for whole in (b, c))
            return [add_product(builder, corner, builder.fmul(voxels, x, flags=FAST), y)
                    for corner, (y, x) in zip(corners, ((y, x) for y in on_c for x in on_b))]
        corners = self.over_all(*wholes, [ZERO] * 4, add)
        (low, low_b), (high, high_b) = (between(builder, *corners[i:i + 2], part_b) for i in (0, 2))
        value, by_c = between(builder, low, high, part_c)
        return value, between(builder, low_b, high_b, part_c)[0], by_c

    def spread(self, weights):
        def add(fibre, b, c, values):
            weight = self.builder.fmul(hat(self.builder, b), hat(self.builder, c), flags=FAST)
            store(self.builder, add_product(self.builder, load(self.builder, fibre), weight, weights), fibre)
            return values
        self.over_all(self.b, self.c, [], add)


class Rays:
    """The rays of a tile in a builder: the arrays whole and part of place_octets, in a window whose fibres lean as `shear` says, with at most
    so many columns and rows of fibres a ray, rows `pitch` apart."""

    def __init__(self, context, builder, signature, args):
        self.builder, (self.columns, self.rows, self.pitch, self.count) = builder, args[4:8]
        self.window, self.whole, self.part, shear = (make_array(signature.args[i])(context, builder, args[i]) for i in range(4))
        length = builder.extract_value(shear.shape, 1)
        self.shifts = [load(builder, builder.gep(shear.data, [at])) for at in (LONG(0), length)]

    def number(self, array, row, q):
        """array[row, q]."""
        at = self.builder.add(self.builder.mul(LONG(row), self.builder.extract_value(array.shape, 1)), self.builder.zext(q, LONG))
        return self.builder.load(self.builder.gep(array.data, [at]), typ=WORD if array is self.whole else NUMBER)

    def each(self, compute, values, finish=None):
        """For every ray: the sums over its octets of compute(q, half, octet, lanes that count), as many as `values`, go to finish(q, sums)."""
        builder = self.builder

        def loop(make_octet):
            def ray(q, _):
                sums = [ZERO] * values
                for half in range(RUN // EIGHT):
                    sums = self.with_octet(make_octet, q, half, sums, compute)
                if finish:
                    finish(q, sums)
                return []
            repeat(builder, self.count, [], ray)

        def at_most(count):
            return builder.and_(*(builder.icmp_signed("<=", n, WORD(count)) for n in (self.columns, self.rows)))
        with builder.if_else(at_most(3)) as (three, more):
            with three:
                loop(lambda *octet: FewFibres(3, *octet))
            with more, builder.if_else(at_most(4)) as (four, many):
                with four:
                    loop(lambda *octet: FewFibres(4, *octet))
                with many:
                    loop(lambda *octet: ManyFibres(self.columns, self.rows, *octet))

    def with_octet(self, make_octet, q, half, sums, compute):
        """The sums, with those of one octet if some of its lanes count."""
        builder = self.builder
        first, stop = (self.number(self.whole, row + half, q) for row in (FIRST, STOP))

        def more():
            lanes = words(*range(EIGHT))
            counts = builder.and_(builder.icmp_signed(">=", lanes, in_all(builder, first)), builder.icmp_signed("<", lanes, in_all(builder, stop)))
            new = compute(q, half, self.octet(make_octet, q, half), counts)
            return [builder.fadd(old, value, flags=FAST) for old, value in zip(sums, new)]
        return where(builder, builder.icmp_signed("<", first, stop), more, sums)

    def octet(self, make_octet, q, half):
        pointer = self.builder.gep(self.window.data, [self.builder.sext(self.number(self.whole, PLACE + half, q), LONG)])
        starts, steps = ([self.number(self.part, row, q) for row in rows] for rows in ((AT_B + half, AT_C + half), (SLOPE_B, SLOPE_C)))
        return make_octet(self.builder, pointer, starts, steps, self.shifts, self.pitch)


def add_to(builder, pointer, value):
    """Adds a number or a vector to what lies there."""
    old = builder.load(pointer, typ=NUMBER) if value.type == NUMBER else load(builder, pointer, value.type)
    new = builder.fadd(old, value, flags=FAST)
    builder.store(new, pointer) if value.type == NUMBER else store(builder, new, pointer)


def shared_types(window, whole, part, shear):
    return window, whole, part, shear, types.int32, types.int32, types.int64, types.int32


@intrinsic
def sum_samples(typing_context, window, whole, part, shear, columns, rows, pitch, n, values):
    """Adds to values[q] the samples of each ray q < n."""
    def generate(context, builder, signature, args):
        out = make_array(values)(context, builder, args[8])

        def samples(q, half, octet, counts):
            return [builder.select(counts, octet.sums(), ZERO)]

        def add(q, sums):
            add_to(builder, builder.gep(out.data, [builder.zext(q, LONG)]), total(builder, sums[0]))
        Rays(context, builder, signature, args).each(samples, 1, add)
        return context.get_dummy_value()
    return types.void(*shared_types(window, whole, part, shear), values), generate


@intrinsic
def grade_samples(typing_context, window, whole, part, shear, columns, rows, pitch, n, sums, plane):
    """Adds to sums[q, 0..4] the sums of f, df/db, k df/db, df/dc, k df/dc; k is `plane` on the window's first plane."""
    def generate(context, builder, signature, args):
        out = make_array(sums)(context, builder, args[8])
        first_plane = in_all(builder, args[9])

        def slopes(q, half, octet, counts):
            f, by_b, by_c = (builder.select(counts, value, ZERO) for value in octet.slopes())
            k = builder.fadd(first_plane, builder.fadd(LANES, in_octet(half * EIGHT), flags=FAST), flags=FAST)
            return [f, by_b, builder.fmul(k, by_b, flags=FAST), by_c, builder.fmul(k, by_c, flags=FAST)]

        def add(q, sums):
            pointer = builder.gep(out.data, [builder.mul(builder.zext(q, LONG), LONG(5))])
            add_to(builder, pointer, total(builder, sums[0]))
            add_to(builder, builder.gep(pointer, [LONG(1)]), four_totals(builder, sums[1:]))
        Rays(context, builder, signature, args).each(slopes, 5, add)
        return context.get_dummy_value()
    return types.void(*shared_types(window, whole, part, shear), sums, types.float32 if NUMBER_BYTES == 4 else types.float64), generate


@intrinsic
def spread_samples(typing_context, window, whole, part, shear, columns, rows, pitch, n):
    """Adds each ray's weight, part[4], to the voxels round its samples."""
    def generate(context, builder, signature, args):
        rays = Rays(context, builder, signature, args)

        def spread(q, half, octet, counts):
            octet.spread(builder.select(counts, in_all(builder, rays.number(rays.part, WEIGHT, q)), ZERO))
            return []
        rays.each(spread, 0)
        return context.get_dummy_value()
    return types.void(*shared_types(window, whole, part, shear)), generate
