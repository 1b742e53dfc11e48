#include "ipi/replicas.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <limits>
#include <numeric>
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
// So many new ones in a row, while none that is known moves, are one system with long steps.
constexpr std::size_t most_newcomers = 32;
// A replica that was not asked about in so many rounds is gone.
constexpr std::int64_t unused_rounds = 16;
// A replica is watched for being several systems in its first moves. The memory of its places
// bounds the number of beads that can be told apart afterwards.
constexpr std::size_t longest_trail = 128;
constexpr int watched_moves = 3 * static_cast<int>(longest_trail);
// Back at an old place: this much nearer to it than to the last one.
constexpr double back = 0.5;
// Mean cosine between a step and the next above which a path is that of one system: molecular
// dynamics goes straight on, where going from bead to bead turns at random.
constexpr double straight = 0.5;
// Å; only a displacement beyond this is looked at for a periodic image.
constexpr double far = 1.0;

/// Goes from atom to atom with the displacement between two structures of one system, Å, by the
/// nearest periodic image (hosts may wrap coordinates), as long as `more` is true.
template <typename Visit>
bool visit_displacements(const Structure& now, const Structure& last, Visit more) {
  const bool periodic = now.is_fully_periodic();
  const matrix3::Matrix3 inverse = periodic ? matrix3::inverse(now.cell) : matrix3::Matrix3{};
  for (std::size_t i = 0; i < now.positions.size(); i += 3) {
    std::array<double, 3> d{};
    for (int k = 0; k < 3; ++k) d[k] = now.positions[i + k] - last.positions[i + k];
    if (periodic && d[0] * d[0] + d[1] * d[1] + d[2] * d[2] > far * far) {
      std::array<double, 3> shift = matrix3::apply(d.data(), inverse);
      for (double& s : shift) s = std::round(s);
      const auto image = matrix3::apply(shift.data(), now.cell);
      for (int k = 0; k < 3; ++k) d[k] -= image[k];
    }
    if (!more(d)) return false;
  }
  return true;
}

bool same_system(const Structure& a, const Structure& b) {
  return a.types == b.types && a.periodic == b.periodic;
}

/// Sum of the squared displacements of the atoms between two structures, Å²; infinite for different
/// systems or above `limit`.
double squared_displacements(const Structure& now, const Structure& last, double limit) {
  if (!same_system(now, last)) return infinity;
  double sum = 0.0;
  const bool whole = visit_displacements(now, last, [&](const std::array<double, 3>& d) {
    sum += d[0] * d[0] + d[1] * d[1] + d[2] * d[2];
    return sum <= limit;
  });
  return whole ? sum : infinity;
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

/// The displacements of all atoms, one after the other, Å.
std::vector<double> step(const std::vector<Structure>& now, const std::vector<Structure>& last) {
  std::vector<double> all;
  for (std::size_t s = 0; s < now.size(); ++s) {
    visit_displacements(now[s], last[s], [&](const std::array<double, 3>& d) {
      all.insert(all.end(), d.begin(), d.end());
      return true;
    });
  }
  return all;
}

/// Mean cosine between a step of a path and the next one; at least three places.
double straightness(const std::vector<const std::vector<Structure>*>& path) {
  double sum = 0.0;
  std::vector<double> before = step(*path[1], *path[0]);
  for (std::size_t p = 2; p < path.size(); ++p) {
    std::vector<double> now = step(*path[p], *path[p - 1]);
    const auto dot = [](const std::vector<double>& a, const std::vector<double>& b) {
      return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
    };
    const double lengths = std::sqrt(dot(now, now) * dot(before, before));
    if (lengths > 0.0) sum += dot(now, before) / lengths;
    before = std::move(now);
  }
  return sum / static_cast<double>(path.size() - 2);
}

void add_to(FusedForces::Counts& sum, const FusedForces::Counts& counts) {
  sum.inner_only += counts.inner_only;
  sum.outer_only += counts.outer_only;
  sum.both += counts.both;
  sum.reused += counts.reused;
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
  if (!found) found = come_back(structures, distance);
  if (!found || twin) {
    if (found) found->twin = true;
    found = &add(structures, twin);
  } else if (distance > 0.0) {
    move(*found, structures, distance);
  }
  found->asked[static_cast<int>(kind)] = true;
  found->last_use = calls_;
  forget_unused();
  return found->forces;
}

/// The replica that these structures are a step away from; null if there is none. Of several at the
/// same distance, the one whose turn it is.
Replicas::Replica* Replicas::nearest(ForceKind kind, const Place& place, double& distance) {
  const auto turn = [&](const Replica& replica) {
    return std::pair(replica.asked[static_cast<int>(kind)], replica.last_use);
  };
  const double first = place.size() > 1 ? first_step_of_batch : first_step;
  Replica* found = nullptr;
  for (Replica& replica : replicas_) {
    double step = std::max(step_growth * replica.last_step, first);
    // the number of beads that began at one place is known, however far they fly at first
    if (replica.twin && replica.last_step == 0.0) step = infinity;
    const double moved = displacement(place, replica.last, std::min(step, distance));
    if (moved < distance || (found && moved == distance && turn(replica) < turn(*found))) {
      distance = moved;
      found = &replica;
    }
  }
  return found;
}

/// The replica whose first step is a long one: it lies far nearer than the one that was asked about
/// last, which is where one system with long steps would come from.
Replicas::Replica* Replicas::come_back(const Place& place, double& distance) {
  const Replica* newest = nullptr;
  for (const Replica& replica : replicas_) {
    if (!newest || replica.last_use > newest->last_use) newest = &replica;
  }
  if (!newest) return nullptr;
  double limit = back * displacement(place, newest->last, infinity);
  if (limit == infinity) return nullptr;
  Replica* found = nullptr;
  for (Replica& replica : replicas_) {
    if (replica.last_step > 0.0) continue;
    const double moved = displacement(place, replica.last, limit);
    if (moved > limit) continue;
    distance = limit = moved;
    found = &replica;
  }
  return found;
}

/// A new replica, in the place of the one that was used least recently if there are too many.
Replicas::Replica& Replicas::add(const Place& place, bool twin) {
  if (replicas_.size() >= most_replicas) {
    const auto oldest = std::min_element(
        replicas_.begin(), replicas_.end(),
        [](const Replica& a, const Replica& b) { return a.last_use < b.last_use; });
    retire(oldest->forces);
    replicas_.erase(oldest);
  }
  replicas_.push_back({place, FusedForces(inner_, outer_, skin_, options_)});
  Replica& added = replicas_.back();
  added.last_use = added.born = calls_;
  added.twin = twin;
  if (!twin) take_newcomers_for_one(added);
  return added;
}

void Replicas::take_newcomers_for_one(Replica& newest) {
  const auto is_newcomer = [&](const Replica& replica) {
    return !replica.twin && replica.born > last_move_;
  };
  const auto count = std::count_if(replicas_.begin(), replicas_.end(), is_newcomer);
  if (count <= static_cast<std::ptrdiff_t>(most_newcomers)) return;
  const Replica* previous = nullptr;
  for (const Replica& replica : replicas_) {
    if (&replica == &newest || !is_newcomer(replica)) continue;
    if (!previous || replica.born > previous->born) previous = &replica;
  }
  newest.last_step = displacement(newest.last, previous->last, infinity);
  if (newest.last_step == infinity) newest.last_step = 0.0;  // not even one system
  for (auto replica = replicas_.begin(); replica != replicas_.end();) {
    const bool gone = &*replica != &newest && is_newcomer(*replica);
    if (gone) retire(replica->forces);
    replica = gone ? replicas_.erase(replica) : std::next(replica);
  }
}

void Replicas::move(Replica& replica, const Place& place, double distance) {
  last_move_ = calls_;
  std::size_t systems = 0;  // if it is several, as its way back tells
  double step = back * distance;
  for (std::size_t t = 0; t < replica.trail.size(); ++t) {
    const double moved = displacement(place, replica.trail[t], step);
    if (moved > step || moved == infinity) continue;
    step = moved;
    systems = replica.trail.size() - t + 1;
  }
  const bool again = systems > 0 && systems == replica.turn;
  replica.turn = systems;
  replica.trail.push_back(std::move(replica.last));
  replica.last = place;
  replica.last_step = distance;
  replica.asked[0] = replica.asked[1] = false;
  if (again) split(replica, systems, step);
  if (replica.trail.size() > longest_trail) replica.trail.pop_front();
  if (++replica.moves > watched_moves) replica.trail.clear();
}

/// Make several replicas of one that went from one system to the next and came back, twice, after
/// as many moves as there are systems: the last of its places are theirs.
void Replicas::split(Replica& replica, std::size_t systems, double step) {
  std::vector<const Place*> path;
  for (std::size_t t = replica.trail.size() - systems; t < replica.trail.size(); ++t) {
    path.push_back(&replica.trail[t]);
  }
  path.push_back(&replica.last);
  // an oscillator comes back too
  if (straightness(path) > straight || replicas_.size() + systems > most_replicas) return;
  for (std::size_t s = 1; s < systems; ++s) {
    replicas_.push_back({*path[s], FusedForces(inner_, outer_, skin_, options_)});
    Replica& other = replicas_.back();
    other.last_step = step;
    // the order in which they will be asked about
    other.last_use = other.born = calls_ - static_cast<std::int64_t>(systems - s);
  }
  replica.last_step = step;
  renew(replica);
}

/// What it has learned is of several systems: begin anew, where it is.
void Replicas::renew(Replica& replica) {
  retire(replica.forces);
  replica.forces = FusedForces(inner_, outer_, skin_, options_);
  replica.trail.clear();
  replica.moves = 0;
  replica.turn = 0;
}

void Replicas::forget_unused() {
  const auto count = std::max<std::int64_t>(static_cast<std::int64_t>(replicas_.size()), 4);
  const std::int64_t oldest = calls_ - unused_rounds * count;
  for (auto replica = replicas_.begin(); replica != replicas_.end();) {
    const bool gone = replica->last_use < oldest;
    if (gone) retire(replica->forces);
    replica = gone ? replicas_.erase(replica) : std::next(replica);
  }
}

void Replicas::retire(const FusedForces& forces) {
  add_to(retired_counts_, forces.counts());
  retired_builds_ += forces.pair_list_builds();
}

FusedForces::Counts Replicas::counts() const {
  FusedForces::Counts sum = retired_counts_;
  for (const Replica& replica : replicas_) add_to(sum, replica.forces.counts());
  return sum;
}

std::int64_t Replicas::pair_list_builds() const {
  std::int64_t sum = retired_builds_;
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
