"""`xraytomo geometry make TRAJECTORY ...`: the trajectory's own arguments come from its declared options."""
import argparse

from ..geometry import GeometryError
from ..geometry.detector_options import DetectorOptions
from ..geometry.trajectories import TRAJECTORIES, Free, Jitter
from ..options import make
from .drr import add_detector, carm_from_options
from .option_arguments import add_option_arguments, values_from


def views_from_arguments(name, arguments):
    """(output file, format or None, views) of the trajectory `name` with the command line's `arguments`."""
    if name not in TRAJECTORIES:
        raise GeometryError(f"trajectory '{name}' is not known; expected one of: {', '.join(TRAJECTORIES)}.")
    given = _parser(name).parse_args(arguments)
    known = TRAJECTORIES[name]
    trajectory = make(known, values_from(given, known))
    if known is Free:
        trajectory = _through_points(trajectory, given.points)
    detector = make(DetectorOptions, values_from(given, DetectorOptions))
    views = detector.applied(trajectory.views(detector.device(carm_from_options(given)), given.isocentre))
    jitter = make(Jitter, values_from(given, Jitter))
    return given.output, given.format, jitter.applied(views, given.isocentre)


def _parser(name):
    known = TRAJECTORIES[name]
    parser = argparse.ArgumentParser(prog=f"xraytomo geometry make {name}", description=known.__doc__.replace("%", "%%"))
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="geometry file to write")
    parser.add_argument("--to", dest="format", metavar="FORMAT", help="its format (default: by the name's end)")
    parser.add_argument("--isocentre", type=float, nargs=3, default=(0.0, 0.0, 0.0), metavar=("R", "A", "S"), help="in mm (default: the origin)")
    if known is Free:
        parser.add_argument("--points", required=True, metavar="FILE", help="control points of the source's curve: markups of Slicer, or JSON")
    add_option_arguments(parser.add_argument_group("trajectory"), known)
    add_detector(parser.add_argument_group("source and detector (what is not given is the device's)"), "--pixel-pitch-mm")
    add_option_arguments(parser.add_argument_group("surface and part of the detector"), DetectorOptions, "detector-")
    add_option_arguments(parser.add_argument_group("jitter of every view"), Jitter, "jitter-")
    return parser


def _through_points(trajectory, path):
    from dataclasses import replace

    from .points import read_points

    return replace(trajectory, points_ras=read_points(path)[0])
