"""What the folders of scanners have in common: numbered files, XML, and the `Scan` from which a reader of the pixels starts."""
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field

import numpy as np

from ...files import natural_order
from ..views import Views
from . import FormatError
from .fields import Fields, read_bytes


@dataclass(frozen=True, eq=False)
class Scan:
    """What a scanner's files tell of one scan, its pixels apart.

    files     paths of the N projections, in the order of the views
    views     geometry in RAS
    found     settings, name -> text, for people
    exposure  [N] reading of the beam's monitor at each projection, in any unit, or None
    i0        counts of the open beam, or None
    """
    files: tuple
    views: Views
    found: dict = field(default_factory=dict)
    exposure: np.ndarray | None = None
    i0: float | None = None


def listed(folder):
    """What the folder holds, by name; FormatError when it cannot be listed."""
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise FormatError(f"{folder}: the folder cannot be listed ({error.strerror}); check the path") from error


def numbered_files(folder, suffixes, prefix=""):
    """Files of `folder` (case of the names does not matter) with a suffix and prefix, in natural order; hidden ones do not count."""
    named = [f for f in listed(folder) if f.name.lower().endswith(suffixes) and f.name.lower().startswith(prefix)]
    found = [f for f in named if f.is_file() and not f.name.startswith(".")]
    return sorted(found, key=natural_order)


def file_named(folder, *names):
    """The file of `folder` with one of the lower-case `names`, whatever its case; None when there is none."""
    return next((f for f in listed(folder) if f.name.lower() in names and f.is_file()), None)


def parse_xml(path):
    """Root element of an XML file, namespaces taken off the tags; entities of the file's own are refused (they can grow without bound)."""
    content = read_bytes(path)
    if b"<!ENTITY" in content:
        raise FormatError(f"{path}: declares XML entities, which no scanner does; is it another kind of file?")
    try:
        root = ElementTree.fromstring(content)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise FormatError(f"{path}: not complete, valid XML ({error})") from error
    for element in root.iter():
        if isinstance(element.tag, str):
            element.tag = element.tag.rpartition("}")[2]
    return root


def texts_of(root):
    """Tag -> text of the elements below `root` that hold one; of equal tags the first counts."""
    texts = {}
    for element in root.iter():
        if element.text and element.text.strip():
            texts.setdefault(element.tag, element.text.strip())
    return texts


def fields_of(where, texts):
    """`Fields` of a dictionary of texts: what reads as a number is one."""
    return Fields(where, {name: _value(text) for name, text in texts.items()})


def _value(text):
    try:
        return float(text)
    except ValueError:
        return text


def angles_text(degrees):
    """First and last angle and their mean step, for people."""
    turned = np.abs(np.diff(np.unwrap(degrees, period=360)))
    step = f", mean step {turned.mean():.3f} deg" if len(turned) else ""
    return f"{degrees[0]:.2f} to {degrees[-1]:.2f} deg{step}"
