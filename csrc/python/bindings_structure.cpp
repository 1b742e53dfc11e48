#include <pybind11/stl.h>

#include <map>
#include <sstream>

#include "arrays.hpp"
#include "bindings.hpp"
#include "mdbridge/elements.hpp"
#include "mdbridge/error.hpp"
#include "mdbridge/net_force.hpp"
#include "mdbridge/pairs.hpp"
#include "mdbridge/rotations.hpp"
#include "mdbridge/structure.hpp"

namespace py = pybind11;
using namespace mdbridge;  // NOLINT: this file is nothing but a list of the engine's names

namespace {

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

IntArray types(const Structure& structure) {
  return IntArray(static_cast<py::ssize_t>(structure.types.size()), structure.types.data());
}

/// "Structure(H54O27, periodic along a, b, c)"
std::string describe(const Structure& structure) {
  std::map<std::string, std::int64_t> counts;
  for (const auto type : structure.types) ++counts[chemical_symbol(type)];
  std::ostringstream text;
  text << "Structure(" << (counts.empty() ? "no atoms" : "");
  for (const auto& [symbol, count] : counts) {
    text << symbol;
    if (count > 1) text << count;
  }
  if (!structure.is_periodic()) {
    text << ", not periodic";
  } else {
    text << ", periodic along";
    const char* separator = " ";
    for (int a = 0; a < 3; ++a) {
      if (!structure.periodic[a]) continue;
      text << separator << "abc"[a];
      separator = ", ";
    }
  }
  if (structure.owned >= 0) text << ", owned=" << structure.owned;
  text << ")";
  return text.str();
}

void provide(Pairs& pairs, const IntArray& labels) {
  require_shape(labels.ndim() == 2 && labels.shape(1) == 5, "labels", "[pairs, 5]");
  pairs.provide({labels.data(), labels.data() + labels.size()});
}

py::tuple select(const Pairs& pairs, const Structure& structure, double cutoff, bool full) {
  SelectedPairs selected;
  pairs.select(structure, cutoff, full, selected);
  IntArray labels(std::vector<py::ssize_t>{selected.size(), 5});
  std::copy(selected.labels.begin(), selected.labels.end(), labels.mutable_data());
  return py::make_tuple(labels, vectors_to_array(selected.vectors));
}

std::string describe_pairs(const Pairs& pairs) {
  std::ostringstream text;
  text << "Pairs(skin=" << pairs.skin() << " Å, " << pairs.candidates() << " candidates, built "
       << pairs.builds() << " times)";
  return text.str();
}

void bind_pairs(py::module_& module) {
  py::class_<Pairs>(module, "Pairs",
                    "Verlet pair list of one moving structure.\n\n"
                    "It holds every pair within the cutoff plus the skin and is rebuilt only when "
                    "a pair that is not in it may have come within the cutoff. Keep one for each "
                    "structure that is followed.")
      .def(py::init<double>(), py::arg("skin") = 1.0,
           ":param skin: in Å; 0 rebuilds at every step\n"
           ":raises EngineError: if it is negative or not finite")
      .def("update", &Pairs::update, py::arg("structure"), py::arg("cutoff"),
           "Make the list valid for this structure and pairs up to ``cutoff`` (Å).\n\n"
           ":returns: whether it was rebuilt; never, once pairs were provided\n"
           ":raises EngineError: if it cannot be built")
      .def("provide", &provide, py::arg("labels"),
           "Take the candidate pairs from the caller, for good: the list is never rebuilt then.\n\n"
           ":param labels: [pairs, 5]: first atom, second atom, cell shift of the second one; both "
           "i->j and j->i\n"
           ":raises ValueError: if the shape is another one\n"
           ":raises EngineError: if an atom has a negative number")
      .def("select", &select, py::arg("structure"), py::arg("cutoff"), py::arg("full") = true,
           "The candidates that lie within ``cutoff`` (Å) now, in the order of their first "
           "atoms.\n\n"
           ":param full: both i->j and j->i, or one of them\n"
           ":returns: labels [pairs, 5], and vectors r_j - r_i + shift @ cell [pairs, 3] in Å\n"
           ":raises EngineError: if a candidate names an atom that the structure does not have")
      .def_property_readonly("skin", &Pairs::skin, "Skin, Å.")
      .def_property_readonly("candidates", &Pairs::candidates, "Number of pairs in the list.")
      .def_property_readonly("builds", &Pairs::builds, "How often the list was built.")
      .def_property_readonly("reuses", &Pairs::reuses,
                             "How often the list was found to be still valid.")
      .def("__repr__", &describe_pairs);
}

Array matrices(const std::vector<Rotation>& rotations) {
  Array array(std::vector<py::ssize_t>{static_cast<py::ssize_t>(rotations.size()), 3, 3});
  double* out = array.mutable_data();
  for (const Rotation& rotation : rotations) out = std::copy(rotation.begin(), rotation.end(), out);
  return array;
}

void bind_rotations(py::module_& module) {
  module.attr("SYMMETRIZATIONS") = py::tuple(py::cast(symmetrization_names()));
  module.attr("ROTATION_GRIDS") = py::tuple(py::cast(rotation_grid_names()));
  module.def(
      "rotation_set",
      [](const std::string& name) {
        const RotationSet set = rotation_set(name);
        return py::make_tuple(
            matrices(set.rotations),
            to_array(set.weights.data(), {static_cast<py::ssize_t>(set.weights.size())}));
      },
      py::arg("name"),
      "The matrices R (r -> R r) that a fixed set averages over, and the weight of each.\n\n"
      ":param name: as for ``symmetrize``\n"
      ":returns: matrices [copies, 3, 3] and weights [copies] of sum 1; none for \"none\" and "
      "\"random\"\n"
      ":raises EngineError: if there is no such set");
  module.def(
      "rotation_group", [](const std::string& name) { return matrices(rotation_group(name)); },
      py::arg("name"),
      "The matrices R (r -> R r) of a group, which an average counts alike, the identity "
      "first.\n\n"
      ":returns: [rotations, 3, 3]; none for \"none\" and \"random\"\n"
      ":raises EngineError: if the name is not one of SYMMETRIZATIONS");
  module.def(
      "random_rotation",
      [](std::uint64_t seed, std::uint64_t counter) {
        return matrix_to_array(random_rotation(seed, counter));
      },
      py::arg("seed"), py::arg("counter"),
      "The rotation, or rotation times the inversion, that ``symmetrize=\"random\"`` uses for this "
      "seed and counter.\n\n:returns: [3, 3], orthogonal");
}

void bind_net_force(py::module_& module) {
  module.def(
      "remove_net_force",
      [](const Array& forces) {
        require_shape(forces.ndim() == 2 && forces.shape(1) == 3, "forces", "[atoms, 3]");
        Array result = to_array(forces.data(), {forces.shape(0), 3});
        remove_net_force(result.mutable_data(), forces.shape(0));
        return result;
      },
      py::arg("forces"), "The forces [atoms, 3] minus their mean, so that they sum to zero.");
  module.def(
      "remove_net_torque",
      [](const Array& positions, const Array& forces) {
        require_shape(forces.ndim() == 2 && forces.shape(1) == 3, "forces", "[atoms, 3]");
        require_shape(positions.ndim() == 2 && positions.shape(0) == forces.shape(0) &&
                          positions.shape(1) == 3,
                      "positions", "[atoms, 3]");
        Array result = to_array(forces.data(), {forces.shape(0), 3});
        remove_net_torque(positions.data(), result.mutable_data(), forces.shape(0));
        return result;
      },
      py::arg("positions"), py::arg("forces"),
      "The forces [atoms, 3] with the smallest change that makes their torque about the centroid "
      "of the positions [atoms, 3] zero; their sum stays.");
}

}  // namespace

void bind_structure(py::module_& module) {
  py::class_<Structure>(module, "Structure",
                        "One configuration of atoms. See structure_from_ase for the usual way.")
      .def(py::init(&make_structure), py::arg("types"), py::arg("positions"), py::arg("cell"),
           py::arg("periodic"), py::arg("owned") = -1,
           ":param types: atomic number of each atom, [atoms]\n"
           ":param positions: [atoms, 3], Å; they need not lie inside the cell\n"
           ":param cell: lattice vectors in rows, [3, 3], Å; zero rows where not periodic\n"
           ":param periodic: which lattice vectors are repeated\n"
           ":param owned: number of leading atoms whose energies and direct forces are wanted, the "
           "others being their surroundings; negative: all\n"
           ":raises ValueError: if a shape does not fit\n"
           ":raises EngineError: if a position is not finite, or the cell does not fit "
           "``periodic``")
      .def_property_readonly(
          "positions", [](const Structure& s) { return vectors_to_array(s.positions); },
          "Cartesian coordinates, [atoms, 3], Å.")
      .def_property_readonly(
          "cell", [](const Structure& s) { return matrix_to_array(s.cell); },
          "Lattice vectors in rows, [3, 3], Å; zero rows where not periodic.")
      .def_property_readonly("types", &types, "Atomic numbers, [atoms].")
      .def_property_readonly("numbers", &types, "Atomic numbers, [atoms]: what ASE calls them.")
      .def_readonly("periodic", &Structure::periodic, "Which lattice vectors are repeated.")
      .def_property_readonly(
          "pbc",
          [](const Structure& s) { return py::array_t<bool>(py::ssize_t{3}, s.periodic.data()); },
          "The same as an array [3]: what ASE calls it.")
      .def_property_readonly("volume", &Structure::volume,
                             "Of the cell, Å^3; 0 unless all three directions are periodic.")
      .def("__len__", &Structure::size, "Number of atoms.")
      .def("__repr__", &describe);
  bind_pairs(module);
  bind_rotations(module);
  bind_net_force(module);
}
