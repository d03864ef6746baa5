"""Reconstructs a volume from line integrals with any method, and writes it with where it comes from."""

SUMMARY = "volume from projections"


def add_arguments(parser):
    parser.add_argument("stack", metavar="STACK", nargs="?", help="line integrals: a stack as `xraytomo import` or `xraytomo scan` writes it")
    parser.add_argument("--geometry", metavar="FILE", help="geometry (default: the one that the stack names)")
    parser.add_argument("--method", default="fdk", metavar="NAME", help="--list names them (default %(default)s)")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="an option of the method; --list shows them all")
    parser.add_argument("--list", action="store_true", help="lists the methods and their options, and ends")
    parser.add_argument("-o", "--output", metavar="FILE", help="the volume in 1/mm (or HU): .nrrd, .mha, .nii or .nii.gz")
    _add_grid(parser.add_argument_group("grid (default: what the views can reconstruct, in magnified pixels)"))
    _add_work(parser.add_argument_group("work"))


def _add_grid(group):
    group.add_argument("--spacing-mm", type=float, metavar="MM", help="edge of a voxel")
    group.add_argument("--box", type=float, nargs=6, metavar=("R0", "A0", "S0", "R1", "A1", "S1"), help="corners of the region in RAS (mm)")
    group.add_argument("--like", metavar="VOLUME", help="the grid of a volume file")


def _add_work(group):
    group.add_argument("--start", metavar="VOLUME", help="volume on the same grid from which iterations begin")
    group.add_argument("--prior", metavar="VOLUME", help="of PICCS: volume on the same grid that is known already")
    group.add_argument("--levels", type=int, default=0, metavar="N", help="coarser grids that find the start (default 0)")
    group.add_argument("--noise", type=float, metavar="NORM", help="expected norm of the noise, for the option stop_discrepancy")
    group.add_argument("--water-per-mm", type=float, metavar="MU", help="write Hounsfield units: the attenuation of water in the result")
    group.add_argument("--checkpoint", metavar="FILE", help="saves the state of an iterative method here, every minute and at the end")
    group.add_argument("--resume", metavar="FILE", help="goes on from a checkpoint of the same work")


def run(options):
    from ..files import check_target
    from ..io import VolumeError
    from ..io.volumes import WRITTEN

    if options.list:
        return _list()
    if not options.stack or not options.output:
        raise VolumeError("give the stack to reconstruct and where to write the volume: xraytomo reconstruct STACK -o volume.nrrd.")
    check_target(options.output, WRITTEN)
    _reconstruct(options)


def _list():
    from ..reconstruction import METHODS
    from .option_arguments import option_lines

    for name, method in METHODS.items():
        print(f"{name}: {method.TITLE}")
        print("\n".join(option_lines(method)))


def _reconstruct(options):
    from ..io import write_volume
    from ..io.projections.stacks import open_stack
    from ..reconstruction import method_of
    from ..workflows.reconstruction import hounsfield, line_integrals, reconstruction
    from .option_arguments import set_values

    method = method_of(options.method, set_values(options.set, type(method_of(options.method))))
    p, views = line_integrals(open_stack(options.stack, options.geometry))
    grid = _grid(options, views)
    known = {"start": _on_grid(options.start, grid), "prior": _on_grid(options.prior, grid), "noise": options.noise}
    job = reconstruction(p, views, method, grid, options.levels, options.checkpoint, options.resume,
                         **{name: value for name, value in known.items() if value is not None})
    x, grid, origin = _followed(job)
    if options.water_per_mm is not None:
        x = hounsfield(x, options.water_per_mm)
        origin["parameters"]["water_per_mm"] = options.water_per_mm
    origin["inputs"]["stack"] = str(options.stack)
    write_volume(options.output, x.numpy(), grid, {"provenance": origin})


def _grid(options, views):
    from ..io import read_volume
    from ..reconstruction.grids import automatic_grid, automatic_spacing_mm, box_grid

    if options.like:
        return read_volume(options.like).grid
    if options.box:
        centre = [(a + b) / 2 for a, b in zip(options.box[:3], options.box[3:])]
        return box_grid(options.box[:3], options.box[3:], options.spacing_mm or automatic_spacing_mm(views, centre)[0])
    return automatic_grid(views, options.spacing_mm)


def _on_grid(path, grid):
    """The voxels (float32 tensor) of a volume file that must lie on `grid`; None without a path."""
    if path is None:
        return None
    import numpy as np
    import torch

    from ..io import VolumeError, read_volume

    volume = read_volume(path)
    if volume.grid.shape != grid.shape or not np.allclose(volume.grid.ijk_to_ras, grid.ijk_to_ras, atol=1e-4):
        raise VolumeError(f"{path} lies on {volume.grid}, the reconstruction on {grid}; give that volume's grid with --like.")
    return torch.from_numpy(np.ascontiguousarray(volume.array, dtype=np.float32))


def _followed(job):
    """Runs the job under a progress bar."""
    from tqdm import tqdm

    from .. import jobs

    with tqdm(unit="step", leave=False) as bar:
        def show(step):
            bar.total = step.total
            if step.residual is not None:
                bar.set_postfix_str(f"residual {step.residual:.3g}", refresh=False)
            bar.update(step.index - bar.n)

        return jobs.run(job, show)
