#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "mdbridge/evaluation.hpp"
#include "mdbridge/model_info.hpp"
#include "mdbridge/structure.hpp"
#include "mdbridge/visibility.hpp"

namespace mdbridge {

/// A model that a program evaluates in its own way, outside of the engine: in another language,
/// say. The engine does the rest with it as with a file: averages over rotated copies, multiple
/// time stepping, batches, net forces, checks.
///
/// Not thread-safe: the engine calls it under a lock.
class MDBRIDGE_API ExternalModel {
 public:
  virtual ~ExternalModel() = default;

  /// What the model says of itself; its outputs follow from abilities().
  virtual ModelInfo info() const = 0;
  /// What evaluate() may be asked for: of the quantities that single copies have, and not of those
  /// of pairs.
  virtual Wanted abilities() const = 0;
  /// What it asks for besides the atoms ("charge", "spin_multiplicity"), and whether it can do
  /// without.
  virtual std::map<std::string, bool> inputs() const { return {}; }
  /// What is wanted of each structure, all of whose atoms are its own, with those of the inputs()
  /// that are known. Direct forces with their net force in. A number that is not finite is no error
  /// here.
  ///
  /// Throws ModelError with a whole sentence for whatever goes wrong.
  virtual std::vector<Evaluation> evaluate(const std::vector<Structure>& structures,
                                           const Wanted& wanted,
                                           const std::map<std::string, double>& inputs) = 0;
};

/// Opens the model of a name: `name` with its prefix. Throws ModelError if there is none.
using ExternalLoader =
    std::function<std::unique_ptr<ExternalModel>(const std::string& name, const ModelOptions&)>;

/// From now on Model::load() takes names that begin with `prefix` ("python:") for models that this
/// loader opens. A second loader of a prefix takes the place of the first.
MDBRIDGE_API void register_external_models(const std::string& prefix, ExternalLoader loader);
/// Whether a loader is registered for names like this one, in this process.
MDBRIDGE_API bool opens_external_model(const std::string& name);

}  // namespace mdbridge
