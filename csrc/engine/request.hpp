#pragma once

#include <map>
#include <string>

#include "backend.hpp"
#include "mdbridge/engine.hpp"

/// What the engine asks of a backend.
namespace mdbridge {

/// Own variant of an output: `own` if given ("-" stands for the default one), else the common one.
std::string resolve_variant(const std::string& own, const std::string& common);

/// What the options say of structures besides their atoms. Throws ModelError if the model needs
/// more, Error if it asks for less.
std::map<std::string, double> inputs_for(Model& model, const EngineOptions& options);

/// The model's names for what is wanted. Throws ModelError if it lacks any of it, Error if
/// deviations over rotated copies are wanted and there are none.
BackendRequest make_request(Model& model, const EngineOptions& options, const Wanted& wanted);

/// Of a request what belongs to the energy, what is predicted directly, or both.
BackendRequest part_of(BackendRequest request, bool energy, bool direct);

}  // namespace mdbridge
