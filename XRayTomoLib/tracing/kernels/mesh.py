"""Crossings of rays with the triangles of a closed mesh.

Every ray is sheared onto an axis (S. Woop, C. Benthin, I. Wald, JCGT 2(1), 2013): there a triangle is hit where its three edge
functions have one sign. Here their signs are those of exact arithmetic, and a ray through an edge or a vertex is moved, in thought, by
(eps, eps^2), so that whatever it passes it enters and leaves a closed mesh equally often. That needs plain arithmetic: no fused or
reordered operations, hence a decorator without fast mathematics, and float64.

Triangles are drawn onto flat detectors one after the other (draw_...), listed rays walk down a tree of boxes (walk_...). A ray is kept
as a line [8]: start and slopes in the frame of its major axis, 1 / d_m, sense, length. corners [T, 3, 3] are the triangles.
"""
from math import ceil, floor, sqrt

from numpy import int32 as i32

MARGIN = 1e-3       # pixels round the projected triangle that are looked at, beyond rounding


@device
def rounding(a, b, product):
    """What the rounded product of a and b lacks, exactly (T. J. Dekker, Numer. Math. 18, 1971)."""
    t = 134217729.0 * a
    ah = t - (t - a)
    al = a - ah
    t = 134217729.0 * b
    bh = t - (t - b)
    bl = b - bh
    return al * bl - (((product - ah * bh) - al * bh) - ah * bl)


@device
def side_of(px, py, qx, qy):
    """On which side of the edge p -> q the origin lies: the sign of p x q, never 0 unless p and q are one point."""
    u = px * qy
    w = py * qx
    if u == w:
        u = rounding(px, qy, u)
        w = rounding(py, qx, w)
        if u == w:
            u = py
            w = qy
            if u == w:
                u = qx
                w = px
    if u > w:
        return 1
    if u < w:
        return -1
    return 0


@device
def crossing(triangle, line, m):
    """(sign, a) where the line meets the triangle: +1 leaving, -1 entering, 0 not at all; a in lengths of the ray."""
    m0, b0, c0 = turn(m, triangle[0, 0], triangle[0, 1], triangle[0, 2])
    m1, b1, c1 = turn(m, triangle[1, 0], triangle[1, 1], triangle[1, 2])
    m2, b2, c2 = turn(m, triangle[2, 0], triangle[2, 1], triangle[2, 2])
    m0 -= line[0]
    m1 -= line[0]
    m2 -= line[0]
    x0 = (b0 - line[1]) - line[3] * m0
    x1 = (b1 - line[1]) - line[3] * m1
    x2 = (b2 - line[1]) - line[3] * m2
    if (x0 > 0.0 and x1 > 0.0 and x2 > 0.0) or (x0 < 0.0 and x1 < 0.0 and x2 < 0.0):
        return 0, 0.0
    y0 = (c0 - line[2]) - line[4] * m0
    y1 = (c1 - line[2]) - line[4] * m1
    y2 = (c2 - line[2]) - line[4] * m2
    if (y0 > 0.0 and y1 > 0.0 and y2 > 0.0) or (y0 < 0.0 and y1 < 0.0 and y2 < 0.0):
        return 0, 0.0
    sign = side_of(x1, y1, x2, y2)
    if sign == 0 or side_of(x2, y2, x0, y0) != sign or side_of(x0, y0, x1, y1) != sign:
        return 0, 0.0
    w0 = abs(x1 * y2 - y1 * x2)
    w1 = abs(x2 * y0 - y2 * x0)
    w2 = abs(x0 * y1 - y0 * x1)
    total = w0 + w1 + w2
    along = (w0 * m0 + w1 * m1 + w2 * m2) / total if total > 0.0 else (m0 + m1 + m2) / 3.0
    return sign * i32(line[6]), along * line[5]


@device
def fill_line(x, y, z, dx, dy, dz, line):
    """The line of a ray, and its major axis; the sense turns that of a triangle, seen along the axis, into leaving (+1)."""
    m = major_axis(dx, dy, dz)
    s_m, s_b, s_c = turn(m, x, y, z)
    d_m, d_b, d_c = turn(m, dx, dy, dz)
    line[0] = s_m
    line[1] = s_b
    line[2] = s_c
    line[3] = d_b / d_m
    line[4] = d_c / d_m
    line[5] = 1.0 / d_m
    line[6] = 1.0 if (d_m > 0.0) == (m != 1) else -1.0
    line[7] = sqrt(dx * dx + dy * dy + dz * dz)
    return m


@device
def note(q, t, s, a, length, chords, heads, triangle, place, sign):
    """Takes a crossing of ray q: adds to chords where there are any, else counts in heads, else stores it where heads points."""
    if len(chords) > 0:
        chords[q] += s * min(max(a, 0.0), 1.0) * length
        return
    i = heads[q]
    heads[q] = i + 1
    if len(place) > 0:
        triangle[i] = t
        place[i] = a
        sign[i] = s


@device
def pixel_ranges(corners, matrix, cone, rows, cols, ranges):
    """Pixels ranges [T, 4] = (r0, r1, c0, c1), r0 <= r < r1 and c0 <= c < c1, whose lines may meet each triangle.

    matrix [3, 4]: (x, 1) -> (c w, r w, w), w = 0 at the source of a cone.
    """
    for t in range(len(corners)):
        r0 = 1e300
        r1 = -1e300
        c0 = 1e300
        c1 = -1e300
        ahead = 0
        for k in range(3):
            x = corners[t, k, 0]
            y = corners[t, k, 1]
            z = corners[t, k, 2]
            c = matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2] * z + matrix[0, 3]
            r = matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2] * z + matrix[1, 3]
            if cone:
                w = matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2] * z + matrix[2, 3]
                if abs(w) > 1e-9:
                    ahead += 1 if w > 0.0 else -1
                    c /= w
                    r /= w
            r0 = min(r0, r)
            r1 = max(r1, r)
            c0 = min(c0, c)
            c1 = max(c1, c)
        if cone and abs(ahead) < 3:     # it reaches from before the source to behind it: its picture is not that of its corners
            r0 = 0.0
            r1 = rows - 1.0
            c0 = 0.0
            c1 = cols - 1.0
        ranges[t, 0] = i32(ceil(min(max(r0 - MARGIN, 0.0), rows + 0.0)))
        ranges[t, 1] = i32(floor(min(max(r1 + MARGIN, -1.0), rows - 1.0))) + 1
        ranges[t, 2] = i32(ceil(min(max(c0 - MARGIN, 0.0), cols + 0.0)))
        ranges[t, 3] = i32(floor(min(max(c1 + MARGIN, -1.0), cols - 1.0))) + 1


@device
def draw_band(corners, ranges, bundle, cols, first, stop, ray, lines, axes, chords, heads, triangle, place, sign):
    """Crossings of the rows first..stop of one view, whose first pixel is ray number `ray`; lines are made when they are needed."""
    axes[:] = -1
    for t in range(len(corners)):
        for r in range(max(ranges[t, 0], first), min(ranges[t, 1], stop)):
            for c in range(ranges[t, 2], ranges[t, 3]):
                p = (r - first) * cols + c
                if axes[p] < 0:
                    x, y, z, dx, dy, dz = bundle_ray(bundle, r, c)
                    axes[p] = fill_line(x, y, z, dx, dy, dz, lines[p])
                s, a = crossing(corners[t], lines[p], axes[p])
                if s != 0:
                    note(ray + r * cols + c, t, s, a, lines[p, 7], chords, heads, triangle, place, sign)


@device
def passes(boxes, node, m, line, margin):
    """Whether the line passes the node's box [lowest and highest x, y, z]."""
    _, b, c = turn(m, 0, 1, 2)
    near = boxes[node, m] - line[0]
    far = boxes[node, 3 + m] - line[0]
    x0 = line[1] + near * line[3]
    x1 = line[1] + far * line[3]
    if min(x0, x1) - margin > boxes[node, 3 + b] or max(x0, x1) + margin < boxes[node, b]:
        return False
    y0 = line[2] + near * line[4]
    y1 = line[2] + far * line[4]
    return min(y0, y1) - margin <= boxes[node, 3 + c] and max(y0, y1) + margin >= boxes[node, c]


@device
def walk_ray(corners, boxes, q, line, m, margin, chords, heads, triangle, place, sign):
    """Crossings of one ray. boxes [nodes, 6]: a complete binary tree, the children of node i being 2 i + 1 and 2 i + 2, its leaves
    holding equal shares of the triangles."""
    leaves = (len(boxes) + 1) // 2
    node = 0
    while True:
        inside = passes(boxes, node, m, line, margin)
        if inside and node < leaves - 1:
            node = 2 * node + 1
            continue
        if inside:
            leaf = node - (leaves - 1)
            for t in range(leaf * len(corners) // leaves, (leaf + 1) * len(corners) // leaves):
                s, a = crossing(corners[t], line, m)
                if s != 0:
                    note(q, t, s, a, line[7], chords, heads, triangle, place, sign)
        while node > 0 and node % 2 == 0:       # done with a second child: up
            node = (node - 1) // 2
        if node == 0:
            return
        node += 1


@device
def walk_list(corners, boxes, ends, q0, q1, chords, heads, triangle, place, sign, line):
    """Crossings of the listed rays q0..q1, ends [n, 2, 3]."""
    for q in range(q0, q1):
        dx = ends[q, 1, 0] - ends[q, 0, 0]
        dy = ends[q, 1, 1] - ends[q, 0, 1]
        dz = ends[q, 1, 2] - ends[q, 0, 2]
        if dx != 0.0 or dy != 0.0 or dz != 0.0:
            scale = 0.0
            for axis in range(3):
                scale = max(scale, max(abs(ends[q, 0, axis]), max(abs(boxes[0, axis]), abs(boxes[0, 3 + axis]))))
            m = fill_line(ends[q, 0, 0], ends[q, 0, 1], ends[q, 0, 2], dx, dy, dz, line)
            walk_ray(corners, boxes, q, line, m, 1e-11 * scale, chords, heads, triangle, place, sign)
