#pragma once

#include <torch/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "mdbridge/model_info.hpp"

namespace mdbridge {

/// A list of pairs that a model asks for. Cutoff in Å; a full list holds both i->j and j->i, the
/// other one of them. One that is not strict may hold pairs beyond the cutoff too.
struct PairRequest {
  double cutoff;
  bool full;
  bool strict = true;
};

/// The pairs of one structure within one cutoff; beyond it too where the request is not strict.
struct PairTensors {
  torch::Tensor labels;   // [P, 5] int32: first atom i, second atom j, cell shift S of j
  torch::Tensor vectors;  // [P, 3] r_j - r_i + S @ cell, Å
};

/// One structure of N atoms as tensors, on the backend's device. Lengths in Å; floating-point
/// tensors in the backend's dtype, and in no gradient graph.
///
/// A backend may keep the integer tensors after the call. The floating-point ones belong to the
/// call: it may make gradient leaves of them (without copying), but must not change their values.
struct SystemTensors {
  torch::Tensor types;             // [N] int32, atomic numbers
  torch::Tensor positions;         // [N, 3]
  torch::Tensor cell;              // [3, 3], lattice vectors in rows; zero rows where not periodic
  torch::Tensor periodic;          // [3] bool
  std::int64_t owned;              // leading atoms whose outputs are wanted
  std::vector<PairTensors> pairs;  // one for each of pair_requests(), in order
};

/// What one call is to compute. Outputs by the model's own names for them; empty: not wanted.
struct BackendRequest {
  std::string energy;
  /// The energy as [atoms] instead of [structures]; only where has_per_atom() says so.
  bool energy_per_atom = false;
  std::string direct_forces;
  std::string direct_stress;
  std::string uncertainty;
  std::string committee;
  /// As energy_per_atom, of the committee.
  bool committee_per_atom = false;
  /// Gradients of the energy of each member of the committee, which then has a name; direct forces
  /// of each member. Only where lacks_forces_of_members() says so.
  bool member_position_gradients = false;
  bool member_strain_gradients = false;
  bool member_direct_forces = false;
  /// Gradients of the energy, which then has a name.
  bool position_gradient = false;
  bool strain_gradient = false;
  /// The same of the pair vectors; only where gives_pair_gradients() says so.
  bool pair_gradients = false;
  /// Verify the inputs and outputs of this call: slow, for debugging.
  bool check_consistency = false;
  /// Wait for the device before and after the gradients, so that gradient_seconds is true.
  bool timed = false;
  /// What each structure has besides its atoms, of Backend::inputs().
  std::map<std::string, double> inputs;
};

/// Results in eV and Å, in any floating-point type and on any device, none of them in a gradient
/// graph. What was not requested is undefined (an undefined tensor, an empty vector).
///
/// Rows of atoms: all atoms of all structures one after the other, in the order of the call, with
/// zeros for those that are not owned.
struct BackendResult {
  torch::Tensor energy;         // [structures] or [atoms], as requested
  torch::Tensor direct_forces;  // [atoms, 3], net force and all
  // [structures, 3, 3], positive = tension; the share of the owned atoms, where there are shares
  torch::Tensor direct_stress;
  torch::Tensor uncertainty;  // [atoms]
  torch::Tensor committee;    // [structures or atoms, members], as requested
  /// dE/d(positions), one [N, 3] a structure: with respect to *all* of its atoms, also those that
  /// are not owned, of the energy of the owned ones.
  std::vector<torch::Tensor> position_gradients;
  /// dE/d(strain), one [3, 3] a structure, where positions and cell become x @ strain and strain is
  /// the unit matrix; need not be symmetric.
  std::vector<torch::Tensor> strain_gradients;
  /// dE/d(pair vector), of each structure one [P, 3] for each of its pair lists: of the energy of
  /// the owned atoms.
  std::vector<std::vector<torch::Tensor>> pair_gradients;
  /// As position_gradients and strain_gradients, of each of M members: [M, N, 3] and [M, 3, 3].
  std::vector<torch::Tensor> member_position_gradients;
  std::vector<torch::Tensor> member_strain_gradients;
  torch::Tensor member_direct_forces;  // [M, atoms, 3]
  /// How much of the call went into gradients, in seconds, where that can be told: for Timings.
  double gradient_seconds = 0.0;
  /// And into ordering pairs for the network.
  double pair_seconds = 0.0;
};

/// Runs a network. What it is compiled to, and how it differentiates, is its own affair: a graph
/// that is walked backwards, or gradients that are plain outputs of a compiled file. Nothing above
/// this interface knows. For a new one, derive from this class and let load_backend() know by what
/// its files are recognised.
///
/// Not thread-safe: engines that share a model take turns (Model::take_turn()).
class Backend {
 public:
  virtual ~Backend() = default;

  /// Run the network once over these structures, each of which has at least one atom (but maybe no
  /// pairs: its energy is then a constant, and its gradients are zeros, not undefined). A result
  /// that is not finite is no error here: the engine looks, and names the atom.
  ///
  /// Throws ModelError if the model breaks its own promises (a wrong number of values, say), and
  /// whatever its runtime throws: the engine makes a sentence of that (running out of memory
  /// included).
  virtual BackendResult forward(const std::vector<SystemTensors>& systems,
                                const BackendRequest& request) = 0;

  /// What the file says of itself, and the device that the model is on.
  virtual ModelInfo info() const = 0;
  /// Whether the model can give this output (its own name) atom by atom.
  virtual bool has_per_atom(const std::string& output) const = 0;
  /// What the model asks for besides the atoms ("charge", "spin_multiplicity"), and whether it can
  /// do without.
  virtual std::map<std::string, bool> inputs() const { return {}; }
  /// Whether the energy of a structure is to be added up from those of its atoms wherever there are
  /// some: single precision resolves them better.
  virtual bool adds_up_atoms(const std::string& /*energy*/) const { return true; }
  /// Why this energy (the model's name for it) has no gradient with respect to positions, or to a
  /// strain: the end of a sentence; empty if it has.
  virtual std::string lacks_gradient(const std::string& /*energy*/, bool /*of_strain*/) const {
    return "";
  }
  /// Why there are no forces of the members of a committee: direct ones, or minus the gradients of
  /// their energies. The end of a sentence; empty if there are.
  virtual std::string lacks_forces_of_members(bool /*direct*/) const {
    return "its committee has energies alone";
  }
  /// Whether this energy (the model's name for it) depends on positions through the pair vectors
  /// alone, so that it has gradients with respect to them.
  virtual bool gives_pair_gradients(const std::string& energy) = 0;
  /// Whether this direct stress (the model's name for it) is a sum over atoms, so that that of a
  /// structure of which some atoms are not owned is the share of those that are.
  virtual bool shares_direct_stress(const std::string& stress) = 0;
  /// The pair lists that the model needs, in the order of SystemTensors::pairs.
  virtual const std::vector<PairRequest>& pair_requests() const = 0;
  /// Where the tensors of a call must be, and their floating-point type.
  virtual torch::Device device() const = 0;
  virtual torch::Dtype dtype() const = 0;
};

/// Whether a gradient of any kind is asked for.
bool wants_gradient(const BackendRequest& request);

/// dE/d(positions) and dE/d(strain) of one structure, where they are wanted, from gradients of its
/// pair vectors r_j - r_i + S @ cell (one tensor for each pair list), in double precision.
void add_pair_gradients(const SystemTensors& system, const std::vector<torch::Tensor>& gradients,
                        const BackendRequest& request, BackendResult& result);

/// Load a model file onto a device; its content, not its name, says which backend runs it. Or open
/// a model that is no file, of a name that somebody registered (external/registry.hpp). Throws
/// ModelError if no backend reads such files, the file is broken, or the device is not there.
std::unique_ptr<Backend> load_backend(const std::string& path, const ModelOptions& options);

}  // namespace mdbridge
