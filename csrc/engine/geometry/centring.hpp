#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "mdbridge/structure.hpp"

namespace mdbridge {

/// A structure brought to the origin, before its coordinates are rounded to the precision of a
/// model: at 1000 Å, single precision resolves 6e-5 Å, and a stiff bond feels that.
///
/// One point is taken off all positions that are not around the origin, and whole lattice vectors
/// off the atoms that are far from it (hosts need not wrap them). No model can tell: energies,
/// forces and strain derivatives stay what they are.
class Centring {
 public:
  /// Where the atoms of this structure, which has some, go.
  void update(const Structure& structure);
  /// The same for that structure a little later, with the same lattice vectors taken off: labels
  /// that were corrected stay right.
  void follow(const Structure& structure);

  /// [3N], Å.
  const std::vector<double>& positions() const { return positions_; }
  /// Change the cell shifts of these pairs (5 integers each, as in SelectedPairs::labels) so that
  /// they mean the same vectors between the new positions.
  void correct(std::span<std::int32_t> labels) const;

 private:
  void take_off_centre(const Structure& structure);
  void take_off_lattice_vectors(const Structure& structure);

  std::vector<double> positions_;
  // lattice vectors that were taken off each atom; empty if none were
  std::vector<std::array<std::int32_t, 3>> taken_;
};

}  // namespace mdbridge
