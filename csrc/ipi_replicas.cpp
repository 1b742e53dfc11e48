#include "ipi_replicas.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "matrix3.hpp"

namespace mdbridge::ipi {

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
// Two calls for one replica are one step apart: its atoms move about as far as they did in the step
// before, and at least this far (Å) is always taken for a step.
constexpr double step_growth = 3.0;
constexpr double smallest_step = 0.05;
// A host that jumps about (Monte Carlo, replica exchange) must not make us collect pair lists.
constexpr std::size_t most_replicas = 256;

/// Largest displacement of an atom between two structures, Å, by the nearest periodic image (hosts
/// may wrap coordinates); infinite for different systems. Gives up above `limit`.
double displacement(const Structure& now, const Structure& last, double limit) {
  if (now.types != last.types || now.periodic != last.periodic) return infinity;
  const bool periodic = now.is_fully_periodic();
  const matrix3::Matrix3 inverse = periodic ? matrix3::inverse(now.cell) : matrix3::Matrix3{};
  double largest = 0.0;
  for (std::size_t i = 0; i < now.positions.size(); i += 3) {
    std::array<double, 3> d{};
    for (int k = 0; k < 3; ++k) d[k] = now.positions[i + k] - last.positions[i + k];
    double length = std::hypot(d[0], d[1], d[2]);
    if (periodic && length > limit) {
      std::array<double, 3> shift = matrix3::apply(d.data(), inverse);
      for (double& s : shift) s = std::round(s);
      const auto image = matrix3::apply(shift.data(), now.cell);
      length = std::hypot(d[0] - image[0], d[1] - image[1], d[2] - image[2]);
    }
    largest = std::max(largest, length);
    if (!(largest <= limit)) return infinity;
  }
  return largest;
}

double displacement(const std::vector<Structure>& now, const std::vector<Structure>& last,
                    double limit) {
  if (now.size() != last.size()) return infinity;
  double largest = 0.0;
  for (std::size_t s = 0; s < now.size(); ++s) {
    largest = std::max(largest, displacement(now[s], last[s], limit));
    if (largest > limit) return infinity;
  }
  return largest;
}

}  // namespace

Replicas::Replicas(std::shared_ptr<Engine> engine, double skin, FusedOptions options)
    : engine_(std::move(engine)), skin_(skin), options_(options) {}

FusedForces& Replicas::follow(const std::vector<Structure>& structures) {
  // positions that are not finite cannot be followed, nor a cell without a volume be inverted
  for (const Structure& structure : structures) structure.validate();
  ++calls_;
  Replica* found = nullptr;
  double nearest = infinity;
  for (Replica& replica : replicas_) {
    const double step = std::max(step_growth * replica.last_step, smallest_step);
    const double limit = std::min(step, nearest);
    const double moved = displacement(structures, replica.last, limit);
    if (moved < nearest) {
      nearest = moved;
      found = &replica;
    }
  }
  if (!found && replicas_.size() < most_replicas) {
    replicas_.push_back({structures, 0.0, calls_, FusedForces(engine_, skin_, options_)});
    return replicas_.back().forces;
  }
  if (!found) {
    found = &*std::min_element(
        replicas_.begin(), replicas_.end(),
        [](const Replica& a, const Replica& b) { return a.last_use < b.last_use; });
    nearest = 0.0;
  }
  // a second question about the same positions says nothing about the next step
  if (nearest > 0.0) found->last_step = nearest;
  found->last = structures;
  found->last_use = calls_;
  return found->forces;
}

FusedForces::Counts Replicas::counts() const {
  FusedForces::Counts sum;
  for (const Replica& replica : replicas_) {
    const FusedForces::Counts& counts = replica.forces.counts();
    sum.direct_only += counts.direct_only;
    sum.conservative_only += counts.conservative_only;
    sum.both += counts.both;
    sum.reused += counts.reused;
  }
  return sum;
}

std::int64_t Replicas::pair_list_builds() const {
  std::int64_t sum = 0;
  for (const Replica& replica : replicas_) sum += replica.forces.pair_list_builds();
  return sum;
}

std::int64_t Replicas::learned_stride() const {
  if (replicas_.empty()) return 0;
  return std::max_element(
             replicas_.begin(), replicas_.end(),
             [](const Replica& a, const Replica& b) { return a.last_use < b.last_use; })
      ->forces.learner()
      .stride();
}

}  // namespace mdbridge::ipi
