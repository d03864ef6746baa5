"""Bilinear samples of a ray on sixteen planes, their derivatives and their transpose, without gathers.

Processors are slow at gathers. A window of the volume is laid out by fibres: the RUN voxels of one (b, c) on successive planes lie side by
side. Over EIGHT planes a ray of small slope passes few fibres, and each takes part in the eight samples by max(0, 1 - |distance|) along b
times the same along c. So fibres are read by plain loads of eight voxels; those that a plane's sample does not touch count 0 there. numba has
no vectors, so these operations are written in LLVM's own language (for any processor).

A ray on a window has two octets of planes: `place`, its first fibre there (the one of lowest b and c), and `b`, `c`, the ray's position on
the first plane, in fibres from that one; `db`, `dc` are its steps from plane to plane. It passes at most `columns` fibres along b and
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
OCTET, WORDS, QUAD = ir.VectorType(NUMBER, EIGHT), ir.VectorType(WORD, EIGHT), ir.VectorType(NUMBER, 4)
FAST = ("fast",)


def octet(value):
    return ir.Constant(OCTET, [float(value)] * EIGHT)


def words(*values):
    return ir.Constant(ir.VectorType(WORD, len(values)), values)


ZERO, ONE = octet(0), octet(1)
LANES = ir.Constant(OCTET, [float(i) for i in range(EIGHT)])


def in_all(builder, scalar):
    empty = ir.Constant(ir.VectorType(scalar.type, EIGHT), ir.Undefined)
    return builder.shuffle_vector(builder.insert_element(empty, scalar, WORD(0)), empty, words(*[0] * EIGHT))


def larger(builder, a, b):
    return builder.select(builder.fcmp_ordered(">", a, b, flags=FAST), a, b)


def add_product(builder, total, a, b):
    product = builder.fmul(a, b, flags=FAST)
    return product if total is None else builder.fadd(total, product, flags=FAST)


def hat(builder, distance):
    """max(0, 1 - |distance|)."""
    size = builder.call(declare(builder.module, ir.FunctionType(OCTET, [OCTET]), f"llvm.fabs.v8f{8 * NUMBER_BYTES}"), [distance], fastmath=FAST)
    return larger(builder, builder.fsub(ONE, size, flags=FAST), ZERO)


def hat_slope(builder, distance):
    """Its derivative, on the right at the kinks: a sample on a fibre lies between this one and the next."""
    near = builder.and_(builder.fcmp_ordered(">=", distance, octet(-1)), builder.fcmp_ordered("<", distance, ONE))
    return builder.select(near, builder.select(builder.fcmp_ordered("<", distance, ZERO), ONE, octet(-1)), ZERO)


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

    def by_columns(self, weight):
        """weight(distance) of each fibre along b."""
        return [weight(self.builder, self.builder.fsub(self.b, octet(j), flags=FAST)) for j in range(self.columns)]

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
        by_b = self.by_columns(hat)

        def row(fibres, c, values):
            inner = None
            for fibre, weight in zip(fibres, by_b):
                inner = add_product(self.builder, inner, load(self.builder, fibre), weight)
            return [add_product(self.builder, values[0], inner, hat(self.builder, c))]
        return self.over_rows([ZERO], row)

    def slopes(self):
        """The samples, their derivatives by b and by c."""
        self.b, self.c = (larger(self.builder, at, ZERO) for at in (self.b, self.c))     # rounded to before its fibre it would lie between none
        by_b, slope_b = self.by_columns(hat), self.by_columns(hat_slope)

        def row(fibres, c, values):
            inner = slope = None
            for fibre, weight, change in zip(fibres, by_b, slope_b):
                voxels = load(self.builder, fibre)
                inner, slope = add_product(self.builder, inner, voxels, weight), add_product(self.builder, slope, voxels, change)
            weight, change = hat(self.builder, c), hat_slope(self.builder, c)
            return [add_product(self.builder, value, a, b) for value, a, b in zip(values, (inner, slope, inner), (weight, weight, change))]
        return self.over_rows([ZERO] * 3, row)

    def spread(self, weights):
        """Adds the weights of the samples to the voxels round them."""
        by_b = self.by_columns(hat)

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

    def each(self, body):
        """body(q, octets, lanes of each that count) for every ray with samples here."""
        def ray(q, _):
            first, stop = (self.number(self.whole, row, q) for row in (FIRST, STOP))
            with self.builder.if_then(self.builder.icmp_signed("<", first, stop)):
                db, dc = (self.number(self.part, row, q) for row in (SLOPE_B, SLOPE_C))
                octets = [self.octet(q, half, db, dc) for half in range(RUN // EIGHT)]
                lanes = [words(*range(half * EIGHT, (half + 1) * EIGHT)) for half in range(RUN // EIGHT)]
                after, before = (in_all(self.builder, k) for k in (first, stop))
                body(q, octets, [self.builder.and_(self.builder.icmp_signed(">=", k, after), self.builder.icmp_signed("<", k, before))
                                 for k in lanes])
            return []
        repeat(self.builder, self.count, [], ray)

    def octet(self, q, half, db, dc):
        pointer = self.builder.gep(self.window.data, [self.builder.sext(self.number(self.whole, PLACE + half, q), LONG)])
        b, c = (self.number(self.part, row + half, q) for row in (AT_B, AT_C))
        return Octet(self.builder, self.columns, pointer, b, c, db, dc, self.rows, self.pitch)


def add_to(builder, array, row, q, lanes):
    """array[row, q] += the sum of the lanes."""
    at = builder.add(builder.mul(LONG(row), builder.extract_value(array.shape, array.shape.type.count - 1)), builder.zext(q, LONG))
    pointer = builder.gep(array.data, [at])
    builder.store(builder.fadd(builder.load(pointer, typ=NUMBER), total(builder, lanes), flags=FAST), pointer)


def shared_types(window, whole, part):
    return window, whole, part, types.int32, types.int64, types.int32


def summing(columns):
    @intrinsic
    def sum_samples(typing_context, window, whole, part, rows, pitch, n, values):
        """Adds to values[q] the samples of each ray q < n."""
        def generate(context, builder, signature, args):
            out = make_array(values)(context, builder, args[6])

            def ray(q, octets, counts):
                parts = [builder.select(here, samples.sums()[0], ZERO) for samples, here in zip(octets, counts)]
                add_to(builder, out, 0, q, builder.fadd(*parts, flags=FAST))
            Rays(context, builder, signature, args, columns).each(ray)
            return context.get_dummy_value()
        return types.void(*shared_types(window, whole, part), values), generate
    return sum_samples


def grading(columns):
    @intrinsic
    def grade_samples(typing_context, window, whole, part, rows, pitch, n, sums, plane):
        """Adds to sums[0..4, q] the sums of f, df/db, k df/db, df/dc, k df/dc; k is `plane` on the window's first plane."""
        def generate(context, builder, signature, args):
            out = make_array(sums)(context, builder, args[6])
            first_plane = in_all(builder, args[7])

            def ray(q, octets, counts):
                parts = []
                for half, (samples, here) in enumerate(zip(octets, counts)):
                    f, by_b, by_c = (builder.select(here, value, ZERO) for value in samples.slopes())
                    k = builder.fadd(first_plane, builder.fadd(LANES, octet(half * EIGHT), flags=FAST), flags=FAST)
                    parts.append([f, by_b, builder.fmul(k, by_b, flags=FAST), by_c, builder.fmul(k, by_c, flags=FAST)])
                for i, both in enumerate(zip(*parts)):
                    add_to(builder, out, i, q, builder.fadd(*both, flags=FAST))
            Rays(context, builder, signature, args, columns).each(ray)
            return context.get_dummy_value()
        return types.void(*shared_types(window, whole, part), sums, types.float32 if NUMBER_BYTES == 4 else types.float64), generate
    return grade_samples


def spreading(columns):
    @intrinsic
    def spread_samples(typing_context, window, whole, part, rows, pitch, n):
        """Adds each ray's weight, part[4], to the voxels round its samples."""
        def generate(context, builder, signature, args):
            rays = Rays(context, builder, signature, args, columns)

            def ray(q, octets, counts):
                weight = in_all(builder, rays.number(rays.part, WEIGHT, q))
                for samples, here in zip(octets, counts):
                    samples.spread(builder.select(here, weight, ZERO))
            rays.each(ray)
            return context.get_dummy_value()
        return types.void(*shared_types(window, whole, part)), generate
    return spread_samples


sum_3, sum_4, sum_5, sum_6, sum_9 = (summing(n) for n in (3, 4, 5, 6, MOST_FIBRES))
grade_3, grade_4, grade_6, grade_9 = (grading(n) for n in (3, 4, 6, MOST_FIBRES))
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
        first = max(first_all[q], ka) - ka
        stop = min(stop_all[q], kb) - ka
        first_here[q] = first
        stop_here[q] = stop
        db = part[2, q]
        dc = part[3, q]
        b = part[0, q] + real(ka) * db - b0
        c = part[1, q] + real(ka) * dc - c0
        lo = real(first)
        hi = real(min(stop, i32(EIGHT)) - i32(1))
        some = lo <= hi
        ib = i32(min(b + lo * db, b + hi * db)) if some else i32(0)
        ic = i32(min(c + lo * dc, c + hi * dc)) if some else i32(0)
        place_0[q] = (ic * width + ib) * i32(RUN)
        part[5, q] = b - real(ib)
        part[7, q] = c - real(ic)
        lo = real(max(first, i32(EIGHT)))
        hi = real(stop - i32(1))
        some = lo <= hi
        ib = i32(min(b + lo * db, b + hi * db)) if some else i32(0)
        ic = i32(min(c + lo * dc, c + hi * dc)) if some else i32(0)
        place_1[q] = (ic * width + ib) * i32(RUN) + i32(EIGHT)
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
    else:
        sum_9(window, whole, part, rows, pitch, n, values)


@device
def grade_fibres(columns, rows, pitch, window, whole, part, n, sums, plane):
    """grade_samples for rays that pass at most so many columns."""
    if columns <= 3:
        grade_3(window, whole, part, rows, pitch, n, sums, plane)
    elif columns == 4:
        grade_4(window, whole, part, rows, pitch, n, sums, plane)
    elif columns <= 6:
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
