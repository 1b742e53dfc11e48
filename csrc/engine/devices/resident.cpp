#include "devices/resident.hpp"

#include <torch/torch.h>

#include <limits>

namespace mdbridge {

namespace {

template <typename T>
torch::Tensor sent(const T* data, at::IntArrayRef shape, torch::Dtype type, torch::Device device) {
  return torch::from_blob(const_cast<T*>(data), shape, type).to(device);
}

}  // namespace

Resident::Resident(const Structure& structure, const Pairs& pairs, const Backend& backend)
    : candidates_(pairs.shared_candidates()),
      host_types_(structure.types),
      host_periodic_(structure.periodic),
      owned_(structure.owned_size()) {
  const auto device = backend.device();
  types_ = sent(structure.types.data(), {structure.size()}, torch::kInt32, device);
  periodic_ = sent(structure.periodic.data(), {3}, torch::kBool, device);
  centring_.update(structure);
  for (const PairRequest& request : backend.pair_requests()) {
    SelectedPairs all;
    pairs.select(structure, std::numeric_limits<double>::infinity(), request.full, all);
    centring_.correct(all.labels);
    const auto labels = sent(all.labels.data(), {all.size(), 5}, torch::kInt32, device);
    lists_.push_back({request, labels, labels.select(1, 0).to(torch::kInt64),
                      labels.select(1, 1).to(torch::kInt64),
                      labels.slice(1, 2, 5).to(torch::kFloat64)});
  }
}

bool Resident::is_of(const Structure& structure, const Pairs& pairs) const {
  return candidates_.lock() == pairs.shared_candidates() && host_types_ == structure.types &&
         host_periodic_ == structure.periodic && owned_ == structure.owned_size();
}

Resident::Place Resident::add_step(const Structure& structure, Upload& upload) {
  centring_.follow(structure);
  return {upload.add(centring_.positions()), upload.add(structure.cell)};
}

SystemTensors Resident::tensors(const Place& place, const Upload& upload) const {
  SystemTensors out;
  out.types = types_;
  out.periodic = periodic_;
  out.owned = owned_;
  out.positions = upload.at(place.positions, {types_.size(0), 3});
  out.cell = upload.at(place.cell, {3, 3});
  for (const List& list : lists_) out.pairs.push_back(within_cutoff(list, out.positions, out.cell));
  return out;
}

/// Of candidates that the model filters itself all: how many are left is a number that the host
/// would have to wait for. (On the CPU, where nobody waits, the filter costs less than what the
/// network does with pairs that it then drops.)
PairTensors Resident::within_cutoff(const List& list, const torch::Tensor& positions,
                                    const torch::Tensor& cell) {
  const auto vectors = positions.index_select(0, list.second) -
                       positions.index_select(0, list.first) + list.shifts.matmul(cell);
  if (!list.request.strict) return {list.labels, vectors};
  const double cutoff = list.request.cutoff;
  const auto squared = vectors.square().sum(1);
  const auto kept = torch::nonzero(squared <= cutoff * cutoff).squeeze(1);
  return {list.labels.index_select(0, kept), vectors.index_select(0, kept)};
}

std::shared_ptr<Resident> Residents::of(const Structure& structure, const Pairs& pairs,
                                        const Backend& backend) {
  for (const auto& resident : all_) {
    if (resident->is_of(structure, pairs)) return resident;
  }
  all_.remove_if([&](const auto& resident) { return resident->gives_way_to(pairs); });
  all_.push_back(std::make_shared<Resident>(structure, pairs, backend));
  return all_.back();
}

}  // namespace mdbridge
