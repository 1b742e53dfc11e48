#pragma once

#include <pybind11/numpy.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <vector>

/// Between the engine's flat vectors and numpy; always copies.

using Array = pybind11::array_t<double, pybind11::array::c_style | pybind11::array::forcecast>;
using IntArray =
    pybind11::array_t<std::int32_t, pybind11::array::c_style | pybind11::array::forcecast>;

inline Array to_array(const double* data, std::vector<pybind11::ssize_t> shape) {
  Array array(shape);
  std::copy(data, data + array.size(), array.mutable_data());
  return array;
}

/// 3N numbers as [N, 3].
inline Array vectors_to_array(const std::vector<double>& values) {
  return to_array(values.data(), {static_cast<pybind11::ssize_t>(values.size()) / 3, 3});
}

/// [3, 3].
inline Array matrix_to_array(const std::array<double, 9>& values) {
  return to_array(values.data(), {3, 3});
}

/// Throw ValueError, with `expected` in words, unless the shape of the argument `name` fits.
inline void require_shape(bool fits, const char* name, const char* expected) {
  if (!fits) {
    throw pybind11::value_error(std::string(name) + " must have the shape " + expected);
  }
}
