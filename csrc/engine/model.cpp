#include "mdbridge/model.hpp"

#include <filesystem>
#include <map>
#include <mutex>
#include <tuple>
#include <utility>

#include "backend.hpp"
#include "committee/backend_committee.hpp"
#include "devices/choice.hpp"
#include "external/registry.hpp"
#include "mdbridge/error.hpp"
#include "mdbridge/threads.hpp"
#include "memory.hpp"
#include "text.hpp"

namespace mdbridge {

namespace fs = std::filesystem;

namespace {

/// What else a name like "python:module:function" may have meant, where there is no such file.
std::string word_of_prefix(const std::string& path) {
  const auto colon = path.find(':');
  if (colon == std::string::npos || colon < 2 || path.find('/') < colon) return "";
  return ", and this program does not open models whose names begin with '" +
         path.substr(0, colon + 1) + "'";
}

void check_file(const std::string& path) {
  std::error_code status;
  if (!fs::exists(path, status)) {
    throw ModelError("there is no model file '" + path + "' (looked from " +
                     fs::current_path().string() + ")" + word_of_prefix(path));
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

/// What a model is loaded from, and what else decides which one it is.
using Source = std::tuple<std::string, std::string, std::int64_t, std::uintmax_t>;

Source source_of_file(const std::string& path, const ModelOptions& options) {
  return {fs::canonical(path).string(), options.extensions,
          fs::last_write_time(path).time_since_epoch().count(), fs::file_size(path)};
}

/// Whoever opens such a model chooses the device. A relative path may be part of the name.
Source source_of_name(const std::string& name, const ModelOptions& options) {
  return {name + "\n" + options.device, fs::current_path().string(), 0, 0};
}

}  // namespace

std::shared_ptr<Model> Model::load(const std::string& path, const ModelOptions& options) {
  static std::recursive_mutex mutex;  // what opens a model may load others
  static std::map<Source, std::vector<std::weak_ptr<Model>>> loaded;

  survive_forks();
  const bool external = opens_external_model(path);
  if (!external) check_file(path);
  const Source source = external ? source_of_name(path, options) : source_of_file(path, options);
  const std::lock_guard<std::recursive_mutex> lock(mutex);
  auto& copies = loaded[source];
  std::erase_if(copies, [](const auto& copy) { return copy.expired(); });
  for (const auto& copy : copies) {
    auto model = copy.lock();
    // the same device may be asked for under several names: auto, cuda, cuda:0
    if (external || choose_device(options, model->info()).str() == model->info().device) {
      return model;
    }
  }
  auto model = std::make_shared<Model>(load_backend(path, options));
  if (model->backend().device().is_cpu()) keep_freed_memory();
  copies.push_back(model);
  return model;
}

std::shared_ptr<Model> Model::committee(const std::vector<std::shared_ptr<Model>>& members) {
  auto model = std::make_shared<Model>(std::make_unique<CommitteeBackend>(members));
  model->members_ = members;
  return model;
}

Model::Model(std::unique_ptr<Backend> backend)
    : backend_(std::move(backend)), info_(backend_->info()) {}

Model::~Model() {
  backend_.reset();
  give_back_freed_memory();
}

std::map<std::string, bool> Model::inputs() const { return backend_->inputs(); }

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
  for (const auto& member : members_) {
    // the sentence about the one that lacks it
    const bool of_energies =
        standard_name == "energy_ensemble" || standard_name == "energy_uncertainty";
    member->require_output(of_energies ? "energy" : standard_name, variant);
  }
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
