#pragma once

#include <string>

#include "backend.hpp"
#include "mdbridge/engine.hpp"
#include "mdbridge/model.hpp"

namespace mdbridge {

/// Own variant of an output: `own` if given ("-" stands for the default one), else the common one.
std::string resolve_variant(const std::string& own, const std::string& common);

/// The model's names for what is wanted. Throws ModelError if it lacks any of it, Error if
/// deviations over rotated copies are wanted and there are none.
BackendRequest make_request(Model& model, const EngineOptions& options, const Wanted& wanted);

}  // namespace mdbridge
