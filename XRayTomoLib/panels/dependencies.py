"""torch and numba in Slicer: looked for when they are needed, offered and explained, never installed unasked."""

import importlib.util

import slicer
from slicer.i18n import tr as _

from ..resources import resource_path


def isPresent(package):
    try:
        return importlib.util.find_spec(package) is not None
    except ValueError:  # a module that was put into sys.modules without a specification, or taken out of it
        return False


def missingSentence():
    """What is missing for any radiograph, and the remedy; empty when nothing is. Without numba it only takes longer."""
    if isPresent("torch"):
        return ""
    return _("PyTorch (torch) is missing, which computes the radiograph: install the PyTorch extension, then click Render.")


def offer():
    """Asks to install what is missing; returns whether radiographs can be computed then. After numba's installation a process of its own
    compiles the kernels of other work than the first picture's."""
    if not isPresent("torch"):
        _offerTorch()
    if isPresent("torch") and not isPresent("numba"):
        _offerNumba()
        if isPresent("numba"):
            from ..tracing import warm

            warm.in_background()
    return isPresent("torch")


def _offerTorch():
    try:
        import PyTorchUtils
    except ImportError:
        slicer.util.warningDisplay(missingSentence())
        return
    PyTorchUtils.PyTorchUtilsLogic().installTorch(askConfirmation=True, torchVersionRequirement=">=2.4")


def _offerNumba():
    """With numba a radiograph takes milliseconds instead of seconds."""
    try:
        from slicer import packaging
    except ImportError:  # Slicer before 5.11
        question = _("XRayTomo needs the Python package numba to compute radiographs in milliseconds instead of seconds. Install it now?")
        if slicer.util.confirmOkCancelDisplay(question):
            slicer.util.pip_install(resource_path("requirements.txt").read_text(encoding="utf-8").strip())
        return
    packaging.pip_ensure(packaging.load_requirements(str(resource_path("requirements.txt"))), requester="XRayTomo")
