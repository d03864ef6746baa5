"""Similarities against direct formulas (loops, numpy, scipy), their invariances, gradients, weights and refusals."""

import numpy as np
import pytest
import torch
from scipy.interpolate import BSpline
from scipy.ndimage import distance_transform_edt, sobel

from XRayTomoLib.options import OptionError, options_of, values_of
from XRayTomoLib.registration.case import RegistrationError
from XRayTomoLib.registration.similarity import (
    NCC,
    SIMILARITIES,
    SSD,
    EdgeDistance,
    GradientCorrelation,
    GradientNCC,
    GradientOrientation,
    LocalNCC,
    MultiscaleNCC,
    MutualInformation,
    NormalisedMutualInformation,
    Silhouette,
    WeightedSum,
    similarity_of,
)

ROWS, COLS = 13, 17
GREY = [name for name in SIMILARITIES if name != "silhouette"]
SMALL = {"local-ncc": {"radius_px": 2}, "multiscale-ncc": {"radius_px": 1}, "mutual-information": {"bins": 10}, "nmi": {"bins": 10}}


def smooth(seed, shape=(ROWS, COLS)):
    """A picture with structure, float64."""
    r, c = np.mgrid[: shape[0], : shape[1]]
    g = np.random.default_rng(seed)
    waves = sum(np.sin(g.uniform(0.1, 0.6) * r + g.uniform(0.1, 0.6) * c + g.uniform(0, 6)) for _ in range(5))
    return torch.tensor(waves + 0.2 * g.normal(size=shape) + 4)


def mask(seed=3):
    """Weights of which a block and some corner are 0."""
    w = torch.tensor(np.random.default_rng(seed).uniform(0.5, 2, (ROWS, COLS)))
    w[:4, :5] = 0
    w[9:, 14:] = 0
    return w


def silhouette():
    r, c = np.mgrid[:ROWS, :COLS]
    return torch.tensor(((r - 6) ** 2 + (c - 8) ** 2 < 20).astype(float))


def pearson(a, b, w):
    return np.cov(a, b, aweights=w)[0, 1] / np.sqrt(np.cov(a, aweights=w) * np.cov(b, aweights=w))


def fixed_for(name):
    return silhouette() if name == "silhouette" else smooth(1)


@pytest.mark.parametrize("w", [torch.ones(ROWS, COLS).double(), mask()])
def test_ncc_and_ssd_by_numpy(w):
    m, f = smooth(0), smooth(1)
    r = pearson(m.flatten(), f.flatten(), w.flatten())
    assert float(NCC()(m, f, w)) == pytest.approx(r, abs=1e-12)
    # squared differences after the weighted line fit
    root = np.sqrt(w.numpy().ravel())
    columns = np.stack([m.numpy().ravel(), np.ones(m.numel())], 1) * root[:, None]
    m_positive = m if r > 0 else -m
    if r < 0:
        columns[:, 0] *= -1
    rest = np.linalg.lstsq(columns, f.numpy().ravel() * root, rcond=None)[1][0]
    variance = np.cov(f.flatten(), aweights=w.flatten(), ddof=0)
    assert float(SSD()(m_positive, f, w)) == pytest.approx(-rest / float(w.sum()) / variance, abs=1e-12)
    assert float(SSD()(-m_positive, f, w)) == pytest.approx(-1, abs=1e-12)      # the gain is not below 0


def local_by_loops(m, f, w, radius, floor):
    """Mean of the patches' correlations, patch by patch."""
    m, f, w = m.numpy(), f.numpy(), w.numpy()
    (vm, both), (_, vf) = floor**2 * np.cov(m.ravel(), f.ravel(), aweights=w.ravel(), ddof=0)
    total = 0.0
    for r in range(ROWS):
        for c in range(COLS):
            window = slice(max(0, r - radius), r + radius + 1), slice(max(0, c - radius), c + radius + 1)
            share = w[window] / max(w[window].sum(), 1e-300)
            a, b = m[window] - (share * m[window]).sum(), f[window] - (share * f[window]).sum()
            total += w[r, c] * ((share * a * b).sum() + both) / np.sqrt(((share * a * a).sum() + vm) * ((share * b * b).sum() + vf))
    return total / w.sum()


@pytest.mark.parametrize("w", [torch.ones(ROWS, COLS).double(), mask()])
def test_local_and_multiscale_ncc_by_loops(w):
    m, f = smooth(0), smooth(1)
    assert float(LocalNCC(2, 0.2)(m, f, w)) == pytest.approx(local_by_loops(m, f, w, 2, 0.2), abs=1e-12)
    parts = [pearson(m.flatten(), f.flatten(), w.flatten()), local_by_loops(m, f, w, 1, 0.2), local_by_loops(m, f, w, 2, 0.2)]
    assert float(MultiscaleNCC(1, 2, 0.2)(m, f, w)) == pytest.approx(np.mean(parts), abs=1e-12)


@pytest.mark.parametrize("name", ["ncc", "local-ncc", "multiscale-ncc", "gradient-ncc", "gradient-correlation"])
def test_correlations_of_equal_images_are_one_and_no_others_are_larger(name):
    similarity, f = similarity_of(name), smooth(1)
    assert float(similarity(2 * f - 1, f, mask())) == pytest.approx(1, abs=1e-12)
    assert float(similarity(torch.stack([f + 0.01 * smooth(i) for i in range(2, 9)]), f, mask()).max()) < 1


def inner_gradients(x):
    return np.stack([sobel(x.numpy(), 1), sobel(x.numpy(), 0)])[:, 1:-1, 1:-1] / 8


def inner_weights(w):
    return np.array([[w[r - 1 : r + 2, c - 1 : c + 2].min() for c in range(1, COLS - 1)] for r in range(1, ROWS - 1)])


@pytest.mark.parametrize("w", [torch.ones(ROWS, COLS).double(), mask()])
def test_gradient_similarities_by_scipy(w):
    m, f = smooth(0), smooth(1)
    gm, gf, inner = inner_gradients(m), inner_gradients(f), inner_weights(w.numpy())
    both = np.stack([inner, inner])
    assert float(GradientNCC()(m, f, w)) == pytest.approx(pearson(gm.ravel(), gf.ravel(), both.ravel()), abs=1e-12)
    each = [pearson(a.ravel(), b.ravel(), inner.ravel()) for a, b in zip(gm, gf)]
    assert float(GradientCorrelation()(m, f, w)) == pytest.approx(np.mean(each), abs=1e-12)
    lengths = [np.sqrt((g**2).sum(0)) for g in (gm, gf)]
    noise = [0.3 * (inner * length).sum() / inner.sum() for length in lengths]
    cosine = (gm * gf).sum(0) / np.sqrt((lengths[0] ** 2 + noise[0] ** 2) * (lengths[1] ** 2 + noise[1] ** 2))
    assert float(GradientOrientation(0.3)(m, f, w)) == pytest.approx((inner * cosine).sum() / inner.sum(), abs=1e-10)
    assert float(GradientOrientation(0.3, True)(m, f, w)) == pytest.approx((inner * cosine**2).sum() / inner.sum(), abs=1e-10)


@pytest.mark.parametrize("w", [torch.ones(ROWS, COLS).double(), mask()])
def test_mutual_information_by_loops(w):
    m, f, bins = smooth(0), smooth(1), 10
    spline = BSpline.basis_element(np.arange(-2, 3), extrapolate=False)
    a, b, w_ = (x.numpy().ravel() for x in (m, f, w))

    def shares(x):
        low, high = x[w_ > 0].min(), x[w_ > 0].max()
        return np.nan_to_num(spline(1 + (bins - 3) * np.clip((x[:, None] - low) / (high - low), 0, 1) - np.arange(bins)))

    joint = np.zeros((bins, bins))
    for sa, sb, weight in zip(shares(a), shares(b), w_):
        joint += weight / w_.sum() * np.outer(sa, sb)
    assert joint.sum() == pytest.approx(1, abs=1e-12)
    ha, hb, hab = (-sum(p * np.log(p) for p in table.ravel() if p > 0) for table in (joint.sum(1), joint.sum(0), joint))
    assert float(MutualInformation(bins)(m, f, w)) == pytest.approx(ha + hb - hab, abs=1e-10)
    assert float(NormalisedMutualInformation(bins)(m, f, w)) == pytest.approx((ha + hb) / hab, abs=1e-10)


def test_distances_by_scipy():
    m, f, w = smooth(0), smooth(1), mask()
    length = np.sqrt((inner_gradients(f) ** 2).sum(0))
    inner = inner_weights(w.numpy())
    count = int(np.ceil(0.2 * (inner > 0).sum()))
    edges = np.zeros(inner.shape, bool)
    edges.flat[np.argsort(-np.where(inner > 0, length, -1).ravel())[:count]] = True
    by = np.minimum(distance_transform_edt(~edges), 3.0)
    strength = np.sqrt((inner_gradients(m) ** 2).sum(0)) * inner
    assert float(EdgeDistance(0.2, 3.0)(m, f, w)) == pytest.approx(-(strength * by).sum() / strength.sum(), abs=1e-6)
    inside = silhouette().numpy() > 0.5
    out_by, in_by = (np.minimum(distance_transform_edt(part), 4.0) for part in (~inside, inside))
    thick = np.random.default_rng(0).uniform(0, 0.2, inside.shape)
    covered = 1 - np.exp(-thick / 0.05)
    expected = -((covered * out_by + (1 - covered) * in_by) * w.numpy()).sum() / (inside * w.numpy()).sum()
    assert float(Silhouette(0.05, 4.0)(torch.tensor(thick), silhouette(), w)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", SIMILARITIES)
def test_gradients_by_differences(name):
    similarity, w = similarity_of(name, SMALL.get(name)), mask()
    moving = (smooth(0) if name != "silhouette" else 0.05 * smooth(0)).requires_grad_()
    measure = similarity.to(fixed_for(name), w)
    assert torch.autograd.gradcheck(measure, moving, eps=1e-6, atol=1e-6, fast_mode=True)


@pytest.mark.parametrize("name", GREY)
def test_gain_and_offset_change_nothing_where_they_should_not(name):
    """Only the edge distance is in its own unit; it too knows no gain or offset, being a weighted mean."""
    m, f, similarity = smooth(0), smooth(1), similarity_of(name, SMALL.get(name))
    value = float(similarity(m, f, mask()))
    assert float(similarity(3.7 * m - 20, f, mask())) == pytest.approx(value, abs=1e-9)
    assert float(similarity(m, 0.4 * f + 11, mask())) == pytest.approx(value, abs=1e-9)


@pytest.mark.parametrize("name", SIMILARITIES)
def test_the_same_image_is_the_most_alike(name):
    similarity = similarity_of(name, SMALL.get(name))
    fixed = fixed_for(name)
    same = 100.0 * fixed if name == "silhouette" else fixed
    moved = torch.stack([same, same.roll(1, -1), same.roll(-2, -2), same.roll((3, 4), (-2, -1))])
    values = similarity(moved, fixed)
    assert values.shape == (4,)
    assert int(values.argmax()) == 0 and bool((values[1:] < values[0] - 1e-3).all())


@pytest.mark.parametrize("name", SIMILARITIES)
def test_a_batch_is_its_images_one_by_one_also_in_float32(name):
    similarity = similarity_of(name, SMALL.get(name))
    moving = torch.stack([smooth(i) for i in range(6)]).reshape(2, 3, ROWS, COLS)
    moving = 0.05 * moving if name == "silhouette" else moving
    values = similarity(moving, fixed_for(name), mask())
    assert values.shape == (2, 3)
    assert float(values[1, 2]) == pytest.approx(float(similarity(moving[1, 2], fixed_for(name), mask())), abs=1e-12)
    single = similarity(moving.float(), fixed_for(name).float(), mask().float())
    torch.testing.assert_close(single.double(), values, atol=2e-5, rtol=1e-4)
    with_own = similarity(moving, fixed_for(name).expand(2, 3, ROWS, COLS), mask())
    torch.testing.assert_close(with_own, values)


@pytest.mark.parametrize("name", SIMILARITIES)
def test_what_does_not_count_changes_nothing(name):
    similarity, w = similarity_of(name, SMALL.get(name)), mask()
    m, f = 0.05 * smooth(0) if name == "silhouette" else smooth(0), fixed_for(name)
    spoiled = torch.where(w > 0, f, torch.nan)
    # outlines are searched on the whole mask: what is masked of it is not known
    if name != "silhouette":
        assert float(similarity(torch.where(w > 0, m, 1e3), spoiled, w)) == pytest.approx(float(similarity(m, f, w)), abs=1e-9)
    assert float(similarity(torch.where(w > 0, m, 1e3), f, w)) == pytest.approx(float(similarity(m, f, w)), abs=1e-9)


@pytest.mark.parametrize("name", SIMILARITIES)
@pytest.mark.parametrize("level", [0.0, 3.7])
def test_a_radiograph_that_shows_nothing_has_a_finite_value_and_gradient(name, level):
    similarity = similarity_of(name, SMALL.get(name))
    moving = torch.full((ROWS, COLS), level, dtype=torch.float32, requires_grad=True)
    value = similarity(moving, fixed_for(name).float())
    value.backward()
    assert torch.isfinite(value) and torch.isfinite(moving.grad).all()
    worst = {"ssd": -1, "edge-distance": -20, "nmi": 1, "silhouette": None}.get(name, 0)
    assert worst is None or float(value.detach()) == pytest.approx(worst, abs=1e-4)


@pytest.mark.parametrize("name", SIMILARITIES)
def test_refusals(name):
    similarity, m = similarity_of(name), smooth(0)
    f = fixed_for(name)
    with pytest.raises(RegistrationError, match="same value"):
        similarity(m, torch.full_like(m, 3.3))
    with pytest.raises(RegistrationError, match="leaves no pixel"):
        similarity(m, f, torch.zeros_like(m))
    with pytest.raises(RegistrationError, match="radiographs of"):
        similarity(m[:5], f)
    with pytest.raises(RegistrationError, match="weights of"):
        similarity(m, f, torch.ones(3, 4))
    with pytest.raises(RegistrationError, match="below 0"):
        similarity(m, f, -torch.ones_like(m))
    with pytest.raises(RegistrationError, match="not finite"):
        similarity(m, f.index_fill(0, torch.tensor([2]), torch.nan))


def test_masks_that_gradients_and_silhouettes_cannot_use():
    lonely = torch.zeros(ROWS, COLS)
    lonely[::3, ::3] = 1
    with pytest.raises(RegistrationError, match="together with all"):
        GradientNCC()(smooth(0), smooth(1), lonely)
    with pytest.raises(RegistrationError, match="covers everything"):
        Silhouette()(smooth(0), 0.4 * silhouette())
    with pytest.raises(RegistrationError, match="no gradients"):
        GradientCorrelation()(torch.rand(2, 9), torch.rand(2, 9))


def test_options_are_declared_and_checked():
    for name, cls in SIMILARITIES.items():
        assert cls.TITLE and cls.__doc__
        assert similarity_of(name, values_of(cls())) == cls()
        assert all(o.label and o.help for o in options_of(cls))
    with pytest.raises(RegistrationError, match="one of: ncc"):
        similarity_of("nccc")
    with pytest.raises(OptionError, match="radius_px"):
        similarity_of("local-ncc", {"radius_px": 0})
    with pytest.raises(RegistrationError, match="Local cross-correlation: radius_px"):
        LocalNCC(radius_px=0)


def test_weighted_sums():
    m, f, w = smooth(0), smooth(1), mask()
    total = WeightedSum([(0.25, NCC()), (2.0, GradientNCC())])(m, f, w)
    assert float(total) == pytest.approx(0.25 * float(NCC()(m, f, w)) + 2 * float(GradientNCC()(m, f, w)), abs=1e-12)
    with pytest.raises(RegistrationError, match="at least one pair"):
        WeightedSum([])
