"""Arguments of the command line from declared options (XRayTomoLib.options), and the values that were given."""


def add_option_arguments(parser, described, prefix=""):
    """One argument for each option of the dataclass `described`: `count` becomes --count N, a bool --name and --no-name.

    prefix: put before the names, for example "jitter-", where several declarations share one parser.
    """
    import argparse

    from ..options import options_of

    for o in options_of(described):
        flag = f"--{prefix}{o.name.replace('_', '-')}"
        unit = f" {o.unit}" if o.unit and not o.name.endswith(f"_{o.unit.lower()}") else ""
        default = {True: "yes", False: "no"}[o.default] if o.kind is bool else o.default
        given = {"dest": _place(described, o), "default": argparse.SUPPRESS, "help": f"{o.help} (default {default}{unit})".replace("%", "%%")}
        if o.kind is bool:
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, **given)
        elif o.choices:
            parser.add_argument(flag, type=o.kind, choices=o.choices, **given)
        else:
            parser.add_argument(flag, type=o.kind, metavar={int: "N", float: (o.unit or "X").upper()}.get(o.kind, "TEXT"), **given)


def values_from(namespace, described):
    """The options of `described` that were given, name -> value; `options.make` checks them and fills in the rest."""
    from ..options import options_of

    return {o.name: getattr(namespace, _place(described, o)) for o in options_of(described) if hasattr(namespace, _place(described, o))}


def _place(described, option):
    """Where the namespace holds the option: apart from those of the same name in other declarations."""
    return f"{described.__name__}.{option.name}"


def set_values(texts, described):
    """The options of `described` in texts NAME=VALUE (arguments --set), as numbers, booleans or texts."""
    from ..options import OptionError, options_of

    known, values = {o.name: o for o in options_of(described)}, {}
    for given in texts:
        name, equals, text = given.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or name not in known:
            raise OptionError(f"--set {given}: expected NAME=VALUE with one of {', '.join(known)}")
        values[name] = _value(known[name], text.strip())
    return values


def option_lines(described):
    """A line for each option of `described`: name, default, meaning."""
    from ..options import options_of

    for o in options_of(described):
        choices = f" ({', '.join(o.choices)})" if o.choices else f" (all, or some of {', '.join(o.several)})" if o.several else ""
        yield f"    {o.name} = {o.default}{' ' + o.unit if o.unit else ''}: {o.help}{choices}"


def _value(option, text):
    from ..options import OptionError

    try:
        return {"yes": True, "true": True, "no": False, "false": False}[text.lower()] if option.kind is bool else option.kind(text)
    except (KeyError, ValueError) as error:
        expected = {bool: "yes or no", int: "a whole number", float: "a number"}.get(option.kind, "a text")
        raise OptionError(f"--set {option.name}={text}: expected {expected}") from error
