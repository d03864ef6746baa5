"""The command line `xraytomo`: bad input ends with exit code 2 and one sentence on stderr."""

import argparse
import logging
import sys
from importlib import import_module

from . import __version__
from .commands import COMMANDS


def main(argv=None):
    """Runs one subcommand and returns the exit code."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    options = _parser(next((a for a in arguments if not a.startswith("-")), None)).parse_args(arguments)
    logging.basicConfig(level=logging.DEBUG if options.verbose else logging.WARNING, format="xraytomo: %(message)s")
    try:
        options.run(options)
    except (ValueError, ImportError, OSError, MemoryError) as error:
        logging.getLogger(__name__).debug("where it happened:", exc_info=True)
        print(f"xraytomo {options.command}: {_sentence(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def _parser(asked):
    """The parser; only the subcommand that is asked for gets its arguments, since some take them from what they will load."""
    parser = argparse.ArgumentParser(prog="xraytomo", description="X-ray simulation and tomography.")
    parser.add_argument("--version", action="version", version=f"XRayTomo {__version__}")
    parser.add_argument("-v", "--verbose", action="store_true", help="log what happens, and where an error arose")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in COMMANDS:
        module = import_module(f".commands.{name}", __package__)
        command = commands.add_parser(name.rstrip("_"), help=module.SUMMARY, description=module.__doc__)
        if name.rstrip("_") == asked:
            module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser


def _sentence(error):
    if isinstance(error, ModuleNotFoundError):
        return f"the Python package '{error.name}' is missing; install it with: pip install {error.name}."
    text = " ".join(str(error).split()) or type(error).__name__
    return text if text.endswith(".") else text + "."


if __name__ == "__main__":
    sys.exit(main())
