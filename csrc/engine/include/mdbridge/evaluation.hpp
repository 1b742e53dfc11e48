#pragma once

#include <array>
#include <vector>

namespace mdbridge {

/// What the caller needs. The engine runs the cheapest forward pass that gives it: no gradient
/// graph unless a conservative quantity is wanted, and one pass for both kinds of forces.
struct Wanted {
  bool energy = true;
  /// Minus the gradient of the energy with respect to the positions.
  bool conservative_forces = false;
  /// Minus the gradient of the energy with respect to a strain.
  bool conservative_virial = false;
  /// The forces that the model predicts directly.
  bool direct_forces = false;
  /// The virial from the stress that the model predicts directly; fully periodic structures only.
  bool direct_virial = false;
  bool atomic_energies = false;
  bool uncertainty = false;

  bool gradient() const { return conservative_forces || conservative_virial; }
};

/// Results for one structure; what was not wanted is empty or zero. For structures with ghosts the
/// energy and the direct forces are those of the owned atoms, conservative forces cover all atoms.
struct Evaluation {
  /// Potential energy, eV.
  double energy = 0.0;
  /// 3N, eV/Å.
  std::vector<double> conservative_forces;
  /// W = -dE/d(strain), symmetric 3x3, eV. The stress is -W / volume.
  std::array<double, 9> conservative_virial{};
  /// 3N, eV/Å, with the net force (and, without any periodicity, the net torque) removed.
  std::vector<double> direct_forces;
  /// -V times the direct stress, symmetric 3x3, eV.
  std::array<double, 9> direct_virial{};
  /// N, eV.
  std::vector<double> atomic_energies;
  /// N, eV.
  std::vector<double> uncertainty;
};

}  // namespace mdbridge
