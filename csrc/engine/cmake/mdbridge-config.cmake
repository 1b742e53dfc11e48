# find_package(mdbridge CONFIG): the C++ engine of MD Bridge, as the target mdbridge::mdbridge.
# Where this file is, Python says: md_bridge.cmake_prefix_path() belongs into CMAKE_PREFIX_PATH.
#
# The public headers need neither torch nor metatensor. The library needs them when it runs and finds
# them by itself, next to md_bridge in site-packages.
get_filename_component(_mdbridge_root "${CMAKE_CURRENT_LIST_DIR}/../.." ABSOLUTE)
if(NOT TARGET mdbridge::mdbridge)
  add_library(mdbridge::mdbridge SHARED IMPORTED)
  set_target_properties(mdbridge::mdbridge PROPERTIES
    IMPORTED_LOCATION "${_mdbridge_root}/lib/libmdbridge.so"
    INTERFACE_INCLUDE_DIRECTORIES "${_mdbridge_root}/include"
    INTERFACE_COMPILE_FEATURES cxx_std_20
    # what the library itself links to is none of the linker's business
    INTERFACE_LINK_OPTIONS "-Wl,--allow-shlib-undefined")
endif()
unset(_mdbridge_root)
