"""Preparation of X-rays: what each step makes of known pictures, the collimator's field, and that pictures and views stay together."""

import numpy as np
import pytest
import torch
from Unit.registration.scenes import CENTRE, views

from XRayTomoLib.counts import isolated_pixels
from XRayTomoLib.options import make
from XRayTomoLib.registration.case import RegistrationError, XRay
from XRayTomoLib.registration.images import COUNTS, Preparation, collimated_field, footprint, prepare

VIEW = views((15.0,), (5.0,))
ROWS, COLS = VIEW.shape
R, C = np.mgrid[:ROWS, :COLS].astype(float)
GRID_POINTS = CENTRE + np.stack(np.meshgrid([-20.0, 0, 25], [0.0], [-15.0, 10]), -1).reshape(-1, 3)


def object_picture():
    """Line integrals of something smooth with an edge."""
    body = 2.5 * np.exp(-(((R - 90) / 60) ** 2 + ((C - 130) / 70) ** 2))
    return body + 0.8 * ((np.abs(R - 100) < 20) & (np.abs(C - 120) < 40))


def plain(**options):
    return Preparation(**{"bad_sigma": 0.0, "find_collimator": False, **options})


def test_counts_become_line_integrals():
    p = object_picture()
    flat, dark = 4000 + 500 * np.sin(C / 50), 90 + 5 * np.cos(R / 30)
    counts = dark + (flat - dark) * np.exp(-p)
    np.testing.assert_allclose(prepare(counts, VIEW, plain(values=COUNTS), flat, dark).image, p, atol=1e-5)
    number = prepare(3000 * np.exp(-p), VIEW, plain(values=COUNTS, open_beam=3000.0))
    np.testing.assert_allclose(number.image, p, atol=1e-5)
    brightest = prepare(3000 * np.exp(-p), VIEW, plain(values=COUNTS))
    offset = brightest.image.numpy() - p
    np.testing.assert_allclose(offset, np.full(p.shape, offset[0, 0]), atol=1e-5)
    upside_down = prepare(5000 - 3000 * np.exp(-p), VIEW, plain(values=COUNTS, inverted=True, open_beam=3000.0, full_scale=5000.0))
    np.testing.assert_allclose(upside_down.image, p, atol=1e-5)
    starved = prepare(np.where(R < 3, 0.0, 3000 * np.exp(-p)), VIEW, plain(values=COUNTS, open_beam=3000.0))
    np.testing.assert_allclose(starved.image[:3], np.log(6000), rtol=1e-5)


def test_display_values():
    p = object_picture()
    np.testing.assert_allclose(prepare(p, VIEW, plain()).image, p, rtol=1e-6)
    np.testing.assert_allclose(prepare(7 - p, VIEW, plain(inverted=True)).image, p - p.min(), atol=1e-6)


def test_crop_keeps_points_on_the_picture():
    points = VIEW.project(GRID_POINTS)
    xray = prepare(object_picture(), VIEW, plain(crop_row=20, crop_col=33, crop_rows=100), mask=(C > 40))
    assert xray.image.shape == (100, COLS - 33)
    np.testing.assert_allclose(xray.views.project(GRID_POINTS), points - [20, 33], atol=1e-9)
    np.testing.assert_array_equal(xray.image, object_picture()[20:120, 33:].astype(np.float32))
    np.testing.assert_array_equal(xray.mask, (C > 40)[20:120, 33:])
    with pytest.raises(RegistrationError, match="leaves the detector.*crop inside"):
        prepare(object_picture(), VIEW, plain(crop_row=150, crop_rows=100))


def test_bad_pixels_are_repaired_and_do_not_count():
    g = np.random.default_rng(0)
    p = object_picture() + 0.02 * g.normal(size=R.shape)
    spoiled, bad = p.copy(), np.zeros(p.shape, bool)
    spoiled[50, 60], spoiled[100, 120], spoiled[0, 7], spoiled[30, 30] = 9.0, -4.0, 8.0, np.nan
    bad[70, 70:75] = True
    spoiled[70, 70:75] = 5
    xray = prepare(spoiled, VIEW, Preparation(find_collimator=False), bad=bad)
    expected = bad.copy()
    expected[[50, 100, 0, 30], [60, 120, 7, 30]] = True
    np.testing.assert_array_equal(~xray.mask.numpy(), expected)
    assert np.abs(xray.image.numpy() - p)[expected].max() < 0.15
    np.testing.assert_array_equal(xray.image.numpy()[~expected], p.astype(np.float32)[~expected])


def test_edges_are_no_bad_pixels():
    steps = 5.0 * (R + C > 150) + 0.01 * np.random.default_rng(1).normal(size=R.shape)
    assert not isolated_pixels(steps, 8.0).any()
    assert not isolated_pixels(np.ones((20, 20)), 8.0).any()
    saturated = np.clip(np.round(300 - 20 * steps + np.random.default_rng(2).normal(size=R.shape)), 0, 255)      # few grey levels, most at one end
    assert not isolated_pixels(saturated, 8.0).any()
    saturated[40, 41] = 0
    assert np.argwhere(isolated_pixels(saturated, 8.0)).tolist() == [[40, 41]]


def blades(kind):
    if kind == "upright":
        return (R > 30) & (R < 170) & (C > 50) & (C < 200)
    if kind == "turned":
        a, b = (R - 100) * 0.95 + (C - 120) * 0.3, (C - 120) * 0.95 - (R - 100) * 0.3
        return (np.abs(a) < 60) & (np.abs(b) < 85)
    return (R - 100) ** 2 + (C - 120) ** 2 < 90**2


def test_collimator_of_large_images():
    r, c = np.mgrid[:901, :1203]
    field = (r - 450) ** 2 + (c - 600) ** 2 < 440**2
    found = collimated_field(np.where(field, 200.0, 5.0))
    assert not (found & ~field).any() and found.sum() > 0.95 * field.sum()


@pytest.mark.parametrize("kind", ["upright", "turned", "disc"])
@pytest.mark.parametrize("values", ["line integrals", COUNTS])
def test_collimator_is_found(kind, values):
    g = np.random.default_rng(2)
    field = blades(kind)
    counts = g.poisson(3000 * np.exp(-object_picture()) * field + 60.0).astype(float)
    image = counts if values == COUNTS else -np.log(counts / 3000)
    xray = prepare(image, VIEW, Preparation(values=values))
    found = xray.mask.numpy()
    assert not (found & ~field).any()                           # nothing behind a blade counts
    assert (found & field).sum() > 0.9 * field.sum()


def test_what_is_no_collimator():
    g = np.random.default_rng(3)
    picture = g.poisson(3000 * np.exp(-object_picture())).astype(float)
    assert collimated_field(picture).all()
    # a thick body that reaches the border is no convex opening with an even surround
    thick = g.poisson(3000 * np.exp(-np.where(np.abs(C - 120) < 60 + 20 * np.sin(R / 20), 3.5 + np.sin(R / 9), 0.2))).astype(float)
    assert collimated_field(thick).all()
    assert collimated_field(np.ones((40, 40))).all() and collimated_field(np.eye(5)).all()


def test_masked_pixels_do_not_leak():
    p = np.where(C < 100, 1e4, object_picture())
    xray = XRay(torch.tensor(p), VIEW, torch.tensor(C >= 100))
    coarse = xray.binned(4)
    assert float(coarse.image[coarse.mask].max()) < 4


def test_footprint_is_what_an_object_covers_and_its_margin():
    shadow = torch.tensor(1.0 * ((np.abs(R - 100) < 10) & (np.abs(C - 100) < 15)) + 1e-3)
    masks = footprint(torch.stack([shadow, torch.zeros_like(shadow)]), 5)
    np.testing.assert_array_equal(masks[0], (np.abs(R - 100) < 15) & (np.abs(C - 100) < 20))
    assert not masks[1].any()


def test_refusals():
    p = object_picture()
    with pytest.raises(RegistrationError, match="one view"):
        prepare(p[:5], VIEW)
    with pytest.raises(RegistrationError, match="'flat' has the shape"):
        prepare(p, VIEW, flat=p[:4])
    with pytest.raises(RegistrationError, match="belong to counts"):
        prepare(p, VIEW, flat=p)
    with pytest.raises(RegistrationError, match="not brighter than the dark"):
        prepare(p, VIEW, plain(values=COUNTS), flat=p, dark=p + 1)
    with pytest.raises(RegistrationError, match="leaves no pixel"):
        prepare(p, VIEW, mask=np.zeros(p.shape))
    with pytest.raises(RegistrationError, match="same value"):
        prepare(np.full(p.shape, 3.0), VIEW)
    with pytest.raises(RegistrationError, match="no pixel holds"):
        prepare(np.full(p.shape, np.nan), VIEW, plain())
    with pytest.raises(RegistrationError, match="values = 'photons'"):
        Preparation(values="photons")
    assert make(Preparation, {"values": COUNTS, "border_px": 4}).border_px == 4
    border = prepare(p, VIEW, plain(border_px=4)).mask.numpy()
    assert border.sum() == (ROWS - 8) * (COLS - 8) and border[4, 4]
