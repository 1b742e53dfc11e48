// SPDX-License-Identifier: GPL-2.0-only
#include <cstdlib>
#include <utility>

#include "comm.h"
#include "error.h"
#include "mdbridge/model.hpp"
#include "mdbridge/threads.hpp"
#include "pair_mdbridge.hpp"
#include "universe.h"
#include "update.h"

namespace mdbridge_lammps {

namespace utils = LAMMPS_NS::utils;

void PairMDBridge::log_settings() {
  if (settings_logged_ || comm->me != 0) return;
  settings_logged_ = true;
  const auto& info = engine_->info();
  const int threads = mdbridge::get_threads();
  utils::logmesg(lmp,
                 "Pair style mdbridge: model \"{}\" from {}\n"
                 "  cutoff {:.6g} Angstrom, interaction range {:.6g} Angstrom, {} on {}, {} "
                 "thread{} per rank, forces {}{}\n",
                 info.name, info.path, info.cutoff, info.interaction_range, info.dtype, info.device,
                 threads, threads == 1 ? "" : "s",
                 settings_.forces == Settings::Forces::direct ? "direct" : "conservative",
                 symmetrization());
  if (settings_.symmetrize == "random") {
    error->warning(FLERR,
                   "Pair style mdbridge: symmetrize random takes another rotation in each step, so "
                   "the forces are not conservative and the energy is noisy and may drift: use a "
                   "thermostat, or a fixed set such as symmetrize octahedral");
  }
  warn_of_partitions();
}

/// What the other partitions of -partition use is not known here: they may be set up at any time.
void PairMDBridge::warn_of_partitions() const {
  if (universe->nworlds == 1) return;
  const int threads = mdbridge::get_threads();
  if (threads > 1 && settings_.threads == 0 && std::getenv("OMP_NUM_THREADS") == nullptr) {
    error->warning(FLERR,
                   "Pair style mdbridge: with -partition each partition takes all of its cores ({} "
                   "threads per rank here), also those that other partitions use: give each its "
                   "share with the keyword threads",
                   threads);
  }
  if (settings_.device == "cuda" ||
      (settings_.device == "auto" && engine_->info().device != "cpu")) {
    error->warning(FLERR,
                   "Pair style mdbridge: with -partition each partition counts the GPUs from the "
                   "first on: give each its own with the keyword device (device cuda:1)");
  }
}

/// For the log: what the forces are averaged over.
std::string PairMDBridge::symmetrization() const {
  if (settings_.symmetrize == "none") return "";
  if (settings_.symmetrize == "random") return ", in a random orientation in each step";
  return fmt::format(", averaged over {} orientations ({})", engine_->copies(),
                     settings_.symmetrize);
}

/// The table of the keyword `timing`.
void PairMDBridge::finish() {
  if (!settings_.timing) return;
  const auto& timings = engine_->timings();
  const double total = own_time_.total;
  const double communication = own_time_.communication;
  const std::pair<const char*, double> rows[] = {
      {"pairs", timings.pairs},
      {"packing", timings.packing},
      {"forward", timings.forward},
      {"backward", timings.backward},
      {"unpacking", timings.unpacking},
      {"communication", communication},
      {"ghosts and forces", total - timings.total() - communication},
      {"total", total},
  };
  std::string table = "Pair style mdbridge: time in s (mean over ranks)\n";
  double mean_total = 0.0;
  MPI_Allreduce(&total, &mean_total, 1, MPI_DOUBLE, MPI_SUM, world);
  mean_total /= comm->nprocs;
  for (const auto& [name, seconds] : rows) {
    double mean = 0.0;
    MPI_Allreduce(&seconds, &mean, 1, MPI_DOUBLE, MPI_SUM, world);
    mean /= comm->nprocs;
    table += fmt::format("  {:<18}{:>12.6f}{:>8.2f} %\n", name, mean,
                         mean_total > 0.0 ? 100.0 * mean / mean_total : 0.0);
  }
  table += "  evaluations " + std::to_string(timings.evaluations);
  if (fused_) {
    const auto counts = fused_->counts();
    table += fmt::format(": direct only {}, both at once {}, conservative only {}",
                         counts.direct_only, counts.both, counts.conservative_only);
  }
  if (comm->me == 0) utils::logmesg(lmp, table + "\n");
}

}  // namespace mdbridge_lammps
