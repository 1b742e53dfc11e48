#include <pybind11/functional.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "arrays.hpp"
#include "bindings.hpp"
#include "ipi/client.hpp"
#include "ipi/session.hpp"
#include "mdbridge/error.hpp"

namespace py = pybind11;
using namespace mdbridge;       // NOLINT: this file is nothing but a list of names
using namespace mdbridge::ipi;  // NOLINT

namespace {

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
  return py::make_tuple(result.energy, vectors_to_array(result.forces),
                        matrix_to_array(result.virial), result.extras);
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
  py::class_<Session, std::shared_ptr<Session>>(
      module, "IpiSession",
      "One model that serves all forcefields of an i-PI simulation (or two, of which one serves "
      "the direct forcefield), in atomic units and i-PI's conventions. Keeps the pair lists of all "
      "beads, and evaluates both kinds of forces at once "
      "where a multiple-time-step integrator will ask for both.")
      .def(py::init([](std::shared_ptr<Engine> engine, const std::vector<std::int32_t>& types,
                       const std::array<bool, 3>& periodic, double skin, bool zero_direct_virial,
                       bool force_extras, bool uncertainty_extras, bool committee_extras,
                       bool deviation_extras, std::optional<std::shared_ptr<Engine>> inner,
                       const std::string& inner_forces, double max_correction) {
             SessionOptions options;
             options.skin = skin;
             if (zero_direct_virial) options.direct_virial = DirectVirial::none;
             options.force_extras = force_extras;
             options.uncertainty_extras = uncertainty_extras;
             options.committee_extras = committee_extras;
             options.deviation_extras = deviation_extras;
             options.inner_forces = parse_force_kind(inner_forces);
             options.max_correction = max_correction;
             return std::make_shared<Session>(std::move(engine), types, periodic, options,
                                              inner.value_or(nullptr));
           }),
           py::arg("engine"), py::arg("types"), py::arg("periodic"), py::kw_only(), py::arg("skin"),
           py::arg("zero_direct_virial"), py::arg("force_extras"), py::arg("uncertainty_extras"),
           py::arg("committee_extras"), py::arg("deviation_extras"), py::arg("inner") = py::none(),
           py::arg("inner_forces") = "direct", py::arg("max_correction") = ForceAgreement::largest,
           py::call_guard<py::gil_scoped_release>(),  // it may wait for who evaluates a model
           ":param types: atomic number of each atom, in i-PI's order\n"
           ":param periodic: along which lattice vectors the template is periodic\n"
           ":param skin: of the pair lists, Å\n"
           ":param zero_direct_virial: direct forces come with a virial of zero\n"
           ":param force_extras: hand both kinds of forces to i-PI as extras\n"
           ":param uncertainty_extras: the same for the uncertainty\n"
           ":param committee_extras: the same for the energies of the committee\n"
           ":param deviation_extras: the same for the standard deviations over rotated copies\n"
           ":param inner: serves the direct forcefield, if that is another model\n"
           ":param inner_forces: \"direct\" or \"conservative\": which forces of ``inner``\n"
           ":param max_correction: how far the forces of the two forcefields may be apart at "
           "first, in "
           "terms of the conservative ones\n"
           ":raises ModelError: if a model lacks an element, or the inner one was made for another "
           "variant of the outer one")
      .def(
          "serve",
          [](Session& session, const std::string& kind) { session.serve(parse_force_kind(kind)); },
          py::arg("kind"), py::call_guard<py::gil_scoped_release>(),
          "Announce a forcefield.\n\n"
          ":param kind: \"conservative\" or \"direct\"\n"
          ":raises ModelError: if the model does not have such forces")
      .def("evaluate", &evaluate, py::arg("kind"), py::arg("cells"), py::arg("positions"),
           "Forces at several structures, in one forward pass.\n\n"
           ":param cells: [3, 3] each, lattice vectors in *columns*, bohr\n"
           ":param positions: [atoms, 3] each, bohr\n"
           ":returns: for each structure the energy (hartree), forces [atoms, 3] (hartree/bohr), "
           "virial -dE/d(strain) [3, 3] (hartree, not divided by the volume) and extras (JSON)\n"
           ":raises EngineError: as Engine.evaluate, and if the cell contradicts the template")
      .def("take_news", &Session::take_news,
           "A line for the log of the run, once.\n\n"
           ":returns: how the forces of the two forcefields agree, after the first evaluation that "
           "has both; empty if there is nothing new")
      .def_property_readonly("atoms", &Session::atoms, "Number of atoms of one structure.")
      .def_property_readonly("counts", &Session::counts,
                             "What was evaluated since all forcefields were announced.")
      .def_property_readonly("learned_stride", &Session::learned_stride,
                             "Inner steps per outer step, as far as known; 0 while unknown.")
      .def_property_readonly("pair_list_builds", &Session::pair_list_builds,
                             "How often pair lists were built, summed over the beads.")
      .def_property_readonly("replicas", &Session::replicas,
                             "How many beads (or batches of beads) were told apart.")
      .def("__repr__", [](const Session& session) {
        return "IpiSession(" + std::to_string(session.atoms()) + " atoms, " +
               std::to_string(session.replicas()) + " replicas)";
      });
  py::class_<Client>(module, "IpiClient",
                     "Connects to i-PI's sockets and serves them until i-PI says EXIT.")
      .def(py::init(&make_client), py::arg("session"), py::arg("services"), py::kw_only(),
           py::arg("timeout"), py::arg("stall_timeout"), py::arg("sockets_prefix"), py::arg("log"),
           ":param services: \"unix:NAME\", \"shm:NAME\" or \"HOST:PORT\", each with or without "
           "\"=direct\"\n"
           ":param timeout: how long to wait for i-PI to open its sockets, s\n"
           ":param stall_timeout: how long a message may stop half-way, s\n"
           ":param sockets_prefix: what i-PI puts before the name of a unix socket\n"
           ":param log: is given a line now and then\n"
           ":raises EngineError: if an address makes no sense")
      .def("run", &Client::run, py::call_guard<py::gil_scoped_release>(),
           "Serve until the simulation ends.\n\n"
           ":raises EngineError: if nobody answers, the connection breaks, or an evaluation fails")
      .def("__repr__", [](const Client& client) {
        return "IpiClient(" + std::to_string(client.services()) + " services)";
      });
  module.attr("IPI_UNITS") =
      py::dict(py::arg("angstrom") = angstrom, py::arg("electronvolt") = electronvolt,
               py::arg("electronvolt_per_angstrom") = electronvolt_per_angstrom);
}
