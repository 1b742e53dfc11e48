#include <pybind11/functional.h>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ipi/client.hpp"
#include "ipi/session.hpp"
#include "mdbridge/error.hpp"

namespace py = pybind11;
using namespace mdbridge;       // NOLINT: this file is nothing but a list of names
using namespace mdbridge::ipi;  // NOLINT

void bind_ipi(py::module_& module);

namespace {

using Array = py::array_t<double, py::array::c_style | py::array::forcecast>;

std::vector<Frame> make_frames(const std::vector<Array>& cells, const std::vector<Array>& positions,
                               std::int64_t atoms) {
  if (cells.size() != positions.size()) {
    throw py::value_error("expected one cell for each of " + std::to_string(positions.size()) +
                          " structures, found " + std::to_string(cells.size()));
  }
  std::vector<Frame> frames(cells.size());
  for (std::size_t f = 0; f < frames.size(); ++f) {
    if (cells[f].size() != 9) throw py::value_error("cell must have the shape [3, 3]");
    if (positions[f].size() != 3 * atoms) {
      throw Error("i-PI sent the positions of " + std::to_string(positions[f].size() / 3) +
                  " atoms, but the template has " + std::to_string(atoms) +
                  " atoms; give the structure that i-PI starts from as the template");
    }
    std::copy(cells[f].data(), cells[f].data() + 9, frames[f].cell.begin());
    frames[f].positions.assign(positions[f].data(), positions[f].data() + positions[f].size());
  }
  return frames;
}

py::tuple to_tuple(const Result& result) {
  Array forces(std::vector<py::ssize_t>{static_cast<py::ssize_t>(result.forces.size()) / 3, 3});
  std::copy(result.forces.begin(), result.forces.end(), forces.mutable_data());
  Array virial(std::vector<py::ssize_t>{3, 3});
  std::copy(result.virial.begin(), result.virial.end(), virial.mutable_data());
  return py::make_tuple(result.energy, forces, virial, result.extras);
}

std::vector<py::tuple> evaluate(Session& session, const std::string& kind,
                                const std::vector<Array>& cells,
                                const std::vector<Array>& positions) {
  const auto frames = make_frames(cells, positions, session.atoms());
  std::vector<Result> results;
  {
    const py::gil_scoped_release release;
    results = session.evaluate(parse_force_kind(kind), frames);
  }
  std::vector<py::tuple> tuples;
  for (const Result& result : results) tuples.push_back(to_tuple(result));
  return tuples;
}

std::unique_ptr<Client> make_client(std::shared_ptr<Session> session,
                                    const std::vector<std::string>& services, double timeout,
                                    double stall_timeout, const std::string& sockets_prefix,
                                    std::function<void(const std::string&)> log) {
  std::vector<Service> parsed;
  for (const std::string& text : services) parsed.push_back(parse_service(text));
  ClientOptions options;
  options.timeout = timeout;
  options.stall_timeout = stall_timeout;
  options.sockets_prefix = sockets_prefix;
  options.log = std::move(log);
  options.check_interrupt = [] {
    const py::gil_scoped_acquire acquire;
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
  };
  return std::make_unique<Client>(std::move(session), parsed, std::move(options));
}

}  // namespace

void bind_ipi(py::module_& module) {
  py::class_<Session, std::shared_ptr<Session>>(module, "IpiSession")
      .def(py::init([](std::shared_ptr<Engine> engine, const std::vector<std::int32_t>& types,
                       const std::array<bool, 3>& periodic, double skin, bool zero_direct_virial,
                       bool force_extras, bool uncertainty_extras) {
             SessionOptions options;
             options.skin = skin;
             if (zero_direct_virial) options.direct_virial = DirectVirial::none;
             options.force_extras = force_extras;
             options.uncertainty_extras = uncertainty_extras;
             return std::make_shared<Session>(std::move(engine), types, periodic, options);
           }),
           py::arg("engine"), py::arg("types"), py::arg("periodic"), py::kw_only(), py::arg("skin"),
           py::arg("zero_direct_virial"), py::arg("force_extras"), py::arg("uncertainty_extras"))
      .def("serve",
           [](Session& session, const std::string& kind) { session.serve(parse_force_kind(kind)); })
      .def("evaluate", &evaluate, py::arg("kind"), py::arg("cells"), py::arg("positions"))
      .def_property_readonly("atoms", &Session::atoms)
      .def_property_readonly("counts", &Session::counts)
      .def_property_readonly("learned_stride", &Session::learned_stride)
      .def_property_readonly("pair_list_builds", &Session::pair_list_builds)
      .def_property_readonly("replicas", &Session::replicas);
  py::class_<Client>(module, "IpiClient")
      .def(py::init(&make_client), py::arg("session"), py::arg("services"), py::kw_only(),
           py::arg("timeout"), py::arg("stall_timeout"), py::arg("sockets_prefix"), py::arg("log"))
      .def("run", &Client::run, py::call_guard<py::gil_scoped_release>());
  module.attr("IPI_UNITS") =
      py::dict(py::arg("angstrom") = angstrom, py::arg("electronvolt") = electronvolt,
               py::arg("electronvolt_per_angstrom") = electronvolt_per_angstrom);
}
