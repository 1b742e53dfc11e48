#include "bindings.hpp"

#include "mdbridge/error.hpp"
#include "mdbridge/threads.hpp"
#include "python_model.hpp"

namespace py = pybind11;
using namespace mdbridge;  // NOLINT: this file is nothing but a list of the engine's names

namespace {

void bind_errors(py::module_& module) {
  const auto root = py::module_::import("md_bridge.errors").attr("MDBridgeError");
  const auto bases = py::make_tuple(root, py::handle(PyExc_RuntimeError));
  auto error = py::register_exception<Error>(module, "EngineError", bases);
  error.doc() =
      "The engine cannot do what was asked of it; the message says what was found and what to do.";
  auto model = py::register_exception<ModelError>(module, "ModelError", error);
  model.doc() = "The model file is missing, broken, or cannot do what was asked of it.";
  auto non_finite = py::register_exception<NonFiniteError>(module, "NonFiniteError", error);
  non_finite.doc() = "The model returned a NaN or an infinity.";
}

void bind_threads(py::module_& module) {
  module.def("available_cores", &available_cores,
             "Number of cores that this process may run on (its affinity mask, not the machine's "
             "size).");
  module.def("choose_threads", &choose_threads, py::arg("requested"),
             "Number of threads that this process should use: ``requested`` if positive, else "
             "OMP_NUM_THREADS if set, else the cores that this process may run on.");
  module.def("set_threads", &set_threads, py::arg("threads"),
             "Let torch use this many threads in this process.");
  module.def("get_threads", &get_threads, "How many threads torch uses now.");
  module.def("waiting_threads_sleep", &waiting_threads_sleep,
             "Whether threads that wait for others sleep at once, because other processes want the "
             "cores; else they spin.");
  module.def("note_waiting", &note_waiting, py::arg("waited"), py::arg("worked"),
             "Decide again whether they sleep: in ``worked`` seconds of evaluations all threads "
             "together had no core for ``waited`` seconds. The engine does so by itself.");
}

}  // namespace

PYBIND11_MODULE(_core, module) {
  module.doc() =
      "The C++ engine of MD Bridge; use it through md_bridge.engine.\n\n"
      "Units: eV, Å, eV/Å, atomic numbers. Arrays are copies.";
  bind_errors(module);
  bind_threads(module);
  bind_structure(module);
  bind_model(module);
  bind_engine(module);
  bind_ipi(module);
  register_python_models();
}
