"""Windows of the volume that a tile of rays works in: copied from it before sampling, added to it after spreading.

A window holds sixteen planes by fibres that lean (fibres.py, shear.py): voxel b, c on plane t lies at (c width + b) RUN + t. What the samples
need so lies side by side, with no line of the cache far away or crowded out by others. What lies outside the volume is zero; what is read beyond
a window's fibres counts by nothing.
"""
from numpy import int32 as i32
from numpy import int64 as i64

LARGE = 1 << 22             # voxels
LINE = 64                   # bytes of a line of the cache


def turned(builder, rows):
    """Four octets (planes t and t + 4 of columns j = 0..3) as the octets of the four columns, and back."""
    def pick(a, b, *lanes):
        return builder.shuffle_vector(a, b, words(*lanes))
    low = [pick(rows[i], rows[i + 1], 0, 8, 1, 9, 4, 12, 5, 13) for i in (0, 2)]
    high = [pick(rows[i], rows[i + 1], 2, 10, 3, 11, 6, 14, 7, 15) for i in (0, 2)]
    return [pick(*pair, *lanes) for pair in (low, high) for lanes in ((0, 1, 8, 9, 4, 5, 12, 13), (2, 3, 10, 11, 6, 7, 14, 15))]


class Row:
    """A row of a window in a builder: `columns` fibres there from `to` on, in the volume from `first` on; plane t lies offsets[0, t] farther.
    Where the volume holds codes, `table` says what they mean."""

    def __init__(self, context, builder, signature, args):
        def data(i):
            return make_array(signature.args[i])(context, builder, args[i]).data
        self.builder, self.columns, self.offsets, self.table = builder, args[4], data(5), data(6)
        self.to, self.first = builder.gep(data(0), [args[1]]), builder.gep(data(2), [args[3]])
        self.voxel, self.voxel_bytes = context.get_value_type(signature.args[2].dtype), signature.args[2].dtype.bitwidth // 8

    def voxels(self, pointer, count):
        """So many numbers, or codes, that lie side by side."""
        return load(self.builder, pointer, ir.VectorType(self.voxel, count), self.voxel_bytes)

    def meaning(self, octet):
        """The numbers that an octet's codes stand for."""
        if self.voxel == NUMBER:
            return octet
        values = ir.Constant(OCTET, ir.Undefined)
        for lane in range(EIGHT):
            code = self.builder.zext(self.builder.extract_element(octet, WORD(lane)), LONG)
            values = self.builder.insert_element(values, self.builder.load(self.builder.gep(self.table, [code]), typ=NUMBER), WORD(lane))
        return values

    def offset(self, t, row=0):
        at = LONG(row * RUN + t) if isinstance(t, int) else self.builder.add(LONG(row * RUN), t)
        return self.builder.load(self.builder.gep(self.offsets, [at]), typ=LONG)

    def by_fours(self, half, body):
        """body(pointers to an octet of four fibres, pointers to where they begin on each of its planes)."""
        planes = [self.builder.gep(self.first, [self.offset(half * EIGHT + t)]) for t in range(EIGHT)]
        to = self.builder.gep(self.to, [LONG(half * EIGHT)])

        def block(i, _):
            column = self.builder.mul(self.builder.zext(i, LONG), LONG(4))
            fibres = [self.builder.gep(to, [self.builder.mul(self.builder.add(column, LONG(j)), LONG(RUN))]) for j in range(4)]
            body(fibres, [self.builder.gep(plane, [column]) for plane in planes])
            return []
        repeat(self.builder, self.builder.udiv(self.columns, WORD(4)), [], block)

    def copy_turned(self, half):
        def block(fibres, planes):
            quads = [self.voxels(plane, 4) for plane in planes]
            octets = [self.builder.shuffle_vector(quads[i], quads[i + 4], words(*range(EIGHT))) for i in range(4)]
            for fibre, octet in zip(fibres, turned(self.builder, octets)):
                store(self.builder, self.meaning(octet), fibre)
        self.by_fours(half, block)

    def add_turned(self, half):
        def block(fibres, planes):
            octets = turned(self.builder, [load(self.builder, fibre) for fibre in fibres])
            for t, plane in enumerate(planes):          # one after the other: the last planes may be one
                quad = self.builder.shuffle_vector(octets[t % 4], octets[t % 4], words(*range(t // 4 * 4, t // 4 * 4 + 4)))
                store(self.builder, self.builder.fadd(load(self.builder, plane, QUAD), quad, flags=FAST), plane)
        self.by_fours(half, block)

    def by_pieces(self, step, pieces, second, body):
        """body(pointer to an octet, [pointers to eight voxels, for each piece], [its first lane]) for each column and both octets; one loop for
        each number of pieces."""
        builder = self.builder

        def loop(count):
            starts = [self.offset(i, row=1) for i in range(count)]
            rows = [builder.gep(self.first, [self.offset(start)]) for start in starts]
            lanes = [builder.trunc(start, WORD) for start in starts]

            def column(j, _):
                at = builder.zext(j, LONG)
                along, to = builder.mul(at, step), builder.gep(self.to, [builder.mul(at, LONG(RUN))])
                voxels = [builder.gep(row, [along]) for row in rows]
                body(to, voxels, lanes)
                body(builder.gep(to, [LONG(EIGHT)]), [builder.gep(pointer, [second]) for pointer in voxels], lanes)
                return []
            repeat(builder, self.columns, [], column)
        blocks = [builder.append_basic_block(f"pieces {count}") for count in range(1, EIGHT + 1)]
        after = builder.append_basic_block("after")
        switch = builder.switch(pieces, blocks[-1])
        for count, block in enumerate(blocks, 1):
            if count < EIGHT:
                switch.add_case(WORD(count), block)
            builder.position_at_end(block)
            loop(count)
            builder.branch(after)
        builder.position_at_end(after)

    def from_lane(self, start):
        return self.builder.icmp_signed(">=", words(*range(EIGHT)), in_all(self.builder, start))

    def copy_pieces(self, *pieces):
        def octet(fibre, voxels, starts):
            value = self.voxels(voxels[0], EIGHT)
            for pointer, start in zip(voxels[1:], starts[1:]):
                value = self.builder.select(self.from_lane(start), self.voxels(pointer, EIGHT), value)
            store(self.builder, self.meaning(value), fibre)
        self.by_pieces(*pieces, octet)

    def add_pieces(self, *pieces):
        def octet(fibre, voxels, starts):
            value = load(self.builder, fibre)
            for i, (pointer, start) in enumerate(zip(voxels, starts)):
                mine = self.builder.select(self.from_lane(start), value, ZERO)
                if i + 1 < len(starts):
                    mine = self.builder.select(self.from_lane(starts[i + 1]), ZERO, mine)
                store(self.builder, self.builder.fadd(load(self.builder, pointer), mine, flags=FAST), pointer)
        self.by_pieces(*pieces, octet)


def row_types(window, volume, offsets, table):
    return window, types.int64, volume, types.int64, types.int32, offsets, table


def turning(act):
    @intrinsic
    def of_row(typing_context, window, to, volume, first, columns, offsets, table, planes):
        """For t < planes, j < columns (a multiple of four): window[to + RUN j + t] and volume[first + j + offsets[0, t]]."""
        def generate(context, builder, signature, args):
            row = Row(context, builder, signature, args[:7])
            act(row, 0)
            with builder.if_then(builder.icmp_signed(">", args[7], WORD(EIGHT))):
                act(row, 1)
            return context.get_dummy_value()
        return types.void(*row_types(window, volume, offsets, table), types.int32), generate
    return of_row


def piecing(act):
    @intrinsic
    def of_row(typing_context, window, to, volume, first, columns, offsets, table, step, pieces, second):
        """For t < 8: window[to + RUN j + t] and volume[first + j step + t + offsets[0, t]], for the next eight planes `second` farther there;
        offsets are the same from t = offsets[1, i] to before offsets[1, i + 1], i < pieces."""
        def generate(context, builder, signature, args):
            act(Row(context, builder, signature, args[:7]), *args[7:])
            return context.get_dummy_value()
        return types.void(*row_types(window, volume, offsets, table), types.int64, types.int32, types.int64), generate
    return of_row


copy_turned, add_turned = turning(Row.copy_turned), turning(Row.add_turned)
copy_pieces, add_pieces = piecing(Row.copy_pieces), piecing(Row.add_pieces)


@intrinsic
def beyond_line(typing_context, v):
    """How many numbers v[0] lies behind the beginning of a line of the cache."""
    def generate(context, builder, signature, args):
        address = builder.ptrtoint(make_array(signature.args[0])(context, builder, args[0]).data, LONG)
        return builder.trunc(builder.udiv(builder.and_(address, LONG(LINE - 1)), LONG(context.get_abi_sizeof(context.get_data_type(v.dtype)))), WORD)
    return types.int32(v), generate


@device
def window_shift(v, m):
    """By how much windows are shifted along the planes, so that runs of voxels along them (m = 0) fill lines of the cache. Only in volumes
    that no cache holds: elsewhere results do not depend, not even by rounding, on where the volume lies."""
    return beyond_line(v) if m == 0 and len(v) >= LARGE else i32(0)


@device
def window_stop(ka, hi, shift):
    """Where the window that begins with plane ka ends."""
    return i32(min((ka + shift) // RUN * RUN + RUN - shift, hi))


@device
def window_width(m, b0, b1):
    """Fibres of a row: where they are copied by fours, a multiple of that."""
    return i32(b1 - b0 + 1) if m == 0 else i32((b1 - b0 + 4) // 4 * 4)


@device
def window_size(width, height, columns, rows):
    """Voxels of a window, with those that may be read beyond its last fibre."""
    return ((height + rows) * width + columns) * RUN


@device
def set_offsets(offsets, shear, m, planes, sm, sb, sc):
    """Fills offsets [2, 16]: how far each of the window's planes lies, for m = 0, from where it would without lean, else from the first plane,
    the missing ones as the last; and where pieces of equal ones begin. Returns the least place that a row's first fibre is read at, the
    largest, how many pieces, and how far the second octet lies from the first."""
    pieces = i32(0)
    low = i64(0)
    high = i64(0)
    for t in range(RUN):
        offsets[0, t] = i64(shear[0, t]) * sb + i64(shear[1, t]) * sc
        if m != 0:
            offsets[0, t] += min(t, planes - 1) * sm
        begin = offsets[0, t] + (t // EIGHT * EIGHT if m == 0 else 0)
        end = begin + (EIGHT - 1 if m == 0 else 0)              # all eight are read there, whichever of them count
        if t < EIGHT or planes > EIGHT:
            low = min(low, begin) if t > 0 else begin
            high = max(high, end) if t > 0 else end
        if t == 0 or (t < EIGHT and offsets[0, t] != offsets[0, t - 1]):
            offsets[1, pieces] = t
            pieces += i32(1)
    return low, high, pieces, offsets[0, EIGHT] + EIGHT - offsets[0, 0] if planes > EIGHT else i64(0)


@device
def clear_outside(window, to, width, planes, b0, nb, shear):
    """Sets to zero what a row's fibres hold beyond the volume along b."""
    for t in range(planes):
        begin = b0 + i32(shear[0, t])
        for j in range(0, min(width, -begin)):
            window[to + j * RUN + t] = real(0)
        for j in range(max(0, nb - begin), width):
            window[to + j * RUN + t] = real(0)


@device
def copy_singly(window, to, v, table, first, width, planes, b0, nb, c, nc, step, offsets, shear, along):
    """A row voxel by voxel, with zeros outside the volume; planes are `along` apart beside their offsets."""
    for t in range(planes):
        begin = b0 + i32(shear[0, t])
        k = c + i32(shear[1, t])
        at = first + offsets[0, t] + t * along
        for j in range(width):
            inside = k >= 0 and k < nc and begin + j >= 0 and begin + j < nb
            window[to + j * RUN + t] = real(fetch(v, table, at + j * step)) if inside else real(0)


@device
def copy_window(window, v, table, m, nx, ny, nz, ka, kb, b0, b1, c0, c1, shear, offsets):
    """Fills the window, of planes ka <= k < kb."""
    nm, nb, nc = turn(m, nx, ny, nz)
    sm, sb, sc = turn(m, i64(1), i64(nx), i64(nx) * ny)
    planes = i32(kb - ka)
    width = window_width(m, b0, b1)
    low, high, pieces, second = set_offsets(offsets, shear, m, planes, sm, sb, sc)
    b_low, b_high = window_shifts(shear[0], planes)
    c_low, c_high = window_shifts(shear[1], planes)
    for c in range(c0, c1 + 1):
        to = i64(c - c0) * width * RUN
        first = ka * sm + b0 * sb + c * sc
        if c + c_low >= 0 and c + c_high < nc and first + low >= 0 and first + high + (width - 1) * sb < len(v):
            if m == 0:
                copy_pieces(window, to, v, first, width, offsets, table, sb, pieces, second)
            else:
                copy_turned(window, to, v, first, width, offsets, table, planes)
            if b0 + b_low < 0 or b1 + b_high >= nb:
                clear_outside(window, to, b1 - b0 + 1, planes, b0, nb, shear)
        else:
            copy_singly(window, to, v, table, first, b1 - b0 + 1, planes, b0, nb, c, nc, sb, offsets, shear, sm if m == 0 else 0)


@device
def add_singly(o, first, window, to, width, planes, b0, nb, c, nc, step, offsets, shear, along):
    """Adds a row voxel by voxel; what lies outside the volume is dropped."""
    for t in range(planes):
        begin = b0 + i32(shear[0, t])
        k = c + i32(shear[1, t])
        at = first + offsets[0, t] + t * along
        if k >= 0 and k < nc:
            for j in range(max(0, -begin), min(width, nb - begin)):
                o[at + j * step] += window[to + j * RUN + t]


@device
def add_window(o, window, m, nx, ny, nz, ka, kb, b0, b1, c0, c1, shear, offsets):
    """Adds to the volume what the window holds for it; what lies outside is dropped."""
    nm, nb, nc = turn(m, nx, ny, nz)
    sm, sb, sc = turn(m, i64(1), i64(nx), i64(nx) * ny)
    planes = i32(kb - ka)
    width = window_width(m, b0, b1)
    low, high, pieces, second = set_offsets(offsets, shear, m, planes, sm, sb, sc)
    c_low, c_high = window_shifts(shear[1], planes)
    no_table = window[:0]
    for c in range(c0, c1 + 1):
        to = i64(c - c0) * width * RUN
        first = ka * sm + b0 * sb + c * sc
        if c + c_low >= 0 and c + c_high < nc and first + low >= 0 and first + high + (width - 1) * sb < len(o):
            clear_outside(window, to, b1 - b0 + 1, planes, b0, nb, shear)
            if m == 0:
                add_pieces(window, to, o, first, width, offsets, no_table, sb, pieces, second)
            else:
                add_turned(window, to, o, first, width, offsets, no_table, planes)
        else:
            add_singly(o, first, window, to, b1 - b0 + 1, planes, b0, nb, c, nc, sb, offsets, shear, sm if m == 0 else 0)
