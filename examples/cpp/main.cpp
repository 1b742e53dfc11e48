// A host of one's own: constant-energy dynamics with fused multiple time stepping.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>

#include "mdbridge/elements.hpp"
#include "mdbridge/error.hpp"
#include "mdbridge/fused_forces.hpp"

constexpr double timestep = 0.5;                    // fs, of inner steps
constexpr double acceleration_unit = 9.6485332e-3;  // 1 eV/Å per g/mol, in Å/fs^2
const std::map<int, double> masses = {{1, 1.008}, {8, 15.999}, {18, 39.948}};  // g/mol

/// An extended xyz file whose second line begins with Lattice="...".
mdbridge::Structure read_xyz(const std::string& path) {
  std::ifstream file(path);
  std::string symbol, rest;
  std::size_t atoms = 0;
  if (!(file >> atoms)) throw mdbridge::Error(path + ": expected the number of atoms");
  std::getline(file, rest, '"');
  mdbridge::Structure structure{.periodic = {true, true, true}};
  for (double& number : structure.cell) file >> number;
  std::getline(file, rest);
  structure.positions.resize(3 * atoms);
  for (std::size_t i = 0; i < atoms; ++i, std::getline(file, rest)) {
    file >> symbol;
    for (std::size_t k = 3 * i; k < 3 * i + 3; ++k) file >> structure.positions[k];
    if (!file) throw mdbridge::Error(path + ": expected extended xyz with a Lattice");
    structure.types.push_back(mdbridge::atomic_number(symbol));
    if (!masses.contains(structure.types.back())) throw mdbridge::Error("add a mass of " + symbol);
  }
  return structure;
}

int main(int count, char** words) try {
  if (count != 5) throw mdbridge::Error("expected: host MODEL START.xyz INNER_STEPS OUTER_STEPS");
  const int inner_steps = std::atoi(words[3]), outer_steps = std::atoi(words[4]);
  std::vector<mdbridge::Structure> structures = {read_xyz(words[2])};  // one that moves
  std::vector<double>& positions = structures.front().positions;
  std::vector<double> velocity(positions.size(), 0.0);  // Å/fs
  const auto mass = [&](std::size_t k) { return masses.at(structures.front().types[k / 3]); };
  const auto kick = [&](double time, const std::vector<double>& force) {
    for (std::size_t k = 0; k < velocity.size(); ++k)
      velocity[k] += time * acceleration_unit * force[k] / mass(k);
  };
  const auto correct = [&](const mdbridge::Evaluation& both) {  // direct to conservative forces
    kick(0.5 * inner_steps * timestep, both.conservative_forces);
    kick(-0.5 * inner_steps * timestep, both.direct_forces);
  };
  auto engine = std::make_shared<mdbridge::Engine>(mdbridge::Model::load(words[1]));
  mdbridge::FusedForces forces(engine, /*skin=*/1.0);
  std::puts("time_fs potential_eV total_eV");
  for (int step = 0;; ++step) {  // conservative forces come with the last direct ones
    const mdbridge::Evaluation* now = &forces.outer(structures).front();
    if (step > 0) correct(*now);
    double total = now->energy;
    for (std::size_t k = 0; k < velocity.size(); ++k)
      total += 0.5 * mass(k) * velocity[k] * velocity[k] / acceleration_unit;
    std::printf("%.2f %.8f %.8f\n", step * inner_steps * timestep, now->energy, total);
    if (step == outer_steps) return 0;
    correct(*now);
    for (int inner = 1; inner <= inner_steps; ++inner) {
      kick(0.5 * timestep, now->direct_forces);
      for (std::size_t k = 0; k < velocity.size(); ++k) positions[k] += timestep * velocity[k];
      now = &forces.inner(structures, /*outer_follows=*/inner == inner_steps).front();
      kick(0.5 * timestep, now->direct_forces);
    }
  }
} catch (const std::exception& error) {
  std::fprintf(stderr, "host: %s\n", error.what());
  return 1;
}
