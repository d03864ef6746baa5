"""Computes the radiograph (DRR) of a CT as a C-arm would take it, and writes it as a volume on the detector, as a picture, or both."""

SUMMARY = "radiograph of a CT"
SHOWS = {"line-integral": "line integral", "intensity": "intensity", "inverted": "inverted"}


def add_arguments(parser):
    parser.add_argument("ct", metavar="CT", help="volume: NRRD, NIfTI, MetaImage or a folder of DICOM slices")
    parser.add_argument("--series", metavar="UID", help="series of a DICOM folder that holds several")
    parser.add_argument("-o", "--output", metavar="FILE", help="the radiograph as a volume in RAS: .nrrd, .mha, .nii or .nii.gz")
    parser.add_argument("--png", metavar="FILE", help="the radiograph as an 8-bit grey picture, over its range of values")
    _add_pose(parser.add_argument_group("pose"))
    add_detector(parser.add_argument_group("source and detector (what is not given is the device's)"))
    _add_physics(parser.add_argument_group("radiograph"))


def _add_pose(group):
    group.add_argument("--primary-deg", type=float, default=0.0, metavar="DEG", help="RAO negative, LAO positive (default 0)")
    group.add_argument("--secondary-deg", type=float, default=0.0, metavar="DEG", help="caudal negative, cranial positive (default 0)")
    group.add_argument("--isocentre", type=float, nargs=3, metavar=("R", "A", "S"), help="in mm (default: the volume's centre)")


def add_detector(group, pitch="--pitch-mm"):
    """The arguments that `carm_from_options` reads; pitch: what the one for the pixel pitch is called."""
    group.add_argument("--device", default="Cios Fusion", metavar="NAME", help="preset (default %(default)s)")
    group.add_argument("--sdd-mm", type=float, metavar="MM", help="source to detector")
    group.add_argument("--sod-mm", type=float, metavar="MM", help="source to isocentre")
    group.add_argument("--rows", type=int, metavar="N", help="without a pitch the detector keeps its height")
    group.add_argument("--cols", type=int, metavar="N", help="without a pitch the detector keeps its width")
    group.add_argument(pitch, dest="pitch_mm", type=float, nargs="+", metavar="MM", help="pixel pitch, or column and row pitch")
    group.add_argument("--principal-offset-mm", type=float, nargs=2, metavar=("U", "V"), default=(0.0, 0.0), help="of the central ray")
    group.add_argument("--in-plane-deg", type=float, default=0.0, metavar="DEG", help="turns the detector about the central ray")
    group.add_argument("--flip", action="store_true", help="mirrors the columns")


def _add_physics(group):
    models = group.add_mutually_exclusive_group()
    models.add_argument("--model", choices=["hu_linear", "hu_threshold", "linear"], default="hu_linear", help="default %(default)s")
    models.add_argument("--raw-per-mm", action="store_const", const="linear", dest="model", help="voxels are 1/mm: --model linear")
    group.add_argument("--energy-kev", type=float, default=70.0, metavar="KEV", help="photon energy (default 70)")
    group.add_argument("--air-hu", type=float, default=-900.0, metavar="HU", help="values up to this are air (default -900)")
    group.add_argument("--threshold-hu", type=float, default=200.0, metavar="HU", help="of --model hu_threshold (default 200)")
    group.add_argument("--method", choices=["joseph", "siddon", "trilinear"], default="joseph", help="default %(default)s")
    group.add_argument("--show", choices=list(SHOWS), default="line-integral", help="what the pixels hold (default %(default)s)")


def run(options):
    import logging
    from dataclasses import asdict

    from ..io import read_volume, write_png
    from ..physics.attenuation import AttenuationModel, looks_like_hu
    from ..workflows.radiograph import radiograph

    _check_targets(options)
    model = AttenuationModel(options.model, options.energy_kev, options.air_hu, options.threshold_hu)
    arm = carm_from_options(options)
    volume = read_volume(options.ct, options.series)
    is_hu, sentence = looks_like_hu(volume.array)
    if model.kind != "linear" and not is_hu:
        logging.getLogger(__name__).warning("%s: %s", options.ct, sentence)
    isocentre = [float(x) for x in (volume.grid.centre_ras if options.isocentre is None else options.isocentre)]
    views = arm.views(options.primary_deg, options.secondary_deg, isocentre)
    image, target = radiograph(volume.array, volume.grid, views, model, options.method, SHOWS[options.show], volume.name)
    if options.output:
        _write(options, volume, views, image, {"isocentre": isocentre, "carm": asdict(arm), "target": target})
    if options.png:
        write_png(options.png, image)


def _check_targets(options):
    from ..files import check_target
    from ..io import VolumeError
    from ..io.pictures import PICTURES
    from ..io.volumes import WRITTEN

    if not options.output and not options.png:
        raise VolumeError("nothing would be written; give -o drr.nrrd, --png drr.png, or both.")
    for path, suffixes in ((options.output, WRITTEN), (options.png, PICTURES)):
        if path:
            check_target(path, suffixes)


def carm_from_options(options):
    """The device's C-arm with what the options change."""
    from dataclasses import replace

    from ..geometry import GeometryError, carm

    arm = carm(options.device)
    rows = arm.rows if options.rows is None else options.rows
    cols = arm.cols if options.cols is None else options.cols
    if options.pitch_mm:
        if len(options.pitch_mm) > 2:
            raise GeometryError(f"--pitch-mm takes one or two numbers, not {len(options.pitch_mm)}.")
        arm = replace(arm, rows=rows, cols=cols, col_pitch_mm=options.pitch_mm[0], row_pitch_mm=options.pitch_mm[-1])
    elif min(rows, cols) > 0:
        arm = arm.resampled(rows, cols)
    return replace(
        arm,
        rows=rows,
        cols=cols,
        sdd_mm=arm.sdd_mm if options.sdd_mm is None else options.sdd_mm,
        sod_mm=arm.sod_mm if options.sod_mm is None else options.sod_mm,
        principal_offset_mm=tuple(options.principal_offset_mm),
        in_plane_deg=options.in_plane_deg,
        flipped=options.flip,
    )


def _write(options, volume, views, image, found):
    from ..grids import CartesianGrid
    from ..io import write_volume
    from ..jobs import provenance, sha256_of

    given = {name: value for name, value in vars(options).items() if name not in ("run", "command", "ct", "output", "png", "verbose")}
    origin = provenance("drr", {"ct": str(options.ct), "sha256": sha256_of(volume.array)}, given | found)
    grid = CartesianGrid((1, *views.shape), views.image_to_ras(0))
    write_volume(options.output, image[None], grid, {"provenance": origin})
