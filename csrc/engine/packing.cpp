#include "packing.hpp"

#include <torch/torch.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include "devices/transfer.hpp"
#include "mdbridge/matrix3.hpp"

namespace mdbridge {

namespace {

/// The same memory as a tensor.
template <typename T>
torch::Tensor shared(const T* data, at::IntArrayRef shape, torch::Dtype type) {
  return torch::from_blob(const_cast<T*>(data), shape, type);
}

/// The row vectors, rotated in double precision, in the given type; on the CPU never the same
/// memory, which is the host's there.
torch::Tensor rotated(const torch::Tensor& rows, const torch::Tensor& rotation,
                      torch::Dtype dtype) {
  if (rotation.defined()) return rows.matmul(rotation.t()).to(dtype);
  return rows.to(dtype, /*non_blocking=*/false, /*copy=*/rows.is_cpu());
}

/// Where numbers of a Download go: into this vector, times `factor`.
Download::Use into(std::vector<double>& out, double factor = 1.0) {
  return [&out, factor](std::span<const double> values) {
    out.assign(values.begin(), values.end());
    if (factor == 1.0) return;
    for (double& value : out) value *= factor;
  };
}

/// The same of a 3x3 matrix, of which the symmetric part is taken.
Download::Use into(std::array<double, 9>& out, double factor) {
  return [&out, factor](std::span<const double> values) {
    std::transform(values.begin(), values.end(), out.begin(),
                   [&](double value) { return value * factor; });
    out = matrix3::symmetrized(out);
  };
}

/// The virials of the atoms, [N, 3, 3], from the gradients of each pair list; `halved`: half of a
/// pair with each of its atoms, symmetric; else all of it with the second one.
torch::Tensor atomic_virials(const SystemTensors& system,
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
  return sum;
}

}  // namespace

SystemTensors to_tensors(const Structure& structure, const std::vector<double>& positions,
                         const std::vector<SelectedPairs>& selected) {
  const std::int64_t count = structure.size();
  SystemTensors out;
  // Integers reach the model as they are, and it may keep them (a cache, say) when the host's
  // arrays are long gone: hence the clones. pack() copies all floating-point tensors.
  out.types = shared(structure.types.data(), {count}, torch::kInt32).clone();
  out.periodic = shared(structure.periodic.data(), {3}, torch::kBool).clone();
  out.owned = structure.owned_size();
  out.positions = shared(positions.data(), {count, 3}, torch::kFloat64);
  out.cell = shared(structure.cell.data(), {3, 3}, torch::kFloat64);
  for (const auto& pairs : selected) {
    out.pairs.push_back({shared(pairs.labels.data(), {pairs.size(), 5}, torch::kInt32).clone(),
                         shared(pairs.vectors.data(), {pairs.size(), 3}, torch::kFloat64)});
  }
  return out;
}

SystemTensors pack(const SystemTensors& original, const torch::Tensor& rotation,
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
  Download download;
  std::int64_t start = 0;
  for (std::size_t s = 0; s < systems.size(); ++s) {
    Evaluation& out = evaluations[s];
    out.has = wanted;
    const std::int64_t end = start + systems[s].types.size(0);
    const auto row = static_cast<std::int64_t>(s);
    if (request.energy_per_atom) {
      download.bring(result.energy.slice(0, start, end), [&](std::span<const double> energies) {
        for (const double energy : energies) out.energy += energy;
        if (wanted.atomic_energies) out.atomic_energies.assign(energies.begin(), energies.end());
      });
    } else if (result.energy.defined()) {
      download.bring(result.energy.select(0, row),
                     [&](std::span<const double> energy) { out.energy = energy.front(); });
    }
    if (wanted.conservative_forces) {
      download.bring(result.position_gradients[s], into(out.conservative_forces, -1.0));
    }
    if (wanted.conservative_virial) {
      download.bring(result.strain_gradients[s], into(out.conservative_virial, -1.0));
    }
    if (wanted.direct_forces) {
      download.bring(result.direct_forces.slice(0, start, end), into(out.direct_forces));
    }
    if (wanted.direct_virial) {
      download.bring(result.direct_stress.select(0, row), into(out.direct_virial, -volumes[s]));
    }
    if (wanted.committee) {
      const auto rows = request.committee_per_atom ? result.committee.slice(0, start, end)
                                                   : result.committee.slice(0, row, row + 1);
      download.bring(rows.to(torch::kFloat64).sum(0), into(out.committee));
    }
    if (wanted.committee_forces) {
      download.bring(result.member_position_gradients[s], into(out.committee_forces, -1.0));
    }
    if (wanted.committee_virials) {
      const auto& gradients = result.member_strain_gradients[s];
      download.bring(0.5 * (gradients + gradients.transpose(1, 2)),
                     into(out.committee_virials, -1.0));
    }
    if (wanted.committee_direct_forces) {
      download.bring(result.member_direct_forces.slice(1, start, end),
                     into(out.committee_direct_forces));
    }
    if (wanted.uncertainty) {
      download.bring(result.uncertainty.slice(0, start, end), into(out.uncertainty));
    }
    if (wanted.atomic_virials) {
      download.bring(atomic_virials(systems[s], result.pair_gradients[s], false),
                     into(out.atomic_virials));
    }
    if (wanted.halved_atomic_virials) {
      download.bring(atomic_virials(systems[s], result.pair_gradients[s], true),
                     into(out.halved_atomic_virials));
    }
    start = end;
  }
  download.fetch();
  return evaluations;
}

}  // namespace mdbridge
