"""The directories of a TIFF file, one a page: a chain that libtiff follows without end where it runs in a circle."""

import struct

from .base import ProjectionError

# (form of a number of entries, bytes of an entry, form of an offset, where the first offset stands) of TIFF and BigTIFF
LAYOUTS = {42: ("H", 12, "I", 4), 43: ("Q", 20, "Q", 8)}


def check_directories(path):
    """Raises ProjectionError if the chain of directories comes back to one of its own; what else is wrong with them libtiff says itself."""
    with open(path, "rb") as file:
        head = file.read(16)
        order = "<" if head[:2] == b"II" else ">"
        entries, entry_bytes, offset, first = LAYOUTS[struct.unpack_from(order + "H", head, 2)[0]]
        at, seen = _number(file, order + offset, first), set()
        while at:
            if at in seen:
                raise ProjectionError(f"{path}: the directories of its pages run in a circle (at byte {at}); get an undamaged copy.")
            seen.add(at)
            at = _number(file, order + offset, at + struct.calcsize(order + entries) + entry_bytes * _number(file, order + entries, at))


def _number(file, form, at):
    """The number at a byte of the file; 0 beyond its end."""
    size = struct.calcsize(form)
    try:
        file.seek(at)
    except (OverflowError, OSError):
        return 0
    content = file.read(size)
    return struct.unpack(form, content)[0] if len(content) == size else 0
