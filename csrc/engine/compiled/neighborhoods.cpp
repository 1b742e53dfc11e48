#include "compiled/neighborhoods.hpp"

#include <torch/torch.h>

#include <algorithm>

#include "mdbridge/error.hpp"

namespace mdbridge {

torch::Tensor all_labels(const std::vector<SystemTensors>& systems) {
  if (systems.size() == 1) return systems.front().pairs.front().labels;
  std::vector<torch::Tensor> labels;
  std::int32_t first_atom = 0;
  for (const SystemTensors& system : systems) {
    auto shifted = system.pairs.front().labels.clone();
    shifted.slice(1, 0, 2).add_(first_atom);
    labels.push_back(shifted);
    first_atom += static_cast<std::int32_t>(system.types.size(0));
  }
  return torch::cat(labels);
}

Neighborhoods make_neighborhoods(const torch::Tensor& labels, std::int64_t atoms) {
  const std::int64_t count = labels.size(0);
  const auto label = labels.accessor<std::int32_t, 2>();
  std::vector<std::int64_t> neighbors(static_cast<std::size_t>(atoms), 0);
  std::vector<std::int64_t> slots(static_cast<std::size_t>(count));
  for (std::int64_t p = 0; p < count; ++p) slots[p] = neighbors[label[p][0]]++;
  const auto width = *std::max_element(neighbors.begin(), neighbors.end());

  Neighborhoods out;
  out.pairs = labels.slice(1, 0, 2).to(torch::kInt64);
  out.places = torch::empty({count}, torch::kInt64);
  out.rows = torch::full({atoms, width}, count, torch::kInt64);
  auto* places = out.places.data_ptr<std::int64_t>();
  auto* rows = out.rows.data_ptr<std::int64_t>();
  for (std::int64_t p = 0; p < count; ++p) {
    places[p] = label[p][0] * width + slots[p];
    rows[places[p]] = p;
  }
  return out;
}

Directions match_directions(const torch::Tensor& labels, const Neighborhoods& neighborhoods) {
  const std::int64_t count = labels.size(0);
  const std::int64_t width = neighborhoods.rows.size(1);
  const auto label = labels.accessor<std::int32_t, 2>();
  const auto* rows = neighborhoods.rows.data_ptr<std::int64_t>();
  const auto are_opposite = [&](std::int64_t p, std::int64_t q) {
    return label[q][1] == label[p][0] && label[q][2] == -label[p][2] &&
           label[q][3] == -label[p][3] && label[q][4] == -label[p][4];
  };

  Directions out{torch::full({count}, -1, torch::kInt64), torch::empty({count / 2}, torch::kInt64)};
  auto* reverse = out.reverse.data_ptr<std::int64_t>();
  auto* half = out.half.data_ptr<std::int64_t>();
  std::int64_t found = 0;
  for (std::int64_t p = 0; p < count; ++p) {
    if (reverse[p] >= 0) continue;
    const auto* row = rows + label[p][1] * width;
    const auto* end = row + width;
    const auto* other = std::find_if(
        row, end, [&](std::int64_t q) { return q < count && q != p && are_opposite(p, q); });
    if (other == end || found == count / 2) {
      throw ModelError("a compiled model needs each pair in both directions, but that of atoms " +
                       std::to_string(label[p][0]) + " and " + std::to_string(label[p][1]) +
                       " (counted from 0) is there in one only");
    }
    reverse[p] = *other;
    reverse[*other] = p;
    half[found++] = p;
  }
  return out;
}

}  // namespace mdbridge
