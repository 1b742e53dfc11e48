#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "mdbridge/visibility.hpp"

namespace mdbridge {

/// One configuration of atoms, as the engine sees it.
struct MDBRIDGE_API Structure {
  /// Atomic number of each of the N atoms.
  std::vector<std::int32_t> types;
  /// 3N Cartesian coordinates, in Å, atom by atom. They need not lie inside the cell.
  std::vector<double> positions;
  /// Row-major 3x3 matrix whose rows are the lattice vectors, in Å; the rows of directions that are
  /// not periodic must be zero.
  std::array<double, 9> cell{};
  /// Which lattice vectors are repeated.
  std::array<bool, 3> periodic{};
  /// Number of leading atoms whose energies and direct forces are wanted; the atoms after them are
  /// only their surroundings (atoms that another process owns). Negative: all atoms.
  std::int64_t owned = -1;

  std::int64_t size() const { return static_cast<std::int64_t>(types.size()); }
  std::int64_t owned_size() const { return owned < 0 ? size() : owned; }
  bool is_periodic() const { return periodic[0] || periodic[1] || periodic[2]; }
  bool is_fully_periodic() const { return periodic[0] && periodic[1] && periodic[2]; }
  /// Volume of the cell in Å^3; zero unless all three directions are periodic.
  double volume() const;
  /// Throw Error unless the sizes agree, the coordinates are finite, and the cell fits `periodic`.
  void validate() const;
};

}  // namespace mdbridge
