#pragma once

#include <memory>
#include <string>

#include "mdbridge/external/model.hpp"

/// Who opens models that are no files: see register_external_models().
namespace mdbridge {

/// The model of a name for which opens_external_model() is true.
std::unique_ptr<ExternalModel> open_external(const std::string& name, const ModelOptions& options);

}  // namespace mdbridge
