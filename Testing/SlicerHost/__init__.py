"""A stand-in for the 3D Slicer application: runs scripted modules on Slicer's own MRML wheel and PySide6, for tests.

    import SlicerHost
    app = SlicerHost.start(["XRayTomo/XRayTomo.py"])     # then ordinary Slicer code: slicer.app, slicer.util, qt, ctk

It is stricter than Slicer: unknown attributes, signals and widgets raise, and an exception in a slot, an observer or a
thread stays in `SlicerHost.slotErrors`.
"""

import importlib
import os
import sys
import types


def install():
    """Makes `qt`, `ctk` and what the slicer wheel lacks importable; starts nothing. Safe to call twice."""
    if "qt" in sys.modules:
        return
    _renderOffscreenWithoutDisplay()
    import slicer

    for name in [name for name, value in vars(slicer).items() if getattr(value, "__module__", "") == "slicer.util"]:
        delattr(slicer, name)  # the wheel leaks slicer.util into slicer, which Slicer does not
    from . import pythonqt

    qt = pythonqt.install()
    from . import ctkwidgets, modules, mrmlwidgets, parameters, sampledata, scripted, uiloader

    qt.QUiLoader = uiloader.QUiLoader
    sys.modules["ctk"] = ctkwidgets.ctk
    for name in ("vtkITK", "vtkTeem", "vtkSegmentationCore", "vtkAddonPython"):
        sys.modules[name] = importlib.import_module("slicer_core." + name)
    _module("slicer.ScriptedLoadableModule", scripted.EXPORTS)
    _module("slicer.parameterNodeWrapper", parameters.EXPORTS)
    _module("slicer.testing", [scripted.runUnitTest])
    _module("slicer.i18n", [])
    slicer.i18n.tr, slicer.i18n.translate = lambda text: text, lambda context, text: text
    _module("SampleData", sampledata.EXPORTS)
    for name in ("nodeselector", "layout"):  # they register their widgets
        importlib.import_module("SlicerHost." + name)
    vars(slicer).update(mrmlwidgets.mrmlClasses, selfTests={}, qSlicerScriptedLoadableModule=modules.qSlicerScriptedLoadableModule)


def _renderOffscreenWithoutDisplay():
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
        os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")


def _module(name, members):
    module = types.ModuleType(name)
    vars(module).update({member.__name__: member for member in members}, __all__=[member.__name__ for member in members])
    sys.modules[name] = module
    if name.startswith("slicer."):
        setattr(sys.modules["slicer"], name.removeprefix("slicer."), module)


def start(modulePaths=(), testing=True, window=True, size=(1400, 900)):
    """Starts the application once per process and returns slicer.app; later calls return the same and ignore the arguments."""
    install()
    import slicer

    if hasattr(slicer, "app"):
        return slicer.app
    from . import app, mainwindow, modules

    slicer.app = app.qSlicerApplication(testing)
    slicer.modules.sampleDataSources = {}
    slicer.modules.sampledata = modules.Module("SampleData")
    if window:
        main = mainwindow.MainWindow(slicer.app)
        main.resize(*size)
    for path in modulePaths:
        slicer.app.moduleManager().loadScripted(path)
    if window:
        main.show()
        slicer.app.layoutManager().setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
    slicer.app.startupCompleted.emit()
    slicer.app.processEvents()
    return slicer.app


def __getattr__(name):
    if name == "slotErrors":
        from .signals import slotErrors

        return slotErrors
    raise AttributeError(f"module 'SlicerHost' has no attribute '{name}'")
