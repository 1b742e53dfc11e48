// A backend without autograd, put under the engine: energy, direct forces and gradients are outputs
// that it computes by hand. Says "same" if the engine makes of them what the formulas say.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "backend.hpp"
#include "mdbridge/error.hpp"
#include "mdbridge/fused_forces.hpp"

using namespace mdbridge;  // NOLINT: a program of one file

namespace {

constexpr double cutoff = 4.0;

/// e(r) = (1 - r^2/rc^2)^3 for each pair, half of it to each of its atoms.
double pair_energy(double r2) { return std::pow(1.0 - r2 / (cutoff * cutoff), 3); }
/// de/d(r^2)
double slope(double r2) {
  return -3.0 / (cutoff * cutoff) * std::pow(1.0 - r2 / (cutoff * cutoff), 2);
}

class Analytic final : public Backend {
 public:
  BackendResult forward(const std::vector<SystemTensors>& systems,
                        const BackendRequest& request) override {
    const c10::InferenceMode no_graph;
    BackendResult result;
    std::vector<torch::Tensor> energies, forces;
    for (const SystemTensors& system : systems) {
      const auto count = system.types.size(0);
      auto energy = torch::zeros({count}, torch::kFloat64);
      auto gradient = torch::zeros({count, 3}, torch::kFloat64);
      auto strain = torch::zeros({3, 3}, torch::kFloat64);
      const auto labels = system.pairs.front().labels.accessor<int, 2>();
      const auto vectors = system.pairs.front().vectors.accessor<double, 2>();
      for (std::int64_t p = 0; p < labels.size(0); ++p) {
        const int i = labels[p][0], j = labels[p][1];
        if (i >= system.owned) continue;
        double r2 = 0.0;
        for (int k = 0; k < 3; ++k) r2 += vectors[p][k] * vectors[p][k];
        energy[i] += 0.5 * pair_energy(r2);
        for (int k = 0; k < 3; ++k) {
          const double along = slope(r2) * vectors[p][k];  // of half a pair: 0.5 * 2
          gradient[i][k] -= along;
          gradient[j][k] += along;
          for (int l = 0; l < 3; ++l) strain[k][l] += along * vectors[p][l];
        }
      }
      energies.push_back(request.energy_per_atom ? energy : energy.sum().reshape({1}));
      forces.push_back(2.0 * gradient);
      if (request.position_gradient) result.position_gradients.push_back(gradient);
      if (request.strain_gradient) result.strain_gradients.push_back(strain);
    }
    if (!request.energy.empty()) result.energy = torch::cat(energies);
    if (!request.direct_forces.empty()) result.direct_forces = torch::cat(forces);
    return result;
  }

  ModelInfo info() const override {
    ModelInfo info;
    info.path = "analytic";
    info.atomic_types = {18};
    info.cutoff = info.interaction_range = cutoff;
    info.dtype = "float64";
    info.supported_devices = {"cpu"};
    info.device = "cpu";
    info.outputs = {{"energy", "eV"}, {"non_conservative_force", "eV/A"}};
    return info;
  }
  bool has_per_atom(const std::string&) const override { return true; }
  bool gives_pair_gradients(const std::string&) override { return false; }
  bool shares_direct_stress(const std::string&) override { return false; }
  const std::vector<PairRequest>& pair_requests() const override { return requests_; }
  torch::Device device() const override { return torch::kCPU; }
  torch::Dtype dtype() const override { return torch::kFloat64; }

 private:
  std::vector<PairRequest> requests_ = {{cutoff, /*full=*/true}};
};

Structure argon(double shift) {
  Structure structure;
  structure.types = {18, 18, 18, 18};
  structure.positions = {0.0, 0.0, 0.0, 2.1 + shift, 0.2, 0.0, 0.1, 2.4, 0.3, 2.2, 2.0, 2.3};
  structure.cell = {5.0, 0.0, 0.0, 0.3, 5.2, 0.0, 0.1, -0.2, 4.9};
  structure.periodic = {true, true, true};
  return structure;
}

Structure strained(Structure structure, int a, int b, double size) {
  for (std::size_t row = 0; row < structure.positions.size(); row += 3) {
    structure.positions[row + b] += size * structure.positions[row + a];
  }
  for (int row = 0; row < 9; row += 3) structure.cell[row + b] += size * structure.cell[row + a];
  return structure;
}

void require_close(double found, double expected, const std::string& what) {
  if (std::abs(found - expected) < 1e-7) return;
  throw Error(what + ": expected " + std::to_string(expected) + ", found " + std::to_string(found));
}

double energy(Engine& engine, const Structure& structure) {
  Pairs pairs(0.0);
  return engine.evaluate(structure, pairs, {}).energy;
}

void check_derivatives(Engine& engine, const Structure& structure, const Evaluation& found) {
  const double step = 1e-4;
  for (std::size_t k = 0; k < structure.positions.size(); ++k) {
    Structure up = structure, down = structure;
    up.positions[k] += step;
    down.positions[k] -= step;
    require_close(found.conservative_forces[k],
                  (energy(engine, down) - energy(engine, up)) / (2.0 * step), "force");
  }
  for (int a = 0; a < 3; ++a) {
    for (int b = 0; b < 3; ++b) {
      require_close(found.conservative_virial[3 * a + b],
                    (energy(engine, strained(structure, a, b, -step)) -
                     energy(engine, strained(structure, a, b, step))) /
                        (2.0 * step),
                    "virial");
    }
  }
}

void run() {
  const auto model = std::make_shared<Model>(std::make_unique<Analytic>());
  const auto engine = std::make_shared<Engine>(model);
  const std::vector<Structure> structures = {argon(0.0), argon(0.15)};
  FusedForces fused(engine, 1.0);
  const auto& found = fused.outer(structures);  // one batch
  EngineOptions options;
  options.symmetrize = "octahedral";
  Engine averaging(model, options);
  for (std::size_t s = 0; s < structures.size(); ++s) {
    check_derivatives(*engine, structures[s], found[s]);
    Wanted wanted;
    wanted.conservative_forces = wanted.conservative_virial = true;
    Pairs pairs(0.0);
    const auto averaged = averaging.evaluate(structures[s], pairs, wanted);
    require_close(averaged.energy, found[s].energy, "averaged energy");
    for (std::size_t k = 0; k < structures[s].positions.size(); ++k) {
      require_close(found[s].direct_forces[k], -2.0 * found[s].conservative_forces[k], "direct");
      require_close(averaged.conservative_forces[k], found[s].conservative_forces[k], "averaged");
    }
    for (int k = 0; k < 9; ++k) {
      require_close(averaged.conservative_virial[k], found[s].conservative_virial[k], "averaged W");
    }
  }
}

}  // namespace

int main() try {
  run();
  std::puts("same");
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
