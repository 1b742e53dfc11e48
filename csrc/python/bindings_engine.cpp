#include <pybind11/stl.h>

#include <memory>
#include <optional>
#include <sstream>

#include "bindings.hpp"
#include "mdbridge/engine.hpp"
#include "mdbridge/error.hpp"
#include "mdbridge/fused_forces.hpp"

namespace py = pybind11;
using namespace mdbridge;  // NOLINT: this file is nothing but a list of the engine's names

namespace {

std::vector<Evaluation> evaluate_batch(Engine& engine,
                                       const std::vector<const Structure*>& structures,
                                       const std::vector<Pairs*>& pairs, const Wanted& wanted) {
  if (structures.size() != pairs.size()) {
    throw Error("expected one pair list for each of " + std::to_string(structures.size()) +
                " structures, found " + std::to_string(pairs.size()));
  }
  std::vector<StructureAndPairs> batch;
  for (std::size_t s = 0; s < structures.size(); ++s) {
    if (structures[s] == nullptr || pairs[s] == nullptr) {
      throw Error("expected a structure and a pair list at place " + std::to_string(s) +
                  " (counted from 0) of the batch, found None");
    }
    batch.push_back({structures[s], pairs[s]});
  }
  return engine.evaluate(batch, wanted);
}

void bind_options(py::module_& module) {
  py::class_<EngineOptions>(module, "EngineOptions",
                            "How the engine treats the model's results: the keywords of "
                            "md_bridge.engine.Engine.")
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
           py::arg("seed") = py::none(), py::arg("atoms_per_forward") = 0,
           "The keywords are those of md_bridge.engine.Engine, which documents them.")
      .def("__repr__", [](const EngineOptions& options) {
        std::string text = "EngineOptions(variant='" + options.variant + "', symmetrize='" +
                           options.symmetrize + "'";
        if (options.seed) text += ", seed=" + std::to_string(*options.seed);
        if (!options.remove_net_force) text += ", net force kept";
        return text + ")";
      });
}

void bind_timings(py::module_& module) {
  py::class_<Timings>(module, "Timings",
                      "Where the time went, in seconds, since the last reset. On a GPU the work is "
                      "waited for in ``unpacking``.")
      .def_readonly("pairs", &Timings::pairs, "Building pair lists.")
      .def_readonly("packing", &Timings::packing, "Selecting pairs, making tensors, rotating.")
      .def_readonly("forward", &Timings::forward, "The network.")
      .def_readonly("backward", &Timings::backward, "Gradients.")
      .def_readonly("unpacking", &Timings::unpacking, "Fetching, averaging and checking results.")
      .def_readonly("evaluations", &Timings::evaluations, "How many there were.")
      .def_property_readonly("total", &Timings::total, "Sum of the times.")
      .def("__repr__", [](const Timings& timings) {
        std::ostringstream text;
        text << "Timings(" << timings.evaluations << " evaluations in " << timings.total()
             << " s: pairs " << timings.pairs << ", packing " << timings.packing << ", forward "
             << timings.forward << ", backward " << timings.backward << ", unpacking "
             << timings.unpacking << ")";
        return text.str();
      });
}

void bind_fused_forces(py::module_& module) {
  py::class_<FusedForces, std::shared_ptr<FusedForces>> fused(
      module, "FusedForces",
      "The forces of a multiple-time-step integrator: direct ones in the inner loop, conservative "
      "ones at the outer step, evaluated together where both are needed at the same positions. "
      "Follows one structure, or a batch of them that moves together.");
  py::class_<FusedForces::Counts>(fused, "Counts", "How many evaluations of each kind were made.")
      .def_readonly("direct_only", &FusedForces::Counts::direct_only, "Of direct forces alone.")
      .def_readonly("conservative_only", &FusedForces::Counts::conservative_only,
                    "Of conservative forces alone.")
      .def_readonly("both", &FusedForces::Counts::both, "Of both in one pass.")
      .def_readonly("reused", &FusedForces::Counts::reused,
                    "Conservative requests that found their answer ready.")
      .def("__repr__", [](const FusedForces::Counts& counts) {
        std::ostringstream text;
        text << "Counts(direct_only=" << counts.direct_only
             << ", conservative_only=" << counts.conservative_only << ", both=" << counts.both
             << ", reused=" << counts.reused << ")";
        return text.str();
      });
  fused
      .def(py::init<std::shared_ptr<Engine>, double>(), py::arg("engine"), py::arg("skin"),
           ":param skin: of the pair lists, Å")
      .def("direct", &FusedForces::direct, py::arg("structures"), py::arg("outer_follows") = false,
           py::call_guard<py::gil_scoped_release>(),
           "Direct forces at these structures.\n\n"
           ":param outer_follows: a request for the conservative ones at the same positions is "
           "certain; otherwise the learned stride decides whether to compute both\n"
           ":raises EngineError: as Engine.evaluate")
      .def("conservative", &FusedForces::conservative, py::arg("structures"),
           py::call_guard<py::gil_scoped_release>(),
           "Energy, conservative forces and virial, and direct forces, at these structures; free "
           "if the last evaluation was made for both at exactly these positions.\n\n"
           ":raises EngineError: as Engine.evaluate")
      .def_property_readonly("counts", &FusedForces::counts,
                             "How many evaluations of each kind were made.")
      .def_property_readonly(
          "stride", [](const FusedForces& f) { return f.learner().stride(); },
          "Inner evaluations per outer one, as far as learned; 0 while unknown.")
      .def("__repr__", [](const FusedForces& f) {
        return "FusedForces(stride " + std::to_string(f.learner().stride()) + ")";
      });
}

}  // namespace

void bind_engine(py::module_& module) {
  bind_options(module);
  bind_timings(module);
  py::class_<Engine, std::shared_ptr<Engine>>(
      module, "Engine", "Evaluates a model. Not thread-safe; engines may share a model.")
      .def(py::init<std::shared_ptr<Model>, EngineOptions>(), py::arg("model"), py::arg("options"),
           ":raises EngineError: if the options contradict each other")
      .def("evaluate_batch", &evaluate_batch, py::arg("structures"), py::arg("pairs"),
           py::arg("wanted"), py::call_guard<py::gil_scoped_release>(),
           "Evaluate structures, each with its pair list, in one forward pass.\n\n"
           ":raises ModelError: if the model cannot give what is wanted, or lacks an element\n"
           ":raises NonFiniteError: if a result is NaN or infinite\n"
           ":raises EngineError: for everything else (out of memory)")
      .def("require", &Engine::require, py::arg("wanted"),
           ":raises ModelError: naming what is missing, if the model cannot give this")
      .def("require_types", &Engine::require_types, py::arg("types"),
           ":raises ModelError: naming the element, unless the model knows these atomic numbers")
      .def("set_rotation_counter", &Engine::set_rotation_counter, py::arg("counter"),
           "Which random rotation the evaluations from now on use, with ``symmetrize=\"random\"``: "
           "the number of the step, say. Without one it follows from the positions.")
      .def_property_readonly("copies", &Engine::copies,
                             "How many rotated copies an evaluation averages over; 1 without.")
      .def_property_readonly("model", &Engine::model, "The model, which other engines may share.")
      .def_property_readonly("timings", &Engine::timings, "Where the time went, s.")
      .def("reset_timings", &Engine::reset_timings, "Begin to count the time anew.")
      .def("__repr__", [](const Engine& engine) {
        std::string text = "Engine('" + engine.info().path + "' on " + engine.info().device;
        const auto& options = engine.options();
        if (!options.variant.empty()) text += ", variant=" + options.variant;
        if (options.symmetrize != "none") text += ", symmetrize=" + options.symmetrize;
        return text + ")";
      });
  bind_fused_forces(module);
}
