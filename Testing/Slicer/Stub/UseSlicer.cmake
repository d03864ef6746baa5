# The few macros of Slicer and CTK that a scripted extension calls, by their names and arguments.
include(CTest)

function(ctkMacroCompilePythonScript)
  cmake_parse_arguments(PARSE_ARGV 0 MY "NO_INSTALL_SUBDIR;GLOBAL_TARGET" "TARGET_NAME;SOURCE_DIR;DESTINATION_DIR;INSTALL_DIR" "SCRIPTS;RESOURCES")
  if(MY_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "ctkMacroCompilePythonScript does not know: ${MY_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT MY_SOURCE_DIR)
    set(MY_SOURCE_DIR ${CMAKE_CURRENT_SOURCE_DIR})
  endif()
  set(copies)
  foreach(file IN LISTS MY_SCRIPTS MY_RESOURCES)
    set(copy ${MY_DESTINATION_DIR}/${file})
    add_custom_command(OUTPUT ${copy} DEPENDS ${MY_SOURCE_DIR}/${file} COMMAND ${CMAKE_COMMAND} -E copy ${MY_SOURCE_DIR}/${file} ${copy})
    list(APPEND copies ${copy})
  endforeach()
  add_custom_target(Copy${MY_TARGET_NAME}PythonFiles ALL DEPENDS ${copies})
  if(MY_NO_INSTALL_SUBDIR)
    string(APPEND MY_DESTINATION_DIR "/")
  endif()
  install(DIRECTORY ${MY_DESTINATION_DIR} DESTINATION ${MY_INSTALL_DIR} PATTERN __pycache__ EXCLUDE)
endfunction()

function(slicerMacroBuildScriptedModule)
  cmake_parse_arguments(PARSE_ARGV 0 MY "WITH_GENERIC_TESTS;WITH_SUBDIR;VERBOSE" "NAME" "SCRIPTS;RESOURCES")
  if(MY_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "slicerMacroBuildScriptedModule does not know: ${MY_UNPARSED_ARGUMENTS}")
  endif()
  ctkMacroCompilePythonScript(
    TARGET_NAME ${MY_NAME}
    SCRIPTS ${MY_SCRIPTS}
    RESOURCES ${MY_RESOURCES}
    DESTINATION_DIR ${CMAKE_BINARY_DIR}/${Slicer_QTSCRIPTEDMODULES_LIB_DIR}
    INSTALL_DIR ${Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR}
    NO_INSTALL_SUBDIR
    )
  if(BUILD_TESTING AND MY_WITH_GENERIC_TESTS)
    string(TOLOWER ${MY_NAME} MY_NAME_LOWER)
    set(script qSlicer${MY_NAME}ModuleGenericTest.py)
    configure_file(${CMAKE_CURRENT_FUNCTION_LIST_DIR}/GenericTest.py.in ${CMAKE_CURRENT_BINARY_DIR}/${script} @ONLY)
    slicer_add_python_unittest(SCRIPT ${script} SLICER_ARGS --no-main-window --disable-cli-modules TESTNAME_PREFIX nomainwindow_)
  endif()
endfunction()

function(_slicer_stub_add_test name)
  add_test(NAME py_${name} COMMAND ${Slicer_LAUNCHER_EXECUTABLE} --no-splash --testing ${ARGN})
  set_tests_properties(py_${name} PROPERTIES
    RUN_SERIAL TRUE
    TIMEOUT 300
    ENVIRONMENT "PYTHONPATH=${Slicer_STUB_TESTING_DIR};QT_QPA_PLATFORM=offscreen;VTK_DEFAULT_OPENGL_WINDOW=vtkEGLRenderWindow"
    )
endfunction()

function(slicer_add_python_unittest)
  cmake_parse_arguments(PARSE_ARGV 0 MY "" "TESTNAME_PREFIX;SCRIPT" "SLICER_ARGS")
  get_filename_component(test ${MY_SCRIPT} NAME_WE)
  _slicer_stub_add_test(${MY_TESTNAME_PREFIX}${test} ${MY_SLICER_ARGS}
    --additional-module-paths ${CMAKE_BINARY_DIR}/${Slicer_QTSCRIPTEDMODULES_LIB_DIR}
    --python-code "import slicer.testing\nslicer.testing.runUnitTest(['${CMAKE_CURRENT_BINARY_DIR}', '${CMAKE_CURRENT_SOURCE_DIR}'], '${test}')"
    )
endfunction()

function(slicer_add_python_test)
  cmake_parse_arguments(PARSE_ARGV 0 MY "" "TESTNAME_PREFIX;SCRIPT" "SLICER_ARGS;SCRIPT_ARGS")
  get_filename_component(test ${MY_SCRIPT} NAME_WE)
  get_filename_component(script ${MY_SCRIPT} ABSOLUTE)
  _slicer_stub_add_test(${MY_TESTNAME_PREFIX}${test} ${MY_SLICER_ARGS}
    --additional-module-paths ${CMAKE_BINARY_DIR}/${Slicer_QTSCRIPTEDMODULES_LIB_DIR}
    --python-script ${script} ${MY_SCRIPT_ARGS}
    )
endfunction()
