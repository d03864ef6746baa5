"""Sets of declared options in geometry: what an option does not allow is a GeometryError."""
from ..options import OptionError, options_of
from .arrays import GeometryError


def hold_to_options(instance, title):
    """Checks the options of a frozen dataclass and keeps them as their kinds; GeometryError begins with `title`."""
    for o in options_of(instance):
        try:
            object.__setattr__(instance, o.name, o.checked(getattr(instance, o.name)))
        except OptionError as error:
            raise GeometryError(f"{title}: {error}") from error
