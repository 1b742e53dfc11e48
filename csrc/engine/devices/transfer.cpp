#include "devices/transfer.hpp"

#include <torch/cuda.h>
#include <torch/torch.h>

#include <algorithm>
#include <utility>

namespace mdbridge {

namespace {

/// Memory of the host for numbers that go to this device or come from it. CUDA copies to and from
/// pages that cannot be swapped out without a detour; torch keeps such memory for the next time,
/// and does not give it away before the copy is done.
torch::Tensor staging(std::int64_t count, torch::Device device) {
  return torch::empty({count},
                      torch::TensorOptions(torch::kFloat64).pinned_memory(device.is_cuda()));
}

}  // namespace

std::int64_t Upload::add(std::span<const double> numbers) {
  const auto place = static_cast<std::int64_t>(numbers_.size());
  numbers_.insert(numbers_.end(), numbers.begin(), numbers.end());
  return place;
}

void Upload::send(torch::Device device) {
  const auto host = staging(static_cast<std::int64_t>(numbers_.size()), device);
  std::copy(numbers_.begin(), numbers_.end(), host.data_ptr<double>());
  sent_ = host.to(device, /*non_blocking=*/true);
}

torch::Tensor Upload::at(std::int64_t place, at::IntArrayRef shape) const {
  return sent_.slice(0, place, place + c10::multiply_integers(shape)).view(shape);
}

void Download::bring(const torch::Tensor& numbers, Use use) {
  if (numbers.is_cpu()) {
    const auto host = numbers.to(torch::kFloat64).contiguous();
    use({host.data_ptr<double>(), static_cast<std::size_t>(host.numel())});
    return;
  }
  parts_.push_back(numbers.reshape({-1}));
  uses_.push_back(std::move(use));
}

void Download::fetch() {
  if (parts_.empty()) return;
  const auto block = torch::cat(parts_).to(torch::kFloat64);
  auto host = staging(block.numel(), block.device());
  host.copy_(block);
  std::span<const double> left(host.data_ptr<double>(), static_cast<std::size_t>(host.numel()));
  for (std::size_t p = 0; p < parts_.size(); ++p) {
    const auto count = static_cast<std::size_t>(parts_[p].numel());
    uses_[p](left.first(count));
    left = left.subspan(count);
  }
  parts_.clear();
  uses_.clear();
}

void wait_for(torch::Device device) {
  if (device.is_cpu()) return;
  if (device.is_cuda()) {
    torch::cuda::synchronize(device.index());
  } else {
    // a number that comes after all else, wherever torch's own call is not known
    torch::zeros({1}, torch::TensorOptions(device)).item();
  }
}

}  // namespace mdbridge
