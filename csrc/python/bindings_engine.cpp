#include <pybind11/stl.h>

#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <utility>

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
                       const std::string& direct_symmetrize, std::optional<std::uint64_t> seed,
                       std::int64_t atoms_per_forward, std::optional<double> charge,
                       std::optional<double> spin_multiplicity) {
             return EngineOptions{.variant = variant,
                                  .direct_variant = direct_variant,
                                  .uncertainty_variant = uncertainty_variant,
                                  .remove_net_force = remove_net_force,
                                  .check_consistency = check_consistency,
                                  .symmetrize = symmetrize,
                                  .direct_symmetrize = direct_symmetrize,
                                  .seed = seed,
                                  .atoms_per_forward = atoms_per_forward,
                                  .charge = charge,
                                  .spin_multiplicity = spin_multiplicity};
           }),
           py::kw_only(), py::arg("variant") = "", py::arg("direct_variant") = "",
           py::arg("uncertainty_variant") = "", py::arg("remove_net_force") = true,
           py::arg("check_consistency") = false, py::arg("symmetrize") = "none",
           py::arg("direct_symmetrize") = "", py::arg("seed") = py::none(),
           py::arg("atoms_per_forward") = 0, py::arg("charge") = py::none(),
           py::arg("spin_multiplicity") = py::none(),
           "The keywords are those of md_bridge.engine.Engine, which documents them.")
      .def("__repr__", [](const EngineOptions& options) {
        std::string text = "EngineOptions(variant='" + options.variant + "', symmetrize='" +
                           options.symmetrize + "'";
        if (!options.direct_symmetrize.empty()) {
          text += ", direct_symmetrize='" + options.direct_symmetrize + "'";
        }
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
      .def_readonly("copies", &Timings::copies,
                    "How many structures, and rotated copies of them, went through the model.")
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

FusedForces make_fused_forces(std::shared_ptr<Engine> outer, double skin,
                              std::optional<std::shared_ptr<Engine>> other,
                              const std::string& inner_forces) {
  FusedOptions options;
  options.inner_forces = parse_force_kind(inner_forces);
  std::shared_ptr<Engine> inner = other.value_or(outer);
  const bool direct = options.inner_forces == ForceKind::direct;
  Wanted wanted{.energy = false};
  (direct ? wanted.direct_forces : wanted.conservative_forces) = true;
  inner->require(wanted);
  Wanted gradient;
  gradient.conservative_forces = true;
  outer->require(gradient);
  return FusedForces(std::move(inner), std::move(outer), skin, options);
}

void bind_fused_forces(py::module_& module) {
  py::class_<FusedForces, std::shared_ptr<FusedForces>> fused(
      module, "FusedForces",
      "The forces of a multiple-time-step integrator: cheap ones in the inner loop, conservative "
      "ones at the outer step, and nothing evaluated twice. Both come from one model, whose inner "
      "forces are the direct ones, in one forward pass where both are needed at the same "
      "positions; or the inner ones come from a model of their own. Follows one structure, or a "
      "batch of them that moves together.");
  py::class_<FusedForces::Counts>(fused, "Counts", "How many evaluations of each kind were made.")
      .def_readonly("inner_only", &FusedForces::Counts::inner_only, "For inner forces alone.")
      .def_readonly("outer_only", &FusedForces::Counts::outer_only, "For outer forces alone.")
      .def_readonly("both", &FusedForces::Counts::both, "For both in one pass.")
      .def_readonly("reused", &FusedForces::Counts::reused,
                    "Outer requests that found their answer ready.")
      .def("__repr__", [](const FusedForces::Counts& counts) {
        std::ostringstream text;
        text << "Counts(inner_only=" << counts.inner_only << ", outer_only=" << counts.outer_only
             << ", both=" << counts.both << ", reused=" << counts.reused << ")";
        return text.str();
      });
  fused
      .def(py::init(&make_fused_forces), py::arg("outer"), py::arg("skin"), py::kw_only(),
           py::arg("inner") = py::none(), py::arg("inner_forces") = "direct",
           py::call_guard<py::gil_scoped_release>(),  // it may wait for who evaluates a model
           ":param outer: of the conservative forces\n"
           ":param skin: of the pair lists, Å\n"
           ":param inner: of the inner forces, if these come from another model\n"
           ":param inner_forces: \"direct\" or \"conservative\": which forces of the inner model\n"
           ":raises ModelError: if a model does not have its kind of forces\n"
           ":raises EngineError: for another kind of forces")
      .def("inner", &FusedForces::inner, py::arg("structures"), py::arg("outer_follows") = false,
           py::call_guard<py::gil_scoped_release>(),
           "Inner forces at these structures; free if they are known, as they are after "
           "``outer``.\n\n"
           ":param outer_follows: a request for the outer ones at the same positions is certain; "
           "otherwise the learned stride decides whether to compute both\n"
           ":raises EngineError: as Engine.evaluate")
      .def(
          "want_virial", &FusedForces::want_virial, py::arg("wanted"),
          "Whether the outer evaluations from now on give the virial, as they do at first.\n\n"
          ":param wanted: if not, its gradient is left out. An evaluation without it is made again "
          "where it is asked for")
      .def("outer", &FusedForces::outer, py::arg("structures"),
           py::call_guard<py::gil_scoped_release>(),
           "Energy, conservative forces and virial of the outer model at these structures; free if "
           "the last evaluation gave them at exactly these positions. Of one model, the direct "
           "forces too.\n\n"
           ":raises EngineError: as Engine.evaluate")
      .def_property_readonly("pair_list_builds", &FusedForces::pair_list_builds,
                             "How often pair lists were built, summed over the structures.")
      .def_property_readonly("one_model", &FusedForces::one_model,
                             "Whether inner and outer forces come in one forward pass.")
      .def_property_readonly("counts", &FusedForces::counts,
                             "How many evaluations of each kind were made.")
      .def_property_readonly(
          "stride", [](const FusedForces& f) { return f.learner().stride(); },
          "Inner evaluations per outer one, as far as learned; 0 while unknown.")
      .def("__repr__", [](const FusedForces& f) {
        return "FusedForces(stride " + std::to_string(f.learner().stride()) + ")";
      });
}

/// Takes the Python object and not the engine in it: for an object whose constructor has failed,
/// which debuggers and tracebacks still show, pybind11 hands out memory that nobody initialised.
std::string describe(const py::object& self) {
  if (!py::isinstance<Engine>(self)) {
    throw py::type_error("expected an Engine, found " + std::string(py::str(py::type::of(self))));
  }
  auto* instance = reinterpret_cast<py::detail::instance*>(self.ptr());  // NOLINT: as pybind11 does
  if (!instance->get_value_and_holder().holder_constructed()) return "Engine(not loaded)";
  const auto& engine = self.cast<const Engine&>();
  std::string text = "Engine('" + engine.info().path + "' on " + engine.info().device;
  const auto& options = engine.options();
  if (!options.variant.empty()) text += ", variant=" + options.variant;
  if (options.symmetrize != "none") text += ", symmetrize=" + options.symmetrize;
  if (engine.averages_direct_apart()) {
    text += ", direct_symmetrize=" + options.direct_symmetrize;
  }
  return text + ")";
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
      // it may look how the model differentiates, which torch does not do under the lock of Python
      .def("require", &Engine::require, py::arg("wanted"), py::call_guard<py::gil_scoped_release>(),
           ":raises ModelError: naming what is missing, if the model cannot give this")
      .def("require_types", &Engine::require_types, py::arg("types"),
           ":raises ModelError: naming the element, unless the model knows these atomic numbers")
      .def("set_rotation_counter", &Engine::set_rotation_counter, py::arg("counter"),
           "Which random rotation the evaluations from now on use, with ``symmetrize=\"random\"``: "
           "the number of the step, say. Without one it follows from the positions.")
      .def_property_readonly("copies", &Engine::copies,
                             "How many rotated copies the energy is averaged over; 1 without.")
      .def_property_readonly("direct_copies", &Engine::direct_copies,
                             "The same of the direct forces.")
      .def_property_readonly("model", &Engine::model, "The model, which other engines may share.")
      .def_property_readonly("timings", &Engine::timings, "Where the time went, s.")
      .def("reset_timings", &Engine::reset_timings, "Begin to count the time anew.")
      .def("__repr__", &describe);
  bind_fused_forces(module);
}
