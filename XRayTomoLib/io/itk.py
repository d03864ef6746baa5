"""Quiet use of ITK."""

from contextlib import contextmanager


def last_line(error):
    """The reason in an error of ITK, which also tells where in its own source it arose."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else "no reason given"


@contextmanager
def quiet_itk():
    """ITK prints warnings of broken files to stderr; the errors that follow say more."""
    import SimpleITK as sitk

    shown = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.GlobalWarningDisplayOff()
    try:
        yield sitk
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(shown)
