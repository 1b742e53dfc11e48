// A host of one's own: constant-energy dynamics with fused multiple time stepping.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "mdbridge/elements.hpp"
#include "mdbridge/error.hpp"
#include "mdbridge/fused_forces.hpp"

using mdbridge::Evaluation;
using mdbridge::Structure;

constexpr double acceleration_unit = 9.6485332e-3;  // 1 eV/Å per g/mol, in Å/fs^2

/// A frame of an extended xyz file with a Lattice; the cell is periodic along all three vectors.
Structure read_xyz(const std::string& path) {
  std::ifstream file(path);
  std::string line, symbol;
  std::getline(file, line);
  std::size_t atoms = std::strtoul(line.c_str(), nullptr, 10);
  std::getline(file, line);
  const auto lattice = line.find("Lattice=\"");
  if (!file || lattice == std::string::npos) throw mdbridge::Error(path + " has no Lattice");
  std::istringstream numbers(line.substr(lattice + 9));
  Structure structure;
  for (double& number : structure.cell) numbers >> number;
  structure.periodic = {true, true, true};
  while (atoms-- > 0 && std::getline(file, line)) {
    double x, y, z;
    std::istringstream(line) >> symbol >> x >> y >> z;
    structure.types.push_back(mdbridge::atomic_number(symbol));
    structure.positions.insert(structure.positions.end(), {x, y, z});
  }
  return structure;
}

int run(const std::string& model, const std::string& start, int inner_steps, int outer_steps) {
  const std::map<int, double> masses = {{1, 1.008}, {8, 15.999}, {18, 39.948}};  // g/mol
  const double timestep = 0.5;                            // fs, of inner steps
  std::vector<Structure> structures = {read_xyz(start)};  // one that moves
  std::vector<double>& positions = structures.front().positions;
  std::vector<double> mass, velocity(positions.size(), 0.0);  // Å/fs; at rest
  for (const auto type : structures.front().types) {
    if (!masses.contains(type)) {
      throw mdbridge::Error("add the mass of " + mdbridge::chemical_symbol(type) + " to main.cpp");
    }
    mass.insert(mass.end(), 3, masses.at(type));
  }

  const auto kick = [&](double time, const std::vector<double>& force, double sign = 1.0) {
    for (std::size_t k = 0; k < velocity.size(); ++k) {
      velocity[k] += sign * time * acceleration_unit * force[k] / mass[k];
    }
  };
  const auto correct = [&](const Evaluation& both) {  // from direct to conservative forces
    kick(0.5 * inner_steps * timestep, both.conservative_forces);
    kick(0.5 * inner_steps * timestep, both.direct_forces, -1.0);
  };
  auto engine = std::make_shared<mdbridge::Engine>(mdbridge::Model::load(model));
  mdbridge::FusedForces forces(engine, /*skin=*/1.0);
  const Evaluation* now = &forces.conservative(structures).front();
  std::puts("time_fs potential_eV total_eV");
  for (int step = 0; step <= outer_steps; ++step) {
    double kinetic = 0.0;
    for (std::size_t k = 0; k < velocity.size(); ++k) {
      kinetic += 0.5 * mass[k] * velocity[k] * velocity[k] / acceleration_unit;
    }
    std::printf("%.2f %.8f %.8f\n", step * inner_steps * timestep, now->energy,
                now->energy + kinetic);
    if (step == outer_steps) break;
    correct(*now);
    for (int inner = 1; inner <= inner_steps; ++inner) {
      kick(0.5 * timestep, now->direct_forces);
      for (std::size_t k = 0; k < velocity.size(); ++k) positions[k] += timestep * velocity[k];
      now = &forces.direct(structures, /*outer_follows=*/inner == inner_steps).front();
      kick(0.5 * timestep, now->direct_forces);
    }
    now = &forces.conservative(structures).front();  // was computed with the last direct forces
    correct(*now);
  }
  return 0;
}

int main(int count, char** words) try {
  if (count != 5) throw mdbridge::Error("expected: host MODEL START.xyz INNER_STEPS OUTER_STEPS");
  return run(words[1], words[2], std::atoi(words[3]), std::atoi(words[4]));
} catch (const std::exception& error) {
  std::fprintf(stderr, "host: %s\n", error.what());
  return 1;
}
