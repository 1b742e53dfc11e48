# The engine of the MD Bridge that a Python has installed, as the target mdbridge: for building the
# plugin alone. The plugin's sources and that engine must be of one version. Sets
#   MDBRIDGE_LIBRARY_DIR    where its library is
find_package(Python 3.10 REQUIRED COMPONENTS Interpreter)
execute_process(
  COMMAND ${Python_EXECUTABLE} -c
    "import md_bridge; from md_bridge._paths import compiled; \
print(md_bridge.__version__, compiled('lib/libmdbridge.so'), sep=';')"
  # not the sources next to this file, which are not compiled
  WORKING_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}
  OUTPUT_VARIABLE _installed
  OUTPUT_STRIP_TRAILING_WHITESPACE
  RESULT_VARIABLE _failed)
if(_failed)
  message(FATAL_ERROR
    "expected md-bridge in ${Python_EXECUTABLE}: install it there first (pip install md-bridge), or "
    "name the Python that has it: -DPython_EXECUTABLE=...")
endif()
list(GET _installed 0 _version)
list(GET _installed 1 _library)

file(STRINGS "${CMAKE_CURRENT_LIST_DIR}/../md_bridge/__init__.py" _line REGEX "^__version__")
string(REGEX REPLACE ".*\"(.*)\".*" "\\1" _sources "${_line}")
if(NOT _version STREQUAL _sources)
  message(FATAL_ERROR
    "these are the sources of MD Bridge ${_sources}, but ${Python_EXECUTABLE} has ${_version}: take "
    "the sources of that version, or install this one")
endif()

add_library(mdbridge SHARED IMPORTED)
set_target_properties(mdbridge PROPERTIES
  IMPORTED_LOCATION "${_library}"
  INTERFACE_INCLUDE_DIRECTORIES "${CMAKE_CURRENT_LIST_DIR}/../csrc/engine/include")
get_filename_component(MDBRIDGE_LIBRARY_DIR "${_library}" DIRECTORY)
message(STATUS "engine of MD Bridge ${_version}: ${_library}")
