#include "committee/backend_committee.hpp"

#include <torch/torch.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <utility>

#include "mdbridge/error.hpp"

namespace mdbridge {

namespace {

/// "energy_ensemble/v" -> {"energy_ensemble", "v"}
std::pair<std::string, std::string> parts_of(const std::string& output) {
  const auto slash = output.find('/');
  if (slash == std::string::npos) return {output, ""};
  return {output.substr(0, slash), output.substr(slash + 1)};
}

/// What the members give for this output of the committee.
std::string source_of(const std::string& standard) {
  if (standard == "energy_ensemble" || standard == "energy_uncertainty") return "energy";
  // the old name is known to Model::find_output()
  return standard == "non_conservative_forces" ? "non_conservative_force" : standard;
}

std::string with_variant(const std::string& standard, const std::string& variant) {
  return variant.empty() ? standard : standard + "/" + variant;
}

/// The sum of what the members say, and, where it is wanted, what each of them says.
class Sum {
 public:
  explicit Sum(bool keep_all) : keep_all_(keep_all) {}

  void add(const torch::Tensor& of_member) {
    const auto values = of_member.to(torch::kFloat64);
    sum_ = sum_.defined() ? sum_ + values : values;
    ++count_;
    if (keep_all_) all_.push_back(values);
  }
  torch::Tensor mean() const { return sum_ / count_; }
  /// Of each member, along a new first dimension.
  torch::Tensor all() const { return torch::stack(all_); }

 private:
  bool keep_all_;
  torch::Tensor sum_;
  std::int64_t count_ = 0;
  std::vector<torch::Tensor> all_;
};

/// One sum for each structure.
class Sums {
 public:
  Sums(std::size_t structures, bool keep_all) : sums_(structures, Sum(keep_all)) {}

  void add(const std::vector<torch::Tensor>& of_member) {
    for (std::size_t s = 0; s < of_member.size(); ++s) sums_[s].add(of_member[s]);
  }
  std::vector<torch::Tensor> means() const { return each(&Sum::mean); }
  std::vector<torch::Tensor> all() const { return each(&Sum::all); }

 private:
  std::vector<torch::Tensor> each(torch::Tensor (Sum::*get)() const) const {
    std::vector<torch::Tensor> found;
    for (const Sum& sum : sums_) found.push_back((sum.*get)());
    return found;
  }

  std::vector<Sum> sums_;
};

/// The energies of structures from those of their atoms; what is not owned has none.
torch::Tensor of_structures(const torch::Tensor& of_atoms,
                            const std::vector<SystemTensors>& systems) {
  std::vector<torch::Tensor> sums;
  std::int64_t start = 0;
  for (const SystemTensors& system : systems) {
    const std::int64_t end = start + system.types.size(0);
    sums.push_back(of_atoms.slice(0, start, end).sum());
    start = end;
  }
  return torch::stack(sums);
}

/// Of a sample, over the first dimension.
torch::Tensor deviation(const torch::Tensor& samples) {
  const auto squares = (samples - samples.mean(0)).square().sum(0);
  return (squares / (samples.size(0) - 1)).sqrt();
}

/// Gradients of the pairs of one member's lists, as those of all lists of the committee.
std::vector<torch::Tensor> spread_over_lists(const SystemTensors& system,
                                             const std::vector<std::size_t>& lists,
                                             const std::vector<torch::Tensor>& gradients) {
  std::vector<torch::Tensor> all;
  for (const PairTensors& pairs : system.pairs) {
    all.push_back(torch::zeros_like(pairs.vectors, torch::kFloat64));
  }
  for (std::size_t n = 0; n < lists.size(); ++n) {
    all[lists[n]] = all[lists[n]] + gradients[n].to(torch::kFloat64);
  }
  return all;
}

}  // namespace

CommitteeBackend::CommitteeBackend(std::vector<std::shared_ptr<Model>> members) {
  for (auto& model : members) members_.push_back({std::move(model), {}});
  if (members_.size() < 2) {
    throw ModelError("a committee needs two models or more, found " +
                     std::to_string(members_.size()));
  }
  for (std::size_t m = 0; m < members_.size(); ++m) {
    const ModelInfo& info = members_[m].model->info();
    for (std::size_t other = 0; other < m; ++other) {
      if (members_[other].model != members_[m].model) continue;
      throw ModelError("a committee needs different models, found '" + info.path +
                       "' twice: leave one of them out");
    }
    const ModelInfo& first = members_.front().model->info();
    if (info.device == first.device) continue;
    throw ModelError("the members of a committee must be on one device, but '" + first.path +
                     "' is on " + first.device + " and '" + info.path + "' on " + info.device +
                     ": choose one that all of them support (device cpu)");
  }
  gather_pair_requests();
  read_info();
}

std::string CommitteeBackend::Member::name_of(const std::string& output) const {
  const auto [standard, variant] = parts_of(output);
  return model->find_output(source_of(standard), variant);
}

/// Lists that several members ask for are made once.
void CommitteeBackend::gather_pair_requests() {
  for (Member& member : members_) {
    for (const PairRequest& request : member.backend().pair_requests()) {
      const auto same = [&](const PairRequest& other) {
        return other.cutoff == request.cutoff && other.full == request.full &&
               other.strict == request.strict;
      };
      const auto found = std::find_if(pair_requests_.begin(), pair_requests_.end(), same);
      member.lists.push_back(
          static_cast<std::size_t>(std::distance(pair_requests_.begin(), found)));
      if (found == pair_requests_.end()) pair_requests_.push_back(request);
    }
    if (member.backend().dtype() == torch::kFloat64) dtype_ = torch::kFloat64;
  }
}

void CommitteeBackend::read_info() {
  const ModelInfo& first = members_.front().model->info();
  info_ = first;
  info_.name = "committee";
  info_.notes.clear();
  info_.path.clear();
  for (const Member& member : members_) {
    const ModelInfo& info = member.model->info();
    info_.path += (info_.path.empty() ? "" : ", ") + info.path;
    std::vector<std::int32_t> known;
    std::set_intersection(info_.atomic_types.begin(), info_.atomic_types.end(),
                          info.atomic_types.begin(), info.atomic_types.end(),
                          std::back_inserter(known));
    info_.atomic_types = known;
    info_.cutoff = std::max(info_.cutoff, info.cutoff);
    info_.interaction_range = std::max(info_.interaction_range, info.interaction_range);
    info_.stated_range = std::max(info_.stated_range, info.stated_range);
    for (const std::string& note : info.notes) info_.notes.push_back(info.path + ": " + note);
  }
  info_.dtype = dtype_ == torch::kFloat64 ? "float64" : "float32";
  info_.supported_devices = {first.device};
  info_.outputs.clear();
  for (const auto& [output, unit] : first.outputs) {
    auto [standard, variant] = parts_of(output);
    if (standard == "energy_ensemble" || standard == "energy_uncertainty") continue;
    standard = source_of(standard);
    const bool everywhere = std::all_of(members_.begin(), members_.end(), [&](const Member& m) {
      return !m.model->find_output(standard, variant).empty();
    });
    if (!everywhere) continue;
    info_.outputs[with_variant(standard, variant)] = unit;
    if (standard != "energy") continue;
    info_.outputs[with_variant("energy_ensemble", variant)] = unit;
    if (has_per_atom(output)) info_.outputs[with_variant("energy_uncertainty", variant)] = unit;
  }
}

bool CommitteeBackend::has_per_atom(const std::string& output) const {
  return std::all_of(members_.begin(), members_.end(), [&](const Member& member) {
    return member.backend().has_per_atom(member.name_of(output));
  });
}

/// Those of all members; one can do without only if all can that ask for it.
std::map<std::string, bool> CommitteeBackend::inputs() const {
  std::map<std::string, bool> all;
  for (const Member& member : members_) {
    for (const auto& [name, can_do_without] : member.backend().inputs()) {
      const auto known = all.find(name);
      all[name] = can_do_without && (known == all.end() || known->second);
    }
  }
  return all;
}

bool CommitteeBackend::adds_up_atoms(const std::string& energy) const {
  return std::any_of(members_.begin(), members_.end(), [&](const Member& member) {
    return member.backend().adds_up_atoms(member.name_of(energy));
  });
}

std::string CommitteeBackend::lacks_gradient(const std::string& energy, bool of_strain) const {
  for (const Member& member : members_) {
    const std::string why = member.backend().lacks_gradient(member.name_of(energy), of_strain);
    if (!why.empty()) return "of its member '" + member.model->info().path + "', " + why;
  }
  return "";
}

bool CommitteeBackend::gives_pair_gradients(const std::string& energy) {
  return std::all_of(members_.begin(), members_.end(), [&](const Member& member) {
    const auto turn = member.model->take_turn();
    return member.backend().gives_pair_gradients(member.name_of(energy));
  });
}

bool CommitteeBackend::shares_direct_stress(const std::string& stress) {
  return std::all_of(members_.begin(), members_.end(), [&](const Member& member) {
    const auto turn = member.model->take_turn();
    return member.backend().shares_direct_stress(member.name_of(stress));
  });
}

/// What one member is asked for, by its own names. Its energies come atom by atom wherever any are
/// needed so.
BackendRequest CommitteeBackend::request_for(const Member& member,
                                             const BackendRequest& request) const {
  const auto own = [&](const std::string& output) {
    return output.empty() ? "" : member.name_of(output);
  };
  BackendRequest asked;
  for (const std::string& output : {request.energy, request.committee, request.uncertainty}) {
    const std::string energy = own(output);
    if (energy.empty()) continue;
    if (!asked.energy.empty() && asked.energy != energy) {
      throw ModelError("the members of a committee have one energy each, found '" + asked.energy +
                       "' and '" + energy + "': leave out the variant of the uncertainty");
    }
    asked.energy = energy;
  }
  asked.energy_per_atom =
      request.energy_per_atom || request.committee_per_atom || !request.uncertainty.empty();
  asked.direct_forces = own(request.direct_forces);
  asked.direct_stress = own(request.direct_stress);
  asked.position_gradient = request.position_gradient || request.member_position_gradients;
  asked.strain_gradient = request.strain_gradient || request.member_strain_gradients;
  asked.pair_gradients = request.pair_gradients;
  asked.check_consistency = request.check_consistency;
  asked.timed = request.timed;
  const auto inputs = member.backend().inputs();
  for (const auto& [name, value] : request.inputs) {
    if (inputs.contains(name)) asked.inputs[name] = value;
  }
  return asked;
}

std::vector<SystemTensors> CommitteeBackend::systems_for(
    const Member& member, const std::vector<SystemTensors>& systems) const {
  const auto dtype = member.backend().dtype();
  std::vector<SystemTensors> own;
  for (const SystemTensors& system : systems) {
    SystemTensors one = system;
    one.positions = system.positions.to(dtype);
    one.cell = system.cell.to(dtype);
    one.pairs.clear();
    for (const std::size_t list : member.lists) {
      const PairTensors& pairs = system.pairs[list];
      one.pairs.push_back({pairs.labels, pairs.vectors.to(dtype)});
    }
    own.push_back(std::move(one));
  }
  return own;
}

BackendResult CommitteeBackend::forward(const std::vector<SystemTensors>& systems,
                                        const BackendRequest& request) {
  const bool uncertain = !request.uncertainty.empty();
  const std::size_t count = systems.size();
  Sum energies(true);
  Sum direct_forces(request.member_direct_forces);
  Sum direct_stress(false);
  Sums positions(count, request.member_position_gradients);
  Sums strains(count, request.member_strain_gradients);
  std::vector<Sums> pairs;
  BackendResult result;
  for (const Member& member : members_) {
    const BackendRequest asked = request_for(member, request);
    const auto turn = member.model->take_turn();
    const BackendResult found = member.backend().forward(systems_for(member, systems), asked);
    result.gradient_seconds += found.gradient_seconds;
    result.pair_seconds += found.pair_seconds;
    const torch::NoGradGuard no_graph;
    if (!asked.energy.empty()) energies.add(found.energy);
    if (!asked.direct_forces.empty()) direct_forces.add(found.direct_forces);
    if (!asked.direct_stress.empty()) direct_stress.add(found.direct_stress);
    positions.add(found.position_gradients);
    strains.add(found.strain_gradients);
    for (std::size_t s = 0; s < found.pair_gradients.size(); ++s) {
      if (pairs.size() <= s) pairs.emplace_back(pair_requests_.size(), false);
      pairs[s].add(spread_over_lists(systems[s], member.lists, found.pair_gradients[s]));
    }
  }
  const torch::NoGradGuard no_graph;
  const bool by_atom = request.energy_per_atom || request.committee_per_atom || uncertain;
  if (!request.energy.empty()) {
    result.energy = by_atom && !request.energy_per_atom ? of_structures(energies.mean(), systems)
                                                        : energies.mean();
  }
  if (uncertain) result.uncertainty = deviation(energies.all());
  if (!request.committee.empty()) {
    std::vector<torch::Tensor> columns;
    for (const auto& of_member : energies.all().unbind(0)) {
      columns.push_back(by_atom && !request.committee_per_atom ? of_structures(of_member, systems)
                                                               : of_member);
    }
    result.committee = torch::stack(columns, 1);
  }
  if (!request.direct_forces.empty()) result.direct_forces = direct_forces.mean();
  if (request.member_direct_forces) result.member_direct_forces = direct_forces.all();
  if (!request.direct_stress.empty()) result.direct_stress = direct_stress.mean();
  if (request.position_gradient) result.position_gradients = positions.means();
  if (request.strain_gradient) result.strain_gradients = strains.means();
  if (request.member_position_gradients) result.member_position_gradients = positions.all();
  if (request.member_strain_gradients) result.member_strain_gradients = strains.all();
  for (const Sums& of_lists : pairs) result.pair_gradients.push_back(of_lists.means());
  return result;
}

}  // namespace mdbridge
