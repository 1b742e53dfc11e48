#include "devices/choice.hpp"

#include <c10/core/DeviceGuard.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "mdbridge/error.hpp"
#include "text.hpp"

namespace mdbridge {

namespace {

/// The type of this name; none if the engine does not run there, which needs double precision (MPS
/// has none).
std::optional<torch::DeviceType> type_of(const std::string& name) {
  if (name == "cpu") return torch::kCPU;
  if (name == "cuda") return torch::kCUDA;
  try {
    const auto type = torch::Device(name).type();
    // the last one is that of an extension of torch, which may give it another name
    if (type == torch::kXPU || type == torch::kPrivateUse1) return type;
  } catch (const c10::Error&) {  // no device at all
  }
  return std::nullopt;
}

/// How many devices of this type torch finds here.
int count_of(torch::DeviceType type) {
  if (!c10::impl::hasDeviceGuardImpl(type)) return 0;
  return c10::impl::getDeviceGuardImpl(type)->deviceCount();
}

torch::Device nth(torch::DeviceType type, int place) {
  if (type == torch::kCPU) return type;
  // always with its number: without one it is another device by name, and the current one by use
  return {type, static_cast<c10::DeviceIndex>(place % std::max(1, count_of(type)))};
}

ModelError unknown_device(const std::string& name) {
  return ModelError("unknown device '" + name + "': expected auto, cpu, cuda or cuda:N");
}

torch::Device best_of(const std::vector<std::string>& supported, int place) {
  for (const std::string& name : supported) {  // the best first
    const auto type = type_of(name);
    if (type && count_of(*type) > 0) return nth(*type, place);
  }
  return torch::kCPU;
}

}  // namespace

torch::Device choose_device(const ModelOptions& options, const ModelInfo& info) {
  const std::string& wanted = options.device;
  const auto& supported = info.supported_devices;
  if (wanted == "auto" || wanted.empty()) return best_of(supported, options.device_rank);
  const std::string name = wanted.substr(0, wanted.find(':'));
  const auto type = type_of(name);
  if (!type) throw unknown_device(wanted);
  if (std::find(supported.begin(), supported.end(), name) == supported.end()) {
    throw ModelError("the model '" + info.path + "' was not exported for " + name +
                     ": it supports " + join(supported));
  }
  const std::string words = c10::DeviceTypeName(*type);
  const int count = count_of(*type);
  if (count == 0) {
    throw ModelError("device '" + wanted + "' was asked for, but torch finds no " + words +
                     " device here");
  }
  if (wanted == name) return nth(*type, options.device_rank);
  try {
    const torch::Device device(wanted);
    if (*type != torch::kCPU && device.has_index() && device.index() >= count) {
      throw ModelError("device '" + wanted + "' was asked for, but there are only " +
                       std::to_string(count) + " " + words + " devices here");
    }
    return device;
  } catch (const c10::Error&) {
    throw unknown_device(wanted);
  }
}

}  // namespace mdbridge
