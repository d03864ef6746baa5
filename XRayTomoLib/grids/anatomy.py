"""A chest and a pelvis of simple shapes, with bones and landmarks: radiographs that one can read, with exact line integrals.

RAS mm about the body's middle. Densities are differences to what a shape lies in, as shares of water's attenuation.
"""
import numpy as np

from ..geometry.pose import rotation_about_axis
from .phantoms import MU_WATER_70KEV, Box, Cylinder, Ellipsoid, Phantom

BONE, TRABECULAR, LUNG, AIR = 1.0, -0.55, -0.75, -1.0
SIDES = (-1, 1)                 # the patient's left (R < 0), right


def _shape(kind, centre, semi_axes, share, rotation=None):
    rotation = np.eye(3) if rotation is None else rotation
    return kind(tuple(map(float, centre)), tuple(map(float, semi_axes)), share * MU_WATER_70KEV, rotation)


def _rod(start, end, radius, share):
    """Cylinder from point to point."""
    start, end = np.asarray(start, float), np.asarray(end, float)
    axis = end - start
    length = np.linalg.norm(axis)
    w = axis / length
    helper = np.eye(3)[np.argmin(abs(w))]
    a = np.cross(helper, w)
    a /= np.linalg.norm(a)
    return _shape(Cylinder, (start + end) / 2, (radius, radius, length / 2), share, np.stack([a, np.cross(w, a), w], 1))


def _tube(start, end, radius, wall):
    """A long bone: cortical rod with a trabecular core."""
    return [_rod(start, end, radius, BONE), _rod(start, end, radius - wall, TRABECULAR)]


def _ball(centre, radius, wall):
    return [_shape(Ellipsoid, centre, (radius,) * 3, BONE), _shape(Ellipsoid, centre, (radius - wall,) * 3, TRABECULAR)]


def _vertebra(centre, radius, height):
    x, y, z = centre
    body = [_shape(Cylinder, centre, (radius, 0.85 * radius, height / 2), BONE),
            _shape(Cylinder, centre, (radius - 2, 0.85 * radius - 2, height / 2 - 1.5), TRABECULAR)]
    spinous = _shape(Ellipsoid, (x, y - radius - 14, z - 6), (4, 13, 8), BONE)
    transverse = [_rod((side * 0.6 * radius, y - radius - 2, z), (side * 1.9 * radius, y - radius - 6, z), 3.5, 0.8) for side in SIDES]
    return [*body, spinous, *transverse]


def _rib(side, level, turns=14):
    """A rib of short rods from the spine round to the front, falling forwards."""
    size = 1 - 0.07 * max(0, 3 - level) ** 1.3
    angles = np.radians(np.linspace(-78, 62, turns + 1))
    fall = np.linspace(0, 1, turns + 1) ** 1.4
    path = np.stack([side * 148 * size * np.cos(angles), 92 * size * np.sin(angles), 128 - 27 * level - 52 * fall], 1)
    return [_rod(a, b, 4.2, 0.85) for a, b in zip(path[:-1], path[1:])]


def chest():
    """Trunk of 340 x 220 x 330 mm: lungs, heart, airways, spine, ribs, sternum, clavicles, shoulder blades and a lung nodule."""
    soft = [_shape(Cylinder, (0, 0, 0), (172, 112, 165), 1.0),
            _shape(Ellipsoid, (-90, 0, 14), (50, 84, 116), LUNG), _shape(Ellipsoid, (80, 0, 6), (58, 86, 120), LUNG),
            _shape(Ellipsoid, (-16, 24, -42), (26, 46, 58), 0.05), _rod((0, -12, 72), (0, -4, 160), 8.5, AIR),
            _rod((7, -12, 64), (19, -13, 42), 5.5, AIR), _rod((-7, -12, 64), (-32, -13, 44), 5, AIR),
            _shape(Ellipsoid, (62, 22, 42), (8, 7, 8), -LUNG)]
    spine = [s for n in range(12) for s in _vertebra((0, -62, 146 - 26 * n), 17, 21)]
    ribs = [s for side in SIDES for level in range(10) for s in _rib(side, level)]
    front = [_shape(Box, (0, 98, 35), (16, 5, 72), 0.7)]
    for side in SIDES:
        front += _tube((side * 16, 84, 118), (side * 128, 30, 146), 6, 2)
        front.append(_shape(Ellipsoid, (side * 100, -76, 66), (34, 3.5, 52), BONE, rotation_about_axis((0, 0, 1), side * 32)))
    landmarks = {"carina": (0, -12, 62), "nodule": (62, 22, 42), "T6 body": (0, -62, 16), "sternum top": (0, 98, 107),
                 "left clavicle end": (-128, 30, 146), "right clavicle end": (128, 30, 146)}
    return Phantom("chest", tuple(soft + spine + ribs + front), landmarks)


def pelvis():
    """Lower trunk of 360 x 230 x 300 mm: lumbar spine, sacrum, iliac wings, pubic rami, hips and femora."""
    soft = [_shape(Cylinder, (0, 0, 0), (182, 118, 150), 1.0), _shape(Ellipsoid, (0, 40, -40), (38, 32, 34), 0.02)]
    spine = [s for n in range(3) for s in _vertebra((0, -38, 132 - 34 * n), 23, 27)]
    sacrum = [_shape(Ellipsoid, (0, -58 - 8 * n, 32 - 16 * n), (42 - 7 * n, 14, 12), 0.75) for n in range(5)]
    bones = [*spine, *sacrum]
    for side in SIDES:
        wing = rotation_about_axis((0, 0, 1), side * 38) @ rotation_about_axis((0, 1, 0), side * 16)
        bones += [_shape(Ellipsoid, (side * 88, -18, 42), (7, 62, 58), BONE, wing),
                  _shape(Ellipsoid, (side * 88, -18, 42), (4, 58, 54), TRABECULAR, wing)]
        bones += _ball((side * 90, 6, -46), 25, 3)                                         # femoral head
        bones += _tube((side * 92, 4, -50), (side * 128, -4, -84), 15, 3)                  # neck
        bones += _tube((side * 130, -4, -80), (side * 122, -2, -148), 16, 5)               # shaft
        bones += _tube((side * 72, 22, -42), (side * 8, 62, -66), 9, 2.5)                  # superior pubic ramus
        bones += _tube((side * 12, 58, -72), (side * 50, 6, -112), 8, 2.5)                 # inferior ramus
        bones += _tube((side * 68, -10, -56), (side * 54, 2, -114), 11, 3)                 # ischium
    landmarks = {"left femoral head": (-90, 6, -46), "right femoral head": (90, 6, -46), "pubic symphysis": (0, 63, -67),
                 "L4 body": (0, -38, 98), "sacrum tip": (0, -90, -32)}
    return Phantom("pelvis", tuple(soft + bones), landmarks)


PHANTOMS = {"chest": chest, "pelvis": pelvis}


# Centre, semi-axes (shares of the radius), rotation about S (degrees), density: A. C. Kak, M. Slaney, Principles of Computerized
# Tomographic Imaging, 1988, table 3.1.
HEAD = (((0, 0, 0), (0.69, 0.92, 0.9), 0, 2.0), ((0, 0, 0), (0.6624, 0.874, 0.88), 0, -0.98),
        ((-0.22, 0, -0.25), (0.41, 0.16, 0.21), 108, -0.02), ((0.22, 0, -0.25), (0.31, 0.11, 0.22), 72, -0.02),
        ((0, 0.35, -0.25), (0.21, 0.25, 0.5), 0, 0.02), ((0, 0.1, -0.25), (0.046, 0.046, 0.046), 0, 0.02),
        ((-0.08, -0.65, -0.25), (0.046, 0.023, 0.02), 0, 0.01), ((0.06, -0.65, -0.25), (0.046, 0.023, 0.02), 90, 0.01),
        ((0.06, -0.105, 0.625), (0.056, 0.04, 0.1), 90, 0.02), ((0, 0.1, 0.625), (0.056, 0.056, 0.1), 0, -0.02))


def shepp_logan(radius_mm=100.0):
    """The head of L. Shepp and B. Logan in three dimensions; a density of 1 is water's attenuation."""
    return Phantom("Shepp-Logan", tuple(_shape(Ellipsoid, radius_mm * np.array(centre), radius_mm * np.array(axes), density,
                                               rotation_about_axis((0, 0, 1), turn)) for centre, axes, turn, density in HEAD))


def phantom_by_name(name):
    """The phantom called `name`; an unknown name raises KeyError with the known ones."""
    if name not in PHANTOMS:
        raise KeyError(f"phantom '{name}' is not known; expected one of: {', '.join(PHANTOMS)}")
    return PHANTOMS[name]()
