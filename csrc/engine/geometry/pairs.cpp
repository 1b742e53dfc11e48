#include "mdbridge/pairs.hpp"

#include <vesin.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <string>
#include <utility>

#include "geometry/lattice.hpp"
#include "mdbridge/error.hpp"
#include "mdbridge/matrix3.hpp"

namespace mdbridge {

namespace {

/// A half list keeps one of (i, j, S) and (j, i, -S).
bool in_half_list(const std::int32_t* label) {
  if (label[0] != label[1]) return label[0] < label[1];
  for (int k = 2; k < 5; ++k) {
    if (label[k] != 0) return label[k] > 0;
  }
  return false;
}

/// The pairs in the order of their first atoms, those of one atom in the order that they have.
std::vector<std::int32_t> grouped_by_first_atom(std::vector<std::int32_t> labels,
                                                std::int64_t atoms) {
  std::vector<std::size_t> places(atoms + 1, 0);  // where the pairs of an atom begin
  bool grouped = true;
  for (std::size_t p = 0; p < labels.size(); p += 5) {
    ++places[labels[p] + 1];
    grouped = grouped && (p == 0 || labels[p - 5] <= labels[p]);
  }
  if (grouped) return labels;
  std::partial_sum(places.begin(), places.end(), places.begin());
  std::vector<std::int32_t> sorted(labels.size());
  for (std::size_t p = 0; p < labels.size(); p += 5) {
    std::copy_n(&labels[p], 5, &sorted[5 * places[labels[p]]++]);
  }
  return sorted;
}

}  // namespace

Pairs::Pairs(double skin) : skin_(skin) {
  if (!(skin >= 0.0) || !std::isfinite(skin)) {
    throw Error("the skin of a pair list must be a length of at least 0 Å, found " +
                std::to_string(skin));
  }
}

bool Pairs::update(const Structure& structure, double cutoff) {
  if (provided_) return false;
  cutoff = std::max(cutoff, least_cutoff_);
  if (still_valid(structure, cutoff)) {
    ++reuses_;
    return false;
  }
  build(structure, cutoff);
  ++builds_;
  return true;
}

void Pairs::provide(std::vector<std::int32_t> labels) {
  std::int32_t last = -1;
  for (std::size_t p = 0; p < labels.size(); p += 5) {
    if (labels[p] < 0 || labels[p + 1] < 0) {
      throw Error("the atoms of a pair are counted from 0, found the pair " +
                  std::to_string(labels[p]) + ", " + std::to_string(labels[p + 1]));
    }
    last = std::max({last, labels[p], labels[p + 1]});
  }
  provided_ = true;
  candidates_ = std::make_shared<PairCandidates>(
      PairCandidates{grouped_by_first_atom(std::move(labels), last + 1), last + 1});
  ++builds_;
}

double list_reach(const Structure& built, const Structure& now, double range) {
  const bool deformed = now.cell != built.cell;
  matrix3::Matrix3 deformation = {1, 0, 0, 0, 1, 0, 0, 0, 1};
  double stretch = 0.0;
  if (deformed) {
    deformation =
        matrix3::multiply(matrix3::inverse(completed(built.cell, built.cell, built.periodic)),
                          completed(now.cell, built.cell, built.periodic));
    for (int k = 0; k < 9; ++k) {
      const double difference = deformation[k] - (k % 4 == 0 ? 1.0 : 0.0);
      stretch += difference * difference;
    }
    stretch = std::sqrt(stretch);
  }
  const auto displacement = [&](std::size_t i) -> std::array<double, 3> {
    const double* from = &built.positions[i];
    const double* to = &now.positions[i];
    if (!deformed) return {to[0] - from[0], to[1] - from[1], to[2] - from[2]};
    const auto moved = matrix3::apply(from, deformation);
    return {to[0] - moved[0], to[1] - moved[1], to[2] - moved[2]};
  };
  // Called at every step: no memory is taken, and roots are drawn of two numbers only.
  const auto two_largest = [&](const std::array<double, 3>& translation,
                               std::array<double, 3>* sum) {
    double largest = 0.0;
    double second = 0.0;
    for (std::size_t i = 0; i < built.positions.size(); i += 3) {
      const auto u = displacement(i);
      double square = 0.0;
      for (int k = 0; k < 3; ++k) {
        const double difference = u[k] - translation[k];
        square += difference * difference;
        if (sum != nullptr) (*sum)[k] += u[k];
      }
      second = std::max(second, std::min(square, largest));
      largest = std::max(largest, square);
    }
    return std::sqrt(largest) + std::sqrt(second);
  };
  std::array<double, 3> mean{};
  const double untranslated = two_largest({}, &mean);
  const auto count = static_cast<double>(std::max<std::int64_t>(built.size(), 1));
  for (double& component : mean) component /= count;
  // A translation of all atoms, such as a cell that grows from another point than the origin makes,
  // brings no pair closer. Any one may be taken off; without one, this is the half-skin rule.
  return (1.0 - stretch) * range - std::min(untranslated, two_largest(mean, nullptr));
}

bool Pairs::still_valid(const Structure& structure, double cutoff) const {
  if (skin_ == 0.0 || cutoff > built_cutoff_ || structure.periodic != built_.periodic ||
      structure.positions.size() != built_.positions.size()) {
    return false;
  }
  return list_reach(built_, structure, built_cutoff_ + skin_) > cutoff;
}

void Pairs::build(const Structure& structure, double cutoff) {
  VesinOptions options{};
  options.cutoff = cutoff + skin_;
  options.full = true;
  options.sorted = true;
  options.algorithm = VesinAutoAlgorithm;
  // The skin is ours: vesin's own bounds the motion of the cell by that of its corners, which is
  // not enough for images two cells away (cells smaller than the cutoff); and list_reach() serves
  // the lists of hosts too.
  options.skin = 0.0;
  options.n_threads = 1;
  options.return_shifts = true;

  VesinNeighborList list;
  const auto free_list = [](VesinNeighborList* made) { vesin_free(made); };
  const std::unique_ptr<VesinNeighborList, decltype(free_list)> at_end(&list, free_list);
  const char* message = nullptr;
  const int status = vesin_neighbors(
      reinterpret_cast<const double (*)[3]>(structure.positions.data()), structure.types.size(),
      reinterpret_cast<const double (*)[3]>(structure.cell.data()), structure.periodic.data(),
      VesinDevice{VesinCPU, 0}, options, &list, &message);
  if (status != 0) {
    const std::string reason = message != nullptr ? message : "unknown reason";
    throw Error("cannot build the pair list: " + reason);
  }
  auto candidates = std::make_shared<PairCandidates>();
  candidates->atoms = structure.size();
  auto& labels = candidates->labels;
  labels.resize(5 * list.length);
  for (std::size_t p = 0; p < list.length; ++p) {
    labels[5 * p] = static_cast<std::int32_t>(list.pairs[p][0]);
    labels[5 * p + 1] = static_cast<std::int32_t>(list.pairs[p][1]);
    for (int k = 0; k < 3; ++k) labels[5 * p + 2 + k] = list.shifts[p][k];
  }

  candidates_ = std::move(candidates);
  built_cutoff_ = cutoff;
  built_ = structure;
}

void Pairs::select(const Structure& structure, double cutoff, bool full, SelectedPairs& out) const {
  const auto& [labels, atoms] = *candidates_;
  if (atoms > structure.size()) {
    throw Error("the pair list is one of a structure with at least " + std::to_string(atoms) +
                " atoms, found one with " + std::to_string(structure.size()));
  }
  const std::size_t count = labels.size() / 5;
  out.labels.resize(5 * count);
  out.vectors.resize(3 * count);
  const double cutoff_squared = cutoff * cutoff;
  const double* positions = structure.positions.data();
  const auto& cell = structure.cell;
  std::int32_t* out_label = out.labels.data();
  double* out_vector = out.vectors.data();
  for (std::size_t p = 0; p < count; ++p) {
    const std::int32_t* label = &labels[5 * p];
    const double* from = positions + 3 * label[0];
    const double* to = positions + 3 * label[1];
    double vector[3];
    double squared = 0.0;
    for (int k = 0; k < 3; ++k) {
      vector[k] =
          to[k] - from[k] + label[2] * cell[k] + label[3] * cell[3 + k] + label[4] * cell[6 + k];
      squared += vector[k] * vector[k];
    }
    // written in any case, and kept by going on: a branch here, taken at random for half of the
    // pairs, would cost more than all the rest of the loop
    const bool keep = !(squared > cutoff_squared) && (full || in_half_list(label));
    std::copy(label, label + 5, out_label);
    std::copy(vector, vector + 3, out_vector);
    out_label += keep ? 5 : 0;
    out_vector += keep ? 3 : 0;
  }
  out.labels.resize(out_label - out.labels.data());
  out.vectors.resize(out_vector - out.vectors.data());
}

}  // namespace mdbridge
