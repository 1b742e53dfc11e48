#include <pybind11/stl.h>

#include <algorithm>
#include <memory>
#include <sstream>
#include <utility>

#include "arrays.hpp"
#include "bindings.hpp"
#include "mdbridge/evaluation.hpp"
#include "mdbridge/model.hpp"

namespace py = pybind11;

/// A value that is None where it was not asked for. Its type in the stubs is "... | Any", the usual
/// way to tell type checkers so without making every caller ask.
struct MaybeNumber : py::object {
  explicit MaybeNumber(py::object value) : object(std::move(value)) {}
};
struct MaybeArray : py::object {
  explicit MaybeArray(py::object value) : object(std::move(value)) {}
};
namespace pybind11::detail {
template <>
struct handle_type_name<MaybeNumber> {
  static constexpr auto name = const_name("float | typing.Any");
};
template <>
struct handle_type_name<MaybeArray> {
  static constexpr auto name = const_name("numpy.typing.NDArray[numpy.float64] | typing.Any");
};
}  // namespace pybind11::detail

using namespace mdbridge;  // NOLINT: this file is nothing but a list of the engine's names

namespace {

void bind_info(py::module_& module) {
  module.def("cpu_features", &cpu_features,
             "Instruction sets that the CPU of this machine has, as the system names them, sorted: "
             "what a compiled model may rest on.");
  py::class_<ModelInfo>(module, "ModelInfo", "What a model file says of itself.")
      .def_readonly("path", &ModelInfo::path, "Of the file, as it was given.")
      .def_readonly("name", &ModelInfo::name, "Of the model, as its authors call it.")
      .def_readonly("description", &ModelInfo::description, "What the model is for.")
      .def_readonly("authors", &ModelInfo::authors, "Who made the model.")
      .def_readonly("extra", &ModelInfo::extra, "What else the metadata say, by key.")
      .def_readonly("references", &ModelInfo::references,
                    "Section (\"model\", \"architecture\", \"implementation\") -> citations.")
      .def_readonly("atomic_types", &ModelInfo::atomic_types,
                    "Atomic numbers that the model knows, ascending.")
      .def_readonly("cutoff", &ModelInfo::cutoff, "Largest cutoff of its neighbour lists, Å.")
      .def_readonly("interaction_range", &ModelInfo::interaction_range,
                    "How far an atom can influence another one (cutoff times message-passing "
                    "layers, and more for some networks), Å; infinite with long-range "
                    "interactions.")
      .def_readonly("stated_range", &ModelInfo::stated_range, "What the file states of that, Å.")
      .def_readonly("dtype", &ModelInfo::dtype, "\"float32\" or \"float64\".")
      .def_readonly("supported_devices", &ModelInfo::supported_devices, "Best first.")
      .def_readonly("device", &ModelInfo::device, "Where the model is.")
      .def_readonly("outputs", &ModelInfo::outputs, "Name of each output -> its unit.")
      .def_readonly("notes", &ModelInfo::notes,
                    "What a user should know of the file before a run, a sentence each.")
      .def("__repr__", [](const ModelInfo& info) {
        std::ostringstream text;
        text << "ModelInfo('" << info.path << "', " << info.atomic_types.size() << " elements, "
             << "cutoff " << info.cutoff << " Å, range " << info.interaction_range << " Å, "
             << info.dtype << " on " << info.device << ")";
        return text.str();
      });
}

/// One keyword for each quantity.
void bind_wanted(py::module_& module) {
  py::class_<Wanted> wanted(module, "Wanted",
                            "What an evaluation is to compute: one keyword for each quantity of an "
                            "Evaluation.");
  std::apply(
      [&](const auto&... quantity) {
        const Wanted defaults;
        wanted.def(py::init([](decltype(quantity.wanted, bool())... asked) {
                     Wanted made;
                     std::apply([&](const auto&... q) { ((made.*q.wanted = asked), ...); },
                                quantities);
                     return made;
                   }),
                   py::kw_only(), (py::arg(quantity.name) = defaults.*quantity.wanted)...);
        (wanted.def_readonly(quantity.name, quantity.wanted, quantity.description), ...);
      },
      quantities);
  wanted.def("__repr__", [](const Wanted& self) {
    std::string names;
    for_each_quantity([&](const auto& quantity) {
      if (self.*quantity.wanted) names += (names.empty() ? "" : ", ") + std::string(quantity.name);
    });
    return "Wanted(" + names + ")";
  });
}

py::object to_python(double value) { return py::float_(value); }
py::object to_python(const std::array<double, 9>& value) { return matrix_to_array(value); }

template <typename Value, Form form>
py::object value_of(const Evaluation& evaluation, const Quantity<Value, form>& quantity) {
  if (!(evaluation.has.*quantity.wanted)) return py::none();
  const auto& value = evaluation.*quantity.value;
  if constexpr (form == Form::atom_vectors || form == Form::atom_vector_deviations) {
    return vectors_to_array(value);
  } else if constexpr (form == Form::member_vectors || form == Form::member_tensors) {
    const auto members = static_cast<py::ssize_t>(evaluation.committee.size());
    const auto rows =
        static_cast<py::ssize_t>(value.size()) / std::max<py::ssize_t>(members, 1) / 3;
    return to_array(value.data(), {members, rows, 3});
  } else if constexpr (form == Form::atom_tensors) {
    return to_array(value.data(), {static_cast<py::ssize_t>(value.size() / 9), 3, 3});
  } else if constexpr (form == Form::atom_scalars || form == Form::scalars) {
    return to_array(value.data(), {static_cast<py::ssize_t>(value.size())});
  } else {
    return to_python(value);
  }
}

void bind_evaluation(py::module_& module) {
  py::class_<Evaluation> evaluation(module, "Evaluation",
                                    "Results for one structure; what was not asked for is None.");
  for_each_quantity([&](const auto& quantity) {
    constexpr Form form = std::decay_t<decltype(quantity)>::form;
    constexpr bool is_number = form == Form::scalar || form == Form::scalar_deviation;
    using Maybe = std::conditional_t<is_number, MaybeNumber, MaybeArray>;
    evaluation.def_property_readonly(
        quantity.name,
        [quantity](const Evaluation& self) { return Maybe(value_of(self, quantity)); },
        quantity.description);
  });
  evaluation.def("__repr__", [](const Evaluation& self) {
    std::ostringstream text;
    text << "Evaluation(";
    const char* separator = "";
    for_each_quantity([&](const auto& quantity) {
      if (!(self.has.*quantity.wanted)) return;
      text << separator << quantity.name;
      if (std::string(quantity.name) == "energy") text << "=" << self.energy << " eV";
      separator = ", ";
    });
    text << ")";
    return text.str();
  });
}

}  // namespace

void bind_model(py::module_& module) {
  bind_info(module);
  py::class_<Model, std::shared_ptr<Model>>(
      module, "Model",
      "A loaded model. One copy of a file on a device exists per process, whoever asks for it.")
      .def_static(
          "load",
          [](const std::string& path, const std::string& device, const std::string& extensions) {
            return Model::load(path, {device, extensions});
          },
          py::arg("path"), py::arg("device") = "auto", py::arg("extensions") = "",
          py::call_guard<py::gil_scoped_release>(),
          "Load an exported model, or return the copy that this process has already.\n\n"
          ":param device: \"auto\", \"cpu\", \"cuda\" or \"cuda:N\"\n"
          ":param extensions: folder of compiled TorchScript extensions; empty: none\n"
          ":raises ModelError: if the file is missing or no exported model, or the device is not "
          "there")
      .def_static("committee", &Model::committee, py::arg("members"),
                  "Several models as one, whose energies, forces and virials are the means of "
                  "theirs, whose committee they are, and whose uncertainty is the standard "
                  "deviation of their atomic energies.\n\n"
                  ":raises ModelError: if there are fewer than two, one is there twice, or they "
                  "are on different devices")
      .def_property_readonly("members", &Model::members,
                             "Those that ``committee`` was given; else none.")
      .def_property_readonly("info", &Model::info, "What the model says of itself.")
      .def_property_readonly("inputs", &Model::inputs,
                             "What it asks for besides the atoms (\"charge\", "
                             "\"spin_multiplicity\") -> whether it can do without.")
      .def("find_output", &Model::find_output, py::arg("standard_name"), py::arg("variant") = "",
           "The model's name for an output with this standard name (\"energy\", "
           "\"non_conservative_force\", \"non_conservative_stress\", \"energy_uncertainty\") and "
           "variant; empty if it has none.")
      .def("require_output", &Model::require_output, py::arg("standard_name"),
           py::arg("variant") = "",
           "As find_output.\n\n:raises ModelError: listing what there is, if it has none")
      .def("__repr__", [](const Model& model) {
        return "Model('" + model.info().path + "' on " + model.info().device + ")";
      });
  bind_wanted(module);
  bind_evaluation(module);
}
