"""Several dataclasses of declared options, each below a check box that switches it on: corrections that are applied one after the other."""

import qt
from slicer.i18n import translate

from ..mrml.stored_options import read_options, stored_names, without_options, write_options
from .form import Form

_CONTEXT = "XRayTomoLib.options"


class SwitchedForms:
    """Check boxes in the empty widget `parent`, with the options of those that are ticked below them.

    A user's change calls onChanged(text) with the JSON text (mrml/stored_options.py) that keeps the options of what is switched on.
    """

    def __init__(self, parent, onChanged):
        self._parent, self._onChanged = parent, onChanged
        self._layout = qt.QVBoxLayout(parent)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._text, self._switches, self._isQuiet = "", {}, False

    def switch(self, name):
        """The check box of `name`."""
        return self._switches[name][0]

    def form(self, name):
        """The Form of `name`, empty until it was switched on."""
        return self._switches[name][1]

    def show(self, described, text):
        """Shows the dataclasses {name: described}, those switched on and with the values that `text` keeps; calls nothing."""
        self._text, self._isQuiet = text, True
        try:
            for name, each in described.items():
                if name not in self._switches:
                    self._switches[name] = self._made(name, each)
                box, form, widget = self._switches[name]
                isOn = name in stored_names(text)
                box.setChecked(isOn)
                widget.setVisible(isOn)
                form.show(each if isOn else None, read_options(text, name, each))
        finally:
            self._isQuiet = False

    def _made(self, name, described):
        box, widget = qt.QCheckBox(translate(_CONTEXT, described.TITLE)), qt.QWidget()
        box.setObjectName(f"{name}CheckBox")
        box.setToolTip(translate(_CONTEXT, described.__doc__.split("\n")[0]))
        self._layout.addWidget(box)
        self._layout.addWidget(widget)
        form = Form(widget, lambda values: self._onChanged(write_options(self._text, name, values)))
        box.connect("toggled(bool)", lambda isOn: self._toggled(name, described, isOn))
        return box, form, widget

    def _toggled(self, name, described, isOn):
        if not self._isQuiet:
            values = read_options(self._text, name, described)
            self._onChanged(write_options(self._text, name, values) if isOn else without_options(self._text, name))
