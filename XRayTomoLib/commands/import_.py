"""Brings the projections of a scanner into one stack of line integrals with its geometry, ready to be reconstructed."""

SUMMARY = "projections of a scanner as a stack with its geometry"
HINTS = ("angles", "pitch_mm", "sdd_mm", "sod_mm", "axis_col", "reverse", "flip", "series", "patient_position", "isocentre_ras",
         "centre_of_rotation_sign")

OPENED = ("reader", "use_geometry", "dark", "flat")


def add_arguments(parser):
    parser.add_argument("source", metavar="FOLDER", help="folder or file of a scanner, pictures, or a stack")
    parser.add_argument("-o", "--output", metavar="FILE", help="the stack, a .nrrd file; without it the command says what it found")
    parser.add_argument("--geometry", metavar="FILE", help="where the geometry is written (default: <stack>.geometry.json)")
    parser.add_argument("--reader", metavar="NAME", help="reader to use (default: as recognised)")
    parser.add_argument("--raw", action="store_true", help="keep the counts as they are stored")
    _add_hints(parser.add_argument_group("what the files do not say (or to be used in place of it)"))
    _add_normalisation(parser.add_argument_group("from counts to line integrals"))


def _add_hints(group):
    group.add_argument("--use-geometry", metavar="FILE", help="geometry file in place of the scanner's")
    group.add_argument("--kind", choices=["counts", "line integral"], help="what the pixels hold")
    group.add_argument("--angles", metavar="FILE|START:RANGE", help="list of angles in degrees, or equal steps such as 0:360")
    group.add_argument("--pitch-mm", type=float, nargs="+", metavar="MM", help="pixel pitch at the detector, or column and row pitch")
    group.add_argument("--sdd-mm", type=float, metavar="MM", help="source to detector")
    group.add_argument("--sod-mm", type=float, metavar="MM", help="source to rotation axis (without both the rays are parallel)")
    group.add_argument("--axis-col", type=float, metavar="COL", help="column of the rotation axis (default: the middle)")
    group.add_argument("--reverse", action="store_true", default=None, help="the other sense of rotation: the object turned, for example")
    group.add_argument("--flip", action="store_true", default=None, help="columns run the other way")
    group.add_argument("--series", metavar="UID", help="series of a DICOM folder that holds several")
    group.add_argument("--patient-position", metavar="HFS", help="of a linac's scan: HFS, HFP, FFS or FFP")
    group.add_argument("--centre-of-rotation-sign", type=int, choices=(1, -1), help="of a Nikon scan; -1 where the reconstruction is double")
    group.add_argument("--isocentre", dest="isocentre_ras", type=float, nargs=3, metavar=("R", "A", "S"), help="of a linac's scan, in mm")


def _add_normalisation(group):
    group.add_argument("--dark", metavar="PATH", help="dark images: a stack, a picture or a folder of them, averaged")
    group.add_argument("--flat", metavar="PATH", help="images of the open beam, averaged")
    group.add_argument("--i0", type=float, metavar="COUNTS", help="counts of the open beam")
    group.add_argument("--open-beam", metavar="WHAT", help="automatic, flat, number, region or brightest (default automatic)")
    group.add_argument("--air", type=int, nargs=4, metavar=("ROW", "COL", "ROWS", "COLS"), help="region that no object covers in any view")
    group.add_argument("--bad-sigma", type=float, metavar="N", help="pixels that differ by N deviations are defective; 0: none (default 8)")
    group.add_argument("--least-transmission", type=float, metavar="T", help="smaller transmissions are set to it (default 1e-6)")


def run(options):
    import sys

    from ..files import check_target
    from ..io.projections import ProjectionError, open_projections

    if options.output:
        check_target(options.output, (".nrrd",))
    elif options.geometry:
        raise ProjectionError("--geometry is written with the stack; give -o stack.nrrd as well.")
    hints = {name: value for name in HINTS if (value := getattr(options, name)) is not None}
    given = {name: getattr(options, name) for name in ("reader", "kind", "dark", "flat", "i0")}
    projections = open_projections(options.source, geometry=options.use_geometry, **given, **hints)
    for name, text in projections.describe().items():
        print(f"{name:<24}{text}")
    if not options.output:
        return
    if projections.views is None and options.geometry:
        reason = projections.found.get("geometry of the files", "it is not known")
        raise ProjectionError(f"{options.source}: there is no geometry to write; {reason}.")
    for line in _write(options, projections):
        print(line, file=sys.stderr)


def _write(options, projections):
    """Writes the stack; returns lines for people."""
    from .. import jobs
    from ..io.projections.normalise import Normalisation, to_line_integrals
    from ..io.projections.stacks import store
    from ..options import make

    opened = {name: value for name in (*HINTS, *OPENED) if (value := getattr(options, name)) is not None}
    if options.raw:
        jobs.run(store(projections, options.output, options.geometry, opened), _progress(options))
        return []
    job = to_line_integrals(projections, options.output, make(Normalisation, _values(options)), options.geometry, parameters=opened)
    return [str(jobs.run(job, _progress(options)))]


def _values(options):
    """The options of the normalisation that were given."""
    given = {name: getattr(options, name) for name in ("open_beam", "i0", "bad_sigma", "least_transmission")}
    if options.air:
        given |= dict(zip(("region_row", "region_col", "region_rows", "region_cols"), options.air))
    return {name: value for name, value in given.items() if value is not None}


def _progress(options):
    """A line of progress that is overwritten, where stderr is a terminal."""
    import sys

    if not sys.stderr.isatty():
        return None

    def show(step):
        print(f"\r{step.message} ", end="\n" if step.index == step.total else "", file=sys.stderr, flush=True)

    return show
