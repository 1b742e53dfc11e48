// SPDX-License-Identifier: GPL-2.0-only
#include "atom_masses.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "atom.h"
#include "fmt/format.h"
#include "mdbridge/elements.hpp"

namespace mdbridge_lammps {

namespace {

// Standard atomic weights in g/mol (IUPAC), or the mass of the isotope that lives longest.
constexpr std::array<double, 118> weights = {
    1.008,   4.0026,  6.94,    9.01218, 10.81,   12.011,  14.007,  15.999,  18.9984, 20.1797,
    22.9898, 24.305,  26.9815, 28.085,  30.9738, 32.06,   35.45,   39.948,  39.0983, 40.078,
    44.9559, 47.867,  50.9415, 51.9961, 54.938,  55.845,  58.9332, 58.6934, 63.546,  65.38,
    69.723,  72.63,   74.9216, 78.971,  79.904,  83.798,  85.4678, 87.62,   88.9058, 91.224,
    92.9064, 95.95,   97.9072, 101.07,  102.906, 106.42,  107.868, 112.414, 114.818, 118.71,
    121.76,  127.6,   126.904, 131.293, 132.905, 137.327, 138.905, 140.116, 140.908, 144.242,
    144.913, 150.36,  151.964, 157.25,  158.925, 162.5,   164.93,  167.259, 168.934, 173.054,
    174.967, 178.49,  180.948, 183.84,  186.207, 190.23,  192.217, 195.084, 196.967, 200.592,
    204.38,  207.2,   208.98,  208.982, 209.987, 222.018, 223.02,  226.025, 227.028, 232.038,
    231.036, 238.029, 237.048, 244.064, 243.061, 247.07,  247.07,  251.08,  252.083, 257.095,
    258.098, 259.101, 262.11,  267.122, 268.126, 271.134, 270.133, 269.134, 278.156, 281.165,
    281.166, 285.177, 286.182, 289.19,  289.194, 293.204, 293.208, 294.214};

constexpr double tritium = 3.016;

// Atomic number and mass of isotopes whose mass is nearer to the weight of another element: 14C,
// 18O, 22Ne, 36S, 36Ar.
constexpr std::array<std::pair<int, double>, 5> isotopes = {
    {{6, 14.0032}, {8, 17.9992}, {10, 21.9914}, {16, 35.9671}, {18, 35.9675}}};

double weight(int element) { return weights[element - 1]; }

bool close_to(double mass, int element) {
  return std::abs(mass - weight(element)) <= 0.05 * weight(element);
}

/// The element whose weight is nearest.
int suggested(double mass) {
  const auto nearest = std::min_element(weights.begin(), weights.end(), [&](double a, double b) {
    return std::abs(a - mass) < std::abs(b - mass);
  });
  return static_cast<int>(nearest - weights.begin()) + 1;
}

/// Most isotopes are heavier or lighter by less than half the way to the next element.
bool fits(double mass, int element) {
  if (element == 1 && mass > weight(1)) return mass < 1.01 * tritium;
  if (close_to(mass, element) || suggested(mass) == element) return true;
  return std::any_of(isotopes.begin(), isotopes.end(), [&](const auto& isotope) {
    return isotope.first == element && std::abs(isotope.second - mass) < 0.002;
  });
}

}  // namespace

std::vector<std::string> warnings_of_masses(const LAMMPS_NS::Atom& atom,
                                            const std::vector<std::int32_t>& elements,
                                            double unit) {
  std::vector<std::string> warnings;
  if (atom.mass == nullptr || atom.rmass_flag != 0) return warnings;
  for (int type = 1; type < static_cast<int>(elements.size()); ++type) {
    const int element = elements[type];
    if (element == 0 || atom.mass_setflag[type] == 0) continue;
    const double mass = atom.mass[type] / unit;
    if (fits(mass, element)) continue;
    const int other = suggested(mass);
    warnings.push_back(fmt::format(
        "the mass of atom type {} is {:.6g} g/mol, but pair_coeff says that it is {}, of mass "
        "{:.6g}: {}. If pair_coeff names the elements in another order than the atom types, "
        "energies and forces are wrong; a mass that is meant so does no harm",
        type, mass, mdbridge::chemical_symbol(element), weight(element),
        close_to(mass, other) ? "this is the mass of " + mdbridge::chemical_symbol(other)
                              : std::string("no element has this mass")));
  }
  return warnings;
}

}  // namespace mdbridge_lammps
