"""One generic form: the controls of a dataclass of declared options (options.py), made in Python as PythonQt allows.

    form = Form(self.ui.optionsWidget, self.onOptions)      # an empty QWidget of the .ui file
    form.show(Helix, values)                                # {option: value}; calls nothing
    form.values                                             # what it shows, with every digit that it was given

A user's change calls onOptions(values). Pages are kept: choosing another dataclass hides one page and shows the other.
"""

import math

import qt
from slicer.i18n import translate

from ..options import ALL, named, options_of

_BOXES_ABREAST = 2  # columns of check boxes of an option with several names
_LEAST_WIDTH = 64  # a number stays readable in a narrow panel
_UNLIMITED = 1e9
_LARGEST_INT = 2**31 - 1
_SUFFIXES = {"deg": "°", "": ""}
_CONTEXT = "XRayTomoLib.options"


class Form:
    """Controls for one dataclass of options at a time, in the empty widget `parent`."""

    def __init__(self, parent, onChanged):
        self._parent, self._onChanged = parent, onChanged
        self._layout = qt.QVBoxLayout(parent)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._pages = {}
        self._page = None

    @property
    def values(self):
        """{option: value} of the page that is shown."""
        return dict(self._page.values) if self._page else {}

    def control(self, name):
        """The widget of the option `name`."""
        return self._page.controls[name].widget

    def show(self, described, values):
        """Shows the controls of the dataclass `described` (None: nothing) with `values`, without calling onChanged."""
        page = self._pageOf(described) if described is not None else None
        if page is not self._page:
            if self._page is not None:
                self._page.widget.setVisible(False)
            self._page = page
            if page is not None:
                page.widget.setVisible(True)
        if page is not None:
            page.show(values)

    def _pageOf(self, described):
        if described not in self._pages:
            page = _Page(described, self._onChanged)
            self._layout.addWidget(page.widget)
            self._pages[described] = page
        return self._pages[described]


class _Page:
    """The controls of one dataclass."""

    def __init__(self, described, onChanged):
        self._onChanged = onChanged
        self._isQuiet = False
        self.widget = qt.QWidget()
        form = qt.QFormLayout(self.widget)
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(qt.QFormLayout.AllNonFixedFieldsGrow)
        self.controls, self.values = {}, {}
        for option in options_of(described):
            control = _control(option, lambda value, name=option.name: self._changed(name, value))
            label = qt.QLabel(translate(_CONTEXT, option.label))
            for widget in (label, control.widget):
                widget.setToolTip(_toolTip(option))
            control.widget.setObjectName(option.name)
            form.addRow(label, control.widget)
            self.controls[option.name] = control
        self.show({option.name: option.default for option in options_of(described)})

    def show(self, values):
        self._isQuiet = True
        try:
            for name, value in values.items():
                if name in self.controls:
                    self.values[name] = value
                    self.controls[name].show(value)
        finally:
            self._isQuiet = False

    def _changed(self, name, value):
        if not self._isQuiet:
            self.values[name] = value
            self._onChanged(dict(self.values))


class _Control:
    """A widget, and how a value is shown in it."""

    def __init__(self, widget, show):
        self.widget, self.show = widget, show


def _control(option, changed):
    if option.choices:
        return _choice(option, changed)
    if option.several:
        return _several(option, changed)
    return {bool: _check, int: _whole, float: _number, str: _text}[option.kind](option, changed)


def _choice(option, changed):
    box = qt.QComboBox()
    box.setMinimumWidth(_LEAST_WIDTH)
    box.addItems([translate(_CONTEXT, str(choice)) for choice in option.choices])
    box.connect("currentIndexChanged(int)", lambda index: changed(option.choices[index]))
    return _Control(box, lambda value: box.setCurrentIndex(option.choices.index(value)))


def _several(option, changed):
    """A check box for each name, column by column; one at least stays checked."""
    widget = qt.QWidget()
    layout = qt.QGridLayout(widget)
    layout.setContentsMargins(0, 0, 0, 0)
    boxes = {name: qt.QCheckBox(translate(_CONTEXT, name)) for name in option.several}

    def toggled(*_):
        chosen = [name for name, box in boxes.items() if box.checked]
        if chosen:
            changed(ALL if len(chosen) == len(boxes) else ", ".join(chosen))
        else:
            show(option.several[0])
            changed(option.several[0])

    def show(text):
        for name, box in boxes.items():
            box.blockSignals(True)
            box.setChecked(name in named(text, option.several))
            box.blockSignals(False)

    rows = -(-len(boxes) // _BOXES_ABREAST)
    for number, (name, box) in enumerate(boxes.items()):
        box.setObjectName(name)
        box.setToolTip(_toolTip(option))
        box.connect("toggled(bool)", toggled)
        layout.addWidget(box, number % rows, number // rows)
    return _Control(widget, show)


def _check(option, changed):
    box = qt.QCheckBox()
    box.connect("toggled(bool)", changed)
    return _Control(box, box.setChecked)


def _whole(option, changed):
    box = qt.QSpinBox()
    low = -_LARGEST_INT if option.minimum is None else max(-_LARGEST_INT, math.ceil(option.minimum))
    high = _LARGEST_INT if option.maximum is None else min(_LARGEST_INT, math.floor(option.maximum))
    box.setRange(low, high)
    _prepare(box, option)
    box.connect("valueChanged(int)", changed)
    return _Control(box, box.setValue)


def _number(option, changed):
    """Shows as many decimals as a value needs; what was not typed is never rounded (_Page.values)."""
    box = qt.QDoubleSpinBox()
    box.setDecimals(_decimals(option.default))
    box.setRange(-_UNLIMITED if option.minimum is None else option.minimum, _UNLIMITED if option.maximum is None else option.maximum)
    box.setSingleStep(_step(option))
    _prepare(box, option)
    box.connect("valueChanged(double)", changed)

    def show(value):
        box.setDecimals(max(box.decimals, _decimals(value)))
        box.setValue(value)

    return _Control(box, show)


def _text(option, changed):
    edit = qt.QLineEdit()
    edit.connect("editingFinished()", lambda: changed(edit.text))
    return _Control(edit, edit.setText)


def _prepare(box, option):
    box.setKeyboardTracking(False)
    box.setMinimumWidth(_LEAST_WIDTH)
    box.setSuffix(_SUFFIXES.get(option.unit, f" {option.unit}"))


def _decimals(value):
    """Two more than the first digit of a small number, and at least 3; as many as a given number has, up to 10."""
    first = 3 if value == 0 or abs(value) >= 1 else 2 + math.ceil(-math.log10(abs(value)))
    written = len(f"{value:.10f}".rstrip("0").partition(".")[2])
    return min(10, max(3, first, written))


def _step(option):
    """A tenth of the default's magnitude: 1 for 10 to 99, 0.1 for 1 to 9; 1 for a default of zero, less where the range is small."""
    if option.default:
        return 10.0 ** (math.floor(math.log10(abs(option.default))) - 1)
    limits = [abs(limit) for limit in (option.minimum, option.maximum) if limit]
    return min([1.0, *(limit / 10 for limit in limits)])


def _toolTip(option):
    """The help as a sentence, and what is allowed."""
    text = translate(_CONTEXT, option.help)
    allowed = [f"{limit:g}" for limit in (option.minimum, option.maximum) if limit is not None]
    unit = f" {option.unit}" if option.unit else ""
    limits = f" ({' - '.join(allowed) if len(allowed) == 2 else ('≥ ' if option.maximum is None else '≤ ') + allowed[0]}{unit})" if allowed else ""
    return f"{text[:1].upper()}{text[1:]}{limits}."
