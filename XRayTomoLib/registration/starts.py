"""Where a registration starts from: landmarks in one or several X-rays, the device's isocentre, a transform, and half turns of them."""
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ..geometry import transform_points
from ..geometry.arrays import norm, to_numpy, unit
from ..geometry.triangulation import nearest_points, triangulate
from .case import RegistrationError
from .landmarks import check_spread, p3p, rigid_fit
from .poses import Tangent

MOST_TRIPLES = 100      # sets of three landmarks from which a start is tried where some may be wrong
FEW_TRIPLES = 20        # the same where all count
MISSED_PX = 1e4         # distance that counts for a landmark behind the source


@dataclass(frozen=True, eq=False)
class LandmarkStart:
    """A pose [4, 4] from landmarks, which of their pictures agree with it [N, P], and by how much they miss [N, P] (px, NaN: not seen).

    alternatives: poses [n, 4, 4] that agree as well, the pose itself among them. Three landmarks in one X-ray have up to four.
    """
    pose: np.ndarray
    agrees: np.ndarray
    miss_px: np.ndarray
    alternatives: np.ndarray

    @property
    def rms_px(self):
        """Root mean square distance of the pictures that agree (px)."""
        return float(np.sqrt((self.miss_px[self.agrees] ** 2).mean()))


def pose_from_landmarks(views, points, pixels, near=None, outlier_px=None, seed=0):
    """LandmarkStart of N X-rays: the pose that brings landmarks [P, 3] on the object (RAS) to where they are seen, pixels [N, P, 2] (row,
    col; NaN: not seen).

    views      the N views, or a list of one-view Views of different detectors
    near       of several poses that agree equally the one nearest to this 4x4 is taken (default: the identity)
    outlier_px pictures farther off than this do not count (random sample consensus: M. Fischler, R. Bolles, Commun. ACM 24, 1981);
               None: all count

    Landmarks in two views are triangulated and fitted in space; those of one view go through P3P, three at a time; the best poses of all
    are refined by least squares over all pictures.
    """
    views = list(views)
    points, pixels = np.asarray(points, np.float64), np.asarray(pixels, np.float64)
    pixels = pixels[None] if pixels.ndim == 2 else pixels
    if points.ndim != 2 or points.shape[1] != 3 or pixels.shape != (len(views), len(points), 2):
        raise RegistrationError(f"landmarks {points.shape} and pixels {pixels.shape}; expected [P, 3] and [{len(views)} views, P, 2]")
    seen = np.isfinite(pixels).all(-1) & np.isfinite(points).all(-1)
    check_spread(points[seen.any(0)], "landmarks are seen in the X-rays")
    if len(views) == 1 and views[0].source is None:
        raise RegistrationError("one view of parallel rays leaves the depth open; give a second X-ray from another direction")
    task = _Landmarks(views, points, pixels, seen, np.inf if outlier_px is None else float(outlier_px))
    candidates = task.candidates(np.random.default_rng(seed))
    if not len(candidates):
        raise RegistrationError("no pose brings three of the landmarks to where one X-ray shows them; check their order and that (row, col) "
                                "are not exchanged")
    return task.best(candidates, np.eye(4) if near is None else np.asarray(near, np.float64))


@dataclass(frozen=True, eq=False)
class _Landmarks:
    """The task of pose_from_landmarks."""
    views: list
    points: np.ndarray
    pixels: np.ndarray
    seen: np.ndarray
    outlier_px: float

    def misses(self, pose):
        """Row and column by which pictures are missed [N, P, 2]; 0 where not seen, MISSED_PX behind the source."""
        moved = transform_points(pose, self.points)
        found = np.concatenate([to_numpy(view.project(moved)) for view in self.views])
        return np.where(self.seen[..., None], np.nan_to_num(found - self.pixels, nan=MISSED_PX), 0.0)

    def cost(self, pose):
        """Mean squared miss of the seen pictures, none counted beyond the limit (M-estimator sample consensus: P. Torr, A. Zisserman,
        Comput. Vis. Image Underst. 78, 2000)."""
        return np.minimum((self.misses(pose) ** 2).sum(-1), self.outlier_px ** 2)[self.seen].mean()

    def candidates(self, random):
        """Poses [n, 4, 4] from triples of triangulated landmarks and of landmarks in one view."""
        poses = [pose for view, pixels, seen in zip(self.views, self.pixels, self.seen) if view.source is not None
                 for pose in self._of_view(view, pixels, np.flatnonzero(seen), random)]
        return np.array(poses + self._of_space(random)).reshape(-1, 4, 4)

    def _of_view(self, view, pixels, index, random):
        if len(index) < 3:
            return []
        start, end = (to_numpy(a)[0] for a in view.unproject(pixels[index]))
        direction = unit(end - start)
        source = to_numpy(view.source)[0]
        return [pose for triple in self._triples(index, random)
                for pose in p3p(self.points[index[triple]], source, direction[triple])]

    def _triples(self, index, random):
        return _triples(len(index), self.points[index], FEW_TRIPLES if np.isinf(self.outlier_px) else MOST_TRIPLES, random)

    def _of_space(self, random):
        """Poses from landmarks that two or more views show: all of them together, and triples where some may be wrong."""
        rays = [view.unproject(np.where(seen[:, None], pixels, 0.0)) for view, pixels, seen in zip(self.views, self.pixels, self.seen)]
        start = np.concatenate([to_numpy(s) + 0 * to_numpy(e) for s, e in rays])
        end = np.concatenate([to_numpy(e) for _, e in rays])
        places = nearest_points(start, np.where(self.seen[..., None], unit(end - start), np.nan))[0]
        index = np.flatnonzero(np.isfinite(places).all(-1))
        if len(index) < 3:
            return []
        sets = [np.arange(len(index))] + (self._triples(index, random) if np.isfinite(self.outlier_px) else [])
        return [rigid_fit(self.points[index[chosen]], places[index[chosen]]) for chosen in sets]

    def best(self, candidates, near):
        """The LandmarkStart of the best candidates, refined."""
        costs = np.array([self.cost(pose) for pose in candidates])
        refined = [self.refined(pose) for pose in candidates[np.argsort(costs, kind="stable")[:5]]]
        costs = np.array([self.cost(pose) for pose in refined])
        alike = [pose for pose, cost in zip(refined, costs) if cost <= 2 * costs.min() + 1e-6]
        apart = [float(norm(transform_points(pose, self.points) - transform_points(near, self.points)).mean()) for pose in alike]
        pose = alike[int(np.argmin(apart))]
        miss = np.where(self.seen, norm(self.misses(pose)), np.nan)
        agrees = self.seen & (np.nan_to_num(miss, nan=np.inf) <= self.outlier_px)
        if agrees.any(0).sum() < 3 or agrees.sum() < min(4, self.seen.sum()):         # any three pictures agree with some pose
            raise RegistrationError(f"no pose brings enough landmarks to within {self.outlier_px:g} px of where they are seen (best rms "
                                    f"{np.sqrt(costs.min()):.1f} px); check their order, the geometry, or raise outlier_px")
        return LandmarkStart(pose, agrees, miss, _distinct(alike, self.points))

    def refined(self, pose):
        """Least squares over the pictures that agree, twice, as their set may change."""
        from scipy.optimize import least_squares
        arm = max(float(norm(self.points - self.points.mean(0)).max()), 1e-6)
        scale = np.r_[[1 / arm] * 3, [1.0] * 3]
        for _ in range(1 if np.isinf(self.outlier_px) else 2):
            used = self.seen & ((self.misses(pose) ** 2).sum(-1) <= self.outlier_px ** 2)
            if 2 * used.sum() < 6:
                return pose
            about, before = Tangent(tuple(transform_points(pose, self.points.mean(0)))), pose

            def residuals(x, about=about, before=before, used=used):
                return self.misses(about.moved(x * scale, before))[used].ravel()
            pose = about.moved(least_squares(residuals, np.zeros(6), method="lm", xtol=1e-12, ftol=1e-12).x * scale, before)
        return pose


def _triples(count, points, most, random):
    """Up to `most` sets of three of `count` points that do not lie nearly on a line: all, or random ones."""
    if count * (count - 1) * (count - 2) // 6 <= most:
        sets = [np.array(c) for c in combinations(range(count), 3)]
    else:
        sets = [random.choice(count, 3, replace=False) for _ in range(most)]

    def area(chosen):
        a, b, c = points[chosen]
        return norm(np.cross(b - a, c - a)) / max(float(((b - a) ** 2).sum() + ((c - a) ** 2).sum()), 1e-30)
    return [chosen for chosen in sets if area(chosen) > 1e-3]


def _distinct(poses, points):
    """Those of the poses that do not move the points to the same places (within 0.01 mm)."""
    kept = []
    for pose in poses:
        if all(norm(transform_points(pose, points) - transform_points(other, points)).max() > 0.01 for other in kept):
            kept.append(pose)
    return np.array(kept)


def pose_from_triangulation(views, points, pixels):
    """4x4 that fits landmarks [P, 3] on the object to their places triangulated from pixels [N, P, 2] (row, col; NaN: not seen) in two or
    more views, and the distances [P] of the two in mm (NaN where fewer than two views see one)."""
    places, _ = triangulate(views, pixels)
    known = np.isfinite(places).all(-1)
    points = np.asarray(points, np.float64)
    check_spread(points[known], "landmarks are seen by two views each")
    pose = rigid_fit(points[known], places[known])
    return pose, norm(transform_points(pose, points) - places)


def isocentre_of(views):
    """The point nearest to the central rays of two or more views that differ in direction (RAS)."""
    views = list(views)
    ends = np.stack([to_numpy(view.centre)[0] for view in views])
    ahead = [to_numpy(view.centre - view.source if view.direction is None else view.direction)[0] for view in views]
    point = nearest_points(ends[:, None], unit(np.stack(ahead))[:, None])[0][0]
    if not np.isfinite(point).all():
        raise RegistrationError("the central rays of the views do not meet in one point (one view, or all alike); give the isocentre in RAS")
    return point


def pose_at_isocentre(grid, views, isocentre_ras=None, orientation=None):
    """4x4 that puts the centre of the volume's grid at the isocentre: what device angles alone tell.

    isocentre_ras: default where the views' central rays meet. orientation: 3x3 rotation of the patient from the scanner's RAS to that of
    the X-rays (default: none, since angles of a C-arm are those of the patient).
    """
    target = isocentre_of(views) if isocentre_ras is None else np.asarray(isocentre_ras, np.float64)
    pose = np.eye(4)
    pose[:3, :3] = np.eye(3) if orientation is None else orientation
    pose[:3, 3] = target - pose[:3, :3] @ grid.centre_ras
    return pose


def pose_onto_view(grid, pose, views):
    """`pose` shifted across the central ray of one view, so that the volume's centre lies on it; the depth stays."""
    centre = transform_points(pose, grid.centre_ras)
    end = to_numpy(views.centre)[0]
    along = unit(to_numpy(views.centre - views.source if views.direction is None else views.direction)[0])
    shifted = np.array(pose, np.float64)
    shifted[:3, 3] += end + ((centre - end) @ along) * along - centre
    return shifted
