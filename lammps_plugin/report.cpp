// SPDX-License-Identifier: GPL-2.0-only
#include "report.hpp"

#include <cstdlib>
#include <utility>

#include "fmt/format.h"

namespace mdbridge_lammps {

namespace {

double mean_over_ranks(MPI_Comm world, double mine) {
  int ranks = 1;
  MPI_Comm_size(world, &ranks);
  double sum = 0.0;
  MPI_Allreduce(&mine, &sum, 1, MPI_DOUBLE, MPI_SUM, world);
  return sum / ranks;
}

/// What the forces are averaged over; empty: nothing.
std::string symmetrization(const mdbridge::Engine& engine) {
  const std::string& symmetrize = engine.options().symmetrize;
  if (symmetrize == "none") return "";
  if (symmetrize == "random") return ", in a random orientation in each step";
  const std::string text =
      fmt::format(", averaged over {} orientations ({})", engine.copies(), symmetrize);
  if (!engine.averages_direct_apart()) return text;
  const std::string& direct = engine.options().direct_symmetrize;
  if (direct == "none") return text + ", direct forces over none";
  return text + fmt::format(", direct forces over {} ({})", engine.direct_copies(), direct);
}

}  // namespace

std::string describe_model(const mdbridge::Engine& engine, const Settings& settings, int threads) {
  const auto& info = engine.info();
  std::string notes;
  for (const auto& note : info.notes) notes += "  " + note + "\n";
  return fmt::format(
      "Pair style mdbridge: model \"{}\" from {}\n"
      "  cutoff {:.6g} Angstrom, interaction range {:.6g} Angstrom, {} on {}, {} "
      "thread{} per rank, forces {}{}\n{}",
      info.name, info.path, info.cutoff, info.interaction_range, info.dtype, info.device, threads,
      threads == 1 ? "" : "s",
      settings.forces == Settings::Forces::direct ? "direct" : "conservative",
      symmetrization(engine), notes);
}

std::string describe_committee(const std::vector<const mdbridge::ModelInfo*>& members,
                               const Settings& settings) {
  std::string text =
      fmt::format("  committee of {} models, {}:\n", members.size(),
                  settings.first_drives() ? "of which the first one drives" : "whose mean drives");
  for (const auto* info : members) {
    text += fmt::format("    \"{}\" from {}, cutoff {:.6g} Angstrom, {}\n", info->name, info->path,
                        info->cutoff, info->dtype);
  }
  return text;
}

std::string describe_inner(const InnerModel& inner) {
  const auto& info = inner.engine().info();
  std::string notes;
  for (const auto& note : info.notes) notes += "  " + note + "\n";
  return fmt::format(
      "  inner model \"{}\" from {}\n"
      "  cutoff {:.6g} Angstrom, interaction range {:.6g} Angstrom, {} on {}, forces {}{}\n{}",
      info.name, info.path, info.cutoff, info.interaction_range, info.dtype, info.device,
      to_string(inner.kind()), symmetrization(inner.engine()), notes);
}

std::vector<std::string> warnings_of(const mdbridge::Engine& engine, const Settings& settings,
                                     int threads, int partitions, int ranks_on_a_device) {
  std::vector<std::string> warnings;
  if (settings.symmetrize == "random") {
    warnings.push_back(
        "symmetrize random takes another rotation in each step, so the forces are not conservative "
        "and the energy is noisy and may drift: use a thermostat, or a fixed set such as "
        "symmetrize octahedral");
  }
  if (ranks_on_a_device > 1) {
    warnings.push_back(
        fmt::format("{} ranks of a node compute on a device of the same name: if that is one GPU, "
                    "each waits for the others and evaluates the ghosts of its own region, and one "
                    "rank for each GPU is faster",
                    ranks_on_a_device));
  }
  if (partitions == 1) return warnings;
  // what the other partitions use is not known here: they may be set up at any time
  if (threads > 1 && settings.threads == 0 && std::getenv("OMP_NUM_THREADS") == nullptr) {
    warnings.push_back(
        fmt::format("with -partition each partition takes all of its cores ({} threads per rank "
                    "here), also those that other partitions use: give each its share with the "
                    "keyword threads",
                    threads));
  }
  if (settings.device == "cuda" || (settings.device == "auto" && engine.info().device != "cpu")) {
    warnings.push_back(
        "with -partition each partition counts the GPUs from the first on: give each its own with "
        "the keyword device (device cuda:1)");
  }
  return warnings;
}

Redundancy redundancy_of(MPI_Comm world, std::size_t sites, std::size_t owned) {
  Redundancy found;
  MPI_Comm_size(world, &found.ranks);
  double sums[2] = {static_cast<double>(sites), static_cast<double>(owned)};
  found.most = owned > 0 ? sums[0] / sums[1] : 1.0;
  MPI_Allreduce(MPI_IN_PLACE, sums, 2, MPI_DOUBLE, MPI_SUM, world);
  MPI_Allreduce(MPI_IN_PLACE, &found.most, 1, MPI_DOUBLE, MPI_MAX, world);
  if (sums[1] > 0.0) found.mean = sums[0] / sums[1];
  return found;
}

std::string warning_of(const Redundancy& redundancy, double range) {
  constexpr double tolerable = 3.0;
  if (redundancy.mean <= tolerable) return "";
  return fmt::format(
      "each atom is evaluated {:.1f} times, since {} ranks evaluate all atoms within {:.4g} "
      "Angstrom of their own: use fewer ranks with more threads each, which is faster as long as "
      "there are cores for them, or a larger box",
      redundancy.mean, redundancy.ranks, range);
}

std::string timing_table(MPI_Comm world, const RunTime& time, const Redundancy& redundancy,
                         const mdbridge::Engine& outer, const InnerModel& inner,
                         const mdbridge::FusedForces& fused, const mdbridge::FusedForces* middle) {
  const bool two = inner.own() && !fused.one_model();
  const mdbridge::Timings& outside = outer.timings();
  const mdbridge::Timings inside = two ? inner.engine().timings() : mdbridge::Timings{};
  const std::pair<const char*, double> rows[] = {
      {"pairs", outside.pairs + inside.pairs},
      {"packing", outside.packing + inside.packing},
      {"forward", outside.forward + inside.forward},
      {"backward", outside.backward + inside.backward},
      {"unpacking", outside.unpacking + inside.unpacking},
      {"communication", time.communication},
      {"ghosts and forces", time.total - outside.total() - inside.total() - time.communication},
      {"total", time.total},
  };
  std::string table = "Pair style mdbridge: time in s (mean over ranks)\n";
  const double total = mean_over_ranks(world, time.total);
  const auto add = [&](const char* name, double seconds, const std::string& more) {
    const double mean = mean_over_ranks(world, seconds);
    table += fmt::format("  {:<18}{:>12.6f}{:>8.2f} %{}\n", name, mean,
                         total > 0.0 ? 100.0 * mean / total : 0.0, more);
  };
  for (const auto& [name, seconds] : rows) add(name, seconds, "");
  table += fmt::format(
      "  sites/owned        {:.2f} (atoms evaluated per atom; at most {:.2f} on a rank)\n",
      redundancy.mean, redundancy.most);
  const auto& counts = middle != nullptr ? middle->counts() : fused.counts();
  std::string evaluations = fmt::format("  evaluations {}", outside.evaluations);
  const bool one_model = middle != nullptr || !two;
  if (one_model && counts.inner_only + counts.both + counts.outer_only > 0) {
    evaluations += fmt::format(": direct only {}, both at once {}, conservative only {}",
                               counts.inner_only, counts.both, counts.outer_only);
  }
  if (!two) return table + evaluations + "\n";
  add("outer model", outside.total(), evaluations);
  add("inner model", inside.total(), fmt::format("  evaluations {}", inside.evaluations));
  return table;
}

}  // namespace mdbridge_lammps
