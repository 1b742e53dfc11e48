#include "external/registry.hpp"

#include <map>
#include <mutex>
#include <utility>

#include "mdbridge/error.hpp"

namespace mdbridge {

namespace {

std::mutex mutex;

std::map<std::string, ExternalLoader>& loaders() {
  static std::map<std::string, ExternalLoader> by_prefix;
  return by_prefix;
}

/// None: an empty function.
ExternalLoader loader_of(const std::string& name) {
  const std::lock_guard<std::mutex> lock(mutex);
  for (const auto& [prefix, loader] : loaders()) {
    if (name.rfind(prefix, 0) == 0) return loader;
  }
  return {};
}

}  // namespace

void register_external_models(const std::string& prefix, ExternalLoader loader) {
  const std::lock_guard<std::mutex> lock(mutex);
  loaders()[prefix] = std::move(loader);
}

bool opens_external_model(const std::string& name) { return static_cast<bool>(loader_of(name)); }

std::unique_ptr<ExternalModel> open_external(const std::string& name, const ModelOptions& options) {
  const ExternalLoader loader = loader_of(name);  // called outside of the lock: it may load others
  if (!loader) throw ModelError("nobody opens models of the name '" + name + "' here");
  return loader(name, options);
}

}  // namespace mdbridge
