// SPDX-License-Identifier: GPL-2.0-only
#include <utility>

#include "comm.h"
#include "error.h"
#include "model.hpp"
#include "pair_mdbridge.hpp"
#include "threads.hpp"
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
