#include "packing.hpp"

#include <algorithm>
#include <array>
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

std::vector<double> to_host(const torch::Tensor& tensor, double factor = 1.0) {
  const auto host = tensor.detach().to(torch::kCPU, torch::kFloat64).contiguous();
  const double* data = host.data_ptr<double>();
  std::vector<double> values(data, data + host.numel());
  if (factor != 1.0) {
    for (double& value : values) value *= factor;
  }
  return values;
}

std::array<double, 9> to_symmetric(const torch::Tensor& tensor, double factor) {
  const auto values = to_host(tensor, factor);
  std::array<double, 9> matrix{};
  std::copy(values.begin(), values.end(), matrix.begin());
  return matrix3::symmetrized(matrix);
}

}  // namespace

BackendStructure to_tensors(const Structure& structure, const std::vector<SelectedPairs>& selected,
                            const Backend& backend) {
  const auto device = backend.device();
  const std::int64_t count = structure.size();
  BackendStructure out;
  out.types = on_device(structure.types.data(), {count}, torch::kInt32, device).clone();
  out.periodic = on_device(structure.periodic.data(), {3}, torch::kBool, device).clone();
  out.owned = structure.owned_size();
  out.positions = on_device(structure.positions.data(), {count, 3}, torch::kFloat64, device);
  out.cell = on_device(structure.cell.data(), {3, 3}, torch::kFloat64, device);
  for (const auto& pairs : selected) {
    out.pairs.push_back(
        {on_device(pairs.labels.data(), {pairs.size(), 5}, torch::kInt32, device).clone(),
         on_device(pairs.vectors.data(), {pairs.size(), 3}, torch::kFloat64, device)});
  }
  return out;
}

Packed pack(const BackendStructure& original, const std::optional<Rotation>& rotation,
            torch::Dtype dtype, const Wanted& wanted) {
  Packed packed;
  packed.structure = original;
  auto& out = packed.structure;
  packed.positions = rotated(original.positions, rotation, dtype);
  out.positions = packed.positions;
  out.cell = rotated(original.cell, rotation, dtype);
  for (auto& pairs : out.pairs) pairs.vectors = rotated(pairs.vectors, rotation, dtype);
  if (wanted.gradient()) packed.positions.requires_grad_(true);
  if (wanted.conservative_virial) {
    packed.strain = torch::eye(3, out.cell.options());
    packed.strain.requires_grad_(true);
    out.positions = packed.positions.matmul(packed.strain);
    out.cell = out.cell.matmul(packed.strain);
  }
  return packed;
}

Gradients differentiate(const torch::Tensor& energy, const std::vector<Packed>& packed,
                        const Wanted& wanted) {
  Gradients gradients;
  if (!wanted.gradient()) return gradients;
  const auto count = packed.size();
  // a structure without pairs has a constant energy, which is in no graph at all
  if (!energy.requires_grad()) {
    for (const auto& one : packed) {
      gradients.positions.push_back(torch::zeros_like(one.positions));
      if (wanted.conservative_virial) gradients.strains.push_back(torch::zeros_like(one.strain));
    }
    return gradients;
  }
  std::vector<torch::Tensor> leaves;
  for (const auto& one : packed) leaves.push_back(one.positions);
  if (wanted.conservative_virial) {
    for (const auto& one : packed) leaves.push_back(one.strain);
  }
  auto all = torch::autograd::grad({energy.sum()}, leaves, /*grad_outputs=*/{},
                                   /*retain_graph=*/false, /*create_graph=*/false,
                                   /*allow_unused=*/true);
  for (std::size_t k = 0; k < all.size(); ++k) {
    if (!all[k].defined()) all[k] = torch::zeros_like(leaves[k]);
    (k < count ? gradients.positions : gradients.strains).push_back(all[k]);
  }
  return gradients;
}

std::vector<Evaluation> unpack(const std::vector<Packed>& packed,
                               const std::vector<double>& volumes, const BackendRequest& request,
                               const BackendResult& result, const Gradients& gradients,
                               const Wanted& wanted) {
  std::vector<Evaluation> evaluations(packed.size());
  std::int64_t start = 0;
  for (std::size_t s = 0; s < packed.size(); ++s) {
    Evaluation& out = evaluations[s];
    const std::int64_t end = start + packed[s].positions.size(0);
    const auto row = static_cast<std::int64_t>(s);
    if (request.energy_per_atom) {
      auto energies = to_host(result.energy.slice(0, start, end));
      for (const double energy : energies) out.energy += energy;
      if (wanted.atomic_energies) out.atomic_energies = std::move(energies);
    } else if (result.energy.defined()) {
      out.energy = result.energy.select(0, row).detach().to(torch::kFloat64).item<double>();
    }
    if (wanted.conservative_forces) {
      out.conservative_forces = to_host(gradients.positions[s], -1.0);
    }
    if (wanted.conservative_virial) {
      out.conservative_virial = to_symmetric(gradients.strains[s], -1.0);
    }
    if (wanted.direct_forces) {
      out.direct_forces = to_host(result.direct_forces.slice(0, start, end));
    }
    if (wanted.direct_virial) {
      out.direct_virial = to_symmetric(result.direct_stress.select(0, row), -volumes[s]);
    }
    if (wanted.uncertainty) out.uncertainty = to_host(result.uncertainty.slice(0, start, end));
    start = end;
  }
  return evaluations;
}

}  // namespace mdbridge
