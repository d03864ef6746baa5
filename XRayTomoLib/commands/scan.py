"""Simulates a scan: the line integrals of a volume in every view of a geometry, as a stack."""

SUMMARY = "projections of a volume"


def add_arguments(parser):
    parser.add_argument("ct", metavar="CT", help="volume: NRRD, NIfTI, MetaImage or a folder of DICOM slices")
    parser.add_argument("--geometry", metavar="FILE", required=True, help="views, as `xraytomo geometry make` writes them")
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="the stack, .nrrd; its geometry goes beside it")
    parser.add_argument("--series", metavar="UID", help="series of a DICOM folder that holds several")
    parser.add_argument("--model", choices=["hu_linear", "hu_threshold", "linear"], default="hu_linear", help="default %(default)s")
    parser.add_argument("--energy-kev", type=float, default=70.0, metavar="KEV", help="photon energy (default 70)")
    parser.add_argument("--air-hu", type=float, default=-900.0, metavar="HU", help="values up to this are air (default -900)")
    parser.add_argument("--method", choices=["joseph", "siddon", "trilinear"], default="joseph", help="default %(default)s")


def run(options):
    from .. import jobs
    from ..files import check_target
    from ..geometry.formats import read_geometry
    from ..io import read_volume
    from ..physics.attenuation import AttenuationModel
    from ..workflows.scan import scan_to_file

    check_target(options.output, (".nrrd",))
    model = AttenuationModel(options.model, options.energy_kev, options.air_hu)
    views, volume = read_geometry(options.geometry), read_volume(options.ct, options.series)
    jobs.run(scan_to_file(options.output, volume.array, volume.grid, views, model, options.method, volume.name))
