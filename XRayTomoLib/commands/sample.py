"""Brings sample data into the user's cache and prints where it lies; without a name, lists what there is."""

SUMMARY = "sample data"


def add_arguments(parser):
    parser.add_argument("name", metavar="NAME", nargs="?", help="sample to fetch or generate")
    parser.add_argument("-o", "--output", metavar="FILE", help="copy it there")


def run(options):
    import sys

    from ..io import fetch_sample, sample_names

    if options.name is None:
        print("\n".join(sample_names()))
        return
    path = fetch_sample(options.name, lambda text: print(text, file=sys.stderr))
    print(_copy(path, options.output) if options.output else path)


def _copy(path, target):
    import shutil

    from ..files import check_target, replacing, suffix_of

    check_target(target, (suffix_of(path),))
    with replacing(target) as temporary:
        shutil.copyfile(path, temporary)
    return target
