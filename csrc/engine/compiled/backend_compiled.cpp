#include "compiled/backend_compiled.hpp"

#include <torch/torch.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "mdbridge/error.hpp"

namespace mdbridge {

namespace fs = std::filesystem;

namespace {

/// A file of its own, gone with this object.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& contents) {
    std::string folder = (fs::temp_directory_path() / "mdbridge-XXXXXX").string();
    if (mkdtemp(folder.data()) == nullptr) {
      throw ModelError("cannot write into the folder for temporary files, '" +
                       fs::temp_directory_path().string() + "': set TMPDIR to another one");
    }
    folder_ = folder;
    std::ofstream file(path(), std::ios::binary);
    file << contents;
    file.close();
    if (!file) {
      throw ModelError("the folder for temporary files, '" + fs::temp_directory_path().string() +
                       "', is full: set TMPDIR to another one");
    }
  }
  ~TemporaryFile() {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  std::string path() const { return (folder_ / "model.pt").string(); }

 private:
  fs::path folder_;
};

ModelOptions on_cpu(const std::string& path, ModelOptions options) {
  if (options.device != "auto" && !options.device.empty() && options.device != "cpu") {
    throw ModelError("the model '" + path + "' was compiled for the CPU, found device '" +
                     options.device +
                     "': run the TorchScript file there, which `md-bridge export " + path +
                     " -o model.pt` takes out of it");
  }
  options.device = "cpu";
  return options;
}

/// Four atoms of one kind, all neighbours of each other and none of them wanted.
SystemTensors company(std::int64_t type, torch::Dtype dtype) {
  constexpr int kAtoms = 4;
  const auto corners = torch::tensor({0, 0, 0, 1, 1, 0, 1, 0, 1, 0, 1, 1}, dtype).view({kAtoms, 3});
  std::vector<std::int32_t> labels;
  for (std::int32_t i = 0; i < kAtoms; ++i) {
    for (std::int32_t j = 0; j < kAtoms; ++j) {
      if (i != j) labels.insert(labels.end(), {i, j, 0, 0, 0});
    }
  }
  const auto made = torch::tensor(labels, torch::kInt32).view({-1, 5});
  const auto vectors =
      corners.index_select(0, made.select(1, 1)) - corners.index_select(0, made.select(1, 0));
  return {torch::full({kAtoms}, type, torch::kInt32),
          corners,
          torch::zeros({3, 3}, dtype),
          torch::zeros({3}, torch::kBool),
          0,
          {{made, vectors}}};
}

}  // namespace

CompiledBackend::CompiledBackend(const std::string& path, const ModelOptions& options)
    : package_(path) {
  const TemporaryFile file(package_.torchscript());
  torchscript_ = std::make_unique<TorchScriptBackend>(file.path(), on_cpu(path, options), path);
  package_.require_precision(torchscript_->dtype());
  network_ = compiled_network(package_);
  info_ = torchscript_->info();
  info_.supported_devices = {"cpu"};
  info_.notes.push_back("compiled for " + package_.value("cpu"));
}

/// The compiled function that gives all of a request for these structures; empty if none does.
std::string CompiledBackend::function_for(const std::vector<SystemTensors>& systems,
                                          const BackendRequest& request) const {
  const auto differs = [&](const std::string& wanted, const char* key) {
    return !wanted.empty() && wanted != package_.value(key);
  };
  if (request.check_consistency || !request.inputs.empty() || !request.uncertainty.empty() ||
      !request.committee.empty() || differs(request.energy, "energy") ||
      differs(request.direct_forces, "direct_forces") ||
      differs(request.direct_stress, "direct_stress")) {
    return "";
  }
  if (request.pair_gradients && package_.value("kind") != "pairs") return "";
  // the share of some atoms in the stress of a whole structure is not defined; TorchScript says so
  const bool parts = std::any_of(systems.begin(), systems.end(), [](const SystemTensors& system) {
    return system.owned < system.types.size(0);
  });
  if (parts && !request.direct_stress.empty() && !has_stresses_of_atoms()) return "";
  const bool gradient = wants_gradient(request);
  const bool direct = !request.direct_forces.empty() || !request.direct_stress.empty();
  const std::string function = gradient ? (direct ? "both" : "conservative") : "direct";
  // without direct forces a file has no function that stops at the energy
  return package_.has_function(function) ? function : "";
}

bool CompiledBackend::has_stresses_of_atoms() const {
  return package_.value("kind") == "pairs" || !package_.value("stress_per_atom").empty();
}

bool CompiledBackend::gives_pair_gradients(const std::string& energy) {
  return (package_.value("kind") == "pairs" && energy == package_.value("energy")) ||
         torchscript_->gives_pair_gradients(energy);
}

bool CompiledBackend::shares_direct_stress(const std::string& stress) {
  return torchscript_->shares_direct_stress(stress);
}

BackendResult CompiledBackend::forward(const std::vector<SystemTensors>& systems,
                                       const BackendRequest& request) {
  const std::string function = function_for(systems, request);
  if (function.empty()) return torchscript_->forward(systems, request);
  const torch::NoGradGuard no_grad;
  auto answer = network_->run(function, systems);
  if (!answer && request.pair_gradients) {  // which the TorchScript of a PET cannot give
    auto with_company = systems;
    with_company.push_back(company(info_.atomic_types.front(), dtype()));
    answer = network_->run(function, with_company);
  }
  if (!answer) return torchscript_->forward(systems, request);
  const CompiledResult& found = *answer;
  BackendResult result;
  result.pair_seconds = found.pair_seconds;
  std::int64_t first_atom = 0, first_pair = 0, row = 0;
  std::vector<torch::Tensor> energies, stresses;
  for (const SystemTensors& system : systems) {
    const PairTensors& pairs = system.pairs.front();
    const auto atoms = system.types.size(0);
    const auto owned_rows = [&](const torch::Tensor& all) {
      return all.slice(0, first_atom, first_atom + system.owned);
    };
    if (!request.energy.empty() && !request.energy_per_atom) {
      energies.push_back(owned_rows(found.energies).sum());
    }
    if (!request.direct_stress.empty()) {
      stresses.push_back(found.stress.defined()
                             ? found.stress.select(0, row)
                             : owned_rows(found.stresses).to(torch::kFloat64).sum(0) /
                                   system.cell.to(torch::kFloat64).det().abs());
    }
    const auto count = pairs.labels.size(0);
    if (found.pair_gradients.defined()) {
      const auto gradients = found.pair_gradients.slice(0, first_pair, first_pair + count);
      add_pair_gradients(system, {gradients}, request, result);
      if (request.pair_gradients) result.pair_gradients.push_back({gradients});
    }
    if (request.position_gradient && found.position_gradients.defined()) {
      result.position_gradients.push_back(
          found.position_gradients.slice(0, first_atom, first_atom + atoms));
    }
    if (request.strain_gradient && found.strain_gradients.defined()) {
      result.strain_gradients.push_back(found.strain_gradients.select(0, row));
    }
    first_atom += atoms;
    first_pair += count;
    ++row;
  }
  const auto owned = ownership(systems, torch::kFloat64);
  if (request.energy_per_atom) {
    result.energy = found.energies.slice(0, 0, first_atom) * owned;
  } else if (!energies.empty()) {
    result.energy = torch::stack(energies);
  }
  if (!request.direct_forces.empty()) {
    result.direct_forces =
        found.forces.slice(0, 0, first_atom).to(torch::kFloat64) * owned.unsqueeze(1);
  }
  if (!stresses.empty()) result.direct_stress = torch::stack(stresses);
  return result;
}

}  // namespace mdbridge
