#include "python_model.hpp"

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "arrays.hpp"
#include "mdbridge/error.hpp"
#include "mdbridge/external/model.hpp"

namespace py = pybind11;
using namespace mdbridge;  // NOLINT: all of it is about the engine's names

namespace {

constexpr const char* opener = "md_bridge.calculators.opening";
constexpr const char* not_finished = "it was interrupted";

/// Call `work` as its holder of Python's lock; what Python raises becomes a ModelError with the
/// message of the exception, which is a whole sentence: md_bridge.calculators sees to that.
auto in_python(const std::string& name, const auto& work) {
  const py::gil_scoped_acquire lock;
  try {
    return work();
  } catch (py::error_already_set& error) {
    if (error.matches(PyExc_KeyboardInterrupt)) {
      PyErr_SetInterrupt();  // whoever called the engine gets it
      throw Error("the model '" + name + "' did not finish: " + not_finished);
    }
    throw ModelError(py::str(error.value()).cast<std::string>());
  } catch (const py::cast_error&) {
    throw ModelError("the model '" + name + "' gave something that is no number");
  }
}

void fill(double& value, const Array& array) { value = array.size() == 1 ? *array.data() : NAN; }

void fill(std::array<double, 9>& value, const Array& array) {
  value.fill(NAN);
  if (array.size() == 9) std::copy_n(array.data(), 9, value.begin());
}

void fill(std::vector<double>& value, const Array& array) {
  value.assign(array.data(), array.data() + array.size());
}

/// What a dictionary of the results of one structure has under the names of the quantities.
Evaluation to_evaluation(const py::dict& results, const Wanted& wanted) {
  Evaluation evaluation;
  evaluation.has = wanted;
  for_each_quantity([&](const auto& quantity) {
    if (!(wanted.*quantity.wanted)) return;
    const py::object found = results[quantity.name];
    fill(evaluation.*quantity.value, found.cast<Array>());
  });
  return evaluation;
}

/// A `CalculatorModel` of md_bridge.calculators as the engine sees models.
class PythonModel final : public ExternalModel {
 public:
  /// Called with Python's lock.
  PythonModel(const std::string& name, py::object model) : model_(std::move(model)) {
    info_.path = name;
    info_.name = model_.attr("name").cast<std::string>();
    info_.description = model_.attr("description").cast<std::string>();
    info_.atomic_types = model_.attr("atomic_numbers").cast<std::vector<std::int32_t>>();
    info_.interaction_range = model_.attr("interaction_range").cast<double>();
    info_.stated_range = info_.interaction_range;
    info_.dtype = "float64";
    info_.device = model_.attr("device").cast<std::string>();
    info_.supported_devices = {info_.device};
    info_.notes = model_.attr("notes").cast<std::vector<std::string>>();
    inputs_ = model_.attr("inputs").cast<std::map<std::string, bool>>();
    const auto names = model_.attr("quantities").cast<std::vector<std::string>>();
    abilities_.energy = false;
    for_each_quantity([&](const auto& quantity) {
      for (const auto& each : names) {
        if (each == quantity.name) abilities_.*quantity.wanted = true;
      }
    });
  }

  ~PythonModel() override {
    if (Py_IsInitialized() == 0) {
      model_.release();  // there is nobody left to give it back to
      return;
    }
    const py::gil_scoped_acquire lock;
    model_ = py::object();
  }

  ModelInfo info() const override { return info_; }
  Wanted abilities() const override { return abilities_; }
  std::map<std::string, bool> inputs() const override { return inputs_; }

  std::vector<Evaluation> evaluate(const std::vector<Structure>& structures, const Wanted& wanted,
                                   const std::map<std::string, double>& inputs) override {
    return in_python(info_.path, [&] {
      const py::list found = model_.attr("evaluate")(structures, wanted, inputs);
      std::vector<Evaluation> evaluations;
      for (const auto& results : found) {
        evaluations.push_back(to_evaluation(py::cast<py::dict>(results), wanted));
      }
      return evaluations;
    });
  }

 private:
  py::object model_;
  ModelInfo info_;
  Wanted abilities_;
  std::map<std::string, bool> inputs_;
};

std::unique_ptr<ExternalModel> open_python_model(const std::string& name,
                                                 const ModelOptions& options) {
  return in_python(name, [&]() -> std::unique_ptr<ExternalModel> {
    const auto open = py::module_::import(opener).attr("open_model");
    return std::make_unique<PythonModel>(name, open(name, options.device));
  });
}

}  // namespace

void register_python_models() { register_external_models("python:", open_python_model); }
