"""CPU drivers of one method: `tile`, `tile_grad` and `adjoint` are put in by targets.py."""

@device
def bundle_forward(v, table, nx, ny, nz, metric, step, occupancy, bundles, rows, cols, out, q0, q1, side, rays, values, whole, part, window):
    """Tiles q0..q1 of side x side pixels over all views; out [channels, views, rows, cols]."""
    across = (cols + side - 1) // side
    down = (rows + side - 1) // side
    for q in range(q0, q1):
        i = q // (across * down)
        t = q - i * across * down
        r0 = (t // across) * side
        c0 = (t % across) * side
        r1 = min(r0 + side, rows)
        c1 = min(c0 + side, cols)
        n = fill_bundle(bundles[i], r0, r1, c0, c1, rays)
        tile(v, table, nx, ny, nz, metric, step, occupancy, rays, n, values, whole, part, window)
        for channel in range(v.shape[0]):
            p = 0
            for r in range(r0, r1):
                for c in range(c0, c1):
                    out[channel, i, r, c] = values[channel, p]
                    p += 1


@device
def listed_forward(v, table, nx, ny, nz, metric, step, occupancy, ends, out, q0, q1, side, rays, values, whole, part, window):
    """Blocks q0..q1 of side x side listed rays; out [channels, n]."""
    for q in range(q0, q1):
        first = q * side * side
        n = fill_listed(ends, first, min(first + side * side, len(ends)), rays)
        tile(v, table, nx, ny, nz, metric, step, occupancy, rays, n, values, whole, part, window)
        for channel in range(v.shape[0]):
            for p in range(n):
                out[channel, first + p] = values[channel, p]


@device
def bundle_jacobian(v, table, nx, ny, nz, metric, step, bundles, rows, cols, out, q0, q1, side, rays, values, whole, part, window, sums, sevens):
    """Tiles q0..q1 over all views; out [channels, views, rows, cols, 7]."""
    across = (cols + side - 1) // side
    down = (rows + side - 1) // side
    for q in range(q0, q1):
        i = q // (across * down)
        t = q - i * across * down
        r0 = (t // across) * side
        c0 = (t % across) * side
        r1 = min(r0 + side, rows)
        c1 = min(c0 + side, cols)
        n = fill_bundle(bundles[i], r0, r1, c0, c1, rays)
        for channel in range(v.shape[0]):
            tile_grad(v[channel], table, nx, ny, nz, metric, step, rays, n, values[channel, :n], whole, part, window, sums, sevens)
            p = 0
            for r in range(r0, r1):
                for c in range(c0, c1):
                    for a in range(7):
                        out[channel, i, r, c, a] = sevens[p, a]
                    p += 1


@device
def listed_jacobian(v, table, nx, ny, nz, metric, step, ends, out, q0, q1, side, rays, values, whole, part, window, sums, sevens):
    """Blocks q0..q1 of side x side listed rays; out [channels, n, 7]."""
    for q in range(q0, q1):
        first = q * side * side
        n = fill_listed(ends, first, min(first + side * side, len(ends)), rays)
        for channel in range(v.shape[0]):
            tile_grad(v[channel], table, nx, ny, nz, metric, step, rays, n, values[channel, :n], whole, part, window, sums, sevens)
            for p in range(n):
                for a in range(7):
                    out[channel, first + p, a] = sevens[p, a]


@device
def bundle_adjoint(o, y, nx, ny, nz, z0, z1, metric, step, bundles):
    """Adds the adjoint of y [views, rows, cols] to the slab z0 <= k < z1, whose voxels are o."""
    for i in range(y.shape[0]):
        g = bundles[i]
        for r in range(y.shape[1]):
            for c in range(y.shape[2]):
                w = y[i, r, c]
                if w != real(0):
                    sx, sy, sz, dx, dy, dz = bundle_ray(g, r, c)
                    adjoint(o, w, nx, ny, nz, z0, z1, metric, step, sx, sy, sz, dx, dy, dz)


@device
def listed_adjoint(o, y, nx, ny, nz, z0, z1, metric, step, ends):
    """The same for listed rays, y [n]."""
    for q in range(len(y)):
        if y[q] != real(0):
            adjoint(o, y[q], nx, ny, nz, z0, z1, metric, step, ends[q, 0, 0], ends[q, 0, 1], ends[q, 0, 2], ends[q, 1, 0] - ends[q, 0, 0],
                    ends[q, 1, 1] - ends[q, 0, 1], ends[q, 1, 2] - ends[q, 0, 2])
