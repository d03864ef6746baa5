"""Chords of rays in triangle meshes: exact values, edges and vertices, gradients, both targets."""
from dataclasses import replace

import numpy as np
import pytest
import torch

from XRayTomoLib.geometry import CArm, Cylindrical, FreePixels, Views, pose_about, rotation_about_axis
from XRayTomoLib.geometry.pose import rigid
from XRayTomoLib.grids import Box, Phantom
from XRayTomoLib.grids.meshes import MeshError, TriangleMesh
from XRayTomoLib.tracing import cpu
from XRayTomoLib.tracing.meshes import chord_lengths, crossings, surface_of, world_rays

ARM = CArm(sdd_mm=1020.0, sod_mm=700.0, rows=24, cols=20, col_pitch_mm=4.0, row_pitch_mm=3.5)
BACKENDS = ["cpu", "torch"]


@pytest.fixture(params=BACKENDS)
def backend(request):
    if request.param == "cpu":
        pytest.importorskip("numba", reason="the CPU kernels need numba")
    return request.param


def listed(start, end):
    """Rays start -> end [n, 3] as a view of 1 x n free pixels."""
    start, end = (np.asarray(a, float).reshape(1, 1, -1, 3) for a in (start, end))
    return free_views(end, start)


def free_views(end, start):
    """One view of the free pixels end [1, rows, cols, 3], each with its own start."""
    return Views(source=(0, 0, 0), origin=(0, 0, 0), u=(1, 0, 0), v=(0, 1, 0), shape=tuple(end.shape[1:3]), surface=FreePixels(end, start))


def parallel(direction, rows=9, cols=9, pitch=1.0):
    """Parallel rays through the points of a square lattice round the origin."""
    direction = np.asarray(direction, float) / np.linalg.norm(direction)
    u = np.cross(direction, (0, 0, 1) if abs(direction[2]) < 0.9 else (1, 0, 0))
    u *= pitch / np.linalg.norm(u)
    v = np.cross(direction, u)
    return Views(direction=direction, origin=40 * direction - (cols - 1) / 2 * u - (rows - 1) / 2 * v, u=u, v=v, shape=(rows, cols))


def views_of_all_kinds():
    cone = ARM.views([0, 35, 90], [0, -20, 12])
    return {"cone": cone, "curved": replace(cone, surface=Cylindrical(1020.0, 9.5)), "parallel": parallel((1, 2, 0.5), 12, 14, 3.0)}


BOX = Box((3.0, -4.0, 2.0), (11.0, 17.0, 9.0), 1.0, rotation_about_axis((1, 2, 3), 33.0))


def box_mesh():
    return TriangleMesh.box(2 * np.array(BOX.semi_axes)).transformed(rigid(BOX.rotation, BOX.centre))


@pytest.mark.parametrize("kind", ["cone", "curved", "parallel"])
def test_box_has_exact_chords(kind, backend):
    views = views_of_all_kinds()[kind]
    exact = Phantom("box", (BOX,)).line_integrals(*views.rays(500.0 if kind == "parallel" else None))
    assert exact.max() > 15
    mesh = box_mesh()
    assert np.abs(chord_lengths(mesh, views, backend, torch.float64).numpy() - exact).max() < 1e-10
    single = chord_lengths(mesh, views, backend)
    assert single.dtype == torch.float32 and np.abs(single.numpy() - exact).max() < 1e-5


@pytest.mark.parametrize("bend", ["flat", "free"])
def test_source_and_pixel_inside(bend, backend):
    views = ARM.views([10, 100], 5)
    for source in ((3.0, -4.0, 2.0), (4.0, -8.0, 1.0)):
        for reach in (1.0, 0.01):                  # the detector beyond the mesh, and inside it
            origin = np.array(source) + reach * (views.origin - views.source)
            near = Views(source=source, origin=origin, u=reach * views.u, v=reach * views.v, shape=views.shape)
            if bend == "free":
                near = replace(near, surface=FreePixels(near.rays()[1]))
            exact = Phantom("box", (BOX,)).line_integrals(*near.rays())
            assert (exact > 5).all()
            assert np.abs(chord_lengths(box_mesh(), near, backend, torch.float64).numpy() - exact).max() < 1e-10


def test_matter_behind_source_and_detector_does_not_count(backend):
    views = ARM.views(0, 0)
    for away in ((0.0, -760.0, 0.0), (0.0, 380.0, 0.0)):
        mesh = TriangleMesh.sphere(30.0, 4, away)
        assert chord_lengths(mesh, views, backend).abs().max() == 0
        assert chord_lengths(mesh.transformed(pose_about((0, 0, 0), -np.array(away))), views, backend).max() > 50


def test_sphere_converges_as_the_square_of_its_edges(backend):
    views, errors = ARM.views(20, 30), []
    start, end = views.rays()
    along = (end - start) / np.linalg.norm(end - start, axis=-1, keepdims=True)
    distance2 = (start ** 2).sum(-1) - (start * along).sum(-1) ** 2
    exact = 2 * np.sqrt(np.maximum(20.0 ** 2 - distance2, 0))
    inner = distance2 < 15.0 ** 2
    for divisions in (3, 6, 12):
        c = chord_lengths(TriangleMesh.sphere(20.0, divisions), views, backend, torch.float64).numpy()
        assert (c <= exact + 1e-9).all()           # inscribed
        errors.append((exact - c)[inner].mean())
    # mean sagitta over an equilateral triangle of area 4 pi R^2 / F is area / (2 sqrt(3) R); seen at both ends, over cos of incidence
    slant = 2 * (1 - np.sqrt(1 - 0.75 ** 2)) / 0.75 ** 2
    predicted = [4 * np.pi * 20.0 / np.sqrt(3) / (20 * n * n) * slant for n in (3, 6, 12)]
    assert errors == pytest.approx(predicted, rel=0.06)


def test_rays_through_edges_and_vertices_count_once(backend):
    """A lattice of rays that meets the corners, edges and diagonals of many voxel faces exactly."""
    rng = np.random.default_rng(1)
    mask = rng.random((6, 7, 8)) < 0.5
    grid = np.eye(4)
    grid[:3, 3] = (-4, -3, -3)
    mesh = TriangleMesh.of_voxels(mask, grid)
    for direction in ((0, 0, 1), (0, 1, 0), (1, 0, 0), (-1, 0, 0), (1, 1, 0), (1, -1, 0), (1, 1, 1), (-1, 1, -1), (2, 1, 0)):
        d = np.array(direction, float)
        ends = np.stack(np.meshgrid(*3 * [np.arange(-1.5, 2, 0.5)]), -1).reshape(-1, 3)
        views = listed(ends - 20 * d, ends + 20 * d)
        ray, a, sign = crossings(surface_of(mesh, world_rays(views, mesh.vertices), backend), world_rays(views, mesh.vertices), views.shape)
        total = torch.zeros(len(ends), dtype=torch.int64).index_add(0, ray, sign)
        assert len(ray) > 500 and (total == 0).all()
        chords = chord_lengths(mesh, views, backend, torch.float64).numpy()[0, 0]
        assert (chords > -1e-12).all() and (chords < np.linalg.norm(40 * d)).all()
        # beside the lattice by less than rounding can matter, on the side of the rule: the same chord
        if direction == (0, 0, 1):
            moved = listed(ends - 20 * d + (1e-7, 1e-9, 0), ends + 20 * d + (1e-7, 1e-9, 0))
            assert np.abs(chord_lengths(mesh, moved, backend, torch.float64).numpy()[0, 0] - chords).max() < 1e-6


def test_no_ray_slips_through_a_fine_sphere(backend):
    """Rays aimed at the vertices and the middles of edges from inside: each leaves exactly once."""
    mesh = TriangleMesh.sphere(10.0, 6, (0.3, 0.2, -0.1))
    middles = mesh.vertices[mesh.faces[:, :2]].mean(1)
    aims = np.concatenate([mesh.vertices, middles])
    for start in ((0.3, 0.2, -0.1), (1.0, -2.0, 3.0)):
        views = listed(np.broadcast_to(start, aims.shape), 3 * aims - 2 * np.array(start))
        rays = world_rays(views, aims)
        ray, a, sign = crossings(surface_of(mesh, rays, backend), rays, views.shape)
        ahead = a > 0
        assert (torch.bincount(ray[ahead], minlength=len(aims)) == 1).all() and (sign[ahead] == 1).all()
        assert (a[ahead] - 1 / 3).abs().max() < 1e-12


def test_flat_and_listed_rays_and_the_reference_agree():
    pytest.importorskip("numba", reason="the CPU kernels need numba")
    rng = np.random.default_rng(4)
    mesh = TriangleMesh.of_voxels(rng.random((5, 4, 6)) < 0.4, np.diag([-4.0, 3.0, 5.0, 1.0]))      # left-handed, many edges
    views = ARM.views(rng.uniform(-180, 180, 4), rng.uniform(-60, 60, 4))
    free = replace(views, surface=FreePixels(views.rays()[1]))
    flat, walked, reference = (chord_lengths(mesh, v, b, torch.float64) for v, b in ((views, "cpu"), (free, "cpu"), (views, "torch")))
    assert flat.max() > 5
    assert (flat - walked).abs().max() < 1e-10 and (flat - reference).abs().max() < 1e-10
    assert torch.equal(flat, chord_lengths(mesh, views, "cpu", torch.float64))


def test_crossings_of_more_views_than_are_drawn_at_a_time():
    pytest.importorskip("numba", reason="the CPU kernels need numba")
    count = 4 * cpu.THREADS + 3
    mesh = TriangleMesh.sphere(20.0, 3, (5.0, -3.0, 2.0))
    views = ARM.views(np.arange(count) * 17.0, np.linspace(-30, 30, count))
    rays = world_rays(views, mesh.vertices)
    mine, reference = (crossings(surface_of(mesh, rays, backend), rays, views.shape) for backend in ("cpu", "torch"))
    assert mine[0].max() >= (count - 1) * ARM.rows * ARM.cols
    for a, b in zip(*([each[np.lexsort((found[1], found[0]))] for each in found] for found in (mine, reference))):
        assert a.shape == b.shape and (a - b).abs().max() < 1e-12


# -- gradients
def tensors(views):
    return [torch.tensor(np.array(a), requires_grad=True) for a in (views.source, views.origin, views.u, views.v)]


def test_gradcheck_by_vertices_and_views(backend):
    small = CArm(1020.0, 700.0, 3, 4, 9.0, 8.0).views([20, 70], 15)
    mesh = TriangleMesh.sphere(25.0, 1, (2.0, 1.0, -3.0))
    vertices = torch.tensor(np.array(mesh.vertices), requires_grad=True)

    def chords(vertices, source, origin, u, v):
        views = Views(source=source, origin=origin, u=u, v=v, shape=small.shape)
        return chord_lengths(TriangleMesh(vertices, mesh.faces), views, backend, torch.float64)
    given = (vertices, *tensors(small))
    assert chords(*given).max() > 30
    assert torch.autograd.gradcheck(chords, given, eps=1e-5, atol=1e-6)


def test_gradcheck_of_listed_and_parallel_rays(backend):
    mesh = TriangleMesh.box(10.0).transformed(rigid(rotation_about_axis((1, 1, 2), 20.0), (0.5, 0, 0)))
    vertices = torch.tensor(np.array(mesh.vertices), requires_grad=True)
    # the second ray starts inside, the third ends there
    start = torch.tensor([[-20.0, 1, 2], [1, 0.5, -1], [-30, 2, -2]], dtype=torch.float64, requires_grad=True)
    end = torch.tensor([[25.0, 2, -1], [20, 3, 4], [0.5, 1, 1]], dtype=torch.float64, requires_grad=True)

    def free(vertices, start, end):
        return chord_lengths(TriangleMesh(vertices, mesh.faces), free_views(end[None, None], start[None, None]), backend, torch.float64)
    assert torch.autograd.gradcheck(free, (vertices, start, end), eps=1e-5, atol=1e-6)
    beam = parallel((1, 2, 0.5), 3, 3, 2.1)
    direction, origin = (torch.tensor(np.array(a), requires_grad=True) for a in (beam.direction, beam.origin))

    def through(vertices, direction, origin):
        views = Views(direction=direction, origin=origin, u=beam.u, v=beam.v, shape=beam.shape)
        return chord_lengths(TriangleMesh(vertices, mesh.faces), views, backend, torch.float64)
    assert torch.autograd.gradcheck(through, (vertices, direction, origin), eps=1e-5, atol=1e-6)


def test_pose_gradient_against_central_differences(backend):
    mesh, views = TriangleMesh.sphere(30.0, 3), ARM.resampled(9, 8).views([0, 70], 20)
    weights = torch.from_numpy(np.random.default_rng(2).random((2, *views.shape)))

    def loss(pose):
        moved = mesh.transformed(pose_about(pose[:3], pose[3:]))
        return (chord_lengths(moved, views, backend, torch.float64) * weights).sum()
    pose = torch.tensor([0.1, -0.2, 0.05, 1.0, -2.0, 3.0], dtype=torch.float64, requires_grad=True)
    gradient = torch.autograd.grad(loss(pose), pose)[0]
    step = 1e-6
    with torch.no_grad():
        central = torch.stack([(loss(pose + step * e) - loss(pose - step * e)) / (2 * step) for e in torch.eye(6, dtype=torch.float64)])
    assert (gradient - central).norm() < 1e-5 * central.norm()


def test_the_operator_is_one_that_torch_accepts(backend):
    mesh, views = TriangleMesh.box(20.0), ARM.resampled(3, 4).views(20, 10)
    rays = world_rays(views, mesh.vertices)
    surface = surface_of(mesh, rays, backend)
    given = (surface.vertices.requires_grad_(), surface.faces, surface.boxes, surface.reference, rays.requires_grad_(), [3, 4])
    torch.library.opcheck(torch.ops.xraytomo.mesh_chords, given)


def test_second_derivative_is_refused(backend):
    mesh = TriangleMesh.box(20.0)
    vertices = torch.tensor(np.array(mesh.vertices), requires_grad=True)
    chords = chord_lengths(TriangleMesh(vertices, mesh.faces), ARM.views(20, 10), backend)
    gradient = torch.autograd.grad((chords ** 2).sum(), vertices, create_graph=True)[0]
    with pytest.raises(RuntimeError, match="no second derivatives"):
        torch.autograd.grad(gradient.sum(), vertices)


# -- meshes
def test_open_mesh_is_refused_with_its_edges():
    box = TriangleMesh.box(10.0)
    holed = TriangleMesh(box.vertices, box.faces[1:])
    assert len(holed.open_edges) == 3 and not holed.is_watertight
    with pytest.raises(MeshError, match=r"not watertight: 3 open edges \(\d-\d, \d-\d, \d-\d\), the first at RAS .*welded\(\)"):
        chord_lengths(holed, ARM.views(0, 0))
    turned = TriangleMesh(box.vertices, np.concatenate([box.faces[:1, ::-1], box.faces[1:]]))      # one face inside out
    with pytest.raises(MeshError, match="open edges"):
        chord_lengths(turned, ARM.views(0, 0))
    with pytest.raises(MeshError, match=r"point inwards \(use flipped\(\)\)"):
        chord_lengths(box.flipped(), ARM.views(0, 0))


def test_bad_meshes_are_refused():
    box = TriangleMesh.box(1.0)
    for vertices, faces, words in ((box.vertices[:, :2], box.faces, "expected \\[V, 3\\]"), (box.vertices, box.faces[:0], "at least 1"),
                                   (box.vertices, box.faces + 1, "there are 0 to 7"), (box.vertices * np.nan, box.faces, "finite"),
                                   (box.vertices, [[0, 1, 1]], "names a vertex twice"), (box.vertices, box.faces * 1.0, "whole numbers")):
        with pytest.raises(MeshError, match=words):
            TriangleMesh(vertices, faces)


def test_welding_closes_a_soup_of_triangles():
    sphere = TriangleMesh.sphere(5.0, 3)
    soup = TriangleMesh(sphere.vertices[sphere.faces].reshape(-1, 3), np.arange(3 * len(sphere.faces)).reshape(-1, 3))
    assert len(soup.open_edges) == 3 * len(sphere.faces)
    assert soup.welded().is_watertight and len(soup.welded().vertices) == len(sphere.vertices)


def test_volumes_of_the_makers():
    assert TriangleMesh.box((2, 3, 4), (1, 1, 1)).volume_mm3 == pytest.approx(24)
    assert TriangleMesh.cylinder(3.0, 7.0, 100).volume_mm3 == pytest.approx(7 * 50 * 9 * np.sin(2 * np.pi / 100))
    assert TriangleMesh.sphere(10.0, 24).volume_mm3 == pytest.approx(4 / 3 * np.pi * 1000, rel=5e-3)
    assert len(TriangleMesh.sphere(1.0, 5).faces) == 500 and TriangleMesh.sphere(1.0, 5).is_watertight
    mask = np.random.default_rng(0).random((4, 5, 6)) < 0.5
    voxels = TriangleMesh.of_voxels(mask, np.diag([-2.0, 1, 1, 1]))
    assert voxels.is_watertight and voxels.volume_mm3 == pytest.approx(2 * mask.sum())


def test_moved_mesh_keeps_volume_and_orientation():
    sphere = TriangleMesh.sphere(4.0, 3)
    mirror = np.diag([-1.0, 1, 1, 1])
    assert sphere.transformed(mirror).volume_mm3 == pytest.approx(sphere.volume_mm3)
    vertices = torch.tensor(np.array(sphere.vertices), requires_grad=True)
    moved = TriangleMesh(vertices, sphere.faces).transformed(torch.eye(4, dtype=torch.float64))
    assert torch.autograd.grad(moved.volume_mm3, vertices)[0].abs().max() > 0


def test_changed_vertices_are_seen():
    """A tensor that an optimiser changes in place must not meet the tree of its former values."""
    pytest.importorskip("numba", reason="the CPU kernels need numba")
    mesh = TriangleMesh(torch.tensor(np.array(TriangleMesh.sphere(10.0, 4).vertices)), TriangleMesh.sphere(10.0, 4).faces)
    views = listed([[-50.0, 200.0, 0.0]], [[50.0, 200.0, 0.0]])
    assert chord_lengths(mesh, views).item() == 0
    mesh.vertices.add_(torch.tensor([0.0, 200.0, 0.0]))
    assert chord_lengths(mesh, views).item() > 19
