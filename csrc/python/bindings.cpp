#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mdbridge/engine.hpp"
#include "mdbridge/error.hpp"
#include "mdbridge/fused_forces.hpp"
#include "mdbridge/model.hpp"
#include "mdbridge/net_force.hpp"
#include "mdbridge/pairs.hpp"
#include "mdbridge/rotations.hpp"
#include "mdbridge/structure.hpp"
#include "mdbridge/threads.hpp"

namespace py = pybind11;
using namespace mdbridge;  // NOLINT: this file is nothing but a list of the engine's names

void bind_ipi(py::module_& module);

namespace {

using Array = py::array_t<double, py::array::c_style | py::array::forcecast>;
using IntArray = py::array_t<std::int32_t, py::array::c_style | py::array::forcecast>;

Array to_array(const double* data, std::vector<py::ssize_t> shape) {
  Array array(shape);
  std::copy(data, data + array.size(), array.mutable_data());
  return array;
}

Array vectors_to_array(const std::vector<double>& values) {
  return to_array(values.data(), {static_cast<py::ssize_t>(values.size()) / 3, 3});
}

Array matrix_to_array(const std::array<double, 9>& values) {
  return to_array(values.data(), {3, 3});
}

void require_shape(bool fits, const char* name, const char* expected) {
  if (!fits) throw py::value_error(std::string(name) + " must have the shape " + expected);
}

Structure make_structure(const IntArray& types, const Array& positions, const Array& cell,
                         const std::array<bool, 3>& periodic, std::int64_t owned) {
  require_shape(types.ndim() == 1, "types", "[atoms]");
  require_shape(
      positions.ndim() == 2 && positions.shape(0) == types.shape(0) && positions.shape(1) == 3,
      "positions", "[atoms, 3]");
  require_shape(cell.ndim() == 2 && cell.shape(0) == 3 && cell.shape(1) == 3, "cell", "[3, 3]");
  Structure structure;
  structure.types.assign(types.data(), types.data() + types.size());
  structure.positions.assign(positions.data(), positions.data() + positions.size());
  std::copy(cell.data(), cell.data() + 9, structure.cell.begin());
  structure.periodic = periodic;
  structure.owned = owned;
  structure.validate();
  return structure;
}

void bind_structure(py::module_& module) {
  py::class_<Structure>(module, "Structure")
      .def(py::init(&make_structure), py::arg("types"), py::arg("positions"), py::arg("cell"),
           py::arg("periodic"), py::arg("owned") = -1)
      .def_property_readonly("positions",
                             [](const Structure& s) { return vectors_to_array(s.positions); })
      .def_property_readonly("cell", [](const Structure& s) { return matrix_to_array(s.cell); })
      .def_property_readonly("types",
                             [](const Structure& s) {
                               return IntArray(static_cast<py::ssize_t>(s.types.size()),
                                               s.types.data());
                             })
      .def_readonly("periodic", &Structure::periodic)
      .def_property_readonly("volume", &Structure::volume)
      .def("__len__", &Structure::size);
  py::class_<Pairs>(module, "Pairs")
      .def(py::init<double>(), py::arg("skin") = 1.0)
      .def("update", &Pairs::update, py::arg("structure"), py::arg("cutoff"))
      .def("provide",
           [](Pairs& pairs, const IntArray& labels) {
             require_shape(labels.ndim() == 2 && labels.shape(1) == 5, "labels", "[pairs, 5]");
             pairs.provide({labels.data(), labels.data() + labels.size()});
           })
      .def(
          "select",
          [](const Pairs& pairs, const Structure& structure, double cutoff, bool full) {
            SelectedPairs selected;
            pairs.select(structure, cutoff, full, selected);
            IntArray labels(std::vector<py::ssize_t>{selected.size(), 5});
            std::copy(selected.labels.begin(), selected.labels.end(), labels.mutable_data());
            return py::make_tuple(labels, vectors_to_array(selected.vectors));
          },
          py::arg("structure"), py::arg("cutoff"), py::arg("full") = true)
      .def_property_readonly("skin", &Pairs::skin)
      .def_property_readonly("candidates", &Pairs::candidates)
      .def_property_readonly("builds", &Pairs::builds)
      .def_property_readonly("reuses", &Pairs::reuses);
}

void bind_model(py::module_& module) {
  py::class_<ModelInfo>(module, "ModelInfo")
      .def_readonly("path", &ModelInfo::path)
      .def_readonly("name", &ModelInfo::name)
      .def_readonly("description", &ModelInfo::description)
      .def_readonly("authors", &ModelInfo::authors)
      .def_readonly("references", &ModelInfo::references)
      .def_readonly("atomic_types", &ModelInfo::atomic_types)
      .def_readonly("cutoff", &ModelInfo::cutoff)
      .def_readonly("interaction_range", &ModelInfo::interaction_range)
      .def_readonly("dtype", &ModelInfo::dtype)
      .def_readonly("supported_devices", &ModelInfo::supported_devices)
      .def_readonly("device", &ModelInfo::device)
      .def_readonly("outputs", &ModelInfo::outputs);
  py::class_<Model, std::shared_ptr<Model>>(module, "Model")
      .def_static(
          "load",
          [](const std::string& path, const std::string& device, const std::string& extensions) {
            return Model::load(path, {device, extensions});
          },
          py::arg("path"), py::arg("device") = "auto", py::arg("extensions") = "",
          py::call_guard<py::gil_scoped_release>())
      .def_property_readonly("info", &Model::info)
      .def("find_output", &Model::find_output, py::arg("standard_name"), py::arg("variant") = "")
      .def("require_output", &Model::require_output, py::arg("standard_name"),
           py::arg("variant") = "");
}

void bind_evaluation(py::module_& module) {
  py::class_<Wanted>(module, "Wanted")
      .def(py::init([](bool energy, bool conservative_forces, bool conservative_virial,
                       bool direct_forces, bool direct_virial, bool atomic_energies,
                       bool uncertainty) {
             return Wanted{energy,        conservative_forces, conservative_virial, direct_forces,
                           direct_virial, atomic_energies,     uncertainty};
           }),
           py::kw_only(), py::arg("energy") = true, py::arg("conservative_forces") = false,
           py::arg("conservative_virial") = false, py::arg("direct_forces") = false,
           py::arg("direct_virial") = false, py::arg("atomic_energies") = false,
           py::arg("uncertainty") = false);
  py::class_<Evaluation>(module, "Evaluation")
      .def_readonly("energy", &Evaluation::energy)
      .def_property_readonly(
          "conservative_forces",
          [](const Evaluation& e) { return vectors_to_array(e.conservative_forces); })
      .def_property_readonly(
          "conservative_virial",
          [](const Evaluation& e) { return matrix_to_array(e.conservative_virial); })
      .def_property_readonly("direct_forces",
                             [](const Evaluation& e) { return vectors_to_array(e.direct_forces); })
      .def_property_readonly("direct_virial",
                             [](const Evaluation& e) { return matrix_to_array(e.direct_virial); })
      .def_property_readonly("atomic_energies",
                             [](const Evaluation& e) {
                               return to_array(
                                   e.atomic_energies.data(),
                                   {static_cast<py::ssize_t>(e.atomic_energies.size())});
                             })
      .def_property_readonly("uncertainty", [](const Evaluation& e) {
        return to_array(e.uncertainty.data(), {static_cast<py::ssize_t>(e.uncertainty.size())});
      });
  py::class_<Timings>(module, "Timings")
      .def_readonly("pairs", &Timings::pairs)
      .def_readonly("packing", &Timings::packing)
      .def_readonly("forward", &Timings::forward)
      .def_readonly("backward", &Timings::backward)
      .def_readonly("unpacking", &Timings::unpacking)
      .def_readonly("evaluations", &Timings::evaluations)
      .def_property_readonly("total", &Timings::total);
}

void bind_rotations(py::module_& module) {
  module.attr("SYMMETRIZATIONS") = py::tuple(py::cast(symmetrization_names()));
  module.def(
      "rotation_group",
      [](const std::string& name) {
        const auto group = rotation_group(name);
        Array array(std::vector<py::ssize_t>{static_cast<py::ssize_t>(group.size()), 3, 3});
        double* out = array.mutable_data();
        for (const Rotation& rotation : group)
          out = std::copy(rotation.begin(), rotation.end(), out);
        return array;
      },
      py::arg("name"));
  module.def(
      "random_rotation",
      [](std::uint64_t seed, std::uint64_t draw) {
        return matrix_to_array(random_rotation(seed, draw));
      },
      py::arg("seed"), py::arg("draw"));
}

void bind_engine(py::module_& module) {
  py::class_<EngineOptions>(module, "EngineOptions")
      .def(py::init([](const std::string& variant, const std::string& direct_variant,
                       const std::string& uncertainty_variant, bool remove_net_force,
                       bool check_consistency, const std::string& symmetrize,
                       std::optional<std::uint64_t> seed, std::int64_t atoms_per_forward) {
             return EngineOptions{variant,
                                  direct_variant,
                                  uncertainty_variant,
                                  remove_net_force,
                                  check_consistency,
                                  symmetrize,
                                  seed,
                                  atoms_per_forward};
           }),
           py::kw_only(), py::arg("variant") = "", py::arg("direct_variant") = "",
           py::arg("uncertainty_variant") = "", py::arg("remove_net_force") = true,
           py::arg("check_consistency") = false, py::arg("symmetrize") = "none",
           py::arg("seed") = py::none(), py::arg("atoms_per_forward") = 0);
  py::class_<Engine, std::shared_ptr<Engine>>(module, "Engine")
      .def(py::init<std::shared_ptr<Model>, EngineOptions>(), py::arg("model"), py::arg("options"))
      .def(
          "evaluate_batch",
          [](Engine& engine, const std::vector<const Structure*>& structures,
             const std::vector<Pairs*>& pairs, const Wanted& wanted) {
            if (structures.size() != pairs.size()) {
              throw Error("expected one pair list for each of " +
                          std::to_string(structures.size()) + " structures, got " +
                          std::to_string(pairs.size()));
            }
            std::vector<Configuration> batch;
            for (std::size_t s = 0; s < structures.size(); ++s) {
              batch.push_back({structures[s], pairs[s]});
            }
            return engine.evaluate(batch, wanted);
          },
          py::arg("structures"), py::arg("pairs"), py::arg("wanted"),
          py::call_guard<py::gil_scoped_release>())
      .def("require", &Engine::require, py::arg("wanted"))
      .def("require_types", &Engine::require_types, py::arg("types"))
      .def("set_draw", &Engine::set_draw, py::arg("draw"))
      .def_property_readonly("copies", &Engine::copies)
      .def_property_readonly("model", &Engine::model)
      .def_property_readonly("timings", &Engine::timings)
      .def("reset_timings", &Engine::reset_timings);
  py::class_<FusedForces, std::shared_ptr<FusedForces>> fused(module, "FusedForces");
  py::class_<FusedForces::Counts>(fused, "Counts")
      .def_readonly("direct_only", &FusedForces::Counts::direct_only)
      .def_readonly("conservative_only", &FusedForces::Counts::conservative_only)
      .def_readonly("both", &FusedForces::Counts::both)
      .def_readonly("reused", &FusedForces::Counts::reused);
  fused.def(py::init<std::shared_ptr<Engine>, double>(), py::arg("engine"), py::arg("skin"))
      .def("direct", &FusedForces::direct, py::arg("structures"), py::arg("outer_follows") = false,
           py::call_guard<py::gil_scoped_release>())
      .def("conservative", &FusedForces::conservative, py::arg("structures"),
           py::call_guard<py::gil_scoped_release>())
      .def("restart", &FusedForces::restart)
      .def_property_readonly("counts", &FusedForces::counts)
      .def_property_readonly("stride", [](const FusedForces& f) { return f.learner().stride(); });
}

}  // namespace

PYBIND11_MODULE(_core, module) {
  module.doc() = "The C++ engine of MD Bridge; use it through md_bridge.engine.";
  py::register_exception<Error>(module, "EngineError", PyExc_RuntimeError);
  py::register_exception<ModelError>(module, "ModelError", module.attr("EngineError"));
  py::register_exception<NonFiniteError>(module, "NonFiniteError", module.attr("EngineError"));
  bind_structure(module);
  bind_model(module);
  bind_evaluation(module);
  bind_rotations(module);
  bind_engine(module);
  module.def("available_cores", &available_cores);
  module.def("choose_threads", &choose_threads, py::arg("requested"), py::arg("ranks_on_node"));
  module.def("set_threads", &set_threads, py::arg("threads"));
  module.def("get_threads", &get_threads);
  module.def(
      "remove_net_force",
      [](const Array& forces) {
        Array result = to_array(forces.data(), {forces.shape(0), 3});
        remove_net_force(result.mutable_data(), forces.shape(0));
        return result;
      },
      py::arg("forces"));
  module.def(
      "remove_net_torque",
      [](const Array& positions, const Array& forces) {
        Array result = to_array(forces.data(), {forces.shape(0), 3});
        remove_net_torque(positions.data(), result.mutable_data(), forces.shape(0));
        return result;
      },
      py::arg("positions"), py::arg("forces"));
  bind_ipi(module);
}
