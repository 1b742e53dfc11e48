#include "ipi/session.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "mdbridge/error.hpp"
#include "mdbridge/matrix3.hpp"

namespace mdbridge::ipi {

namespace {

bool same_frame(const Frame& a, const Frame& b) {
  return a.positions == b.positions && a.cell == b.cell;
}

std::string json_string(const std::string& text) {
  static const char* digits = "0123456789abcdef";
  std::string json = "\"";
  for (const unsigned char c : text) {
    if (c == '"' || c == '\\') {
      json += {'\\', static_cast<char>(c)};
    } else if (c < 0x20) {
      json += std::string("\\u00") + digits[c / 16] + digits[c % 16];
    } else {
      json += static_cast<char>(c);
    }
  }
  return json + "\"";
}

/// The numbers, each times `factor`, in the shortest form that reads back as the same number.
std::string json_array(const std::vector<double>& values, double factor) {
  std::string json = "[";
  char text[32];
  for (const double value : values) {
    if (json.size() > 1) json += ',';
    json.append(text, std::to_chars(text, text + sizeof(text), factor * value).ptr);
  }
  return json + "]";
}

/// The virial that belongs to these forces, and nothing else.
Wanted virial_of(ForceKind kind) {
  Wanted wanted{.energy = false};
  (kind == ForceKind::direct ? wanted.direct_virial : wanted.conservative_virial) = true;
  return wanted;
}

}  // namespace

Session::Session(std::shared_ptr<Engine> engine, std::vector<std::int32_t> types,
                 std::array<bool, 3> periodic, SessionOptions options,
                 std::shared_ptr<Engine> inner)
    : engine_(std::move(engine)),
      inner_(inner ? std::move(inner) : engine_),
      inner_kind_(inner_ == engine_ ? ForceKind::direct : options.inner_forces),
      types_(std::move(types)),
      periodic_(periodic),
      options_(options),
      replicas_(inner_, engine_, options_.skin, {}) {
  if (types_.empty()) throw Error("the template has no atoms");
  Pairs(options_.skin);  // throws if the skin makes no sense
  engine_->require_types(types_);
  inner_->require_types(types_);
  Wanted wanted;
  wanted.uncertainty = options_.uncertainty_extras;
  wanted.committee = options_.committee_extras;
  wanted.energy_rot_std = options_.deviation_extras;
  engine_->require(wanted);
  if (inner_ != engine_) require_teacher_variant(*inner_, *engine_);
  if (!(options_.max_correction > 0.0)) {
    throw Error("max_correction must be a positive number, found " +
                std::to_string(options_.max_correction));
  }
  has_inner_virial_ = inner_->can_give(virial_of(inner_kind_));
  has_outer_virial_ = engine_->can_give(virial_of(ForceKind::conservative));
}

void Session::serve(ForceKind kind) {
  Wanted wanted{.energy = kind == ForceKind::conservative || inner_ == engine_};
  const ForceKind forces = kind == ForceKind::direct ? inner_kind_ : kind;
  wanted.conservative_forces = forces == ForceKind::conservative;
  wanted.direct_forces = forces == ForceKind::direct;
  (kind == ForceKind::direct ? *inner_ : *engine_).require(wanted);
  if (kind == ForceKind::conservative) require_outer_virial();
  const std::lock_guard<std::mutex> lock(mutex_);
  bool& served = kind == ForceKind::conservative ? serves_conservative_ : serves_direct_;
  if (served) return;
  served = true;
  // what was evaluated for one forcefield does not have what the other one needs
  replicas_ = Replicas(inner_, engine_, options_.skin, fused_options());
}

std::vector<Result> Session::evaluate(ForceKind kind, const std::vector<Frame>& frames) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (frames.empty()) return {};
  // i-PI fills an incomplete batch with copies of its last structure
  std::size_t distinct = frames.size();
  while (distinct > 1 && same_frame(frames[distinct - 1], frames[distinct - 2])) --distinct;
  std::vector<Structure> structures;
  for (std::size_t f = 0; f < distinct; ++f) structures.push_back(structure(frames[f]));
  follow_periodicity(structures.front());
  if (kind == ForceKind::direct) check_zero_virial(structures.front());
  if (kind == ForceKind::conservative && !has_outer_virial_) require_first_cell(structures.front());
  FusedForces& forces = replicas_.follow(kind, structures);
  std::vector<Result> results;
  if (kind == ForceKind::direct) {
    for (const Evaluation& inner : forces.inner(structures)) {
      results.push_back(inner_result(inner));
    }
  } else {
    const std::vector<Evaluation>& outer = forces.outer(structures);
    const bool both = options_.force_extras && serves_direct_;
    // inner ones are there, and free, as soon as both forcefields are served
    const std::vector<Evaluation>* inner = serves_direct_ ? &forces.inner(structures) : nullptr;
    if (inner != nullptr && !forces_compared_) compare_forces(outer, *inner);
    for (std::size_t s = 0; s < outer.size(); ++s) {
      results.push_back(result(*engine_, kind, outer[s]));
      if (options_.force_extras) {
        results.back().extras.pop_back();  // the brace
        results.back().extras += force_extras(outer[s], both ? &(*inner)[s] : nullptr) + "}";
      }
    }
  }
  while (results.size() < frames.size()) results.push_back(results.back());
  return results;
}

std::string Session::take_news() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return std::exchange(news_, {});
}

void Session::compare_forces(const std::vector<Evaluation>& outer,
                             const std::vector<Evaluation>& inner) {
  ForceAgreement::Sums sums;
  for (std::size_t s = 0; s < outer.size(); ++s) {
    sums.add(outer[s].conservative_forces, inner[s].forces(inner_kind_));
  }
  const ForceAgreement agreement(sums);
  const bool two_models = inner_ != engine_;
  // once, when there is something to compare
  forces_compared_ = !agreement.at_rest();
  if (forces_compared_) news_ = agreement.describe(two_models);
  agreement.require(
      options_.max_correction, two_models,
      std::string("leave the forcefield of the direct forces out, choose ") +
          (two_models ? "another inner model (inner)" : "other direct forces (direct_variant)") +
          ", or allow for it by the option max_correction");
}

FusedForces::Counts Session::counts() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return replicas_.counts();
}

std::int64_t Session::learned_stride() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return replicas_.learned_stride();
}

std::int64_t Session::pair_list_builds() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return replicas_.pair_list_builds();
}

std::int64_t Session::replicas() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return static_cast<std::int64_t>(replicas_.size());
}

FusedOptions Session::fused_options() const {
  FusedOptions options;
  options.fuse = serves_direct_;
  options.inner_forces = inner_kind_;
  // of two models, one for the inner forces need not have an energy
  options.energy_with_inner = inner_ == engine_ || inner_->can_give({.energy = true});
  options.inner_forces_alone = gives_inner_forces_alone();
  options.inner_virial = serves_direct_ && has_inner_virial_ && fully_periodic_ &&
                         options_.direct_virial == DirectVirial::automatic;
  options.uncertainty = options_.uncertainty_extras;
  options.committee = options_.committee_extras;
  options.deviations = options_.deviation_extras;
  return options;
}

Structure Session::structure(const Frame& frame) const {
  Structure structure;
  structure.types = types_;
  structure.positions.resize(frame.positions.size());
  std::transform(frame.positions.begin(), frame.positions.end(), structure.positions.begin(),
                 [](double x) { return x / angstrom; });
  for (int a = 0; a < 3; ++a) {
    for (int k = 0; k < 3; ++k) structure.cell[3 * a + k] = frame.cell[3 * k + a] / angstrom;
    structure.periodic[a] = matrix3::row_norm(structure.cell, a) != 0.0;
    if (periodic_[a] && !structure.periodic[a]) {
      throw Error("the template is periodic along lattice vector " + std::to_string(a + 1) +
                  ", but i-PI sent a cell in which this vector is zero; give i-PI the cell of the "
                  "template (or a template without a cell for a molecule in vacuum)");
    }
  }
  return structure;
}

/// The direct stress exists for fully periodic structures only.
void Session::follow_periodicity(const Structure& structure) {
  if (structure.is_fully_periodic() == fully_periodic_) return;
  fully_periodic_ = structure.is_fully_periodic();
  replicas_ = Replicas(inner_, engine_, options_.skin, fused_options());
}

/// Direct forces without a direct stress come with a virial of zero. That is right in a
/// multiple-time-step run, where the outer step brings all of the conservative virial, and wherever
/// nobody looks at it. i-PI does not tell us whether it will; but a barostat changes the cell.
void Session::check_zero_virial(const Structure& structure) {
  if (serves_conservative_ || !fully_periodic_) return;
  if (options_.direct_virial == DirectVirial::automatic) {
    if (has_inner_virial_) return;
    throw ModelError(
        "the model " + inner_->info().path +
        " predicts no direct stress, so its direct forces come without a virial. If nothing in "
        "this run depends on the pressure (NVE or NVT dynamics), say so with the option stress: "
        "none; otherwise use conservative forces, or both kinds with multiple time stepping");
  }
  require_first_cell(structure);
}

/// i-PI gets a virial with conservative forces, whether it looks at it or not.
void Session::require_outer_virial() const {
  const bool periodic = std::all_of(periodic_.begin(), periodic_.end(), [](bool p) { return p; });
  if (has_outer_virial_ || !periodic || options_.direct_virial == DirectVirial::none) return;
  throw ModelError(
      "the model " + engine_->info().path +
      " gives no stress, so its forces come without a virial. If nothing in this run depends on "
      "the pressure (NVE or NVT dynamics), say so with the option stress: none");
}

/// Where a virial of zero is given nothing may depend on the pressure.
void Session::require_first_cell(const Structure& structure) {
  if (!fully_periodic_) return;
  if (!first_cell_) first_cell_ = structure.cell;
  if (structure.cell == *first_cell_) return;
  throw Error(
      "i-PI changed the cell, but this run was started with the option stress: none, which gives "
      "a virial of zero with direct forces, and with a model that has no stress, and so a wrong "
      "pressure. For constant pressure leave the option out if the model has a stress; otherwise "
      "use conservative forces, or both kinds with multiple time stepping");
}

Result Session::result(const Engine& engine, ForceKind kind, const Evaluation& evaluation) const {
  Result result;
  result.energy = electronvolt * evaluation.energy;
  const std::vector<double>& forces = evaluation.forces(kind);
  result.forces.resize(forces.size());
  std::transform(forces.begin(), forces.end(), result.forces.begin(),
                 [](double f) { return electronvolt_per_angstrom * f; });
  const std::array<double, 9>& virial = evaluation.virial(kind);
  std::transform(virial.begin(), virial.end(), result.virial.begin(),
                 [](double w) { return electronvolt * w; });
  result.extras = extras(engine, kind, evaluation);
  return result;
}

/// Whether the direct forcefield has no energy, uncertainty and committee of its own: they would
/// cost all the copies that its forces do without. Next to the conservative forcefield nobody
/// misses them.
bool Session::gives_inner_forces_alone() const {
  return inner_ == engine_ && serves_conservative_ && engine_->averages_direct_apart();
}

Result Session::inner_result(const Evaluation& evaluation) const {
  if (!gives_inner_forces_alone()) return result(*inner_, inner_kind_, evaluation);
  // where the outer forces were evaluated too there is more, but extras must always be the same
  Evaluation alone;
  alone.direct_forces = evaluation.direct_forces;
  alone.direct_virial = evaluation.direct_virial;
  alone.direct_forces_rot_std = evaluation.direct_forces_rot_std;
  alone.has.direct_forces_rot_std = evaluation.has.direct_forces_rot_std;
  return result(*inner_, inner_kind_, alone);
}

/// All beads must have the same extras (i-PI stops if not), so only what is always there is given.
std::string Session::extras(const Engine& engine, ForceKind kind,
                            const Evaluation& evaluation) const {
  std::string json = "{\"model\": " + json_string(engine.info().name);
  if (evaluation.has.uncertainty) {
    json += ", \"energy_uncertainty\": " + json_array(evaluation.uncertainty, electronvolt);
  }
  if (evaluation.has.committee) {
    // as i-PI's own driver calls it, and its committees expect it
    json += ", \"committee_pot\": " + json_array(evaluation.committee, electronvolt);
  }
  if (!options_.deviation_extras) return json + "}";
  const bool direct = kind == ForceKind::direct;
  if (evaluation.has.energy_rot_std) {
    json += ", \"energy_rot_std\": " + json_array({evaluation.energy_rot_std}, electronvolt);
  }
  if (direct ? evaluation.has.direct_forces_rot_std : evaluation.has.conservative_forces_rot_std) {
    json += ", \"forces_rot_std\": " + json_array(direct ? evaluation.direct_forces_rot_std
                                                         : evaluation.conservative_forces_rot_std,
                                                  electronvolt_per_angstrom);
  }
  return json + "}";
}

/// Inner forces are known wherever conservative ones are, but not the other way round.
std::string Session::force_extras(const Evaluation& outer, const Evaluation* inner) const {
  std::string json = ", \"conservative_forces\": " +
                     json_array(outer.conservative_forces, electronvolt_per_angstrom);
  if (inner == nullptr) return json;
  return json + ", \"direct_forces\": " +
         json_array(inner->forces(inner_kind_), electronvolt_per_angstrom);
}

}  // namespace mdbridge::ipi
