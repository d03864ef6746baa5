# Stands in for the build tree of Slicer: find_package(Slicer) with -DSlicer_DIR=<this folder> configures, builds, installs
# and tests the extension with the host of Testing/SlicerHost as the application.
find_package(Python3 REQUIRED COMPONENTS Interpreter)

set(Slicer_USE_PYTHONQT ON)
set(Slicer_QTSCRIPTEDMODULES_LIB_DIR lib/Slicer/qt-scripted-modules)
set(Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR lib/Slicer/qt-scripted-modules)
set(Slicer_LAUNCHER_EXECUTABLE ${Python3_EXECUTABLE} -m SlicerHost)
get_filename_component(Slicer_STUB_TESTING_DIR ${CMAKE_CURRENT_LIST_DIR}/../.. ABSOLUTE)

set(Slicer_USE_FILE ${CMAKE_CURRENT_LIST_DIR}/UseSlicer.cmake)
set(Slicer_EXTENSION_GENERATE_CONFIG ${CMAKE_CURRENT_LIST_DIR}/CheckExtension.cmake)
set(Slicer_EXTENSION_CPACK ${CMAKE_CURRENT_LIST_DIR}/CheckExtension.cmake)
