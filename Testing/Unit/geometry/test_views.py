"""Views: pixels and rays, sequences of views, and views made from others; curved surfaces."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from XRayTomoLib.geometry import CArm, Cylindrical, Flat, FreePixels, GeometryError, Spherical, Views, pose_about

ARM = CArm(1000.0, 600.0, 5, 7, 2.0, 3.0, principal_offset_mm=(3.0, -5.0), in_plane_deg=20.0)
CONE = ARM.views([0, 70, 200], [10, -20, 30], (4.0, 5.0, 6.0))
SHEARED = replace(CONE, v=CONE.v + 0.4 * CONE.u)
PARALLEL = Views(direction=CONE.centre - CONE.source, origin=CONE.origin, u=CONE.u, v=CONE.v, shape=CONE.shape)
FLAT = {"cone": CONE, "sheared": SHEARED, "parallel": PARALLEL, "flipped": CONE.flipped()}
SURFACES = {
    "cylinder": Cylindrical(700.0, 2.6),
    "convex cylinder": Cylindrical(-300.0, 4.1),
    "sphere": Spherical(900.0, (1.2, 3.4)),
    "convex sphere": Spherical(-400.0, (2.2, 2.9)),
}
EVERY = {**FLAT, **{name: replace(CONE, surface=surface) for name, surface in SURFACES.items()}}
MOTION = pose_about([0.4, -0.9, 1.3], [10.0, 20.0, -30.0], [1.0, 2.0, 3.0])
on_flat = pytest.mark.parametrize("views", FLAT.values(), ids=FLAT)
on_every = pytest.mark.parametrize("views", EVERY.values(), ids=EVERY)


def pixels_of(views):
    r, c = np.meshgrid(range(views.shape[0]), range(views.shape[1]), indexing="ij")
    return np.stack([r, c], -1).reshape(-1, 2).astype(float)


@on_flat
def test_rays_end_at_pixel_centres(views):
    start, end = views.rays(reach_mm=10.0)
    for r, c in ((0, 0), (0, 6), (4, 0), (3, 5)):
        centre = views.origin + c * views.u + r * views.v
        if views.source is None:
            np.testing.assert_allclose((start + end)[:, r, c] / 2, centre, atol=1e-9)
            np.testing.assert_allclose((end - start)[:, r, c], 20 * views.direction, atol=1e-9)
        else:
            np.testing.assert_allclose(end[:, r, c], centre, atol=1e-9)
            np.testing.assert_array_equal(start[:, r, c], views.source)


@on_every
def test_points_on_rays_project_to_their_pixels(views):
    start, end = views.rays(reach_mm=300.0)
    for share in (0.3, 0.8, 1.0, 1.4):
        points = (start + share * (end - start)).reshape(len(views), -1, 3)
        np.testing.assert_allclose(views.project(points), np.broadcast_to(pixels_of(views), (3, 35, 2)), atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(list(FLAT)), st.lists(st.tuples(st.floats(-30, 30), st.floats(-30, 30)), min_size=1, max_size=4), st.floats(0.1, 2))
def test_project_undoes_unproject(name, pixels, share):
    start, end = FLAT[name].unproject(pixels)
    np.testing.assert_allclose(FLAT[name].project(start + share * (end - start)), np.broadcast_to(pixels, (3, len(pixels), 2)), atol=1e-7)


def test_points_behind_the_source_have_no_pixel():
    behind = CONE.source + 0.5 * (CONE.source - CONE.centre)
    assert np.isnan(CONE.project(behind[:, None])).all()
    assert np.isfinite(PARALLEL.project(behind[:, None])).all()


def test_projection_by_hand():
    views = Views(source=[0, -600, 0], origin=[6, 400, 6], u=[-2, 0, 0], v=[0, 0, -3], shape=(5, 7))
    np.testing.assert_allclose(views.project([[0, 0, 0], [-6, 0, 0], [0, 0, -6]])[0], [[2, 3], [2, 8], [2 + 10 / 3, 3]], atol=1e-12)
    x = views.projection_matrices()[0] @ [-6, 0, 0, 1]
    np.testing.assert_allclose(x[:2] / x[2], [8, 2], atol=1e-12)


def test_projection_matrices_agree_with_project():
    points = np.random.default_rng(0).normal(0, 50, (6, 3))
    for views in (CONE, SHEARED):
        h = np.einsum("nij,pj->npi", views.projection_matrices(), np.c_[points, np.ones(6)])
        np.testing.assert_allclose(h[..., 1::-1] / h[..., 2:], views.project(points), atol=1e-9)
        np.testing.assert_allclose(
            np.einsum("nij,nj->ni", views.projection_matrices()[:, :, :3], views.origin - views.source)[:, 2], 1, atol=1e-9
        )


@on_flat
def test_picture_lies_on_the_detector(views):
    for i in range(len(views)):
        matrix = views.image_to_ras(i, thickness_mm=2.5)
        np.testing.assert_allclose(matrix @ [5, 3, 0, 1], [*(views.origin + 5 * views.u + 3 * views.v)[i], 1], atol=1e-9)
        np.testing.assert_allclose(matrix[:3, 2] @ np.stack([views.u[i], views.v[i]], 1), 0, atol=1e-9)
        assert np.linalg.norm(matrix[:3, 2]) == pytest.approx(2.5) and np.linalg.det(matrix) > 0


def test_handedness():
    assert (CONE.handedness == -1).all() and (PARALLEL.handedness == -1).all() and (CONE.flipped().handedness == 1).all()
    assert (replace(CONE, v=-CONE.v).handedness == 1).all()


# -- sequences
@on_every
def test_indexing_and_concatenation(views):
    timed = replace(views, times=[0.0, 1.5, 3.0], weights=[1.0, 2.0, 3.0])
    for index, expected in ((1, [1]), (-1, [2]), (slice(1, None), [1, 2]), ([2, 0], [2, 0]), (np.array([True, False, True]), [0, 2])):
        picked = timed[index]
        np.testing.assert_array_equal(picked.times, np.array([0.0, 1.5, 3.0])[expected])
        np.testing.assert_array_equal(picked.rays(9.0)[1], timed.rays(9.0)[1][expected])
    joined = Views.concatenate(list(timed))
    assert len(joined) == 3 and joined.shape == timed.shape
    np.testing.assert_array_equal(joined.rays(9.0)[0], timed.rays(9.0)[0])
    np.testing.assert_array_equal(joined.weights, [1, 2, 3])
    with pytest.raises(IndexError, match="view 3 of 3"):
        timed[3]


def test_concatenation_of_arrays_and_tensors():
    tensors = replace(CONE, source=torch.tensor(CONE.source, requires_grad=True))
    joined = Views.concatenate([CONE, tensors])
    assert len(joined) == 6 and joined.source.requires_grad


def test_views_do_not_change():
    with pytest.raises(AttributeError):
        CONE.origin = 0


# -- views from views
@on_every
def test_transformed_views_are_the_transformed_rays(views):
    moved = views.transformed(MOTION)
    for before, after in zip(views.rays(50.0), moved.rays(50.0)):
        np.testing.assert_allclose(after, before @ MOTION[:3, :3].T + MOTION[:3, 3], atol=1e-9)
    points = np.random.default_rng(1).normal(0, 40, (4, 3))
    np.testing.assert_allclose(moved.project(points @ MOTION[:3, :3].T + MOTION[:3, 3]), views.project(points), atol=1e-6)
    np.testing.assert_array_equal(moved.handedness, views.handedness)


def test_one_matrix_for_each_view():
    matrices = np.stack([np.eye(4), MOTION, np.linalg.inv(MOTION)])
    moved = CONE.transformed(matrices)
    for i in range(3):
        np.testing.assert_allclose(moved[i].origin, CONE[i].transformed(matrices[i]).origin, atol=1e-12)


@on_flat
def test_other_pixels_on_the_same_area(views):
    points = np.random.default_rng(2).normal(0, 40, (4, 3))
    pixels = views.project(points)
    for other in (views.resampled((10, 21)), views.resampled((2, 3)), views.resampled((4, 6)).binned((2, 3))):
        np.testing.assert_allclose(other.corners(), views.corners(), atol=1e-9)
        scale = np.array(other.shape) / views.shape
        np.testing.assert_allclose(other.project(points), (pixels + 0.5) * scale - 0.5, atol=1e-6)
    np.testing.assert_allclose(views.cropped(1, 2, 3, 4).project(points), pixels - [1, 2], atol=1e-7)
    np.testing.assert_allclose(views.flipped().project(points), [0, 6] + pixels * [1, -1], atol=1e-7)
    np.testing.assert_allclose(views.flipped().flipped().origin, views.origin, atol=1e-12)


def test_binning_leaves_out_the_remainder():
    binned = CONE.binned((2, 3))
    assert binned.shape == (2, 2)
    np.testing.assert_allclose(binned.corners()[:, 0], CONE.corners()[:, 0], atol=1e-9)
    np.testing.assert_allclose(binned.origin, CONE.origin + CONE.u + 0.5 * CONE.v, atol=1e-9)


@pytest.mark.parametrize("surface", SURFACES.values(), ids=SURFACES)
def test_curved_surfaces_touch_the_plane_at_the_apex_and_keep_the_pitch(surface):
    row, col = (0.0, surface.apex_col) if isinstance(surface, Cylindrical) else surface.apex
    views = replace(CONE, surface=surface)
    apex = CONE.origin + col * CONE.u + row * CONE.v
    towards = (CONE.source - apex) / np.linalg.norm(CONE.source - apex, axis=1)[:, None]
    np.testing.assert_allclose(views.project((apex + 0.25 * (CONE.source - apex))[:, None])[:, 0], np.tile([row, col], (3, 1)), atol=1e-9)
    pixels = views.rays()[1]
    lift = ((pixels - CONE.rays()[1]) * towards[:, None, None]).sum(-1)
    assert (np.sign(lift[np.abs(lift) > 1e-3]) == np.sign(surface.radius_mm)).all()  # bent towards the source for positive radii
    steps = np.linalg.norm(np.diff(pixels, axis=2), axis=-1)
    np.testing.assert_allclose(steps, 2.0, rtol=1e-3)
    flat_far = replace(CONE, surface=replace(surface, radius_mm=1e9)).rays()[1]
    np.testing.assert_allclose(flat_far, CONE.rays()[1], atol=1e-5)


def test_focus_centred_detector_is_everywhere_at_the_same_distance():
    views = CArm(1000.0, 600.0, 1, 301, 3.0, 3.0).views(30.0)
    curved = replace(views, surface=Cylindrical(1000.0, 150.0))
    np.testing.assert_allclose(np.linalg.norm(curved.rays()[1] - views.source, axis=-1), 1000, rtol=1e-12)


@pytest.mark.parametrize("surface", SURFACES.values(), ids=SURFACES)
def test_flipped_and_binned_curved_detectors_keep_their_pixels(surface):
    views = replace(CONE, surface=surface)
    np.testing.assert_allclose(views.flipped().rays()[1], views.rays()[1][:, :, ::-1], atol=1e-9)
    points = np.random.default_rng(3).normal(0, 40, (4, 3))
    np.testing.assert_allclose(views.binned((2, 3)).project(points), (views.project(points) + 0.5) / [2, 3] - 0.5, atol=1e-9)


def test_free_pixels_are_what_they_are():
    random = np.random.default_rng(4)
    targets, sources = random.normal(size=(3, 5, 7, 3)), random.normal(size=(3, 5, 7, 3))
    views = replace(CONE, surface=FreePixels(targets, sources))
    np.testing.assert_array_equal(views[[2, 1]].rays()[0], sources[[2, 1]])
    np.testing.assert_allclose(views.transformed(MOTION).rays()[1], targets @ MOTION[:3, :3].T + MOTION[:3, 3], atol=1e-12)
    np.testing.assert_array_equal(views.flipped().rays()[1], targets[:, :, ::-1])
    np.testing.assert_array_equal(replace(CONE, surface=FreePixels(targets)).rays()[0][:, 2, 3], CONE.source)


GOOD = {"source": [0, -1, 0], "origin": [0, 1, 0], "u": [1, 0, 0], "v": [0, 0, 1], "shape": (2, 3)}


@pytest.mark.parametrize("change, words", [
    ({"source": None}, "either a source .* or a direction"), ({"direction": [0, 1, 0]}, "either a source .* or a direction"),
    ({"shape": (0, 3)}, r"detector shape \(0, 3\)"), ({"shape": (2.5, 3)}, r"detector shape \(2.5, 3\)"),
    ({"shape": None}, "detector shape None"),
    ({"origin": [np.nan, 0, 0]}, "views.origin has values that are not finite"), ({"u": None}, "views.u is missing"),
    ({"u": [1, 0]}, "views.u has shape"), ({"u": [0, 0, 2]}, "view 0: u .* span no detector"), ({"v": [0, 0, 0]}, "span no detector"),
    ({"u": [[1, 0, 0]] * 2, "v": [[0, 0, 1]] * 3}, "views.u has 2 rows, the other vectors have 3"),
    ({"times": [1, 2]}, "views.times has 2 values"),
    ({"surface": FreePixels(np.zeros((1, 3, 2, 3)))}, r"free pixels of shape \(1, 3, 2, 3\): expected .* \(1, 2, 3, 3\)"),
])  # fmt: skip
def test_impossible_views_are_refused(change, words):
    with pytest.raises(GeometryError, match=words):
        Views(**{**GOOD, **change})


@pytest.mark.parametrize("action, words", [
    (lambda: CONE.binned(0), "binning 0 x 0"), (lambda: CONE.binned((2, 8)), "leaves no pixel"),
    (lambda: CONE.resampled((0, 3)), "at least 1"),
    (lambda: CONE.cropped(3, 0, 3, 2), "leaves the detector of 5 x 7"), (lambda: CONE.cropped(0, -1, 1, 1), "leaves the detector"),
    (lambda: PARALLEL.rays(), "parallel rays have no ends"), (lambda: PARALLEL.projection_matrices(), "cone-beam views only"),
    (lambda: Views.concatenate([]), "no views"), (lambda: Views.concatenate([CONE, PARALLEL]), "kind of beam are the same"),
    (lambda: replace(SHEARED, surface=Cylindrical(100.0, 3)).rays(), "sheared"), (lambda: Cylindrical(0.0, 3), "radius 0.0 mm"),
    (lambda: CONE.with_surface(FreePixels(np.zeros((3, 5, 7, 3)))).unproject([[0, 0.5]]), "nothing between"),
    (lambda: EVERY["cylinder"].resampled((2, 2)), "use binned"),
    (lambda: replace(CONE, surface=FreePixels(np.zeros((3, 5, 7, 3)))).project([[0, 0, 0]]), "span no surface"),
])  # fmt: skip
def test_impossible_wishes_are_refused(action, words):
    with pytest.raises(GeometryError, match=words):
        action()


def test_default_surface_is_the_plane():
    assert isinstance(CONE.surface, Flat)
