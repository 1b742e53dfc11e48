#include "ipi/replicas.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "mdbridge/matrix3.hpp"

namespace mdbridge::ipi {

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
// Two calls for one replica are one step apart: its atoms move about as far as they did in the step
// before. Before that is known, anything up to these rms displacements (Å) is a step. Hydrogen at
// 300 K moves by 0.02 in 0.5 fs, in a bead of a ring polymer, which has the temperature times the
// number of beads, by 0.08 if there are 16. Neighbouring beads of one are 0.14 apart; among batches
// there is hardly anything to be confused with.
constexpr double step_growth = 3.0;
constexpr double first_step = 0.1;
constexpr double first_step_of_batch = 0.3;
// A host that jumps about (Monte Carlo, replica exchange) must not make us collect pair lists.
constexpr std::size_t most_replicas = 256;
// Å; only a displacement beyond this is looked at for a periodic image.
constexpr double far = 1.0;

/// Sum of the squared displacements of the atoms between two structures, Å², by the nearest
/// periodic image (hosts may wrap coordinates); infinite for different systems or above `limit`.
double squared_displacements(const Structure& now, const Structure& last, double limit) {
  if (now.types != last.types || now.periodic != last.periodic) return infinity;
  const bool periodic = now.is_fully_periodic();
  const matrix3::Matrix3 inverse = periodic ? matrix3::inverse(now.cell) : matrix3::Matrix3{};
  double sum = 0.0;
  for (std::size_t i = 0; i < now.positions.size(); i += 3) {
    std::array<double, 3> d{};
    for (int k = 0; k < 3; ++k) d[k] = now.positions[i + k] - last.positions[i + k];
    double square = d[0] * d[0] + d[1] * d[1] + d[2] * d[2];
    if (periodic && square > far * far) {
      std::array<double, 3> shift = matrix3::apply(d.data(), inverse);
      for (double& s : shift) s = std::round(s);
      const auto image = matrix3::apply(shift.data(), now.cell);
      for (int k = 0; k < 3; ++k) d[k] -= image[k];
      square = d[0] * d[0] + d[1] * d[1] + d[2] * d[2];
    }
    sum += square;
    if (!(sum <= limit)) return infinity;
  }
  return sum;
}

/// Rms displacement of the atoms, Å; infinite above `limit`.
double displacement(const std::vector<Structure>& now, const std::vector<Structure>& last,
                    double limit) {
  if (now.size() != last.size()) return infinity;
  double atoms = 0.0;
  for (const Structure& structure : now) atoms += static_cast<double>(structure.size());
  const double most = limit * limit * atoms * (1.0 + 1e-12);  // equal distances are within rounding
  double sum = 0.0;
  for (std::size_t s = 0; s < now.size(); ++s) {
    sum += squared_displacements(now[s], last[s], most - sum);
    if (sum == infinity) return infinity;
  }
  return atoms == 0.0 ? 0.0 : std::sqrt(sum / atoms);
}

}  // namespace

Replicas::Replicas(std::shared_ptr<Engine> inner, std::shared_ptr<Engine> outer, double skin,
                   FusedOptions options)
    : inner_(std::move(inner)), outer_(std::move(outer)), skin_(skin), options_(options) {}

FusedForces& Replicas::follow(ForceKind kind, const std::vector<Structure>& structures) {
  // positions that are not finite cannot be followed, nor a cell without a volume be inverted
  for (const Structure& structure : structures) structure.validate();
  ++calls_;
  double distance = infinity;
  Replica* found = nearest(kind, structures, distance);
  const bool twin =
      found && distance == 0.0 && found->asked[static_cast<int>(kind)] && nothing_moved_;
  if (!replicas_.empty() && !(distance == 0.0)) nothing_moved_ = false;
  if (!found || twin) {
    found = &add(structures);
  } else if (distance > 0.0) {
    found->last_step = distance;
    found->last = structures;
    found->asked[0] = found->asked[1] = false;
  }
  found->asked[static_cast<int>(kind)] = true;
  found->last_use = calls_;
  return found->forces;
}

/// The replica that these structures are a step away from; null if there is none. Of several at the
/// same distance, the one whose turn it is.
Replicas::Replica* Replicas::nearest(ForceKind kind, const std::vector<Structure>& structures,
                                     double& distance) {
  const auto turn = [&](const Replica& replica) {
    return std::pair(replica.asked[static_cast<int>(kind)], replica.last_use);
  };
  const double first = structures.size() > 1 ? first_step_of_batch : first_step;
  Replica* found = nullptr;
  for (Replica& replica : replicas_) {
    const double step = std::max(step_growth * replica.last_step, first);
    const double moved = displacement(structures, replica.last, std::min(step, distance));
    if (moved < distance || (found && moved == distance && turn(replica) < turn(*found))) {
      distance = moved;
      found = &replica;
    }
  }
  return found;
}

/// A new replica, in the place of the one that was used least recently if there are too many.
Replicas::Replica& Replicas::add(const std::vector<Structure>& structures) {
  if (replicas_.size() < most_replicas) {
    replicas_.push_back({structures, FusedForces(inner_, outer_, skin_, options_)});
    return replicas_.back();
  }
  Replica& oldest =
      *std::min_element(replicas_.begin(), replicas_.end(),
                        [](const Replica& a, const Replica& b) { return a.last_use < b.last_use; });
  oldest.last = structures;
  oldest.asked[0] = oldest.asked[1] = false;
  return oldest;
}

FusedForces::Counts Replicas::counts() const {
  FusedForces::Counts sum;
  for (const Replica& replica : replicas_) {
    const FusedForces::Counts& counts = replica.forces.counts();
    sum.inner_only += counts.inner_only;
    sum.outer_only += counts.outer_only;
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
