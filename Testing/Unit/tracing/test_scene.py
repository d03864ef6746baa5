"""Volumes and meshes in one picture: what hides what, exactness against voxels, channels, gradients."""
from dataclasses import replace

import numpy as np
import pytest
import torch

from XRayTomoLib.geometry import CArm, Cylindrical, Views, pose_about, rotation_about_axis
from XRayTomoLib.geometry.pose import rigid
from XRayTomoLib.grids import CartesianGrid
from XRayTomoLib.grids.meshes import MeshError, TriangleMesh
from XRayTomoLib.tracing import ProjectionError, Projector
from XRayTomoLib.tracing.meshes import chord_lengths
from XRayTomoLib.tracing.scene import Scene, SceneMesh, SceneVolume

ARM = CArm(sdd_mm=1020.0, sod_mm=700.0, rows=22, cols=18, col_pitch_mm=4.0, row_pitch_mm=3.5)
GRID = CartesianGrid((20, 24, 22), rigid(rotation_about_axis((1, -1, 2), 25.0), (-20, -22, -14)) @ np.diag([2.0, 1.8, 2.2, 1.0]))
VIEWS = ARM.views([0, 40, 90], [0, 15, -20])
MU = torch.from_numpy(np.random.default_rng(0).random(GRID.shape)) * 0.02 + 0.01


def whole(mu=MU, grid=GRID, views=VIEWS, **options):
    return Projector(grid, views, **options)(mu)


def close(a, b, tolerance=1e-9):
    return bool((a - b).abs().max() < tolerance)


def block_in_voxels(first, last, grid=GRID):
    """Mesh of the box of voxels first <= (i, j, k) < last, and its mask."""
    mask = np.zeros(grid.shape, bool)
    mask[tuple(slice(a, b) for a, b in zip(first[::-1], last[::-1]))] = True
    size = np.subtract(last, first)
    return TriangleMesh.box(size, (np.add(first, last) - 1) / 2).transformed(grid.ijk_to_ras), torch.from_numpy(mask)


BLOCK, MASK = block_in_voxels((6, 7, 5), (15, 16, 14))


@pytest.mark.parametrize("kind", ["cone", "curved", "parallel"])
def test_replaced_box_equals_removed_voxels(kind):
    views = {"cone": VIEWS, "curved": replace(VIEWS, surface=Cylindrical(1020.0, 8.5)),
             "parallel": Views(direction=(0.2, 1, 0.1), origin=(34, 30, 40), u=(-4, 0, 0), v=(0, 0, -4), shape=VIEWS.shape)}[kind]
    scene = Scene([SceneVolume(GRID, MU), SceneMesh(BLOCK, 0.3)], method="siddon")
    assert "1 SceneVolume" in repr(scene)
    expected = whole(torch.where(MASK, 0.3, MU), views=views, method="siddon")
    assert close(scene(views), expected) and not close(expected, whole(views=views, method="siddon"), 1.0)


def test_replaced_box_in_fine_voxels_by_joseph():
    """Joseph blurs the box's border over a voxel: the smaller the voxels, the nearer to the cut."""
    errors = []
    for n in (16, 32, 64):
        grid = CartesianGrid.centred((n, n, n), 48.0 / n)
        mesh, mask = block_in_voxels((n // 4,) * 3, (n // 2,) * 3, grid)
        mu = torch.full(grid.shape, 0.02, dtype=torch.float64)
        p = Scene([SceneVolume(grid, mu), SceneMesh(mesh, 0.0)])(VIEWS)
        errors.append(float((p - whole(torch.where(mask, 0.0, mu), grid)).abs().mean()))
    assert errors[2] < 0.35 * errors[0] and errors[2] < 5e-3


def test_added_mesh_adds_its_chords():
    scene = Scene([SceneVolume(GRID, MU), SceneMesh(BLOCK, 0.3, mode="add")])
    assert close(scene(VIEWS), whole() + 0.3 * chord_lengths(BLOCK, VIEWS, dtype=torch.float64))
    alone = Scene([SceneMesh(BLOCK, 0.3)])(VIEWS)
    assert alone.dtype == torch.float32 and close(alone, 0.3 * chord_lengths(BLOCK, VIEWS), 1e-5)


def test_meshes_by_priority():
    """A nail in a sheath in bone: the inner one wins where its priority is higher, the outer one hides it where it is not."""
    outer, inner = TriangleMesh.sphere(14.0, 5), TriangleMesh.box((8, 40, 6))
    big, small = (chord_lengths(m, VIEWS, dtype=torch.float64) for m in (outer, inner))
    grid = CartesianGrid((1, 1, 1), np.diag([100.0, 100, 100, 1]))     # one voxel round everything: a volume of constant value
    bone = SceneVolume(grid, torch.full((1, 1, 1), 0.05, dtype=torch.float64))
    rest = whole(bone.mu, grid, method="siddon")
    apart = Scene([SceneMesh(outer, 1.0, 1), SceneMesh(inner, 10.0, 1)])(VIEWS).double()
    assert close(apart, big + 10 * small, 1e-3)                        # equal priorities add up

    def traced(p_outer, p_inner, mode="replace"):
        return Scene([SceneMesh(inner, 10.0, p_inner, mode), bone, SceneMesh(outer, 1.0, p_outer)], method="siddon")(VIEWS)
    both = 10 * (traced(1, 2) - traced(2, 1)) / 9                      # (10 - 1) on the common part
    common = both / 10
    assert common.max() > 5 and (common > -1e-9).all() and (common <= torch.minimum(big, small) + 1e-9).all()
    union = big + small - common
    assert close(traced(1, 2), 0.05 * (rest / 0.05 - union) + 10 * small + (big - common))
    assert close(traced(2, 1), 0.05 * (rest / 0.05 - union) + big + 10 * (small - common))
    assert close(traced(2, 1, "add"), 0.05 * (rest / 0.05 - big) + big + 10 * (small - common))
    assert close(traced(1, 2, "add"), 0.05 * (rest / 0.05 - big) + big + 10 * small)
    assert close(traced(-1, -2), rest)                                 # below the bone nothing of them is seen


def test_volume_over_volume_hides_its_box():
    size = np.array([12.0, 9.0, 10.0])
    grid = CartesianGrid((5, 6, 4), rigid(rotation_about_axis((0, 1, 1), 40.0), (-4, -3, -2)) @ np.diag([*(size / (4, 6, 5)), 1.0]))
    fine = torch.from_numpy(np.random.default_rng(3).random(grid.shape)) * 0.1
    box = TriangleMesh.box(grid.shape[::-1], (np.array(grid.shape[::-1]) - 1) / 2).transformed(grid.ijk_to_ras)
    over = Scene([SceneVolume(GRID, MU), SceneVolume(grid, fine, 1)], method="siddon")(VIEWS)
    cut = Scene([SceneVolume(GRID, MU), SceneMesh(box, 0.0)], method="siddon")(VIEWS)
    assert close(over, cut + whole(fine, grid, method="siddon"))
    assert close(Scene([SceneVolume(GRID, MU), SceneVolume(grid, fine)])(VIEWS), whole() + whole(fine, grid))
    assert close(Scene([SceneVolume(grid, fine, -1), SceneVolume(GRID, MU, 3)])(VIEWS), whole(), 0.1)


@pytest.mark.parametrize("given", ["mask", "number", "nan"])
def test_nothing_lets_the_lower_volume_show(given):
    """On one grid the answer is a volume: the upper one where it is something, the lower one elsewhere."""
    upper = torch.from_numpy(np.random.default_rng(5).random(GRID.shape)) * 0.05 + 0.05
    hole = torch.from_numpy(np.random.default_rng(6).random(GRID.shape) < 0.3)
    marked = {"mask": upper, "number": torch.where(hole, -1.0, upper), "nan": torch.where(hole, torch.nan, upper)}[given]
    nothing = {"mask": hole, "number": -1.0, "nan": float("nan")}[given]
    p = Scene([SceneVolume(GRID, MU), SceneVolume(GRID, marked, 1, nothing)], method="siddon")(VIEWS)
    assert close(p, whole(torch.where(hole, MU, upper), method="siddon"))


def test_a_volume_of_nothing_is_not_there():
    p = Scene([SceneVolume(GRID, MU), SceneVolume(GRID, torch.zeros(GRID.shape), 1, nothing=0.0)])(VIEWS)
    assert close(p, whole())


def test_channels_broadcast():
    channels = torch.stack([MU, 2 * MU])
    metal = torch.tensor([0.3, 0.1], dtype=torch.float64)
    p = Scene([SceneVolume(GRID, channels), SceneMesh(BLOCK, metal), SceneMesh(TriangleMesh.sphere(3.0, 3), 0.2, 2)])(VIEWS)
    assert p.shape == (2, *VIEWS.shape[:0], len(VIEWS), *VIEWS.shape)
    for i in range(2):
        single = Scene([SceneVolume(GRID, channels[i]), SceneMesh(BLOCK, metal[i]), SceneMesh(TriangleMesh.sphere(3.0, 3), 0.2, 2)])(VIEWS)
        assert close(p[i], single, 1e-12)


def test_views_a_few_at_a_time_make_the_same_picture(monkeypatch):
    views, objects = ARM.views([0, 30, 60, 90], 10), [SceneVolume(GRID, MU), SceneMesh(BLOCK, 0.3)]
    for seen in (views, replace(views, surface=Cylindrical(1020.0, 8.5))):
        at_once = Scene(objects)(seen)
        with monkeypatch.context() as patch:
            patch.setattr("XRayTomoLib.tracing.scene.PIXELS", 1)
            assert close(Scene(objects)(seen), at_once, 1e-12)


def test_targets_agree():
    objects = [SceneVolume(GRID, MU), SceneMesh(BLOCK, 0.3), SceneMesh(TriangleMesh.sphere(8.0, 3, (5, 0, 0)), 0.1, 2)]
    pytest.importorskip("numba", reason="the CPU kernels need numba")
    assert close(Scene(objects, backend="cpu")(VIEWS[:1]), Scene(objects, backend="torch")(VIEWS[:1]), 1e-9)


# -- gradients
def scene_loss(pose, mu, metal, views, weights):
    mesh = TriangleMesh.sphere(9.0, 3, (2, 1, 0)).transformed(pose_about(pose[:3], pose[3:]))
    wire = TriangleMesh.cylinder(2.0, 30.0, 7)
    scene = Scene([SceneVolume(GRID, mu), SceneMesh(mesh, metal, 1), SceneMesh(wire, 0.2, 2)])
    return (scene(views) * weights).sum()


def test_gradients_by_pose_volume_and_attenuation_against_central_differences():
    weights = torch.from_numpy(np.random.default_rng(7).random(VIEWS.shape)) - 0.3
    pose = torch.tensor([0.1, -0.2, 0.05, 1.0, -2.0, 3.0], dtype=torch.float64, requires_grad=True)
    mu, metal = MU.clone().requires_grad_(), torch.tensor(0.15, dtype=torch.float64, requires_grad=True)
    gradients = torch.autograd.grad(scene_loss(pose, mu, metal, VIEWS[:1], weights), (pose, mu, metal))
    step = 1e-6
    with torch.no_grad():
        towards = torch.from_numpy(np.random.default_rng(8).standard_normal(GRID.shape))
        for i in range(6):
            e = step * torch.eye(6, dtype=torch.float64)[i]
            ahead, behind = (scene_loss(pose + way * e, mu, metal, VIEWS[:1], weights) for way in (1, -1))
            central = (ahead - behind) / (2 * step)
            assert abs(central - gradients[0][i]) < 1e-5 * gradients[0].norm()
        change = scene_loss(pose, mu + towards, metal, VIEWS[:1], weights) - scene_loss(pose, mu, metal, VIEWS[:1], weights)
        assert float(change) == pytest.approx(float((gradients[1] * towards).sum()), rel=1e-9)
        change = scene_loss(pose, mu, metal + 1, VIEWS[:1], weights) - scene_loss(pose, mu, metal, VIEWS[:1], weights)
        assert float(change) == pytest.approx(float(gradients[2]), rel=1e-9)


def test_gradient_by_the_views_against_central_differences():
    weights = torch.from_numpy(np.random.default_rng(9).random(VIEWS.shape)) - 0.3
    metal, base = torch.tensor(0.15, dtype=torch.float64), VIEWS[1:2]
    tensors = [torch.tensor(np.array(a), requires_grad=True) for a in (base.source, base.origin, base.u, base.v)]
    zero = torch.zeros(6, dtype=torch.float64)

    def loss(*vectors):
        source, origin, u, v = vectors
        return scene_loss(zero, MU, metal, Views(source=source, origin=origin, u=u, v=v, shape=base.shape), weights)
    gradients = torch.autograd.grad(loss(*tensors), tensors)
    rng = np.random.default_rng(10)
    with torch.no_grad():
        towards = [torch.from_numpy(rng.standard_normal((1, 3))) * size for size in (1.0, 1.0, 0.05, 0.05)]
        step = 1e-5
        ahead, behind = (loss(*(t + way * step * d for t, d in zip(tensors, towards))) for way in (1, -1))
        central = (ahead - behind) / (2 * step)
    assert float(central) == pytest.approx(float(sum((g * d).sum() for g, d in zip(gradients, towards))), rel=1e-5)


# -- refusals
def test_bad_scenes_are_refused():
    with pytest.raises(ProjectionError, match="at least one object"):
        Scene([])
    with pytest.raises(ProjectionError, match="does not add up"):
        Scene([SceneVolume(GRID, MU)], method="maximum")
    with pytest.raises(ProjectionError, match="expected add or replace"):
        SceneMesh(BLOCK, 0.1, mode="subtract")
    with pytest.raises(ProjectionError, match="expected floats"):
        SceneVolume(GRID, MU[1:])
    with pytest.raises(ProjectionError, match="mask of nothing"):
        SceneVolume(GRID, MU, nothing=np.zeros((2, 2, 2), bool))
    with pytest.raises(MeshError, match="not watertight"):
        SceneMesh(TriangleMesh(BLOCK.vertices, BLOCK.faces[1:]), 0.1)
