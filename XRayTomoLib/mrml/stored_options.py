"""Values of declared options in one text parameter of the parameter node: JSON {name: {option: value}}, one entry a method.

So a scene keeps the values of every method that was tried, not only of the chosen one.
"""

import dataclasses
import json
import logging

from ..options import OptionError, options_of


def read_options(text, name, described):
    """All values of the options of `described` that `text` keeps under `name`; defaults where it keeps none.

    A value that is no longer allowed (a scene of another version) is replaced by the default and logged.
    """
    kept, values = _entries(text).get(name, {}), {o.name: o.default for o in options_of(described)}
    for option in options_of(described):
        if option.name in kept:
            try:
                values[option.name] = option.checked(kept[option.name])
            except OptionError as error:
                logging.warning("XRayTomo: %s: %s; the default is taken", name, error)
    return values


def write_options(text, name, values):
    """`text` with `values` under `name`."""
    return json.dumps(_entries(text) | {name: dict(values)}, sort_keys=True)


def without_options(text, name):
    """`text` without what it keeps under `name`."""
    return json.dumps({key: values for key, values in _entries(text).items() if key != name}, sort_keys=True)


def stored_names(text):
    """The names under which `text` keeps values."""
    return list(_entries(text))


def instance_from_options(text, name, described):
    """An instance of the dataclass `described` with the values that `text` keeps under `name`."""
    return dataclasses.replace(described(), **read_options(text, name, described))


def _entries(text):
    try:
        entries = json.loads(text) if text else {}
    except json.JSONDecodeError:
        logging.warning("XRayTomo: the stored options are no JSON; the defaults are taken")
        return {}
    return {name: values for name, values in entries.items() if isinstance(values, dict)} if isinstance(entries, dict) else {}
