#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace mdbridge {

/// Numbers for a device other than the CPU, which go there together: each transfer on its own would
/// cost more than these few numbers do.
class Upload {
 public:
  /// Returns the place of these numbers, for at().
  std::int64_t add(std::span<const double> numbers);
  /// To be called once, after the last add(). Does not wait for the device.
  void send(torch::Device device);
  /// Of what was sent, the numbers from this place on, in double precision.
  torch::Tensor at(std::int64_t place, at::IntArrayRef shape) const;

 private:
  std::vector<double> numbers_;
  torch::Tensor sent_;
};

/// Numbers for the host: from another device than the CPU they come together, so that the host
/// waits for it once.
class Download {
 public:
  using Use = std::function<void(std::span<const double>)>;

  /// Let `use` have these numbers (of any type and shape), row by row: at once if they are on the
  /// CPU, else in fetch().
  void bring(const torch::Tensor& numbers, Use use);
  void fetch();

 private:
  std::vector<torch::Tensor> parts_;
  std::vector<Use> uses_;
};

/// Wait until the device has done all that it was told to.
void wait_for(torch::Device device);

}  // namespace mdbridge
