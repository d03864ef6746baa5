"""The subcommands of `xraytomo`, one module each: SUMMARY, `add_arguments(parser)` and `run(options)`.

A module whose name would be a word of Python ends with `_` (`import_`). They import numpy and the rest inside `run`, so that
`xraytomo --help` answers at once.
"""

COMMANDS = ("calibrate", "drr", "geometry", "import_", "info", "reconstruct", "register", "sample", "scan")
