"""Registers X-rays to a CT, as a JSON file describes the case, and writes the pose with its error bar."""

SUMMARY = "pose of a CT in X-rays"
TRANSFORMS = (".tfm", ".h5", ".txt")


def add_arguments(parser):
    parser.add_argument("case", metavar="CASE.json", nargs="?", help="the case: see Documentation/registration.md")
    parser.add_argument("-o", "--output", metavar="FILE", help="pose, covariance and report, or the rows of --starts, as .json")
    parser.add_argument("--transform", metavar="FILE", help="the pose as a linear transform for Slicer: .tfm, .h5 or .txt; of several "
                        "bones FILE-NAME each")
    parser.add_argument("--overlay", metavar="FILE", help="X-ray, radiograph and checkerboard, one row an X-ray, as .png")
    batch = parser.add_argument_group("evaluation over many starts")
    batch.add_argument("--starts", type=int, metavar="N", help="registers from N random starts round the case's own")
    batch.add_argument("--starts-rotation-deg", type=float, default=10.0, metavar="DEG", help="their rotation about each axis (default 10)")
    batch.add_argument("--starts-shift-mm", type=float, default=10.0, metavar="MM", help="their shift along each axis (default 10)")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="an option in place of the file's; --list shows them")
    parser.add_argument("--list", action="store_true", help="lists the options, and ends")


def run(options):
    from dataclasses import replace

    from ..files import check_target
    from ..registration import RegistrationError, RegistrationOptions
    from ..workflows.registration import read_cases
    from .option_arguments import option_lines, set_values

    if options.list:
        return print("\n".join(option_lines(RegistrationOptions)))
    if not options.case:
        raise RegistrationError("give the case to register: xraytomo register CASE.json")
    for path, suffixes in ((options.output, (".json",)), (options.transform, TRANSFORMS), (options.overlay, (".png",))):
        if path:
            check_target(path, suffixes)
    values = set_values(options.set, RegistrationOptions)
    found = [replace(each, options=replace(each.options, **values)) for each in read_cases(options.case)]
    if options.starts and len(found) > 1:
        raise RegistrationError("--starts N evaluates one bone; give a case with one of them")
    if options.starts:
        return _evaluate(options, found[0])
    return _register_bones(options, found) if found[0].name else _register(options, found[0])


def _register(options, found):
    from .. import jobs
    from ..registration import register
    from ..workflows.registration import as_dict, write_transform

    result = jobs.run(register(found.case, found.start, found.options))
    print(result.report())
    if options.output:
        _write_json(options.output, as_dict(found, result))
    if options.transform:
        write_transform(options.transform, result.pose)
    if options.overlay:
        _write_overlay(options.overlay, [found], [result.pose])


def _register_bones(options, bones):
    from pathlib import Path

    from .. import jobs
    from ..registration.joint import register_bones
    from ..workflows.registration import bones_dict, write_transform

    result = jobs.run(register_bones([bone.case for bone in bones], [bone.start for bone in bones], bones[0].options))
    written = bones_dict(bones, result)
    print("\n".join(f"{name}\n{values['report']}" for name, values in written["bones"].items()))
    if options.output:
        _write_json(options.output, written)
    if options.transform:
        path = Path(options.transform)
        for bone, pose in zip(bones, result.poses):
            write_transform(path.with_stem(f"{path.stem}-{bone.name}"), pose)
    if options.overlay:
        _write_overlay(options.overlay, bones, result.poses)


def _evaluate(options, found):
    import sys

    from .. import jobs
    from ..registration import RegistrationError
    from ..workflows.registration import evaluate_starts, evaluation_starts

    if options.starts < 0 or options.transform or options.overlay:
        raise RegistrationError("--starts N takes a number of at least 1, and writes rows (-o) but no transform and no overlay")
    starts = evaluation_starts(found.start, found.case.pivot, options.starts, options.starts_rotation_deg, options.starts_shift_mm)
    rows = jobs.run(evaluate_starts(found, starts), lambda step: print(step.message, file=sys.stderr))
    for row in rows:
        print(", ".join(f"{name} {value:.3f}" if isinstance(value, float) else f"{name} {value}" for name, value in row.items()))
    if options.output:
        _write_json(options.output, rows)


def _write_json(path, values):
    import json

    from ..files import replacing

    with replacing(path) as temporary:
        temporary.write_text(json.dumps(values, indent=1), encoding="utf-8")


def _write_overlay(path, bones, poses):
    import numpy as np

    from ..io import write_png
    from ..workflows.overlay import CHECKERBOARD, RADIOGRAPH, XRAY, OverlayOptions, overlay_picture

    def row(index, xray):
        radiograph = sum(bone.case.render(pose, index)[0] for bone, pose in zip(bones, poses))
        return np.concatenate([overlay_picture(xray, radiograph, OverlayOptions(mode)) for mode in (XRAY, RADIOGRAPH, CHECKERBOARD)], 1)
    pictures = [row(index, xray) for index, xray in enumerate(bones[0].case.xrays)]
    width = max(p.shape[1] for p in pictures)
    write_png(path, np.concatenate([np.pad(p, ((0, 0), (0, width - p.shape[1]), (0, 0))) for p in pictures]))
