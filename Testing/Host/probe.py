"""Asks an application 180 questions about widgets, signals and nodes and writes {question: answer} as JSON.

Runs in Slicer and in the stand-in alike: `Slicer --testing --no-main-window --python-script probe.py answers.json`.
slicer-5.12.json beside this file holds the answers of Slicer 5.12.3 (Qt 5.15.8).
"""

import functools
import json
import sys

import ctk
import numpy as np
import qt
import slicer

answers, heard = {}, []


def ask(question, answer):
    try:
        value = answer()
    except Exception as error:
        answers[question] = "EXC " + type(error).__name__
        return
    if type(value) not in (bool, int, float, str, type(None), list, tuple, dict):
        value = f"enum:{int(value)}" if isinstance(value, int) else f"<{type(value).__name__}>"
    answers[question] = repr(value)


def assigned(target, name, value):
    setattr(target, name, value)
    return getattr(target, name)


# -- buttons, labels and numbers
button = qt.QPushButton("hi")
checkBox = qt.QCheckBox("cb")
slider = qt.QSlider()
spinBox = qt.QSpinBox()
doubleSpinBox = qt.QDoubleSpinBox()
label = qt.QLabel("x")
lineEdit = qt.QLineEdit()
comboBox = qt.QComboBox()
widget = qt.QWidget()
ask("text()", lambda: button.text())
ask("text", lambda: button.text)
ask("isChecked()", lambda: checkBox.isChecked())
ask("checked", lambda: checkBox.checked)
ask("checked=1", lambda: assigned(checkBox, "checked", 1))
ask("isEnabled()", lambda: button.isEnabled())
ask("isVisible()", lambda: button.isVisible())
ask("unknown set", lambda: assigned(button, "foo", 1))
ask("unknown get", lambda: button.foo)
ask("hasattr", lambda: hasattr(button, "foo"))
ask("slider=3.7", lambda: assigned(slider, "value", 3.7))
ask("slider setValue(3.7)", lambda: (slider.setValue(3.7), slider.value)[1])
ask("spin='3'", lambda: assigned(spinBox, "value", "3"))
ask("label=5", lambda: assigned(label, "text", 5))
ask("label=None", lambda: assigned(label, "text", None))
ask("setText(5)", lambda: (label.setText(5), label.text)[1])
ask("setText(None)", lambda: (label.setText(None), label.text)[1])
ask("spin=True", lambda: assigned(spinBox, "value", True))
ask("ds=int", lambda: assigned(doubleSpinBox, "value", 7))

ask("ds=np.float64", lambda: assigned(doubleSpinBox, "value", np.float64(2.5)))
ask("ds=np.float32", lambda: assigned(doubleSpinBox, "value", np.float32(2.5)))
ask("sp=np.int64", lambda: assigned(spinBox, "value", np.int64(4)))
ask("setValue np.float32", lambda: (doubleSpinBox.setValue(np.float32(3.5)), doubleSpinBox.value)[1])
ask("setValue np.int64", lambda: (spinBox.setValue(np.int64(6)), spinBox.value)[1])
ask("enabled=np.bool_", lambda: assigned(button, "enabled", np.bool_(False)))
ask("enabled=None", lambda: assigned(button, "enabled", None))
ask("enabled=node-like str", lambda: assigned(button, "enabled", "x"))
button.enabled = True
ask("toolTip", lambda: assigned(button, "toolTip", "tt"))
ask("name", lambda: assigned(button, "name", "nn"))
ask("objectName", lambda: button.objectName)
ask("className()", lambda: button.className())
ask("inherits", lambda: button.inherits("QAbstractButton"))

# -- combo boxes
ask("addItems list", lambda: (comboBox.addItems(["a", "b"]), comboBox.count)[1])
ask("addItems tuple", lambda: (comboBox.addItems(("c", "d")), comboBox.count)[1])
ask("currentText", lambda: comboBox.currentText)
ask("currentIndex=1", lambda: assigned(comboBox, "currentIndex", 1))
ask("itemText(1)", lambda: comboBox.itemText(1))
ask("addItem userdata", lambda: (comboBox.addItem("e", {"k": 1}), comboBox.itemData(4))[1])
ask("addItem userdata obj", lambda: (comboBox.addItem("f", answers), comboBox.itemData(5) is answers)[1])
ask("findText", lambda: comboBox.findText("b"))
ask("currentText=b", lambda: (comboBox.setCurrentText("b"), comboBox.currentIndex)[1])

# -- dynamic properties
ask("dynprop attr", lambda: (button.setProperty("SlicerParameterName", "it"), button.SlicerParameterName)[1])
ask("property()", lambda: button.property("SlicerParameterName"))
ask("property none", lambda: button.property("zzz"))
ask("dynprop list", lambda: (button.setProperty("L", ["a", "b"]), button.property("L"))[1])

# -- children and layouts
layout = qt.QVBoxLayout(widget)
inner = qt.QLabel("inner")
inner.objectName = "inner"
layout.addWidget(inner)
ask("child attr", lambda: widget.inner.text)
ask("findChildren str", lambda: len(widget.findChildren("QLabel")))
ask("findChildren cls", lambda: len(widget.findChildren(qt.QLabel)))
ask("findChild", lambda: widget.findChild(qt.QLabel, "inner").text)
ask("children()", lambda: len(widget.children()))
ask("layout()", lambda: widget.layout().count())
ask("parent()", lambda: inner.parent() is widget)
ask("parent ==", lambda: inner.parent() == widget)
ask("parentWidget()", lambda: inner.parentWidget() == widget)
ask("layout().itemAt", lambda: widget.layout().itemAt(0).widget() == inner)

# -- geometry and enums
ask("size", lambda: widget.size.width() > 0)
ask("geometry", lambda: widget.geometry.width() > 0)
ask("width", lambda: widget.width > 0)
ask("sizeHint", lambda: widget.sizeHint.width() >= 0)
ask("sizeHint()", lambda: widget.sizeHint().width() >= 0)
ask("rect", lambda: widget.rect.width() > 0)
ask("pos", lambda: widget.pos.x() >= -9999)
ask("font", lambda: widget.font.family() != "")
ask("styleSheet", lambda: assigned(widget, "styleSheet", "color: red"))
ask("minimumWidth", lambda: assigned(widget, "minimumWidth", 33))
ask("windowTitle", lambda: assigned(widget, "windowTitle", "wt"))
ask("enum Qt.AlignLeft", lambda: int(qt.Qt.AlignLeft))
ask("Qt.Horizontal", lambda: qt.Qt.Horizontal == 1)
ask("sizePolicy", lambda: (widget.setSizePolicy(qt.QSizePolicy.Expanding, qt.QSizePolicy.Preferred), 1)[1])
ask("QMessageBox or", lambda: int(qt.QMessageBox.Ok | qt.QMessageBox.Cancel))
ask("alignment=int", lambda: (setattr(label, "alignment", 2), int(label.alignment))[1])
ask("setAlignment(int)", lambda: (label.setAlignment(4), int(label.alignment))[1])
ask("orientation set", lambda: (setattr(slider, "orientation", qt.Qt.Horizontal), slider.orientation == qt.Qt.Horizontal)[1])
ask("checkState", lambda: int(checkBox.checkState()))
ask("focusPolicy", lambda: int(button.focusPolicy))
ask("echoMode", lambda: (setattr(lineEdit, "echoMode", qt.QLineEdit.Password), int(lineEdit.echoMode))[1])

# -- signals
heard.clear()
ask("connect ret", lambda: button.connect("clicked()", lambda x=5: heard.append(("d", x))))
ask("connect clicked(bool) 0", lambda: button.connect("clicked(bool)", lambda: heard.append("z")))
ask("connect clicked(bool) 1", lambda: button.connect("clicked(bool)", lambda v: heard.append(v)))
ask("connect partial", lambda: button.connect("clicked(bool)", functools.partial(lambda *a: heard.append(("p",) + a), "P")))
ask("connect lambda default bool", lambda: button.connect("clicked(bool)", lambda v="q": heard.append(("dq", v))))
button.click()
ask("click order", lambda: list(heard))
heard.clear()
nativeButton = qt.QPushButton()
nativeButton.clicked.connect(lambda: heard.append("n"))
nativeButton.clicked.connect(lambda x="dd": heard.append(x))
ask("native connect", lambda: (nativeButton.click(), list(heard))[1])
heard.clear()
ask("bad signal", lambda: button.connect("clickd()", lambda: 0))
ask("bad signal args", lambda: button.connect("clicked(int)", lambda: 0))
ask("bad signal attr", lambda: button.clickd)


class Receiver:
    def m(self):
        heard.append("m")


receiver = Receiver()
otherButton = qt.QPushButton()
otherButton.connect("clicked(bool)", receiver.m)
ask("disconnect ret", lambda: otherButton.disconnect("clicked(bool)", receiver.m))
otherButton.click()
ask("after disconnect", lambda: list(heard))
ask("disconnect never connected", lambda: otherButton.disconnect("clicked(bool)", receiver.m))
ask("native disconnect never", lambda: otherButton.clicked.disconnect(receiver.m))
ask("emit by call", lambda: (heard.clear(), nativeButton.clicked(False), list(heard))[2])
ask("emit()", lambda: (heard.clear(), nativeButton.clicked.emit(False), list(heard))[2])
ask("blockSignals", lambda: button.blockSignals(True))
button.blockSignals(False)
ask("signalsBlocked()", lambda: button.signalsBlocked())

# -- timers and constructors
timer = qt.QTimer()
ask("timer.interval", lambda: assigned(timer, "interval", 50))
ask("timer.active", lambda: timer.active)
ask("isActive()", lambda: timer.isActive())
ask("timer.singleShot prop", lambda: assigned(timer, "singleShot", True))
ask(
    "QTimer.singleShot static",
    lambda: (qt.QTimer.singleShot(0, lambda: heard.append("t")), slicer.app.processEvents(), slicer.app.processEvents(), "t" in heard)[3],
)
ask("start/stop", lambda: (timer.start(), timer.active, timer.stop(), timer.active)[1::2])
ask("kwargs ctor", lambda: qt.QPushButton(text="x").text)

# -- settings
ask("QSettings", lambda: (qt.QSettings().setValue("zz/a", True), qt.QSettings().value("zz/a"))[1])
ask("QSettings int", lambda: (qt.QSettings().setValue("zz/i", 5), qt.QSettings().value("zz/i"))[1])
ask("QSettings default", lambda: qt.QSettings().value("zz/none", "dd"))
ask("QSettings missing", lambda: qt.QSettings().value("zz/none2"))
ask("toBool", lambda: slicer.util.settingsValue("zz/a", False, converter=slicer.util.toBool))

# -- value classes
ask("QColor.name()", lambda: qt.QColor(255, 0, 0).name())
ask("QColor.name(1)", lambda: qt.QColor(255, 0, 0).name(1))
ask("QByteArray", lambda: bytes(qt.QByteArray(b"ab").data()))
ask("QFileInfo", lambda: qt.QFileInfo("/tmp/a.txt").fileName())
ask("QDir", lambda: qt.QDir("/tmp").exists())
ask("QIcon null", lambda: qt.QIcon("nofile").isNull())
ask("QSize eq", lambda: qt.QSize(1, 2) == qt.QSize(1, 2))
ask("QPoint attr", lambda: qt.QPoint(1, 2).x())
ask("QUrl", lambda: qt.QUrl("http://a/b").host())
ask("QLocale", lambda: qt.QLocale().name() != "")

# -- processes
process = qt.QProcess()
ask(
    "QProcess",
    lambda: (
        process.start("/bin/echo", ["hello"]),
        process.waitForFinished(3000),
    )[1],
)
ask("QProcess state", lambda: int(getattr(process.state(), "value", process.state())))
ask("QProcess.finished sig", lambda: process.connect("finished(int,QProcess::ExitStatus)", lambda code, status: 0))
ask("exitCode()", lambda: process.exitCode())

# -- dialogs and items
dialog = qt.QProgressDialog()
ask("progress value", lambda: (setattr(dialog, "value", 3), dialog.value)[1])
ask("wasCanceled", lambda: dialog.wasCanceled)
ask("progress minDur", lambda: assigned(dialog, "minimumDuration", 0))
ask("progress labelText", lambda: assigned(dialog, "labelText", "z"))
dialog.close()
ask("exec_", lambda: callable(qt.QDialog().exec_))
ask("exec", lambda: callable(qt.QDialog().exec))
ask("QAction", lambda: qt.QAction("t", widget).text)
ask("QMenu addAction", lambda: qt.QMenu().addAction("x").text)
ask("QTableWidget", lambda: (lambda q: (q.setRowCount(2), q.rowCount)[1])(qt.QTableWidget()))
ask("QTableWidgetItem", lambda: qt.QTableWidgetItem("x").text())
ask("QTextEdit plain", lambda: (lambda q: (q.setPlainText("a"), q.plainText, q.toPlainText())[1:])(qt.QTextEdit()))
ask("QTabWidget", lambda: qt.QTabWidget().count)
ask("QListWidget", lambda: (lambda q: (q.addItem("x"), q.count)[1])(qt.QListWidget()))
ask("QFormLayout addRow", lambda: (lambda q: (q.addRow("a", qt.QLabel("b")), q.rowCount())[1])(qt.QFormLayout()))
ask("QGroupBox", lambda: qt.QGroupBox("t").title)
ask("QButtonGroup", lambda: qt.QButtonGroup().checkedId())


# -- subclasses
class Sub(qt.QWidget):
    def __init__(self, *a):
        qt.QWidget.__init__(self, *a)
        self.mine = 3


ask("subclass attr", lambda: Sub().mine)
ask("subclass prop", lambda: assigned(Sub(), "toolTip", "x"))
ask("delete", lambda: (lambda q: q.deleteLater())(qt.QWidget()))
ask("setParent None", lambda: inner.setParent(None))

# -- node selector
selector = slicer.qMRMLNodeComboBox()
selector.nodeTypes = ["vtkMRMLModelNode"]
ask("nc nodeTypes", lambda: selector.nodeTypes)
ask("nc enabled before", lambda: selector.enabled)
ask("nc noneEnabled default", lambda: selector.noneEnabled)
ask(
    "nc add/remove/rename default",
    lambda: (
        selector.addEnabled,
        selector.removeEnabled,
        selector.renameEnabled,
        selector.editEnabled,
        selector.showHidden,
        selector.showChildNodeTypes,
        selector.selectNodeUponCreation,
    ),
)
heard.clear()
selector.connect("currentNodeChanged(vtkMRMLNode*)", lambda node: heard.append(node.GetName() if node else None))
selector.connect("currentNodeChanged(bool)", lambda node: heard.append(bool(node)))
selector.connect("currentNodeIDChanged(QString)", lambda nodeID: heard.append("id:" + nodeID))
slicer.mrmlScene.Clear(0)
firstNode = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode", "m0")
selector.setMRMLScene(slicer.mrmlScene)
ask("nc current after scene with node", lambda: selector.currentNode() and selector.currentNode().GetName())
ask("nc events 0", lambda: list(heard))
heard.clear()
ask("nc enabled after", lambda: selector.enabled)
secondNode = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode", "m1")
ask("nc current after add", lambda: selector.currentNode() and selector.currentNode().GetName())
selector.setCurrentNode(secondNode)
ask("nc events set", lambda: list(heard))
heard.clear()
ask("nc id", lambda: selector.currentNodeID)
slicer.mrmlScene.RemoveNode(secondNode)
ask("nc current after remove", lambda: selector.currentNode() and selector.currentNode().GetName())
ask("nc events remove", lambda: list(heard))
heard.clear()
createdNode = selector.addNode()
ask("nc addNode", lambda: (createdNode.GetName(), selector.currentNode().GetName()))
ask("nc events add", lambda: list(heard))
heard.clear()
ask("nc nodeCount", lambda: selector.nodeCount())
selector.setCurrentNodeID("")
ask("nc set empty", lambda: selector.currentNode())
v = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "vol")
selector.setCurrentNode(v)
ask("nc set wrong type", lambda: selector.currentNode())
selector.setCurrentNode(firstNode)
heard.clear()
slicer.mrmlScene.Clear(0)
ask("nc after clear", lambda: selector.currentNode())
ask("nc events clear", lambda: list(heard))
selector.baseName = "Recon"
ask("nc basename", lambda: selector.addNode().GetName())
ask("nc bad node", lambda: selector.setCurrentNode("zzz"))

# -- node selector with a None item
noneSelector = slicer.qMRMLNodeComboBox()
noneSelector.nodeTypes = ["vtkMRMLModelNode"]
noneSelector.noneEnabled = True
noneSelector.setMRMLScene(slicer.mrmlScene)
ask("nc2 None current with nodes", lambda: noneSelector.currentNode())
thirdNode = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode", "mm")
noneSelector.setCurrentNode(thirdNode)
slicer.mrmlScene.RemoveNode(thirdNode)
ask("nc2 after remove", lambda: noneSelector.currentNode() and noneSelector.currentNode().GetName())

# -- slider widget
sliderWidget = ctk.ctkSliderWidget()
heard.clear()
sliderWidget.connect("valueChanged(double)", heard.append)
ask(
    "sw defaults",
    lambda: (
        sliderWidget.minimum,
        sliderWidget.maximum,
        sliderWidget.value,
        sliderWidget.singleStep,
        sliderWidget.pageStep,
        sliderWidget.decimals,
        sliderWidget.tracking,
    ),
)
ask("sw value", lambda: assigned(sliderWidget, "value", 12.3456))
ask("sw events", lambda: list(heard))
ask("sw clamp", lambda: assigned(sliderWidget, "value", 1e6))
sliderWidget.minimum = -10
sliderWidget.maximum = 5
ask("sw after max", lambda: sliderWidget.value)
heard.clear()
sliderWidget.value = 5
ask("sw same no event", lambda: list(heard))
ask("sw int", lambda: assigned(sliderWidget, "value", 3))

# -- other CTK widgets
section = ctk.ctkCollapsibleButton()
ask("cc defaults", lambda: (section.collapsed, section.checkable, section.checked if hasattr(section, "checked") else "na"))
ask("cc text", lambda: assigned(section, "text", "T"))
ask("cc collapsed", lambda: assigned(section, "collapsed", True))
pathEdit = ctk.ctkPathLineEdit()
ask("path", lambda: assigned(pathEdit, "currentPath", "/tmp"))


# -- application
ask("layoutManager", lambda: slicer.app.layoutManager() is not None)
ask("app class", lambda: type(slicer.app).__name__)
ask("temporaryPath str", lambda: isinstance(slicer.app.temporaryPath, str))
ask("translate", lambda: slicer.app.translate("ctx", "Hello"))
ask("testingEnabled()", lambda: slicer.app.testingEnabled())
ask("mainWindow", lambda: slicer.util.mainWindow() is None)

with open(sys.argv[1], "w") as file:
    json.dump(answers, file, indent=0)
sys.exit(0)
