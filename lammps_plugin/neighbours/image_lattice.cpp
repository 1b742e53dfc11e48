// SPDX-License-Identifier: GPL-2.0-only
#include "image_lattice.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "atom.h"
#include "mdbridge/error.hpp"
#include "mdbridge/matrix3.hpp"

namespace mdbridge_lammps {

using mdbridge::matrix3::Matrix3;

namespace {

/// How far an image lies from where the lattice has it.
std::array<double, 3> misfit(const Matrix3& lattice, const Image& image, double** x) {
  std::array<double, 3> d{};
  for (int k = 0; k < 3; ++k) {
    d[k] = x[image.ghost][k] - x[image.atom][k];
    for (int a = 0; a < 3; ++a) d[k] -= image.shift[a] * lattice[3 * a + k];
  }
  return d;
}

double largest(const std::array<double, 3>& vector) {
  return std::max({std::abs(vector[0]), std::abs(vector[1]), std::abs(vector[2])});
}

/// More than the misfit that rounded coordinates have.
double rounding_of(const Matrix3& box, const std::vector<Image>& images, double** x) {
  double size = 0.0;
  for (const double component : box) size = std::max(size, std::abs(component));
  for (const Image& image : images) {
    const double* ghost = x[image.ghost];
    size = std::max(size, largest({ghost[0], ghost[1], ghost[2]}));
  }
  return 1e-14 * size;
}

/// What to add to the lattice, by least squares.
Matrix3 correction(const Matrix3& lattice, const std::vector<Image>& images, double** x) {
  Matrix3 squares{};
  Matrix3 products{};
  for (const Image& image : images) {
    const auto d = misfit(lattice, image, x);
    for (int a = 0; a < 3; ++a) {
      for (int k = 0; k < 3; ++k) {
        squares[3 * a + k] += image.shift[a] * image.shift[k];
        products[3 * a + k] += image.shift[a] * d[k];
      }
    }
  }
  // the matrix keeps an inverse where this rank has no images in a direction: its lattice vector
  // stays as it is then
  const double small = 1e-8 * static_cast<double>(images.size());
  for (int a = 0; a < 3; ++a) squares[4 * a] += small;
  return mdbridge::matrix3::multiply(mdbridge::matrix3::inverse(squares), products);
}

}  // namespace

Matrix3 lattice_of_images(const Matrix3& box, const std::vector<Image>& images,
                          const LAMMPS_NS::Atom& atom, double tolerance) {
  const auto lies_elsewhere = [&](const Matrix3& lattice, double by) {
    return std::find_if(images.begin(), images.end(), [&](const Image& image) {
      return largest(misfit(lattice, image, atom.x)) > by;
    });
  };
  if (lies_elsewhere(box, rounding_of(box, images, atom.x)) == images.end()) return box;

  Matrix3 lattice = correction(box, images, atom.x);
  for (int k = 0; k < 9; ++k) lattice[k] += box[k];
  const auto wrong = lies_elsewhere(lattice, tolerance);
  if (wrong == images.end()) return lattice;
  throw mdbridge::Error("a ghost of atom ID " + std::to_string(atom.tag[wrong->atom]) +
                        " is not where its periodic image is: the model takes the forces of all "
                        "images of an atom together, and a command that moves some of them alone "
                        "cannot be used with it");
}

}  // namespace mdbridge_lammps
