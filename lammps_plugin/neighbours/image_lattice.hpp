// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace LAMMPS_NS {
class Atom;
}

namespace mdbridge_lammps {

/// A ghost that is an image of another atom of its rank.
struct Image {
  /// LAMMPS indices.
  int ghost;
  int atom;
  /// How many lattice vectors lie between them.
  std::array<std::int32_t, 3> shift;
};

/// The lattice vectors, as rows, by which the images lie apart from their atoms where they are now,
/// in LAMMPS units.
///
/// These are those of the `box` (rows; zero in open directions) unless a command has strained atoms
/// and ghosts and left the box as it is, as `fix numdiff/virial` and `compute born/matrix numdiff`
/// do. Throws mdbridge::Error if no lattice fits all images to `tolerance`.
std::array<double, 9> lattice_of_images(const std::array<double, 9>& box,
                                        const std::vector<Image>& images,
                                        const LAMMPS_NS::Atom& atom, double tolerance);

}  // namespace mdbridge_lammps
