"""Detector surfaces: pixels and points belong to each other, whatever is done with the detector."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from XRayTomoLib.geometry import CArm, Cylindrical, Flat, FreePixels, GeometryError, Panels, Polar, Spherical, Views, pose_about
from XRayTomoLib.geometry.detectors import Surface

ARM = CArm(1000.0, 600.0, 6, 12, 2.0, 3.0, principal_offset_mm=(3.0, -5.0), in_plane_deg=20.0)
CONE = ARM.views([0, 70, 200], [10, -20, 30], (4.0, 5.0, 6.0))
PARALLEL = Views(direction=CONE.centre - CONE.source, origin=CONE.origin, u=CONE.u, v=CONE.v, shape=CONE.shape)
TILTED_PANELS = Panels((4, 6, 2), [(0, 0, 5.0), (4.5, 0.2, 0), (11, -0.3, 2)], [(0.9, 0, 0.8), (1, 0, 0), (0.95, 0.02, -0.5)],
                       [(0, 1, 0.1), (0, 1, 0), (0.03, 1, -0.2)])
SURFACES = {
    "flat": Flat(),
    "cylinder": Cylindrical(700.0, 2.6), "convex cylinder": Cylindrical(-300.0, 4.1),
    "sphere": Spherical(900.0, (1.2, 3.4)), "convex sphere": Spherical(-400.0, (2.2, 2.9)),
    "polar": Polar((2.3, 5.1), 1.5, 2.5, 10.0, 30.0), "polar clockwise": Polar((2.5, 5.5), 4.0, 1.0, -20.0, -7.0),
    "panels on an arc": Panels.on_arc((6, 12), 3, 1000.0, (2.0, 3.0), 4.0), "tilted panels": TILTED_PANELS,
}  # fmt: skip
on_every = pytest.mark.parametrize("name", SURFACES)


def pixels_of(views):
    r, c = np.meshgrid(range(views.shape[0]), range(views.shape[1]), indexing="ij")
    return np.stack([r, c], -1).reshape(-1, 2).astype(float)


@pytest.mark.parametrize(("surface", "name"), [(Cylindrical(3.8, 4.0), "columns"), (Spherical(3.8, (2.5, 4.0)), "columns"),
                                               (Spherical(5.0, (2.5, 4.0)), "rows"), (Spherical(-6.0, (0.0, 4.0)), "rows")])  # fmt: skip
def test_a_detector_that_overlaps_on_the_way_round_is_refused(surface, name):
    """12 columns of 2 mm, 6 rows of 3 mm."""
    with pytest.raises(GeometryError, match=f"the {name} of a curved detector"):
        CONE.with_surface(surface)
    CONE.with_surface(Cylindrical(3.82, 4.0)), CONE.with_surface(Spherical(5.8, (2.5, 4.0)))


@pytest.mark.parametrize("name", ["cylinder", "convex sphere"])
def test_a_sheared_curved_detector_is_refused(name):
    with pytest.raises(GeometryError, match="u perpendicular to v"):
        replace(CONE, v=CONE.v + 0.1 * CONE.u, surface=SURFACES[name])


@on_every
@pytest.mark.parametrize("base", [CONE, PARALLEL], ids=["cone", "parallel"])
def test_rays_of_pixels_meet_their_pixels(name, base):
    views = base.with_surface(SURFACES[name])
    start, end = views.rays(reach_mm=300.0)
    for share in (0.3, 1.0, 1.4):
        points = (start + share * (end - start)).reshape(len(views), -1, 3)
        np.testing.assert_allclose(views.project(points), np.broadcast_to(pixels_of(views), (3, 72, 2)), atol=1e-6)


@settings(max_examples=60, deadline=None)
@example("panels on an arc", [(0.0, 3.5), (2.0, 7.5)], 1.0)         # the edges of panels
@given(st.sampled_from(list(SURFACES)), st.lists(st.tuples(st.floats(-0.4, 5.4), st.floats(-0.4, 11.4)), min_size=1, max_size=4),
       st.floats(0.1, 2))  # fmt: skip
def test_project_undoes_unproject_between_pixels(name, pixels, share):
    views = CONE.with_surface(SURFACES[name])
    start, end = views.unproject(pixels)
    np.testing.assert_allclose(views.project(start + share * (end - start)), np.broadcast_to(pixels, (3, len(pixels), 2)), atol=1e-6)


@on_every
def test_flipped_detectors_count_the_same_places_from_the_other_side(name):
    views = CONE.with_surface(SURFACES[name])
    there, back = views.surface.points(views), views.flipped().surface.points(views.flipped())
    np.testing.assert_allclose(back, there[:, :, ::-1], atol=1e-9)


@on_every
def test_cropped_detectors_are_parts(name):
    views = CONE.with_surface(SURFACES[name])
    part = views.cropped(1, 3, 4, 5)
    np.testing.assert_allclose(part.surface.points(part), views.surface.points(views)[:, 1:5, 3:8], atol=1e-9)
    line = views.cropped(2, 0, 1, 12)
    np.testing.assert_allclose(line.rays()[1], views.rays()[1][:, 2:3], atol=1e-9)


@on_every
def test_binned_pixels_lie_in_the_middle_of_their_pixels(name):
    views = CONE.with_surface(SURFACES[name])
    coarse = views.binned((3, 2))
    r, c = np.meshgrid([1.0, 4.0], np.arange(6) * 2 + 0.5, indexing="ij")
    np.testing.assert_allclose(coarse.surface.points(coarse), views.surface.at(views, r[None], c[None]), atol=1e-9)


@on_every
def test_moved_views_move_their_pixels(name):
    views, motion = CONE.with_surface(SURFACES[name]), pose_about([0.4, -0.9, 1.3], [10.0, 20.0, -30.0], [1.0, 2.0, 3.0])
    expected = views.rays()[1] @ motion[:3, :3].T + motion[:3, 3]
    np.testing.assert_allclose(views.transformed(motion).rays()[1], expected, atol=1e-9)


@on_every
def test_surfaces_read_back_from_their_dictionaries(name):
    surface = SURFACES[name]
    assert Surface.from_dict(json.loads(json.dumps(surface.as_dict()))) == surface


@on_every
def test_gradients_reach_the_views_through_the_surface(name):
    def pixel_sum(origin):
        views = replace(CONE[:1], origin=origin, surface=SURFACES[name])
        return views.project(target).sum()
    target = CONE[:1].with_surface(SURFACES[name]).rays()[1].reshape(-1, 3)[[15, 40]] * 0.7 + 0.3 * CONE.source[0]
    origin = torch.tensor(CONE.origin[:1], requires_grad=True)
    pixel_sum(origin).backward()
    step = np.array([[0.0, 1e-4, 0.0]])
    numeric = (pixel_sum(CONE.origin[:1] + step) - pixel_sum(CONE.origin[:1] - step)) / 2e-4
    np.testing.assert_allclose(origin.grad[0, 1].item(), numeric, rtol=1e-5, atol=1e-7)


# -- each kind by a formula of its own
def test_polar_pixels_lie_on_rings():
    views = CONE.with_surface(Polar((2.0, 5.0), 1.5, 2.5, 10.0, 30.0))
    middle = CONE.origin + 2 * CONE.v + 5 * CONE.u
    away = views.rays()[1] - middle[:, None, None]
    np.testing.assert_allclose(np.linalg.norm(away, axis=-1), np.broadcast_to((1.5 + 2.5 * np.arange(6))[None, :, None], (3, 6, 12)), atol=1e-9)
    across = (away[:, 1] * CONE.u[:, None] / 2.0).sum(-1)
    np.testing.assert_allclose(across, np.broadcast_to(4.0 * np.cos(np.radians(10 + 30 * np.arange(12))), (3, 12)), atol=1e-9)


def test_points_just_before_a_full_turn_belong_to_its_first_column():
    views = CONE.with_surface(Polar((2.0, 5.0), 1.5, 2.5, 10.0, 30.0))
    end = views.surface.at(views, np.array([[2.0, 2.0]]), np.array([[-0.3, 11.7]]))
    np.testing.assert_allclose(views.project(end), [[[2, -0.3], [2, -0.3]]] * 3, atol=1e-9)


def test_panels_on_an_arc_are_tangents_with_the_wanted_gap():
    pitch, gap, radius = 2.0, 4.0, 1000.0
    views = CArm(1000.0, 600.0, 5, 12, pitch, 3.0).views().with_surface(Panels.on_arc((5, 12), 3, radius, (pitch, 3.0), gap))
    points = views.rays()[1][0, 2]                                       # the middle row: the plane of the source
    middles = np.array([points[a:a + 4].mean(0) for a in (0, 4, 8)])
    along = np.array([points[a + 1] - points[a] for a in (0, 4, 8)])
    np.testing.assert_allclose(np.linalg.norm(middles - views.source, axis=1), radius, atol=1e-9)
    np.testing.assert_allclose(((middles - views.source) * along).sum(-1), 0, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(along, axis=1), pitch, atol=1e-9)
    edges = points[3] + 0.5 * along[0], points[4] - 0.5 * along[1]
    np.testing.assert_allclose(np.linalg.norm(edges[1] - edges[0]), gap * np.cos(np.arctan((4 * pitch + gap) / 2 / radius)), rtol=1e-9)


def test_points_in_the_gap_between_panels_have_no_pixel():
    views = CONE.with_surface(SURFACES["panels on an arc"])
    a, b = views.surface.at(views, np.array([[2.0]]), np.array([[3.49999999]])), views.surface.at(views, np.array([[2.0]]), np.array([[3.50000001]]))
    assert np.isnan(views.project((a + b) / 2)).all()
    assert not np.isnan(views.project(a)).any() and not np.isnan(views.project(b)).any()


def test_binning_across_two_panels_and_wrong_sums_are_refused():
    with pytest.raises(GeometryError, match="join pixels of two panels"):
        CONE.with_surface(SURFACES["panels on an arc"]).binned((1, 3))
    with pytest.raises(GeometryError, match="4 \\+ 4 columns on a detector of 12 columns"):
        CONE.with_surface(Panels.on_arc((6, 8), 2, 1000.0, (2.0, 3.0)))
    with pytest.raises(GeometryError, match="cannot be shared evenly by 5 panels"):
        Panels.on_arc((6, 12), 5, 1000.0, (2.0, 3.0))


@pytest.mark.parametrize("values, words", [
    ({"kind": "round"}, "'kind' is one of"), ([], "expected a dictionary"), ({"kind": "cylindrical", "radius_mm": 1.0}, "expected the fields"),
    ({"kind": "cylindrical", "radius_mm": "1", "apex_col": 0}, "field 'radius_mm'"), ({"kind": "flat", "x": 1}, "expected the fields"),
    ({"kind": "cylindrical", "radius_mm": float("nan"), "apex_col": 0}, "finite"), ({"kind": "polar", "centre": [[1], [1, 2]], "inner_mm": 0,
     "ring_mm": 1, "start_deg": 0, "step_deg": 1}, "equal length"), ({"kind": ["flat"]}, "'kind'"),
    ({"kind": "panels", "cols": 3, "origins": [], "us": [], "vs": []}, "panels"),
    ({"kind": "spherical", "radius_mm": 3.0, "apex": 3}, "apex"), ({"kind": "cylindrical", "radius_mm": [1.0], "apex_col": 0}, "number"),
])  # fmt: skip
def test_damaged_dictionaries_are_refused(values, words):
    with pytest.raises(GeometryError, match=words):
        Surface.from_dict(values)


# -- curved detectors of a C-arm
@pytest.mark.parametrize("surface", ["cylindrical", "spherical"])
def test_focus_centred_detectors_are_equally_far_from_the_source(surface):
    views = ARM.curved(surface=surface).views([0, 50], 20)
    away = views.rays()[1] - views.source[:, None, None]
    if surface == "cylindrical":
        axis = views.v / 3.0
        away = away - (away * axis[:, None, None]).sum(-1, keepdims=True) * axis[:, None, None]
    np.testing.assert_allclose(np.linalg.norm(away, axis=-1), 1000.0, atol=1e-9)


def test_a_radius_bends_about_the_central_ray():
    flat, bent = ARM.views(), ARM.curved(-1e7).views()
    np.testing.assert_allclose(bent.rays()[1], flat.rays()[1], atol=1e-3)
    np.testing.assert_allclose(bent.project([[0, 0, 0]]), flat.project([[0, 0, 0]]), atol=1e-9)
    assert ARM.curved(400.0).resampled(3, 6).views().surface.apex_col == pytest.approx((ARM.curved(400.0).views().surface.apex_col + 0.5) / 2 - 0.5)
    with pytest.raises(GeometryError, match="detector surface 'round'"):
        ARM.curved(surface="round")


# -- detectors moved against their source
def test_detectors_turn_about_their_centre():
    views = CONE.with_detector(tilt_deg=5.0, slant_deg=-3.0, in_plane_deg=10.0)
    np.testing.assert_allclose(views.centre, CONE.centre, atol=1e-9)
    np.testing.assert_array_equal(views.source, CONE.source)
    np.testing.assert_allclose(views.pitch_mm, CONE.pitch_mm, rtol=1e-12)
    np.testing.assert_allclose((views.u * views.v).sum(-1), 0, atol=1e-9)


def test_each_turn_is_about_its_axis():
    u, v, n = CONE.u / 2, CONE.v / 3, CONE.normal
    cos, sin = np.cos(np.radians(7)), np.sin(np.radians(7))
    tilted, slanted, turned = CONE.with_detector(tilt_deg=7), CONE.with_detector(slant_deg=7), CONE.with_detector(in_plane_deg=7)
    np.testing.assert_allclose(tilted.u, CONE.u, atol=1e-12)
    np.testing.assert_allclose(tilted.v / 3, cos * v + sin * n, atol=1e-12)
    np.testing.assert_allclose(slanted.v, CONE.v, atol=1e-12)
    np.testing.assert_allclose(slanted.u / 2, cos * u - sin * n, atol=1e-12)
    np.testing.assert_allclose(turned.u / 2, cos * u + sin * v, atol=1e-12)
    assert CONE.with_detector(in_plane_deg=[0, 7, 0]).u[1] == pytest.approx(turned.u[1])


def test_shifted_detectors_shift_the_picture():
    shifted = CONE.with_detector(shift_mm=(4.0, -6.0, 0.0))
    points = np.array([[1.0, 2.0, 3.0], [30.0, 10.0, -20.0]])
    np.testing.assert_allclose(shifted.project(points), CONE.project(points) - [-2.0, 2.0], atol=1e-9)
    away = CONE.with_detector(shift_mm=(0.0, 0.0, 50.0))
    np.testing.assert_allclose(abs(away.sdd_mm - CONE.sdd_mm), 50.0, atol=1e-9)


def test_freely_placed_pixels_cannot_be_moved_against_their_source():
    free = CONE.with_surface(FreePixels(CONE.rays()[1]))
    with pytest.raises(GeometryError, match="move the targets"):
        free.with_detector(tilt_deg=1.0)
    start, end = free.unproject(pixels_of(free)[[3, 20]])
    np.testing.assert_allclose(end, CONE.unproject(pixels_of(CONE)[[3, 20]])[1], atol=1e-9)


def test_free_pixels_with_sources_unproject_to_them():
    targets = CONE.rays()[1]
    free = CONE.with_surface(FreePixels(targets, targets + 7.0))
    start, end = free.unproject([[2, 5]])
    np.testing.assert_allclose(start[:, 0], targets[:, 2, 5] + 7.0)
    with pytest.raises(GeometryError, match="free pixels of shape"):
        CONE.with_surface(FreePixels(targets, targets[:2]))
