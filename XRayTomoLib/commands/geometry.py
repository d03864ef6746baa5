"""Acquisition geometries: made from a trajectory, converted between the formats of other programs, checked and drawn."""

SUMMARY = "acquisition geometries: make, convert, check, show"


def add_arguments(parser):
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, (add, act, summary) in ACTIONS.items():
        action = actions.add_parser(name, help=summary, description=act.__doc__)
        add(action)
        action.set_defaults(act=act)


def run(options):
    options.act(options)


def _add_input(parser):
    parser.add_argument("file", metavar="IN", help="geometry file or folder")
    parser.add_argument("--from", dest="source_format", metavar="FORMAT", help="its format (default: as recognised)")
    _add_hints(parser, "--hint", "what the file does not say, for example shape=[384,512] or kind=cone_vec; 'geometry formats' lists the names")
    parser.add_argument("--shape", type=int, nargs=2, metavar=("ROWS", "COLS"), help="hint: pixels of the detector")
    parser.add_argument("--pitch-mm", type=float, nargs="+", metavar="MM", help="hint: pixel pitch, or column and row pitch")


def _add_hints(parser, name, help):
    parser.add_argument(name, action="append", default=[], metavar="NAME=VALUE", help=help)


def _add_convert(parser):
    _add_input(parser)
    parser.add_argument("output", metavar="OUT", help="file to write")
    parser.add_argument("--to", dest="target_format", metavar="FORMAT", help="its format (default: by the name's end)")
    parser.add_argument("--flip", action="store_true", help="turn the columns round, on the same area: the pictures have to be mirrored with it")
    _add_hints(parser, "--out-hint", "what the format to be written needs to know")


def _add_make(parser):
    parser.add_argument("trajectory", metavar="TRAJECTORY", help="its name; 'geometry make TRAJECTORY --help' shows its options")
    parser.add_argument("arguments", nargs="...", metavar="...", help="options of the trajectory and the device, and -o FILE")


def _add_check(parser):
    _add_input(parser)
    parser.add_argument("--points", required=True, metavar="FILE",
                        help='markups of Slicer (.mrk.json), or JSON: {"points_ras": [[R, A, S], ...], "observed": [[[row, col], ...], ...]}')


def _add_show(parser):
    _add_input(parser)
    parser.add_argument("--png", required=True, metavar="FILE", help="the picture: source path, detectors, u and v, pixel (0, 0), isocentre")
    parser.add_argument("--view", type=int, metavar="N", help="the view that is drawn solid (default: the first)")
    parser.add_argument("--isocentre", type=float, nargs=3, default=(0.0, 0.0, 0.0), metavar=("R", "A", "S"), help="in mm (default: the origin)")


def convert(options):
    """Reads a geometry in one format and writes it in another one."""
    from ..geometry.formats import write_geometry

    views = _read(options)
    if options.flip:
        views = views.flipped()
    write_geometry(options.output, views, options.target_format, **_hints(options.out_hint))
    print(_sentence(views))


def make(options):
    """Makes the views of a device on a trajectory: circle, helix, tomosynthesis, a free curve, ..."""
    from ..geometry.formats import write_geometry
    from .trajectories import views_from_arguments

    output, format, views = views_from_arguments(options.trajectory, options.arguments)
    write_geometry(output, views, format)
    print(_sentence(views))


def check(options):
    """Projects known points through the geometry and compares with the pixels where they were observed, if these are given."""
    from ..geometry.check import check_geometry
    from .points import read_points

    points, observed = read_points(options.points)
    print(check_geometry(_read(options), points, observed).report())


def show(options):
    """Draws sources, detectors and the path of the source in 3D as a PNG picture."""
    from ..files import check_target, replacing
    from .geometry_picture import draw

    check_target(options.png, (".png",))
    views = _read(options)
    with replacing(options.png) as temporary:
        draw(temporary, views, options.view or 0, options.isocentre)


def formats(options):
    """Lists the geometry formats, the ends of their names, and the hints that reading and writing take."""
    from ..geometry.formats import FORMATS, hints_of, load_format

    for name in FORMATS:
        module = load_format(name)
        print(f"{name:<12}{module.TITLE} ({', '.join(module.SUFFIXES) or 'folder'})")
        for word, function in (("reading", "read"), ("writing", "write")):
            if hasattr(module, function):
                print(f"{'':<12}{word}: {', '.join(hints_of(getattr(module, function))) or 'no hints'}")


ACTIONS = {
    "convert": (_add_convert, convert, "from one format to another"),
    "make": (_add_make, make, "from a trajectory and a device"),
    "check": (_add_check, check, "with known points"),
    "show": (_add_show, show, "as a picture"),
    "formats": (lambda parser: None, formats, "what can be read and written"),
}  # fmt: skip


def _read(options):
    from ..geometry.formats import read_geometry

    hints = _hints(options.hint)
    if options.shape:
        hints["shape"] = tuple(options.shape)
    if options.pitch_mm:
        hints["pitch_mm"] = tuple(options.pitch_mm) if len(options.pitch_mm) > 1 else options.pitch_mm[0]
    return read_geometry(options.file, options.source_format, **hints)


def _hints(texts):
    """NAME=VALUE texts as a dictionary; values are JSON where they can be, else texts."""
    import json

    from ..geometry import GeometryError

    hints = {}
    for text in texts:
        name, found, value = text.partition("=")
        if not found or not name:
            raise GeometryError(f"hint '{text}': expected NAME=VALUE, for example shape=[384,512].")
        try:
            hints[name.replace("-", "_")] = json.loads(value)
        except json.JSONDecodeError:
            hints[name.replace("-", "_")] = value
    return hints


def _sentence(views):
    from ..geometry.check import handedness_sentence

    return f"{views}\n{handedness_sentence(views.handedness)}"
