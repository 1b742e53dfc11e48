#include "mdbridge/model.hpp"

#include <filesystem>
#include <map>
#include <mutex>
#include <tuple>
#include <utility>

#include "backend.hpp"
#include "devices/choice.hpp"
#include "mdbridge/error.hpp"
#include "mdbridge/threads.hpp"
#include "memory.hpp"
#include "text.hpp"

namespace mdbridge {

namespace fs = std::filesystem;

namespace {

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

}  // namespace

std::shared_ptr<Model> Model::load(const std::string& path, const ModelOptions& options) {
  using File = std::tuple<std::string, std::string, std::int64_t, std::uintmax_t>;
  static std::mutex mutex;
  static std::map<File, std::vector<std::weak_ptr<Model>>> loaded;

  survive_forks();
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
  auto model = std::make_shared<Model>(load_backend(path, options));
  if (model->backend().device().is_cpu()) keep_freed_memory();
  copies.push_back(model);
  return model;
}

Model::Model(std::unique_ptr<Backend> backend)
    : backend_(std::move(backend)), info_(backend_->info()) {}

Model::~Model() {
  backend_.reset();
  give_back_freed_memory();
}

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
