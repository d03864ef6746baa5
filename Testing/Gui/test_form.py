"""The generic form: what it shows is what it was given, what is typed comes back, in the narrow panel too."""

import json
from dataclasses import dataclass

import pytest
import qt
from SlicerHost import driving

from XRayTomoLib.mrml.stored_options import instance_from_options, read_options, write_options
from XRayTomoLib.options import make, option, options_of
from XRayTomoLib.panels.form import Form


@dataclass(frozen=True)
class Sweep:
    count: int = option(180, "Views", "number of views", minimum=1, maximum=100000)
    range_deg: float = option(200.0, "Range", "angle from first to last view", minimum=-3600.0, maximum=3600.0, unit="deg")
    step_mm: float = option(0.0002, "Step", "table step", minimum=0.0, unit="mm")
    axis: str = option("S", "Axis", "axis of rotation", choices=("R", "A", "S"))
    flying: bool = option(False, "Flying focal spot", "alternates two focal spots")
    label: str = option("", "Label", "a free text")
    free: str = option("all", "Free", "what may change", several=("turn", "shift"))


@dataclass(frozen=True)
class Other:
    seed: int = option(7, "Seed", "of the random numbers", minimum=0)


@pytest.fixture
def form():
    heard = []
    parent = qt.QWidget()
    form = Form(parent, heard.append)
    form.heard, form.parent = heard, parent
    parent.resize(420, 300)
    parent.show()
    yield form
    parent.hide()
    parent.deleteLater()


GIVEN = {"count": 7, "range_deg": 123.456789, "step_mm": 1e-6, "axis": "A", "flying": True, "label": "left", "free": "shift"}


def test_values_are_shown_and_kept_to_the_last_digit(form):
    form.show(Sweep, GIVEN)
    assert form.values == GIVEN
    assert form.heard == []
    assert form.control("count").value == 7
    assert form.control("range_deg").value == 123.456789
    assert form.control("step_mm").value == 1e-6
    assert form.control("axis").currentText == "A"
    assert form.control("flying").checked
    assert make(Sweep, form.values) == Sweep(**GIVEN)


def test_what_the_user_does_comes_back(form):
    form.show(Sweep, {})
    driving.type_text(form.control("count"), "12")
    driving.type_text(form.control("range_deg"), "-90.5")
    driving.choose(form.control("axis"), "R")
    driving.click(form.control("flying"))
    driving.type_text(form.control("label"), "night")
    driving.click(form.control("free").findChild(qt.QCheckBox, "turn"))
    expected = {"count": 12, "range_deg": -90.5, "step_mm": 0.0002, "axis": "R", "flying": True, "label": "night", "free": "shift"}
    assert form.values == form.heard[-1] == expected
    driving.type_text(form.control("count"), "0")
    assert form.values["count"] >= 1
    driving.click(form.control("free").findChild(qt.QCheckBox, "shift"))
    assert form.values["free"] == "turn"  # one is always left
    driving.click(form.control("free").findChild(qt.QCheckBox, "shift"))
    assert form.values["free"] == "all"


def test_an_untouched_value_is_not_rounded_by_a_change_of_another(form):
    fine = 1 / 3
    form.show(Sweep, {"range_deg": fine})
    driving.type_text(form.control("count"), "3")
    assert form.heard[-1]["range_deg"] == fine


def test_pages_change_and_keep_their_values_apart(form):
    form.show(Sweep, {"count": 5})
    form.show(Other, {"seed": 9})
    assert form.values == {"seed": 9}
    driving.type_text(form.control("seed"), "11")
    form.show(Sweep, {"count": 6})
    assert form.values["count"] == 6
    form.show(None, {})
    assert form.values == {}


def test_units_tool_tips_and_width(form):
    form.show(Sweep, {})
    driving.process()
    assert form.control("range_deg").suffix == "°"
    assert form.control("step_mm").suffix == " mm"
    for o in options_of(Sweep):
        assert o.help[1:] in form.control(o.name).toolTip
    assert form.parent.layout().minimumSize().width() < 400


def test_options_in_text_survive_and_bad_ones_fall_back_to_the_default(caplog):
    text = write_options(write_options("", "sweep", GIVEN), "other", {"seed": 3})
    assert read_options(text, "sweep", Sweep) == GIVEN
    assert instance_from_options(text, "other", Other) == Other(3)
    assert read_options("", "sweep", Sweep)["count"] == 180
    old = json.dumps({"sweep": {"count": -4, "gone": 1, "axis": "A"}})
    values = read_options(old, "sweep", Sweep)
    assert (values["count"], values["axis"], "gone" in values) == (180, "A", False)
    assert "count = -4" in caplog.text
    assert read_options("{broken", "sweep", Sweep)["count"] == 180
