"""Windows of the volume that a tile of rays works in: copied from it before sampling, added to it after spreading.

A window holds the voxels b0..b1, c0..c1 of planes ka <= k < kb as fibres (fibres.py): voxel (k, b, c) lies at
((c - c0) width + b - b0) RUN + k - ka, width = b1 - b0 + 1. What the samples need so lies side by side, with no line of the cache far away
or crowded out by others. What lies outside the volume is zero; what is read beyond a window's rows counts by nothing.
"""
from numpy import int32 as i32
from numpy import uint64 as u64

LARGE = 1 << 22             # voxels


def turned(builder, rows):
    """The transpose of four vectors of four."""
    def pick(a, b, *lanes):
        return builder.shuffle_vector(a, b, words(*lanes))
    low = [pick(rows[i], rows[i + 1], 0, 4, 1, 5) for i in (0, 2)]
    high = [pick(rows[i], rows[i + 1], 2, 6, 3, 7) for i in (0, 2)]
    return [pick(*pair, *lanes) for pair in (low, high) for lanes in ((0, 1, 4, 5), (2, 3, 6, 7))]


def quads(context, builder, array_type, value, place, step):
    """Pointers to four numbers each, `step` apart, the first at value[place]."""
    data = builder.gep(make_array(array_type)(context, builder, value).data, [place])
    return [builder.gep(data, [builder.mul(step, LONG(i))]) for i in range(4)]


@intrinsic
def copy_block(typing_context, window, to, v, first, step):
    """window[to + RUN t + k] = v[first + k step + t], t, k < 4."""
    def generate(context, builder, signature, args):
        source = quads(context, builder, signature.args[2], args[2], args[3], args[4])
        target = quads(context, builder, signature.args[0], args[0], args[1], LONG(RUN))
        for pointer, line in zip(target, turned(builder, [load(builder, p, QUAD) for p in source])):
            store(builder, line, pointer)
        return context.get_dummy_value()
    return types.void(window, types.int64, v, types.int64, types.int64), generate


@intrinsic
def add_block(typing_context, o, first, step, window, place):
    """o[first + k step + t] += window[place + RUN t + k], t, k < 4."""
    def generate(context, builder, signature, args):
        target = quads(context, builder, signature.args[0], args[0], args[1], args[2])
        source = quads(context, builder, signature.args[3], args[3], args[4], LONG(RUN))
        for pointer, line in zip(target, turned(builder, [load(builder, p, QUAD) for p in source])):
            store(builder, builder.fadd(load(builder, pointer, QUAD), line, flags=FAST), pointer)
        return context.get_dummy_value()
    return types.void(o, types.int64, types.int64, window, types.int64), generate


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


@vector
def copy_runs(window, v, table, to, pitch, first, step, rows):
    """rows times RUN voxels; a row starts every `step` voxels and goes to every `pitch` places."""
    for r in range(rows):
        a = u64(to + r * pitch)
        b = u64(first + r * step)
        for t in range(RUN):
            window[a + u64(t)] = real(fetch(v, table, b + u64(t)))


@device
def copy_single(window, v, table, to, first, sm, sb, planes, columns):
    """A row of fibres, voxel by voxel."""
    for t in range(columns):
        for k in range(planes):
            window[to + t * RUN + k] = real(fetch(v, table, first + t * sb + k * sm))


@device
def copy_turned_numbers(window, v, table, to, first, step, planes, columns):
    """A row of fibres whose voxels lie `step` apart, those of a plane side by side, at least four: by blocks, the last one over the one before."""
    for k in range(0, planes, 4):
        for t in range(0, columns - 3, 4):
            copy_block(window, to + t * RUN + k, v, first + k * step + t, step)
        if columns % 4:
            copy_block(window, to + (columns - 4) * RUN + k, v, first + k * step + columns - 4, step)


@device
def copy_turned_codes(window, v, table, to, first, step, planes, columns):
    copy_single(window, v, table, to, first, step, 1, planes, columns)


copy_turned = copy_turned_codes if coded else copy_turned_numbers


@device
def window_size(width, height):
    """Voxels of a window, with those that octets may read beyond its last fibre."""
    return (height + MOST_FIBRES) * width * RUN + MOST_FIBRES * RUN


@device
def copy_window(window, v, table, m, nx, ny, nz, ka, kb, b0, b1, c0, c1):
    """Fills the window; returns its width, 0 where it is too large."""
    nm, nb, nc = turn(m, nx, ny, nz)
    sm, sb, sc = turn(m, 1, nx, nx * ny)
    width = b1 - b0 + 1
    pitch = width * RUN
    if window_size(width, c1 - c0 + 1) > len(window):
        return i32(0)
    f0 = max(b0, 0)
    e0 = max(c0, 0)
    columns = min(b1 + 1, nb) - f0
    rows = min(c1 + 1, nc) - e0
    if columns < width or rows < c1 - c0 + 1:
        window[:(c1 - c0 + 1) * pitch] = real(0)
    if columns <= 0 or rows <= 0:
        return i32(width)
    planes = kb - ka
    first = ka * sm + f0 * sb + e0 * sc
    to = (e0 - c0) * pitch + (f0 - b0) * RUN
    read = RUN if m == 0 else (planes + 3) // 4 * 4         # planes of a row: those beyond kb count nothing, but have to be there
    if first + (read - 1) * sm + (columns - 1) * sb + (rows - 1) * sc >= len(v) or (m != 0 and columns < 4):
        for r in range(rows):
            copy_single(window, v, table, to + r * pitch, first + r * sc, sm, sb, planes, columns)
    elif m == 0:
        for r in range(rows):
            copy_runs(window, v, table, to + r * pitch, RUN, first + r * sc, sb, columns)
    else:
        for r in range(rows):
            copy_turned(window, v, table, to + r * pitch, first + r * sc, sm, planes, columns)
    return i32(width)


@vector
def add_runs(o, window, first, step, place, rows, count):
    """o[first + r step + t] += window[place + r RUN + t], t < count."""
    for r in range(rows):
        a = u64(first + r * step)
        b = u64(place + r * RUN)
        for t in range(i32(count)):
            o[a + u64(t)] += window[b + u64(t)]


@device
def add_window(o, window, m, nx, ny, nz, ka, kb, b0, b1, c0, c1):
    """Adds to the volume what the window holds for it; what lies outside is dropped."""
    nm, nb, nc = turn(m, nx, ny, nz)
    sm, sb, sc = turn(m, 1, nx, nx * ny)
    pitch = (b1 - b0 + 1) * RUN
    f0 = max(b0, 0)
    columns = min(b1 + 1, nb) - f0
    planes = kb - ka
    for c in range(max(c0, 0), min(c1 + 1, nc)):
        place = (c - c0) * pitch + (f0 - b0) * RUN
        first = ka * sm + f0 * sb + c * sc
        if m == 0:
            add_runs(o, window, first, sb, place, columns, planes)
        else:
            whole_planes = planes // 4 * 4
            whole_columns = max(columns, 0) // 4 * 4
            for k in range(0, whole_planes, 4):
                for t in range(0, whole_columns, 4):
                    add_block(o, first + k * sm + t, sm, window, place + t * RUN + k)
            for k in range(planes):
                for t in range(whole_columns if k < whole_planes else 0, columns):
                    o[first + k * sm + t] += window[place + t * RUN + k]
