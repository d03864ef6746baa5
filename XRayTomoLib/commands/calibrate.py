"""Finds the true geometry of a scan from its projections: by conjugate rays, from a ball phantom, or with a known volume."""

SUMMARY = "geometry of a scan from its projections"
METHODS = ("centre", "balls", "refine")


def add_arguments(parser):
    from ..calibration.options import BallOptions, CentreOptions, RefineOptions
    from .option_arguments import add_option_arguments

    parser.add_argument("stack", metavar="STACK", help="line integrals: a stack as `xraytomo import` writes it")
    parser.add_argument("--geometry", metavar="FILE", help="nominal geometry (default: the one that the stack names)")
    parser.add_argument("--method", choices=METHODS, default="centre", help="default %(default)s")
    parser.add_argument("-o", "--output", metavar="FILE", help="the calibrated geometry, .json")
    parser.add_argument("--report", metavar="FILE", help="what was found, with standard errors, as .json")
    parser.add_argument("--balls", metavar="FILE", help='of --method balls: JSON {"diameter_mm": D, "centres_ras": [[R, A, S], ...]}')
    parser.add_argument("--volume", metavar="FILE", help="of --method refine: the scanned object in 1/mm")
    parser.add_argument("--scan", nargs="+", metavar="NAME", help="of balls and refine: parameters that all views share")
    parser.add_argument("--view", nargs="+", metavar="NAME", help="of refine: parameters that each view has of its own")
    for method, described in zip(METHODS, (CentreOptions, BallOptions, RefineOptions)):
        add_option_arguments(parser.add_argument_group(f"--method {method}"), described, f"{method}-")


def run(options):
    import json
    import sys

    from .. import jobs
    from ..files import check_target, replacing
    from ..geometry.formats import write_geometry

    for path in (options.output, options.report):
        if path:
            check_target(path, (".json",))
    projections, views = _opened(options)
    result = jobs.run(_job(options, projections, views), lambda step: print(_line(step), file=sys.stderr))
    print(result.report())
    if options.output:
        write_geometry(options.output, result.views)
    if options.report:
        with replacing(options.report) as temporary:
            temporary.write_text(json.dumps(result.as_dict(), indent=1), encoding="utf-8")


def _line(step):
    return f"{step.message} ({step.index})" if step.residual is None else f"{step.message} ({step.index}: {step.residual:.4g})"


def _opened(options):
    """The stack's line integrals [N, rows, cols] and its Views."""
    import numpy as np

    from ..calibration import CalibrationError
    from ..io.projections.stacks import open_stack

    stack = open_stack(options.stack, options.geometry)
    if stack.views is None:
        raise CalibrationError(f"{options.stack} names no geometry; give it with --geometry.")
    if stack.kind != "line integral":
        raise CalibrationError(f"{options.stack} holds {stack.kind}, not line integrals; bring it in with `xraytomo import` first.")
    return np.stack([np.asarray(stack[i], np.float32) for i in range(len(stack))]), stack.views


def _job(options, projections, views):
    from ..calibration import CentreOptions, calibrate_balls, calibrate_centre, calibrate_refine
    from ..calibration.options import BallOptions, RefineOptions
    from ..options import make
    from .option_arguments import values_from

    shared = {} if options.scan is None else {"scan": tuple(options.scan)}
    if options.method == "centre":
        return calibrate_centre(projections, views, make(CentreOptions, values_from(options, CentreOptions)))
    if options.method == "balls":
        return calibrate_balls(projections, views, _phantom(options), make(BallOptions, values_from(options, BallOptions)), **shared)
    volume = _volume(options)
    return calibrate_refine(projections, views, volume.array, volume.grid, view=tuple(options.view or ()),
                            options=make(RefineOptions, values_from(options, RefineOptions)), **shared)


def _phantom(options):
    """The BallPhantom of --balls."""
    import json

    from ..calibration import BallPhantom, CalibrationError

    if not options.balls:
        raise CalibrationError("--method balls needs --balls FILE, the phantom's layout.")
    try:
        with open(options.balls, encoding="utf-8") as file:
            layout = json.load(file)
        return BallPhantom(layout["centres_ras"], float(layout["diameter_mm"]))
    except (KeyError, TypeError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise CalibrationError(f"{options.balls}: no layout of balls ({error}); expected JSON with 'diameter_mm' and 'centres_ras'.") from error


def _volume(options):
    from ..calibration import CalibrationError
    from ..io import read_volume

    if not options.volume:
        raise CalibrationError("--method refine needs --volume FILE, the scanned object in 1/mm.")
    return read_volume(options.volume)
