#pragma once

#include <array>
#include <cmath>

/// Row-major 3x3 matrices, for cells and virials.
namespace mdbridge::matrix3 {

using Matrix3 = std::array<double, 9>;

inline double row_norm(const Matrix3& m, int row) {
  return std::hypot(m[3 * row], m[3 * row + 1], m[3 * row + 2]);
}

inline double determinant(const Matrix3& m) {
  return m[0] * (m[4] * m[8] - m[5] * m[7]) - m[1] * (m[3] * m[8] - m[5] * m[6]) +
         m[2] * (m[3] * m[7] - m[4] * m[6]);
}

/// The determinant must not be zero.
inline Matrix3 inverse(const Matrix3& m) {
  const double d = 1.0 / determinant(m);
  return {d * (m[4] * m[8] - m[5] * m[7]), d * (m[2] * m[7] - m[1] * m[8]),
          d * (m[1] * m[5] - m[2] * m[4]), d * (m[5] * m[6] - m[3] * m[8]),
          d * (m[0] * m[8] - m[2] * m[6]), d * (m[2] * m[3] - m[0] * m[5]),
          d * (m[3] * m[7] - m[4] * m[6]), d * (m[1] * m[6] - m[0] * m[7]),
          d * (m[0] * m[4] - m[1] * m[3])};
}

inline Matrix3 multiply(const Matrix3& a, const Matrix3& b) {
  Matrix3 c{};
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 3; ++j) {
      for (int k = 0; k < 3; ++k) c[3 * i + j] += a[3 * i + k] * b[3 * k + j];
    }
  }
  return c;
}

/// v @ m, for a row vector v.
inline std::array<double, 3> apply(const double* v, const Matrix3& m) {
  return {v[0] * m[0] + v[1] * m[3] + v[2] * m[6], v[0] * m[1] + v[1] * m[4] + v[2] * m[7],
          v[0] * m[2] + v[1] * m[5] + v[2] * m[8]};
}

inline Matrix3 transposed(const Matrix3& m) {
  return {m[0], m[3], m[6], m[1], m[4], m[7], m[2], m[5], m[8]};
}

inline Matrix3 symmetrized(const Matrix3& m) {
  Matrix3 s = m;
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 3; ++j) s[3 * i + j] = 0.5 * (m[3 * i + j] + m[3 * j + i]);
  }
  return s;
}

}  // namespace mdbridge::matrix3
