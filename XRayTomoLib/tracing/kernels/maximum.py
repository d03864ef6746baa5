"""Maximum intensity: the largest of Joseph's samples along the ray, in the volume's own unit."""
from numpy import int32 as i32


@device
def maximum_search(v, table, nm, nb, nc, sm, sb, sc, b, c, db, dc, o0, o1):
    """Largest sample (at least 0, the value outside) and its plane (-1: none)."""
    best = real(0)
    plane = i32(-1)
    for k in range(o0, o1):
        f = joseph_edge(v, table, k, nb, nc, sm, sb, sc, b, c, db, dc)
        if f > best:
            best = f
            plane = i32(k)
    return best, plane


@device
def maximum_pixel(v, table, nx, ny, nz, metric, step, x, y, z, dx, dy, dz):
    """Largest sample on the ray."""
    m = major_axis(dx, dy, dz)
    d_m, d_b, d_c = turn(m, dx, dy, dz)
    s_m, s_b, s_c = turn(m, x, y, z)
    nm, nb, nc = turn(m, nx, ny, nz)
    sm, sb, sc = turn(m, 1, nx, nx * ny)
    b, c, db, dc, o0, o1, k0, k1 = joseph_span(nm, nb, nc, s_m, s_b, s_c, d_m, d_b, d_c)
    return maximum_search(v, table, nm, nb, nc, sm, sb, sc, b, c, db, dc, o0, o1)[0]


@device
def maximum_pixel_grad(v, table, nx, ny, nz, metric, step, x, y, z, dx, dy, dz, out):
    """The largest sample and its derivatives by the ray's start and end -> out[0:7]."""
    for q in range(7):
        out[q] = real(0)
    m = major_axis(dx, dy, dz)
    d_m, d_b, d_c = turn(m, dx, dy, dz)
    s_m, s_b, s_c = turn(m, x, y, z)
    nm, nb, nc = turn(m, nx, ny, nz)
    sm, sb, sc = turn(m, 1, nx, nx * ny)
    b, c, db, dc, o0, o1, k0, k1 = joseph_span(nm, nb, nc, s_m, s_b, s_c, d_m, d_b, d_c)
    best, k = maximum_search(v, table, nm, nb, nc, sm, sb, sc, b, c, db, dc, o0, o1)
    if k < 0:
        return
    f, fb, fc = joseph_edge_grad(v, table, k, nb, nc, sm, sb, sc, b, c, db, dc)
    a = (k - s_m) / d_m
    by_m = -(fb * d_b + fc * d_c) / d_m
    store_gradient(out, 0.0, 1.0, d_m, (1.0 - a) * by_m, (1.0 - a) * fb, (1.0 - a) * fc, a * by_m, a * fb, a * fc, m, 0.0, 0.0, 0.0)
    out[0] = best


@device
def maximum_subgradient(v, table, o, w, nx, ny, nz, x, y, z, dx, dy, dz):
    """Adds w to the voxels of the largest sample, by their share in it."""
    m = major_axis(dx, dy, dz)
    d_m, d_b, d_c = turn(m, dx, dy, dz)
    s_m, s_b, s_c = turn(m, x, y, z)
    nm, nb, nc = turn(m, nx, ny, nz)
    sm, sb, sc = turn(m, 1, nx, nx * ny)
    b, c, db, dc, o0, o1, k0, k1 = joseph_span(nm, nb, nc, s_m, s_b, s_c, d_m, d_b, d_c)
    best, k = maximum_search(v, table, nm, nb, nc, sm, sb, sc, b, c, db, dc, o0, o1)
    if k >= 0:
        joseph_spread(o, k, w, nb, nc, sm, sb, sc, b, c, db, dc)
