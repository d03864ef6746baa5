"""Joseph's method: one bilinear sample on every voxel plane across the ray's major axis, zeros outside the volume.

P. M. Joseph, IEEE Trans. Med. Imaging 1(3), 1982. The planes at the ends of a ray that starts or ends inside the volume count by
the part of their interval [k - 1/2, k + 1/2] that lies on the ray, so that the integral is continuous in the end points.
"""
from math import ceil, floor, sqrt

from numpy import int32 as i32
from numpy import uint32 as u32


@device
def joseph_planes(nm, nb, nc, s_m, s_b, s_c, d_m, d_b, d_c):
    """Intercepts and slopes of b and c over the planes, and the planes o0 <= k < o1 of any weight."""
    if d_m == 0.0:
        return real(0), real(0), real(0), real(0), i32(0), i32(0)
    inv = 1.0 / d_m
    db = real(d_b * inv)
    dc = real(d_c * inv)
    b = real(s_b - s_m * d_b * inv)
    c = real(s_c - s_m * d_c * inv)
    lo = real(max(0.0, ceil(min(s_m, s_m + d_m) - 0.5)))
    hi = real(min(nm - 1.0, floor(max(s_m, s_m + d_m) + 0.5)))
    q0, q1 = axis_range(b, db, recip(db), real(-1), real(nb), lo, hi)
    q0, q1 = axis_range(c, dc, recip(dc), real(-1), real(nc), q0, q1)
    o0, o1 = whole_range(q0, q1, 0, nm - 1)
    return b, c, db, dc, o0, o1


@device
def joseph_span(nm, nb, nc, s_m, s_b, s_c, d_m, d_b, d_c):
    """Intercepts and slopes of b and c over the planes, planes o0 <= k < o1 of any weight, and k0 <= k < k1 whose four voxels exist."""
    b, c, db, dc, o0, o1 = joseph_planes(nm, nb, nc, s_m, s_b, s_c, d_m, d_b, d_c)
    if o1 <= o0:
        return b, c, db, dc, o0, o0, o0, o0
    margin = real(1e-3) + real(1e-6) * real(nm + nb + nc)
    p0, p1 = axis_range(b, db, recip(db), margin, real(nb - 1) - margin, real(o0), real(o1 - 1))
    p0, p1 = axis_range(c, dc, recip(dc), margin, real(nc - 1) - margin, p0, p1)
    k0, k1 = whole_range(p0, p1, o0, o1 - 1)
    if k1 <= k0 or min(nb, nc) < 2:     # one layer of voxels has no footprint of two
        k0 = o1
        k1 = o1
    return b, c, db, dc, o0, o1, k0, k1


@device
def joseph_ends(nm, s_m, d_m):
    """Planes at the low and the high end of the segment and the parts of them that are missing: (k, lack, k, lack).

    Plane -1 stands for none.
    """
    a0 = min(s_m, s_m + d_m)
    a1 = max(s_m, s_m + d_m)
    first = ceil(a0 - 0.5)
    last = floor(a1 + 0.5)
    lack0 = 1.0 - (min(first + 0.5, a1) - max(first - 0.5, a0))
    lack1 = 1.0 - (a1 - (last - 0.5))
    k_first = i32(-1)
    k_last = i32(-1)
    if first >= 0.0 and first <= nm - 1.0:
        k_first = i32(first)
    if last >= 0.0 and last <= nm - 1.0 and last > first:
        k_last = i32(last)
    return k_first, real(lack0), k_last, real(lack1)


@device
def joseph_inner(v, table, sm, sb, sc, ka, kb, b, c, db, dc):
    """Sum of bilinear samples at planes ka <= k < kb; every footprint lies inside the volume."""
    acc = real(0)
    vb = v[sb:]
    vc = v[sc:]
    vbc = v[sb + sc:]
    for k in range(i32(ka), i32(kb)):
        kf = real(k)
        bb = b + kf * db
        cc = c + kf * dc
        ib = i32(bb)
        ic = i32(cc)
        fb = bb - real(ib)
        fc = cc - real(ic)
        i = u32(i32(i32(i32(k) * sm) + i32(i32(ib * sb) + i32(ic * sc)))) & MASK
        v00 = fetch(v, table, i)
        v01 = fetch(vc, table, i)
        l0 = v00 + fb * (fetch(vb, table, i) - v00)
        l1 = v01 + fb * (fetch(vbc, table, i) - v01)
        acc += l0 + fc * (l1 - l0)
    return acc


@device
def joseph_corners(v, table, k, nb, nc, sm, sb, sc, bb, cc):
    """The four voxels round (bb, cc) on plane k, zeros where there are none, and the fractions of b and c."""
    ib = i32(floor(bb))
    ic = i32(floor(cc))
    v00 = real(0)
    v01 = real(0)
    v10 = real(0)
    v11 = real(0)
    if ib >= -1 and ib < nb and ic >= -1 and ic < nc:
        i = k * sm + ib * sb + ic * sc
        if ib >= 0:
            if ic >= 0:
                v00 = real(fetch(v, table, i))
            if ic + 1 < nc:
                v01 = real(fetch(v, table, i + sc))
        if ib + 1 < nb:
            if ic >= 0:
                v10 = real(fetch(v, table, i + sb))
            if ic + 1 < nc:
                v11 = real(fetch(v, table, i + sb + sc))
    return v00, v01, v10, v11, bb - real(ib), cc - real(ic)


@device
def joseph_edge(v, table, k, nb, nc, sm, sb, sc, b, c, db, dc):
    """One sample near the border."""
    v00, v01, v10, v11, fb, fc = joseph_corners(v, table, k, nb, nc, sm, sb, sc, b + real(k) * db, c + real(k) * dc)
    l0 = v00 + fb * (v10 - v00)
    l1 = v01 + fb * (v11 - v01)
    return l0 + fc * (l1 - l0)


@device
def joseph_border(v, table, nm, nb, nc, sm, sb, sc, s_m, d_m, b, c, db, dc, o0, o1, k0, k1):
    """Samples outside the inner range and what the cut planes at the ends have too much."""
    acc = real(0)
    for k in range(o0, k0):
        acc += joseph_edge(v, table, k, nb, nc, sm, sb, sc, b, c, db, dc)
    for k in range(k1, o1):
        acc += joseph_edge(v, table, k, nb, nc, sm, sb, sc, b, c, db, dc)
    e0, lack0, e1, lack1 = joseph_ends(nm, s_m, d_m)
    if e0 >= 0:
        acc -= lack0 * joseph_edge(v, table, e0, nb, nc, sm, sb, sc, b, c, db, dc)
    if e1 >= 0:
        acc -= lack1 * joseph_edge(v, table, e1, nb, nc, sm, sb, sc, b, c, db, dc)
    return acc


@device
def joseph_edge_grad(v, table, k, nb, nc, sm, sb, sc, b, c, db, dc):
    """The sample and its derivatives by b and c."""
    v00, v01, v10, v11, fb, fc = joseph_corners(v, table, k, nb, nc, sm, sb, sc, b + real(k) * db, c + real(k) * dc)
    e0 = v10 - v00
    e1 = v11 - v01
    l0 = v00 + fb * e0
    l1 = v01 + fb * e1
    return l0 + fc * (l1 - l0), e0 + fc * (e1 - e0), l1 - l0


@device
def joseph_inner_grad(v, table, sm, sb, sc, ka, kb, b, c, db, dc, kc):
    """Sums over planes of f, df/db, (k - kc) df/db, df/dc, (k - kc) df/dc."""
    acc = real(0)
    gb = real(0)
    gb1 = real(0)
    gc = real(0)
    gc1 = real(0)
    vb = v[sb:]
    vc = v[sc:]
    vbc = v[sb + sc:]
    for k in range(i32(ka), i32(kb)):
        kf = real(k)
        bb = b + kf * db
        cc = c + kf * dc
        ib = i32(bb)
        ic = i32(cc)
        fb = bb - real(ib)
        fc = cc - real(ic)
        i = u32(i32(i32(i32(k) * sm) + i32(i32(ib * sb) + i32(ic * sc)))) & MASK
        v00 = fetch(v, table, i)
        v01 = fetch(vc, table, i)
        e0 = fetch(vb, table, i) - v00
        e1 = fetch(vbc, table, i) - v01
        l0 = v00 + fb * e0
        l1 = v01 + fb * e1
        fcd = l1 - l0
        fbd = e0 + fc * (e1 - e0)
        w = kf - kc
        acc += l0 + fc * fcd
        gb += fbd
        gb1 += w * fbd
        gc += fcd
        gc1 += w * fcd
    return acc, gb, gb1, gc, gc1


@device
def joseph_finish(v, table, nm, nb, nc, sm, sb, sc, m, s_m, d_m, d_b, d_c, b, c, db, dc, f, b0, b1, c0, c1, metric, dx, dy, dz, out):
    """out[0:7] = line integral and its derivatives by the ray's start and end, from the sums over planes of f, df/db, (k - kc) df/db,
    df/dc, (k - kc) df/dc, kc = nm/2; planes that the ends cut are corrected here."""
    kc = real(0.5) * real(nm)
    e0, lack0, e1, lack1 = joseph_ends(nm, s_m, d_m)
    low = real(0)
    high = real(0)
    for part in range(2):
        k = e0 if part == 0 else e1
        lack = lack0 if part == 0 else lack1
        if k >= 0:
            f_k, fb, fc = joseph_edge_grad(v, table, k, nb, nc, sm, sb, sc, b, c, db, dc)
            w = real(k) - kc
            f -= lack * f_k
            b0 -= lack * fb
            b1 -= lack * w * fb
            c0 -= lack * fc
            c1 -= lack * w * fc
            if part == 0:
                low = f_k
            else:
                high = f_k
    if e0 >= 0 and e1 < 0 and floor(max(s_m, s_m + d_m) + 0.5) == e0:
        high = low                      # both ends in one plane's interval
    length2 = length_mm(metric, dx, dy, dz)
    inv = 1.0 / d_m
    mm = sqrt(length2) * abs(inv)                      # mm per plane
    centre = (kc - s_m) * inv                          # ray parameter of plane kc
    tb = centre * b0 + inv * b1                        # sum of a_k f_b: the end's share of the shift
    tc = centre * c0 + inv * c1
    sb0 = b0 - tb
    sc0 = c0 - tc
    # the value is |d|/|d_m| F: |d_m| is in the frame's first axis; cut planes move with the ends
    start_cut = -low if d_m > 0.0 else high
    end_cut = high if d_m > 0.0 else -low
    gs_m = mm * (f * inv - inv * (d_b * sb0 + d_c * sc0) + start_cut)
    gt_m = mm * (-f * inv - inv * (d_b * tb + d_c * tc) + end_cut)
    gx, gy, gz = metric_times(metric, dx, dy, dz)
    store_gradient(out, mm * f, length2, d_m, gs_m, mm * sb0, mm * sc0, gt_m, mm * tb, mm * tc, m, gx, gy, gz)


@device
def joseph_pixel_grad(v, table, nx, ny, nz, metric, step, x, y, z, dx, dy, dz, out):
    """Line integral and its derivatives by the ray's start and end (voxel coordinates) -> out[0:7]."""
    m = major_axis(dx, dy, dz)
    d_m, d_b, d_c = turn(m, dx, dy, dz)
    for q in range(7):
        out[q] = real(0)
    if d_m == 0.0:
        return
    s_m, s_b, s_c = turn(m, x, y, z)
    nm, nb, nc = turn(m, nx, ny, nz)
    sm, sb, sc = turn(m, 1, nx, nx * ny)
    b, c, db, dc, o0, o1, k0, k1 = joseph_span(nm, nb, nc, s_m, s_b, s_c, d_m, d_b, d_c)
    kc = real(0.5) * real(nm)
    f, b0, b1, c0, c1 = joseph_inner_grad(v, table, i32(sm), i32(sb), i32(sc), k0, k1, b, c, db, dc, kc)
    for part in range(2):
        first = o0 if part == 0 else k1
        stop = k0 if part == 0 else o1
        for k in range(first, stop):
            f_k, fb, fc = joseph_edge_grad(v, table, k, nb, nc, sm, sb, sc, b, c, db, dc)
            w = real(k) - kc
            f += f_k
            b0 += fb
            b1 += w * fb
            c0 += fc
            c1 += w * fc
    joseph_finish(v, table, nm, nb, nc, sm, sb, sc, m, s_m, d_m, d_b, d_c, b, c, db, dc, f, b0, b1, c0, c1, metric, dx, dy, dz, out)


@device
def joseph_pixel(v, table, nx, ny, nz, metric, step, x, y, z, dx, dy, dz):
    """Line integral of one ray."""
    m = major_axis(dx, dy, dz)
    d_m, d_b, d_c = turn(m, dx, dy, dz)
    if d_m == 0.0:
        return real(0)
    s_m, s_b, s_c = turn(m, x, y, z)
    nm, nb, nc = turn(m, nx, ny, nz)
    sm, sb, sc = turn(m, 1, nx, nx * ny)
    b, c, db, dc, o0, o1, k0, k1 = joseph_span(nm, nb, nc, s_m, s_b, s_c, d_m, d_b, d_c)
    acc = joseph_border(v, table, nm, nb, nc, sm, sb, sc, s_m, d_m, b, c, db, dc, o0, o1, k0, k1)
    acc += joseph_inner(v, table, i32(sm), i32(sb), i32(sc), k0, k1, b, c, db, dc)
    return acc * real(sqrt(length_mm(metric, dx, dy, dz)) / abs(d_m))


@device
def joseph_spread(o, k, w, nb, nc, sm, sb, sc, b, c, db, dc):
    """Transpose of joseph_edge: adds w to the voxels round the sample on plane k."""
    bb = b + real(k) * db
    cc = c + real(k) * dc
    ib = i32(floor(bb))
    ic = i32(floor(cc))
    fb = bb - real(ib)
    fc = cc - real(ic)
    if ib >= -1 and ib < nb and ic >= -1 and ic < nc:
        i = k * sm + ib * sb + ic * sc
        if ib >= 0:
            if ic >= 0:
                deposit(o, i, (real(1) - fb) * (real(1) - fc) * w)
            if ic + 1 < nc:
                deposit(o, i + sc, (real(1) - fb) * fc * w)
        if ib + 1 < nb:
            if ic >= 0:
                deposit(o, i + sb, fb * (real(1) - fc) * w)
            if ic + 1 < nc:
                deposit(o, i + sb + sc, fb * fc * w)


@device
def joseph_inner_spread(o, w, sm, sb, sc, ka, kb, b, c, db, dc):
    """Transpose of joseph_inner."""
    ob = o[sb:]
    oc = o[sc:]
    obc = o[sb + sc:]
    for k in range(i32(ka), i32(kb)):
        kf = real(k)
        bb = b + kf * db
        cc = c + kf * dc
        ib = i32(bb)
        ic = i32(cc)
        fb = bb - real(ib)
        fc = cc - real(ic)
        i = u32(i32(i32(i32(k) * sm) + i32(i32(ib * sb) + i32(ic * sc)))) & MASK
        w1 = fc * w
        w0 = w - w1
        deposit(o, i, w0 - fb * w0)
        deposit(ob, i, fb * w0)
        deposit(oc, i, w1 - fb * w1)
        deposit(obc, i, fb * w1)


@device
def joseph_adjoint(o, w, nx, ny, nz, z0, z1, metric, step, x, y, z, dx, dy, dz):
    """Adds w times the ray's weights to the slab z0 <= k < z1, whose voxels are o; padding by zeros splits exactly over slabs."""
    z -= z0
    n_slab = z1 - z0
    # half a plane more than the support: the sample of a cut plane may lie that much beyond the end of the ray
    if (z < -1.5 and z + dz < -1.5) or (z > n_slab + 0.5 and z + dz > n_slab + 0.5):
        return
    m = major_axis(dx, dy, dz)
    d_m, d_b, d_c = turn(m, dx, dy, dz)
    if d_m == 0.0:
        return
    w *= real(sqrt(length_mm(metric, dx, dy, dz)) / abs(d_m))
    s_m, s_b, s_c = turn(m, x, y, z)
    nm, nb, nc = turn(m, nx, ny, n_slab)
    sm, sb, sc = turn(m, 1, nx, nx * ny)
    b, c, db, dc, o0, o1, k0, k1 = joseph_span(nm, nb, nc, s_m, s_b, s_c, d_m, d_b, d_c)
    for k in range(o0, k0):
        joseph_spread(o, k, w, nb, nc, sm, sb, sc, b, c, db, dc)
    joseph_inner_spread(o, w, i32(sm), i32(sb), i32(sc), k0, k1, b, c, db, dc)
    for k in range(k1, o1):
        joseph_spread(o, k, w, nb, nc, sm, sb, sc, b, c, db, dc)
    e0, lack0, e1, lack1 = joseph_ends(nm, s_m, d_m)
    if e0 >= 0:
        joseph_spread(o, e0, -lack0 * w, nb, nc, sm, sb, sc, b, c, db, dc)
    if e1 >= 0:
        joseph_spread(o, e1, -lack1 * w, nb, nc, sm, sb, sc, b, c, db, dc)
