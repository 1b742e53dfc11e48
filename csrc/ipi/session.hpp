#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "ipi/protocol.hpp"
#include "ipi/replicas.hpp"
#include "mdbridge/checks/force_agreement.hpp"
#include "mdbridge/engine.hpp"
#include "mdbridge/visibility.hpp"

namespace mdbridge::ipi {

/// i-PI's values of 1 Å in bohr, 1 eV in hartree and 1 eV/Å in hartree/bohr (ipi.utils.units), so
/// that what it prints in Å and eV is what the engine computed.
inline constexpr double angstrom = 1.8897261;
inline constexpr double electronvolt = 0.036749326;
inline constexpr double electronvolt_per_angstrom = 0.019446904;

/// Where the virial that comes with direct forces is taken from.
enum class DirectVirial {
  /// The direct stress if the model has one. If not, zero in a multiple-time-step run (the
  /// conservative virial of the outer step is the whole one), and an error in any other.
  automatic,
  /// Zero. Only for runs in which nothing depends on the pressure; an error once the cell changes.
  none,
};

struct SessionOptions {
  /// Which forces of the inner model the direct forcefield gets, if there is one.
  ForceKind inner_forces = ForceKind::direct;
  /// Skin of the pair lists, Å.
  double skin = 1.0;
  DirectVirial direct_virial = DirectVirial::automatic;
  /// Hand both kinds of forces to i-PI as extras of the conservative forcefield.
  bool force_extras = false;
  /// Hand the uncertainty of the atomic energies to i-PI as extras.
  bool uncertainty_extras = false;
  /// The same for the energies that the members of the model's committee give.
  bool committee_extras = false;
  /// The same for the standard deviations of energy and forces over the rotated copies that they
  /// are averages of.
  bool deviation_extras = false;
  /// How far the forces of the two forcefields may be apart at first, in terms of the conservative
  /// ones: see ForceAgreement.
  double max_correction = ForceAgreement::largest;
};

/// One model that serves all forcefields of an i-PI simulation, whichever way they reach us; or
/// two, of which a cheaper one serves the direct forcefield, that of the inner steps.
///
/// Speaks atomic units and i-PI's conventions; keeps the pair lists of all beads; evaluates both
/// kinds of forces at once where a multiple-time-step integrator will ask for both. May be used by
/// several threads, one at a time.
class MDBRIDGE_API Session {
 public:
  /// `types`: atomic number of each atom, in i-PI's order. `periodic`: along which lattice vectors
  /// the template that they were read from is periodic; i-PI must then send one. `inner`: the model
  /// of the direct forcefield, if it is another one. Throws ModelError if a model lacks an element.
  Session(std::shared_ptr<Engine> engine, std::vector<std::int32_t> types,
          std::array<bool, 3> periodic, SessionOptions options = {},
          std::shared_ptr<Engine> inner = nullptr);

  /// Announce a forcefield. Throws ModelError if the model does not have such forces.
  void serve(ForceKind kind);
  /// Forces at these structures, in one forward pass. Throws Error.
  ///
  /// The first evaluation that has the forces of both forcefields says how they agree, in news();
  /// it throws if they belong to different potential energy surfaces.
  std::vector<Result> evaluate(ForceKind kind, const std::vector<Frame>& frames);
  /// A line for the host's log, once; empty if there is nothing new.
  std::string take_news();

  std::int64_t atoms() const { return static_cast<std::int64_t>(types_.size()); }
  /// What was evaluated since all forcefields were announced.
  FusedForces::Counts counts() const;
  /// Inner steps per outer step, as far as the last bead has shown; 0 while unknown.
  std::int64_t learned_stride() const;
  std::int64_t pair_list_builds() const;
  /// How many beads (or batches of beads) were told apart.
  std::int64_t replicas() const;

 private:
  FusedOptions fused_options() const;
  void follow_periodicity(const Structure& structure);
  Structure structure(const Frame& frame) const;
  Result result(const Engine& engine, ForceKind kind, const Evaluation& evaluation) const;
  Result inner_result(const Evaluation& evaluation) const;
  bool gives_inner_forces_alone() const;
  std::string extras(const Engine& engine, ForceKind kind, const Evaluation& evaluation) const;
  std::string force_extras(const Evaluation& outer, const Evaluation* inner) const;
  void check_zero_virial(const Structure& structure);
  void require_first_cell(const Structure& structure);
  void require_outer_virial() const;
  void compare_forces(const std::vector<Evaluation>& outer, const std::vector<Evaluation>& inner);

  std::shared_ptr<Engine> engine_;
  std::shared_ptr<Engine> inner_;
  ForceKind inner_kind_;
  std::vector<std::int32_t> types_;
  std::array<bool, 3> periodic_;
  SessionOptions options_;
  bool has_inner_virial_;
  bool has_outer_virial_ = false;
  bool serves_conservative_ = false;
  bool serves_direct_ = false;
  bool fully_periodic_ = true;
  Replicas replicas_;
  // the first cell that came without a virial: one that changes would need it
  std::optional<std::array<double, 9>> first_cell_;
  bool forces_compared_ = false;
  std::string news_;
  mutable std::mutex mutex_;
};

}  // namespace mdbridge::ipi
