#include "mdbridge/model.hpp"

#include <torch/cuda.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <mutex>
#include <tuple>
#include <utility>

#include "backend.hpp"
#include "backend_torchscript.hpp"
#include "mdbridge/error.hpp"
#include "memory.hpp"

namespace mdbridge {

namespace fs = std::filesystem;

namespace {

std::string join(const std::vector<std::string>& words) {
  std::string all;
  for (const auto& word : words) all += (all.empty() ? "" : ", ") + word;
  return all;
}

void check_file(const std::string& path) {
  std::error_code status;
  if (!fs::exists(path, status)) {
    throw ModelError("there is no model file '" + path + "' (looked from " +
                     fs::current_path().string() + ")");
  }
  if (!fs::is_regular_file(path, status)) {
    throw ModelError("'" + path + "' is not a file: expected an exported model (.pt)");
  }
  if (fs::path(path).extension() == ".ckpt") {
    throw ModelError("'" + path +
                     "' is a training checkpoint: export it first, with `md-bridge export " + path +
                     " -o model.pt`");
  }
}

torch::Device cuda_of_rank(int rank) {
  const int index = rank % std::max(1, static_cast<int>(torch::cuda::device_count()));
  return index == 0 ? torch::Device("cuda") : torch::Device("cuda:" + std::to_string(index));
}

torch::Device choose_device(const ModelOptions& options, const ModelInfo& info) {
  const std::string& wanted = options.device;
  const auto& supported = info.supported_devices;
  const auto supports = [&](const std::string& type) {
    return std::find(supported.begin(), supported.end(), type) != supported.end();
  };
  const bool cuda_here = torch::cuda::is_available();
  if (wanted == "auto" || wanted.empty()) {
    return supports("cuda") && cuda_here ? cuda_of_rank(options.device_rank) : torch::Device("cpu");
  }
  const std::string type = wanted.substr(0, wanted.find(':'));
  if (type != "cpu" && type != "cuda") {
    throw ModelError("unknown device '" + wanted + "': expected auto, cpu, cuda or cuda:N");
  }
  if (!supports(type)) {
    throw ModelError("the model '" + info.path + "' was not exported for " + type +
                     ": it supports " + join(supported));
  }
  if (type == "cuda" && !cuda_here) {
    throw ModelError("device '" + wanted + "' was asked for, but torch finds no CUDA device here");
  }
  if (wanted == "cuda") return cuda_of_rank(options.device_rank);
  try {
    const torch::Device device(wanted);
    if (device.is_cuda() && device.has_index() && device.index() >= torch::cuda::device_count()) {
      throw ModelError("device '" + wanted + "' was asked for, but there are only " +
                       std::to_string(torch::cuda::device_count()) + " CUDA devices here");
    }
    return device;
  } catch (const c10::Error&) {
    throw ModelError("unknown device '" + wanted + "': expected auto, cpu, cuda or cuda:N");
  }
}

}  // namespace

std::shared_ptr<Model> Model::load(const std::string& path, const ModelOptions& options) {
  using File = std::tuple<std::string, std::string, std::int64_t, std::uintmax_t>;
  static std::mutex mutex;
  static std::map<File, std::vector<std::weak_ptr<Model>>> loaded;

  check_file(path);
  const File file{fs::canonical(path).string(), options.extensions,
                  fs::last_write_time(path).time_since_epoch().count(), fs::file_size(path)};
  const std::lock_guard<std::mutex> lock(mutex);
  auto& copies = loaded[file];
  std::erase_if(copies, [](const auto& copy) { return copy.expired(); });
  for (const auto& copy : copies) {
    auto model = copy.lock();
    // the same device may be asked for under several names: auto, cuda, cuda:0
    if (choose_device(options, model->info()).str() == model->info().device) return model;
  }
  auto backend = std::make_unique<TorchScriptBackend>(path, options.extensions);
  ModelInfo info = backend->info();
  const torch::Device device = choose_device(options, info);
  if (device.is_cpu()) keep_freed_memory();
  backend->to(device);
  info.device = device.str();
  auto model = std::make_shared<Model>(std::move(backend), std::move(info));
  copies.push_back(model);
  return model;
}

Model::Model(std::unique_ptr<Backend> backend, ModelInfo info)
    : backend_(std::move(backend)), info_(std::move(info)) {}

Model::~Model() = default;

std::string Model::find_output(const std::string& standard_name, const std::string& variant) const {
  const std::string suffix = variant.empty() ? "" : "/" + variant;
  if (info_.outputs.count(standard_name + suffix) > 0) return standard_name + suffix;
  if (standard_name == "non_conservative_force") {
    const std::string old_name = "non_conservative_forces" + suffix;
    if (info_.outputs.count(old_name) > 0) return old_name;
  }
  return "";
}

std::string Model::require_output(const std::string& standard_name,
                                  const std::string& variant) const {
  std::string name = find_output(standard_name, variant);
  if (!name.empty()) return name;
  std::vector<std::string> known;
  for (const auto& [output, unit] : info_.outputs) known.push_back(output);
  const std::string suffix = variant.empty() ? "" : "/" + variant;
  std::string what = "the output '" + standard_name + suffix + "'";
  if (standard_name == "non_conservative_force") what = "direct forces (" + what + ")";
  if (standard_name == "non_conservative_stress") what = "a direct stress (" + what + ")";
  throw ModelError("the model '" + info_.path + "' cannot give " + what + "; it has " +
                   join(known));
}

}  // namespace mdbridge
