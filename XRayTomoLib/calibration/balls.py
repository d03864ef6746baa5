"""A phantom of small balls: where they lie, where they appear in projections, and which is which."""
from dataclasses import dataclass

import numpy as np

from ..geometry.arrays import norm, to_numpy
from .result import CalibrationError

LEAST_RESPONSE = 0.3        # of a ball, in parts of the strongest one
WINDOW = 1.4                # radius of the region whose centre of mass is taken, in radii of the ball
CLOSE_PX = 4.0              # how far a ball may appear from its prediction once the whole pattern is shifted


@dataclass(frozen=True, eq=False)
class BallPhantom:
    """Balls of `diameter_mm` with centres [M, 3] in RAS, denser than what surrounds them."""
    centres: np.ndarray
    diameter_mm: float

    def __post_init__(self):
        centres = np.asarray(self.centres, np.float64)
        if centres.ndim != 2 or centres.shape[1:] != (3,) or not np.isfinite(centres).all():
            raise CalibrationError(f"ball centres of shape {centres.shape}: expected [M, 3] finite numbers, R, A, S in mm.")
        if not self.diameter_mm > 0:
            raise CalibrationError(f"ball diameter {self.diameter_mm} mm: expected more than 0 mm.")
        object.__setattr__(self, "centres", centres)

    def __len__(self):
        return len(self.centres)

    def moved(self, matrix):
        """The phantom under the rigid 4x4 `matrix`."""
        return BallPhantom(self.centres @ matrix[:3, :3].T + matrix[:3, 3], self.diameter_mm)

    def radius_px(self, views):
        """Radius in columns [N] of a ball in the middle of the phantom as each view shows it."""
        return 0.5 * self.diameter_mm * _magnification(views, self.centres.mean(0)[None])[:, 0] / norm(to_numpy(views.u))

    def centroids(self, views):
        """Centres of mass (row, col) [N, M, 2] of the balls' line integrals on flat `views`.

        A ball's picture is no disc round the projection of its centre. With e = radius / distance, the angle g between its ray and the
        detector's normal, and f = SDD, the centre of mass lies farther from the normal's foot by 0.8 e^2 f tan g / cos^2 g, to the second order
        in e: the mean of f tan over the picture, weighted by chord length (<e_r^2> = e^2 / 5) and by the area f^2 / cos^3 of a solid angle.
        """
        pixels = to_numpy(views.project(self.centres))
        if views.source is None:
            return pixels
        source, normal = to_numpy(views.source), to_numpy(views.normal)
        ray = self.centres[None] - source[:, None]
        sine = 0.5 * self.diameter_mm / norm(ray)
        cosine = abs((ray * normal[:, None]).sum(-1)) / norm(ray)
        foot = source + (normal * (to_numpy(views.origin) - source)).sum(-1)[:, None] * normal
        inverse = np.linalg.pinv(np.stack([to_numpy(views.v), to_numpy(views.u)], -1))
        foot_pixel = (inverse @ (foot - to_numpy(views.origin))[..., None])[..., 0]
        return pixels + (0.8 * sine ** 2 / cosine ** 2)[..., None] * (pixels - foot_pixel[:, None])


def _magnification(views, points):
    """[N, M] pixel per mm at the points, in units of the pitch: SDD / depth; 1 for parallel rays."""
    if views.source is None:
        return np.ones((len(views), len(points)))
    depth = abs(((points[None] - to_numpy(views.source)[:, None]) * to_numpy(views.normal)[:, None]).sum(-1))
    return to_numpy(views.sdd_mm)[:, None] / depth


def find_balls(image, radius_px):
    """Centres of mass (row, col) [K, 2] of bright discs of about `radius_px` in `image` [rows, cols].

    Candidates are maxima of the scale-normalised Laplacian of Gaussian of s = r / sqrt(2) (T. Lindeberg, Int. J. Comput. Vision 30, 1998);
    those that touch the border or one another are left out. The background is a smooth surface through what lies round each.
    """
    from scipy.ndimage import gaussian_laplace, maximum_filter
    image = np.asarray(image, np.float64)
    radius = max(radius_px, 1.0)
    response = -(radius ** 2 / 2) * gaussian_laplace(image, radius / np.sqrt(2), mode="nearest")
    size = 2 * int(np.ceil(radius)) + 1
    peaks = (response == maximum_filter(response, size)) & (response > LEAST_RESPONSE * response.max()) & (response > 4 * _spread(response))
    found = np.argwhere(peaks).astype(np.float64)
    reach = WINDOW * radius + 1
    centres = [_centre_of_mass(image, centre, reach) for centre in found[_apart(found) > reach + radius]]
    return np.array([c for c in centres if c is not None]).reshape(-1, 2)


def _apart(points):
    """Distance [n] from each point [n, 2] to its nearest neighbour."""
    return (norm(points[:, None] - points[None]) + np.where(np.eye(len(points)), np.inf, 0)).min(1, initial=np.inf)


def _spread(response):
    """Standard deviation of the response's bulk (median absolute deviation)."""
    return 1.4826 * np.median(abs(response - np.median(response)))


def _centre_of_mass(image, centre, reach):
    """Centre of mass above the background within `reach` of itself, or None where that leaves the image."""
    for _ in range(6):
        low, high = np.floor(centre - 2 * reach).astype(int), np.ceil(centre + 2 * reach).astype(int) + 1
        if (centre - reach < 0).any() or (centre + reach > np.array(image.shape) - 1).any():
            return None
        low, high = np.maximum(low, 0), np.minimum(high, image.shape)
        r, c = np.mgrid[low[0]:high[0], low[1]:high[1]]
        away = np.hypot(r - centre[0], c - centre[1])
        window = image[low[0]:high[0], low[1]:high[1]]
        weight = (window - _background(window, r, c, away > reach)) * np.clip(reach + 0.5 - away, 0, 1)
        if not weight.sum() > 0:
            return None
        centre = np.array([(weight * r).sum(), (weight * c).sum()]) / weight.sum()
    return centre


def _background(window, r, c, ring):
    """The quadratic surface through the pixels of the ring, without those that stick out (other balls): two rounds of least squares."""
    y, x = (r - r.mean()) / len(r), (c - c.mean()) / len(c)
    design = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], -1)
    used = ring
    for _ in range(3):
        surface = design @ np.linalg.lstsq(design[used], window[used], rcond=None)[0]
        rest = window - surface
        used = ring & (abs(rest) <= max(3.7 * np.median(abs(rest[ring])), 1e-9))
    return surface


def assign(found, predicted):
    """Number of the `found` spot [K, 2] that belongs to each prediction [M, 2], or -1.

    The whole pattern may be shifted: every difference votes, the shift that explains most balls wins; then an affine map is fitted and
    balls are matched to their nearest spots, each the other's nearest.
    """
    nobody = np.full(len(predicted), -1)
    if not len(found):
        return nobody
    shifts = (found[:, None] - predicted[None]).reshape(-1, 2)
    votes = [_matches(found, predicted + shift)[1] for shift in shifts]
    mapped = predicted + shifts[int(np.argmin(votes))]
    for _ in range(4):
        matched, _ = _matches(found, mapped)
        used = np.flatnonzero(matched >= 0)
        if len(used) < 4:
            break
        design = np.column_stack([predicted, np.ones(len(predicted))])
        mapped = design @ np.linalg.lstsq(design[used], found[matched[used]], rcond=None)[0]
    return _matches(found, mapped)[0]


def _matches(found, mapped):
    """The mutual nearest neighbours nearer than CLOSE_PX as in `assign`, and the cost: the distances, CLOSE_PX for who has none."""
    apart = norm(found[:, None] - mapped[None])
    nearest = apart.argmin(0)
    each = np.arange(len(mapped))
    good = (apart[nearest, each] < CLOSE_PX) & (apart.argmin(1)[nearest] == each)
    return np.where(good, nearest, -1), float(np.where(good, apart[nearest, each], CLOSE_PX).sum())


def measured_balls(projections, views, phantom):
    """Places (row, col) [N, M, 2] of the phantom's balls in the projections, NaN where one is not seen; `views` say roughly where."""
    radius, predicted = phantom.radius_px(views), phantom.centroids(views)
    places = np.full((len(views), len(phantom), 2), np.nan)
    for i, image in enumerate(projections):
        known = np.flatnonzero(np.isfinite(predicted[i]).all(1))
        clear = _apart(predicted[i][known]) > (WINDOW + 1) * radius[i] + 2     # another ball's picture does not reach into the window
        found = find_balls(image, radius[i])
        number = assign(found, predicted[i][known])
        good = (number >= 0) & clear
        places[i, known[good]] = found[number[good]]
    return places
