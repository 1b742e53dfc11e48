#include "packing.hpp"

#include <torch/torch.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "mdbridge/matrix3.hpp"

namespace mdbridge {

namespace {

/// Host data on a device: on the CPU the same memory.
template <typename T>
torch::Tensor on_device(const T* data, std::vector<std::int64_t> shape, torch::Dtype type,
                        torch::Device device) {
  return torch::from_blob(const_cast<T*>(data), shape, type).to(device);
}

/// A copy of the row vectors, rotated in double precision, in the given type.
torch::Tensor rotated(const torch::Tensor& rows, const std::optional<Rotation>& rotation,
                      torch::Dtype dtype) {
  if (!rotation) return rows.to(dtype, /*non_blocking=*/false, /*copy=*/true);
  const auto matrix = on_device(rotation->data(), {3, 3}, torch::kFloat64, rows.device());
  return rows.matmul(matrix.t()).to(dtype);
}

/// Whatever the type, shape and device: the numbers times `factor`, row by row.
std::vector<double> to_host(const torch::Tensor& tensor, double factor = 1.0) {
  const auto host = tensor.to(torch::kCPU, torch::kFloat64).contiguous();
  const double* data = host.data_ptr<double>();
  std::vector<double> values(data, data + host.numel());
  if (factor != 1.0) {
    for (double& value : values) value *= factor;
  }
  return values;
}

/// The symmetric part of a 3x3 matrix, times `factor`.
std::array<double, 9> to_symmetric(const torch::Tensor& tensor, double factor) {
  const auto values = to_host(tensor, factor);
  std::array<double, 9> matrix{};
  std::copy(values.begin(), values.end(), matrix.begin());
  return matrix3::symmetrized(matrix);
}

/// The virials of the atoms, [N, 3, 3], from the gradients of each pair list; `halved`: half of a
/// pair with each of its atoms, symmetric; else all of it with the second one.
std::vector<double> atomic_virials(const SystemTensors& system,
                                   const std::vector<torch::Tensor>& gradients, bool halved) {
  auto sum =
      torch::zeros({system.types.size(0), 3, 3}, system.positions.options().dtype(torch::kFloat64));
  for (std::size_t n = 0; n < gradients.size(); ++n) {
    const auto& [labels, vectors] = system.pairs[n];
    auto shares =
        -vectors.to(torch::kFloat64).unsqueeze(2) * gradients[n].to(torch::kFloat64).unsqueeze(1);
    if (halved) {
      shares = 0.25 * (shares + shares.transpose(1, 2));
      sum.index_add_(0, labels.select(1, 0), shares);
    }
    sum.index_add_(0, labels.select(1, 1), shares);
  }
  return to_host(sum);
}

}  // namespace

SystemTensors to_tensors(const Structure& structure, const std::vector<double>& positions,
                         const std::vector<SelectedPairs>& selected, const Backend& backend) {
  const auto device = backend.device();
  const std::int64_t count = structure.size();
  SystemTensors out;
  // Integers reach the model as they are, and it may keep them (a cache, say) when the host's
  // arrays are long gone: hence the clones. pack() copies all floating-point tensors.
  out.types = on_device(structure.types.data(), {count}, torch::kInt32, device).clone();
  out.periodic = on_device(structure.periodic.data(), {3}, torch::kBool, device).clone();
  out.owned = structure.owned_size();
  out.positions = on_device(positions.data(), {count, 3}, torch::kFloat64, device);
  out.cell = on_device(structure.cell.data(), {3, 3}, torch::kFloat64, device);
  for (const auto& pairs : selected) {
    out.pairs.push_back(
        {on_device(pairs.labels.data(), {pairs.size(), 5}, torch::kInt32, device).clone(),
         on_device(pairs.vectors.data(), {pairs.size(), 3}, torch::kFloat64, device)});
  }
  return out;
}

SystemTensors pack(const SystemTensors& original, const std::optional<Rotation>& rotation,
                   torch::Dtype dtype) {
  SystemTensors out = original;
  out.positions = rotated(original.positions, rotation, dtype);
  out.cell = rotated(original.cell, rotation, dtype);
  for (auto& pairs : out.pairs) pairs.vectors = rotated(pairs.vectors, rotation, dtype);
  return out;
}

std::vector<Evaluation> unpack(const std::vector<SystemTensors>& systems,
                               const std::vector<double>& volumes, const BackendRequest& request,
                               const BackendResult& result, const Wanted& wanted) {
  std::vector<Evaluation> evaluations(systems.size());
  std::int64_t start = 0;
  for (std::size_t s = 0; s < systems.size(); ++s) {
    Evaluation& out = evaluations[s];
    out.has = wanted;
    const std::int64_t end = start + systems[s].types.size(0);
    const auto row = static_cast<std::int64_t>(s);
    if (request.energy_per_atom) {
      auto energies = to_host(result.energy.slice(0, start, end));
      for (const double energy : energies) out.energy += energy;
      if (wanted.atomic_energies) out.atomic_energies = std::move(energies);
    } else if (result.energy.defined()) {
      out.energy = result.energy.select(0, row).to(torch::kFloat64).item<double>();
    }
    if (wanted.conservative_forces) {
      out.conservative_forces = to_host(result.position_gradients[s], -1.0);
    }
    if (wanted.conservative_virial) {
      out.conservative_virial = to_symmetric(result.strain_gradients[s], -1.0);
    }
    if (wanted.direct_forces) {
      out.direct_forces = to_host(result.direct_forces.slice(0, start, end));
    }
    if (wanted.direct_virial) {
      out.direct_virial = to_symmetric(result.direct_stress.select(0, row), -volumes[s]);
    }
    if (wanted.committee) {
      const auto rows = request.committee_per_atom ? result.committee.slice(0, start, end)
                                                   : result.committee.slice(0, row, row + 1);
      out.committee = to_host(rows.to(torch::kFloat64).sum(0));
    }
    if (wanted.uncertainty) out.uncertainty = to_host(result.uncertainty.slice(0, start, end));
    if (wanted.atomic_virials) {
      out.atomic_virials = atomic_virials(systems[s], result.pair_gradients[s], false);
    }
    if (wanted.halved_atomic_virials) {
      out.halved_atomic_virials = atomic_virials(systems[s], result.pair_gradients[s], true);
    }
    start = end;
  }
  return evaluations;
}

}  // namespace mdbridge
