#include "mdbridge/structure.hpp"

#include <cmath>
#include <string>

#include "mdbridge/error.hpp"
#include "mdbridge/matrix3.hpp"

namespace mdbridge {

double Structure::volume() const {
  return is_fully_periodic() ? std::abs(matrix3::determinant(cell)) : 0.0;
}

void Structure::validate() const {
  if (positions.size() != 3 * types.size()) {
    throw Error("a structure with " + std::to_string(types.size()) + " atoms needs " +
                std::to_string(3 * types.size()) + " coordinates, found " +
                std::to_string(positions.size()));
  }
  if (owned > size()) {
    throw Error("a structure with " + std::to_string(size()) + " atoms cannot own " +
                std::to_string(owned) + " of them");
  }
  for (std::size_t i = 0; i < positions.size(); ++i) {
    if (!std::isfinite(positions[i])) {
      throw Error("the position of atom " + std::to_string(i / 3) +
                  " (counted from 0) is not finite: the simulation has become unstable; try a "
                  "smaller timestep or look at the starting structure");
    }
  }
  for (int a = 0; a < 3; ++a) {
    const double length = matrix3::row_norm(cell, a);
    if (!std::isfinite(length)) {
      throw Error("lattice vector " + std::to_string(a + 1) + " is not finite");
    }
    if (periodic[a] && length == 0.0) {
      throw Error("lattice vector " + std::to_string(a + 1) +
                  " is zero, but the structure is periodic along it");
    }
    if (!periodic[a] && length != 0.0) {
      throw Error("the structure is not periodic along lattice vector " + std::to_string(a + 1) +
                  ", which must then be zero");
    }
  }
  if (is_fully_periodic() && volume() < 1e-12) {
    throw Error("the three lattice vectors lie in one plane: the cell has no volume");
  }
}

}  // namespace mdbridge
