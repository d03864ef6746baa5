"""The subcommands of `xraytomo`, one module each: SUMMARY, `add_arguments(parser)` and `run(options)`.

They import numpy and the rest inside `run`, so that `xraytomo --help` answers at once.
"""

COMMANDS = ("drr", "info", "sample")
