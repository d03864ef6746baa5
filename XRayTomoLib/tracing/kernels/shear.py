"""How the fibres of a window lean: as the rays of a tile do, by whole voxels from plane to plane, so that each ray stays near its fibres.

shear [2, 21], along b and c: the shifts of a window's sixteen planes, then the slope, the least and largest t slope - shift of its planes t, and
the same of the first eight. Both octets have the same shifts but for what the second begins with. A window's voxel b, c on plane t is the
volume's b0 + b + shift, c0 + c + shift.
"""
from math import floor

from numpy import int32 as i32

LEAN, LOWEST, HIGHEST, LOWEST_OF_EIGHT, HIGHEST_OF_EIGHT = range(16, 21)


@device
def lean_along(slope, row):
    """Fills one row of shear: what t slope has beyond whole numbers goes round a circle, which is cut at its widest gap."""
    cut = 0.0
    span = 2.0
    for t in range(EIGHT):
        start = t * slope - floor(t * slope)
        widest = 0.0
        for s in range(EIGHT):
            beyond = s * slope - start
            widest = max(widest, beyond - floor(beyond + 1e-5))
        if widest < span:
            span = widest
            cut = start
    second = floor(EIGHT * slope + 0.5)
    row[LEAN] = slope
    row[LOWEST] = real(2)
    row[HIGHEST] = real(-2)
    for t in range(RUN):
        shift = floor(t * slope - cut + 1e-5) if t < EIGHT else row[t - EIGHT] + second
        row[t] = shift
        row[LOWEST] = min(row[LOWEST], real(t * slope - shift))
        row[HIGHEST] = max(row[HIGHEST], real(t * slope - shift))
        if t < EIGHT:
            row[LOWEST_OF_EIGHT] = row[LOWEST]
            row[HIGHEST_OF_EIGHT] = row[HIGHEST]


@device
def fibres_passed(row, spread):
    """How many fibres eight samples can pass whose slope differs by up to `spread` from that of the fibres."""
    return i32(row[HIGHEST_OF_EIGHT] - row[LOWEST_OF_EIGHT] + real(EIGHT - 1) * spread + real(1e-3)) + i32(3)


@device
def extreme_shifts(row, first, stop):
    """The least and the largest shift of planes first <= t < stop, at most eight: there they rise or fall all the way."""
    return min(i32(row[first]), i32(row[stop - 1])), max(i32(row[first]), i32(row[stop - 1]))


@device
def window_shifts(row, planes):
    """The least and the largest shift of a window of so many planes."""
    low, high = extreme_shifts(row, 0, min(planes, EIGHT))
    if planes > EIGHT:
        low_of_second, high_of_second = extreme_shifts(row, EIGHT, planes)
        return min(low, low_of_second), max(high, high_of_second)
    return low, high


@device
def tile_shear(m, n, whole, part, shear):
    """Sets shear to the middle of the slopes of rays with major axis m; returns how many columns and rows of fibres they pass at most."""
    least_b = real(1)
    most_b = real(-1)
    least_c = real(1)
    most_c = real(-1)
    for q in range(n):
        if whole[0, q] == m:
            least_b = min(least_b, part[SLOPE_B, q])
            most_b = max(most_b, part[SLOPE_B, q])
            least_c = min(least_c, part[SLOPE_C, q])
            most_c = max(most_c, part[SLOPE_C, q])
    lean_along(real(0.5) * (least_b + most_b), shear[0])
    lean_along(real(0.5) * (least_c + most_c), shear[1])
    return fibres_passed(shear[0], real(0.5) * (most_b - least_b)), fibres_passed(shear[1], real(0.5) * (most_c - least_c))


@vector
def extent(n, whole, part, ka, kb, lean_b, lean_c):
    """Least and largest b and c of the rays' samples on planes ka <= k < kb, less what planes lean from ka on."""
    first_all = whole[3]
    stop_all = whole[4]
    b0 = real(1e9)
    b1 = real(-1e9)
    c0 = real(1e9)
    c1 = real(-1e9)
    for q in range(i32(n)):
        first = max(ka, first_all[q])
        last = i32(min(kb, stop_all[q]) - i32(1))
        none = real(0) if last >= first else real(4e9)
        at = real(i32(first - ka))
        to = real(i32(last - ka))
        db = part[2, q]
        dc = part[3, q]
        b = part[0, q] + real(ka) * db
        c = part[1, q] + real(ka) * dc
        ba = b + at * (db - lean_b)
        be = b + to * (db - lean_b)
        ca = c + at * (dc - lean_c)
        ce = c + to * (dc - lean_c)
        b0 = least(b0, least(ba, be) + none)
        b1 = most(b1, most(ba, be) - none)
        c0 = least(c0, least(ca, ce) + none)
        c1 = most(c1, most(ca, ce) - none)
    return b0, b1, c0, c1


@device
def window_extent(n, whole, part, ka, kb, shear):
    """Voxels b0..b1, c0..c1 of leaning fibres that the samples on planes ka <= k < kb lie between (b1 < b0: no samples)."""
    b0, b1, c0, c1 = extent(n, whole, part, ka, kb, shear[0, LEAN], shear[1, LEAN])
    if b1 < b0:
        return i32(0), i32(-1), i32(0), i32(-1)
    return (i32(floor(b0 + shear[0, LOWEST])), i32(floor(b1 + shear[0, HIGHEST])) + i32(1),
            i32(floor(c0 + shear[1, LOWEST])), i32(floor(c1 + shear[1, HIGHEST])) + i32(1))


@vector
def place_octet(n, whole, part, half, ka, begin, stop_plane, b0, c0, last_b, last_c, width, lean_b, lean_c, low_b, low_c):
    first_all = whole[3]
    stop_all = whole[4]
    places = whole[PLACE + half]
    first_here = whole[FIRST + half]
    stop_here = whole[STOP + half]
    at_b = part[AT_B + half]
    at_c = part[AT_C + half]
    for q in range(i32(n)):
        first = i32(max(first_all[q], ka) - ka)
        stop = i32(min(stop_all[q], stop_plane) - ka)
        some = first < stop
        lo = real(first)
        hi = real(i32(stop - i32(1)))
        db = part[2, q]
        dc = part[3, q]
        b = part[0, q] + real(ka) * db - b0
        c = part[1, q] + real(ka) * dc - c0
        ib = i32(min(b + lo * (db - lean_b), b + hi * (db - lean_b)) + low_b) if some else i32(0)
        ic = i32(min(c + lo * (dc - lean_c), c + hi * (dc - lean_c)) + low_c) if some else i32(0)
        within = min(min(ib, i32(last_b - ib)), min(ic, i32(last_c - ic)))
        first_here[q] = first
        stop_here[q] = stop if within >= i32(0) else i32(0)
        places[q] = i32(begin + i32(i32(i32(ic * width) + ib) * i32(RUN)))
        at_b[q] = b - real(ib)
        at_c[q] = c - real(ic)


@device
def place_octets(n, whole, part, ka, kb, b0, b1, c0, c1, width, shear):
    """Places, positions and lanes (fibres.py) of the two octets of all rays in a window of planes ka <= k < kb, whose fibres begin with (b0, c0),
    `width` of them a row. Those of rays whose own fibres begin outside b0..b1, c0..c1 do not count."""
    for half in range(2):
        first = min(ka + half * EIGHT, kb)
        stop = min(first + EIGHT, kb)
        b = real(b0) + shear[0, half * EIGHT] - shear[0, 0]
        c = real(c0) + shear[1, half * EIGHT] - shear[1, 0]
        place_octet(n, whole, part, half, i32(first), i32(half * EIGHT), i32(stop), b, c, i32(b1 - b0), i32(c1 - c0), i32(width),
                    shear[0, LEAN], shear[1, LEAN], shear[0, LOWEST_OF_EIGHT], shear[1, LOWEST_OF_EIGHT])
