#pragma once

#include <torch/types.h>

#include "mdbridge/model_info.hpp"

namespace mdbridge {

/// The device that `options` mean for a model with this information (its supported devices; `path`
/// for messages). Throws ModelError if there is none such here, or the model does not support it.
torch::Device choose_device(const ModelOptions& options, const ModelInfo& info);

}  // namespace mdbridge
