"""Reconstructs a volume from line integrals with any method, and writes it with where it comes from.

Started by torchrun, the views of iterative methods are dealt out to its processes.
"""

SUMMARY = "volume from projections"


def add_arguments(parser):
    parser.add_argument("stack", metavar="STACK", nargs="?", help="line integrals: a stack as `xraytomo import` or `xraytomo scan` writes it")
    parser.add_argument("--geometry", metavar="FILE", help="geometry (default: the one that the stack names)")
    parser.add_argument("--method", default="fdk", metavar="NAME", help="--list names them (default %(default)s)")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="an option of the method; --list shows them all")
    parser.add_argument("--correct", action="append", default=[], metavar="NAME[:OPTION=VALUE,...]",
                        help="a correction of the line integrals before; --list names them; several are applied in their order")
    parser.add_argument("--list", action="store_true", help="lists methods and corrections with their options, and ends")
    parser.add_argument("-o", "--output", metavar="FILE", help="the volume in 1/mm (or HU): .nrrd, .mha, .nii or .nii.gz")
    _add_grid(parser.add_argument_group("grid (default: what the views can reconstruct, in magnified pixels)"))
    _add_work(parser.add_argument_group("work"))


def _add_grid(group):
    group.add_argument("--spacing-mm", type=float, metavar="MM", help="edge of a voxel")
    group.add_argument("--shape", type=int, nargs=3, metavar=("I", "J", "K"), help="voxels along R, A, S, about the middle of what the views see")
    group.add_argument("--box", type=float, nargs=6, metavar=("R0", "A0", "S0", "R1", "A1", "S1"), help="corners of the region in RAS (mm)")
    group.add_argument("--like", metavar="VOLUME", help="the grid of a volume file")
    group.add_argument("--surround-mm", type=float, default=0.0, metavar="MM", help="how far the object reaches beyond the grid on each side: what "
                       "lies there is found on coarse voxels and taken off the projections (iterative methods)")


def _add_work(group):
    group.add_argument("--start", metavar="VOLUME", help="volume on the same grid from which iterations begin")
    group.add_argument("--prior", metavar="VOLUME", help="of PICCS: volume on the same grid that is known already")
    group.add_argument("--support", metavar="VOLUME", help="volume on the same grid, above 0 where the object can be; elsewhere the result stays 0 "
                       "(iterative methods)")
    group.add_argument("--levels", type=int, default=0, metavar="N", help="coarser grids that find the start (default 0)")
    group.add_argument("--noise", type=float, metavar="NORM",
                       help="norm of the noise, for the option stop_discrepancy (default: estimated from the projections)")
    group.add_argument("--water-per-mm", type=float, metavar="MU", help="write Hounsfield units: the attenuation of water in the result")
    group.add_argument("--checkpoint", metavar="FILE", help="saves the state of an iterative method here, every minute and at the end")
    group.add_argument("--resume", metavar="FILE", help="goes on from a checkpoint of the same work")
    group.add_argument("--devices", nargs="+", default=["cpu"], metavar="DEVICE", help="cpu, cuda, cuda:1, ...: where iterative methods compute, "
                       "one for each process of torchrun in turn (default cpu)")
    group.add_argument("--estimate", action="store_true", help="prints the time and memory that the work will take, and ends")


def run(options):
    from ..files import check_target
    from ..io import VolumeError
    from ..io.volumes import WRITTEN
    from ..reconstruction.distributed import is_started_by_torchrun, joined

    if options.list:
        return _list()
    if not options.stack or not (options.output or options.estimate):
        raise VolumeError("give the stack to reconstruct and where to write the volume: xraytomo reconstruct STACK -o volume.nrrd.")
    if options.output:
        check_target(options.output, WRITTEN)
    if not is_started_by_torchrun():
        return _reconstruct(options, _device(options, 0, 1))
    import os

    device = _device(options, int(os.environ["LOCAL_RANK"]), int(os.environ["WORLD_SIZE"]))
    with joined(device) as processes:
        _reconstruct(options, device, processes)


def _device(options, rank, size):
    """The device of this process."""
    import torch

    from ..reconstruction import ReconstructionError

    if len(options.devices) > size:
        raise ReconstructionError(f"{len(options.devices)} devices for {size} process; start one for each: "
                                  f"torchrun --nproc-per-node {len(options.devices)} -m XRayTomoLib.cli reconstruct ...")
    name = options.devices[rank % len(options.devices)]
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:
        raise ReconstructionError(f"the device '{name}' cannot be used ({str(error).splitlines()[0]}); take cpu, or look at nvidia-smi") from error
    return torch.device(name)


def _list():
    from ..reconstruction import METHODS
    from ..reconstruction.corrections import CORRECTIONS
    from .option_arguments import option_lines

    for title, table in (("METHODS (--method, --set)", METHODS), ("CORRECTIONS (--correct)", CORRECTIONS)):
        print(title)
        for name, described in table.items():
            print(f"  {name}: {described.TITLE}")
            print("\n".join(option_lines(described)))


def _reconstruct(options, device, processes=None):
    from ..io import write_volume
    from ..reconstruction import method_of
    from ..workflows.reconstruction import hounsfield, reconstruction
    from .option_arguments import set_values

    method = method_of(options.method, set_values(options.set, type(method_of(options.method))))
    corrections = [_correction(text) for text in options.correct]
    grid, p, views, spread = _scan(options, method, device, processes)
    if options.estimate:
        return _estimate(method, views, grid)
    known = {name: _on_grid(getattr(options, name), grid) for name in ("start", "prior", "support")}
    known = {name: value.to(device) for name, value in known.items() if value is not None}
    if "support" in known:
        known["support"] = (known["support"] > 0).float()
    if options.noise is not None:
        known["noise"] = options.noise
    rank = processes.rank if processes else 0
    files = {name: getattr(options, name) for name in ("checkpoint", "resume")}
    files = {name: f"{file}.{rank}" if file and processes else file for name, file in files.items()}
    job = reconstruction(p, views, method, grid, options.levels, corrections=corrections, surround_mm=options.surround_mm, **files, **spread, **known)
    x, grid, origin = _followed(job, quiet=rank > 0)
    if rank > 0:
        return
    if processes:
        origin["parameters"]["processes"] = processes.size      # views and hash are those of the first one's share
    if options.water_per_mm is not None:
        x = hounsfield(x, options.water_per_mm)
        origin["parameters"]["water_per_mm"] = options.water_per_mm
    origin["inputs"]["stack"] = str(options.stack)
    write_volume(options.output, x.cpu().numpy(), grid, {"provenance": origin})


def _correction(text):
    """The correction that NAME[:OPTION=VALUE,...] describes."""
    from ..reconstruction.corrections import CORRECTIONS, correction_of
    from .option_arguments import set_values

    name, _, given = text.partition(":")
    correction_of(name)
    return correction_of(name, set_values([part for part in given.split(",") if part], CORRECTIONS[name]))


def _scan(options, method, device, processes):
    """Grid, projections, views, and what spreads the work: of all views, or of those that are this process's share."""
    from ..io.projections.stacks import open_stack
    from ..reconstruction import ReconstructionError, is_iterative
    from ..reconstruction.grids import useful_views
    from ..workflows.reconstruction import line_integrals

    if not is_iterative(method) and (processes or device.type != "cpu"):
        raise ReconstructionError(f"{method.TITLE} computes on the CPU of one process; start it without torchrun and --devices")
    stack, spread = open_stack(options.stack, options.geometry), {}
    grid = _grid(options, stack.views) if stack.views is not None else None
    if processes and grid is not None:
        seen = useful_views(stack.views, grid)
        share = processes.share(len(seen))
        stack, spread = stack.picked(seen[share]), {"projector": processes.projector(share, len(seen))}
    p, views = line_integrals(stack)
    return grid, p.to(device), views, spread


def _estimate(method, views, grid):
    from ..reconstruction.estimate import estimate

    found = estimate(method, views, grid)
    print(f"{grid}\n{found.seconds:.1f} s, {found.memory_bytes / 2**20:,.0f} MB beside the projections")


def _grid(options, views):
    from ..grids import CartesianGrid
    from ..io import read_volume
    from ..reconstruction.grids import automatic_grid, automatic_spacing_mm, box_grid

    if options.like:
        return read_volume(options.like).grid
    if options.box:
        centre = [(a + b) / 2 for a, b in zip(options.box[:3], options.box[3:])]
        return box_grid(options.box[:3], options.box[3:], options.spacing_mm or automatic_spacing_mm(views, centre)[0])
    grid = automatic_grid(views, options.spacing_mm)
    return CartesianGrid.centred(tuple(options.shape[::-1]), grid.spacing_mm, grid.centre_ras) if options.shape else grid


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


def _followed(job, quiet):
    """Runs the job under a progress bar."""
    from tqdm import tqdm

    from .. import jobs

    with tqdm(unit="step", leave=False, disable=quiet) as bar:
        def show(step):
            bar.total = step.total
            bar.set_description_str("" if step.residual is not None else step.message, refresh=False)
            if step.residual is not None:
                prior = "" if step.prior_value is None else f", prior {step.prior_value:.3g}"
                bar.set_postfix_str(f"residual {step.residual:.3g}{prior}", refresh=False)
            bar.update(step.index - bar.n)

        return jobs.run(job, show)
