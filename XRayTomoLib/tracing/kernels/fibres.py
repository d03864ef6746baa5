"""Bilinear samples of a ray on sixteen planes, their derivatives and their transpose, without gathers.

Processors are slow at gathers. A window of the volume is laid out by fibres: the RUN voxels of one (b, c) on successive planes lie side by
side. Over EIGHT planes a ray of small slope passes few fibres, and each takes part in the eight samples by max(0, 1 - |distance|) along b
times the same along c. So fibres are read by plain loads of eight voxels; those that a plane's sample does not touch count 0 there. numba has
no vectors, so these operations are written in LLVM's own language (for any processor).

A ray has two octets of planes in a window, and for each the place of its first fibre there (the one of lowest b and c) and its position b, c
on the octet's first plane, in fibres from that one; `db`, `dc` are its steps from plane to plane. It passes at most `columns` fibres along b and
`rows` along c (fibres_passed); rows are `pitch` voxels apart. Planes first <= t < stop of the window count.
`real`, `intrinsic`, `types`, `make_array`, `declare`, `device`, `vector`, `fetch` are put in by targets.py.
"""
from llvmlite import ir
from numpy import int32 as i32

EIGHT = 8
RUN = 16                    # planes of a window: two octets
MOST_FIBRES = 9             # that eight samples pass along one axis: slopes are at most 1
LINE = 64                   # bytes of a line of the cache
SLOPE_B, SLOPE_C, WEIGHT, AT_B, AT_C = 2, 3, 4, 5, 7      # rows of part; the last two and PLACE: of the first octet, the next row the second's
PLACE, FIRST, STOP = 5, 7, 8                              # rows of whole
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


def within_fibres(builder, position):
    """The position, where rounding may have put it before the first fibre or on the last, between two of them."""
    last = in_octet(MOST_FIBRES - 1 - 1e-6)
    return larger(builder, builder.select(builder.fcmp_ordered("<", position, last, flags=FAST), position, last), ZERO)


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


def load(builder, pointer, vector_type=OCTET):
    value = builder.load(pointer_to(builder, pointer, vector_type), typ=vector_type)
    value.align = NUMBER_BYTES
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
    """Eight samples of one ray in a builder: positions b and c [8 lanes] from the fibre at `pointer`."""

    def __init__(self, builder, columns, pointer, b, c, db, dc, rows, pitch):
        self.builder, self.columns, self.pointer, self.rows, self.pitch = builder, columns, pointer, rows, pitch
        self.b, self.c = (add_product(builder, in_all(builder, at), LANES, in_all(builder, step)) for at, step in ((b, db), (c, dc)))

    def by_columns(self):
        """Weight of each fibre along b."""
        return [hat(self.builder, self.builder.fsub(self.b, in_octet(j), flags=FAST)) for j in range(self.columns)]

    def fibres(self, pointer):
        """Pointers to a row's fibres."""
        return [self.builder.gep(pointer, [LONG(RUN * j)]) for j in range(self.columns)]

    def over_rows(self, values, body):
        """values = body(pointers to the fibres, distances along c, values) over the rows."""
        def row(_, state):
            pointer, c, *rest = state
            new = body(self.fibres(pointer), c, rest)
            return [self.builder.gep(pointer, [self.pitch]), self.builder.fsub(c, ONE, flags=FAST), *new]
        return repeat(self.builder, self.rows, [self.pointer, self.c, *values], row)[2:]

    def sums(self):
        """The samples."""
        by_b = self.by_columns()

        def row(fibres, c, values):
            inner = None
            for fibre, weight in zip(fibres, by_b):
                inner = add_product(self.builder, inner, load(self.builder, fibre), weight)
            return [add_product(self.builder, values[0], inner, hat(self.builder, c))]
        return self.over_rows([ZERO], row)

    def slopes(self):
        """The samples, their derivatives by b and by c: from the voxels below and above each along b, then from those of rows along c."""
        builder = self.builder
        b, c = within_fibres(builder, self.b), within_fibres(builder, self.c)
        whole_b, self.c = rounded_down(builder, b), rounded_down(builder, c)
        part_b, part_c = builder.fsub(b, whole_b, flags=FAST), builder.fsub(c, self.c, flags=FAST)
        here = [one_where(builder, whole_b, j) for j in range(self.columns - 1)]

        def row(fibres, whole_c, values):
            *sums, low_row = values
            low = high = None
            for j, fibre in enumerate(fibres):
                voxels = load(builder, fibre)
                low = add_product(builder, low, voxels, here[j]) if j < len(here) else low
                high = add_product(builder, high, voxels, here[j - 1]) if j else high
            value, by_b = between(builder, low, high, part_b)
            this_row = one_where(builder, whole_c, 0)
            new = [add_product(builder, total, x, y) for total, x, y in zip(sums, (value, value, by_b, by_b), (this_row, low_row) * 2)]
            return [*new, this_row]
        low, high, low_b, high_b, _ = self.over_rows([ZERO] * 5, row)
        value, by_c = between(builder, low, high, part_c)
        return value, between(builder, low_b, high_b, part_c)[0], by_c

    def spread(self, weights):
        """Adds the weights of the samples to the voxels round them."""
        by_b = self.by_columns()

        def row(fibres, c, values):
            mine = self.builder.fmul(weights, hat(self.builder, c), flags=FAST)
            for fibre, weight in zip(fibres, by_b):
                store(self.builder, add_product(self.builder, load(self.builder, fibre), weight, mine), fibre)
            return values
        self.over_rows([], row)


class Rays:
    """The rays of a tile in a builder: the arrays whole and part of place_octets, in a window with rows `pitch` apart."""

    def __init__(self, context, builder, signature, args, columns):
        self.builder, self.columns, (self.rows, self.pitch, self.count) = builder, columns, args[3:6]
        self.window, self.whole, self.part = (make_array(signature.args[i])(context, builder, args[i]) for i in range(3))

    def number(self, array, row, q):
        """array[row, q]."""
        at = self.builder.add(self.builder.mul(LONG(row), self.builder.extract_value(array.shape, 1)), self.builder.zext(q, LONG))
        return self.builder.load(self.builder.gep(array.data, [at]), typ=WORD if array is self.whole else NUMBER)

    def each(self, compute, values, finish=None):
        """For every ray with samples here: the sums over its octets of compute(q, half, octet, lanes that count), as many as `values`, go
        to finish(q, sums)."""
        builder = self.builder

        def ray(q, _):
            first, stop = (self.number(self.whole, row, q) for row in (FIRST, STOP))
            with builder.if_then(builder.icmp_signed("<", first, stop)):
                sums = [ZERO] * values
                for half in range(RUN // EIGHT):
                    sums = self.with_octet(q, half, first, stop, sums, compute)
                if finish:
                    finish(q, sums)
            return []
        repeat(builder, self.count, [], ray)

    def with_octet(self, q, half, first, stop, sums, compute):
        """The sums, with those of one octet if planes first..stop have some of it."""
        builder, planes = self.builder, range(half * EIGHT, (half + 1) * EIGHT)

        def more():
            lanes = words(*planes)
            counts = builder.and_(builder.icmp_signed(">=", lanes, in_all(builder, first)), builder.icmp_signed("<", lanes, in_all(builder, stop)))
            new = compute(q, half, self.octet(q, half), counts)
            return [builder.fadd(old, value, flags=FAST) for old, value in zip(sums, new)]
        some = builder.and_(builder.icmp_signed("<", first, WORD(planes.stop)), builder.icmp_signed(">", stop, WORD(planes.start)))
        return where(builder, some, more, sums)

    def octet(self, q, half):
        pointer = self.builder.gep(self.window.data, [self.builder.sext(self.number(self.whole, PLACE + half, q), LONG)])
        b, c, db, dc = (self.number(self.part, row, q) for row in (AT_B + half, AT_C + half, SLOPE_B, SLOPE_C))
        return Octet(self.builder, self.columns, pointer, b, c, db, dc, self.rows, self.pitch)


def add_to(builder, pointer, value):
    """Adds a number or a vector to what lies there."""
    old = builder.load(pointer, typ=NUMBER) if value.type == NUMBER else load(builder, pointer, value.type)
    new = builder.fadd(old, value, flags=FAST)
    builder.store(new, pointer) if value.type == NUMBER else store(builder, new, pointer)


def shared_types(window, whole, part):
    return window, whole, part, types.int32, types.int64, types.int32


def summing(columns):
    @intrinsic
    def sum_samples(typing_context, window, whole, part, rows, pitch, n, values):
        """Adds to values[q] the samples of each ray q < n."""
        def generate(context, builder, signature, args):
            out = make_array(values)(context, builder, args[6])

            def samples(q, half, octet, counts):
                return [builder.select(counts, octet.sums()[0], ZERO)]

            def add(q, sums):
                add_to(builder, builder.gep(out.data, [builder.zext(q, LONG)]), total(builder, sums[0]))
            Rays(context, builder, signature, args, columns).each(samples, 1, add)
            return context.get_dummy_value()
        return types.void(*shared_types(window, whole, part), values), generate
    return sum_samples


def grading(columns):
    @intrinsic
    def grade_samples(typing_context, window, whole, part, rows, pitch, n, sums, plane):
        """Adds to sums[q, 0..4] the sums of f, df/db, k df/db, df/dc, k df/dc; k is `plane` on the window's first plane."""
        def generate(context, builder, signature, args):
            out = make_array(sums)(context, builder, args[6])
            first_plane = in_all(builder, args[7])

            def slopes(q, half, octet, counts):
                f, by_b, by_c = (builder.select(counts, value, ZERO) for value in octet.slopes())
                k = builder.fadd(first_plane, builder.fadd(LANES, in_octet(half * EIGHT), flags=FAST), flags=FAST)
                return [f, by_b, builder.fmul(k, by_b, flags=FAST), by_c, builder.fmul(k, by_c, flags=FAST)]

            def add(q, sums):
                pointer = builder.gep(out.data, [builder.mul(builder.zext(q, LONG), LONG(5))])
                add_to(builder, pointer, total(builder, sums[0]))
                add_to(builder, builder.gep(pointer, [LONG(1)]), four_totals(builder, sums[1:]))
            Rays(context, builder, signature, args, columns).each(slopes, 5, add)
            return context.get_dummy_value()
        return types.void(*shared_types(window, whole, part), sums, types.float32 if NUMBER_BYTES == 4 else types.float64), generate
    return grade_samples


def spreading(columns):
    @intrinsic
    def spread_samples(typing_context, window, whole, part, rows, pitch, n):
        """Adds each ray's weight, part[4], to the voxels round its samples."""
        def generate(context, builder, signature, args):
            rays = Rays(context, builder, signature, args, columns)

            def spread(q, half, octet, counts):
                octet.spread(builder.select(counts, in_all(builder, rays.number(rays.part, WEIGHT, q)), ZERO))
                return []
            rays.each(spread, 0)
            return context.get_dummy_value()
        return types.void(*shared_types(window, whole, part)), generate
    return spread_samples


sum_3, sum_4, sum_5, sum_6, sum_7, sum_9 = (summing(n) for n in (3, 4, 5, 6, 7, MOST_FIBRES))
grade_3, grade_4, grade_5, grade_6, grade_9 = (grading(n) for n in (3, 4, 5, 6, MOST_FIBRES))
spread_3, spread_4, spread_6, spread_9 = (spreading(n) for n in (3, 4, 6, MOST_FIBRES))


@device
def fibres_passed(slope):
    """How many fibres an octet of samples can touch along an axis: seven steps, one more for where it begins, and both neighbours."""
    return min(i32(abs(slope) * real(EIGHT - 1) + real(1e-3)) + i32(3), i32(MOST_FIBRES))


@vector
def place_octets(n, whole, part, ka, kb, b0, c0, width):
    """Places and positions of the octets of all rays on planes ka <= k < kb, in a window of fibres from (b0, c0) with `width` of them a row:
    whole[5:7] and part[5:9]; whole[7] and whole[8] become each ray's first plane and stop."""
    first_all = whole[3]
    stop_all = whole[4]
    place_0 = whole[5]
    place_1 = whole[6]
    first_here = whole[7]
    stop_here = whole[8]
    for q in range(i32(n)):
        first = i32(max(first_all[q], ka) - ka)
        stop = i32(min(stop_all[q], kb) - ka)
        first_here[q] = first
        stop_here[q] = stop
        db = part[2, q]
        dc = part[3, q]
        b = part[0, q] + real(ka) * db - b0
        c = part[1, q] + real(ka) * dc - c0
        lo = real(first)
        hi = real(i32(min(stop, i32(EIGHT)) - i32(1)))
        some = lo <= hi
        ib = i32(min(b + lo * db, b + hi * db)) if some else i32(0)
        ic = i32(min(c + lo * dc, c + hi * dc)) if some else i32(0)
        place_0[q] = i32(i32(ic * width + ib) * i32(RUN))
        part[5, q] = b - real(ib)
        part[7, q] = c - real(ic)
        lo = real(max(first, i32(EIGHT)))
        hi = real(i32(stop - i32(1)))
        some = lo <= hi
        ib = i32(min(b + lo * db, b + hi * db)) if some else i32(0)
        ic = i32(min(c + lo * dc, c + hi * dc)) if some else i32(0)
        place_1[q] = i32(i32(ic * width + ib) * i32(RUN) + i32(EIGHT))
        part[6, q] = b + real(EIGHT) * db - real(ib)
        part[8, q] = c + real(EIGHT) * dc - real(ic)


@device
def sum_fibres(columns, rows, pitch, window, whole, part, n, values):
    """sum_samples for rays that pass at most so many columns."""
    if columns <= 3:
        sum_3(window, whole, part, rows, pitch, n, values)
    elif columns == 4:
        sum_4(window, whole, part, rows, pitch, n, values)
    elif columns == 5:
        sum_5(window, whole, part, rows, pitch, n, values)
    elif columns == 6:
        sum_6(window, whole, part, rows, pitch, n, values)
    elif columns == 7:
        sum_7(window, whole, part, rows, pitch, n, values)
    else:
        sum_9(window, whole, part, rows, pitch, n, values)


@device
def grade_fibres(columns, rows, pitch, window, whole, part, n, sums, plane):
    """grade_samples for rays that pass at most so many columns."""
    if columns <= 3:
        grade_3(window, whole, part, rows, pitch, n, sums, plane)
    elif columns == 4:
        grade_4(window, whole, part, rows, pitch, n, sums, plane)
    elif columns == 5:
        grade_5(window, whole, part, rows, pitch, n, sums, plane)
    elif columns == 6:
        grade_6(window, whole, part, rows, pitch, n, sums, plane)
    else:
        grade_9(window, whole, part, rows, pitch, n, sums, plane)


@device
def spread_fibres(columns, rows, pitch, window, whole, part, n):
    """spread_samples for rays that pass at most so many columns."""
    if columns <= 3:
        spread_3(window, whole, part, rows, pitch, n)
    elif columns == 4:
        spread_4(window, whole, part, rows, pitch, n)
    elif columns <= 6:
        spread_6(window, whole, part, rows, pitch, n)
    else:
        spread_9(window, whole, part, rows, pitch, n)
