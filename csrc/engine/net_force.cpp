#include "mdbridge/net_force.hpp"

#include <array>
#include <cmath>

#include "mdbridge/matrix3.hpp"

namespace mdbridge {

namespace {

using Vector3 = std::array<double, 3>;

Vector3 mean(const double* values, std::int64_t count) {
  Vector3 sum{};
  for (std::int64_t i = 0; i < count; ++i) {
    for (int k = 0; k < 3; ++k) sum[k] += values[3 * i + k];
  }
  for (double& s : sum) s /= static_cast<double>(count);
  return sum;
}

Vector3 cross(const Vector3& a, const Vector3& b) {
  return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
}

/// Solve A x = b for a symmetric positive semi-definite A, in the least-squares sense, by Jacobi
/// rotations; directions in which A is (nearly) singular are left out.
Vector3 solve_semidefinite(matrix3::Matrix3 a, const Vector3& b) {
  matrix3::Matrix3 v = {1, 0, 0, 0, 1, 0, 0, 0, 1};
  for (int sweep = 0; sweep < 30; ++sweep) {
    for (int p = 0; p < 2; ++p) {
      for (int q = p + 1; q < 3; ++q) {
        if (a[3 * p + q] == 0.0) continue;
        const double theta = 0.5 * std::atan2(2.0 * a[3 * p + q], a[3 * q + q] - a[3 * p + p]);
        const double c = std::cos(theta), s = std::sin(theta);
        for (int k = 0; k < 3; ++k) {
          const double akp = a[3 * k + p], akq = a[3 * k + q];
          a[3 * k + p] = c * akp - s * akq;
          a[3 * k + q] = s * akp + c * akq;
        }
        for (int k = 0; k < 3; ++k) {
          const double apk = a[3 * p + k], aqk = a[3 * q + k];
          a[3 * p + k] = c * apk - s * aqk;
          a[3 * q + k] = s * apk + c * aqk;
          const double vkp = v[3 * k + p], vkq = v[3 * k + q];
          v[3 * k + p] = c * vkp - s * vkq;
          v[3 * k + q] = s * vkp + c * vkq;
        }
      }
    }
  }
  const double trace = a[0] + a[4] + a[8];
  Vector3 x{};
  for (int e = 0; e < 3; ++e) {
    const double eigenvalue = a[4 * e];
    if (eigenvalue <= 1e-10 * trace) continue;
    double projection = 0.0;
    for (int k = 0; k < 3; ++k) projection += v[3 * k + e] * b[k];
    for (int k = 0; k < 3; ++k) x[k] += v[3 * k + e] * projection / eigenvalue;
  }
  return x;
}

}  // namespace

void remove_net_force(double* forces, std::int64_t count) {
  if (count == 0) return;
  const Vector3 average = mean(forces, count);
  for (std::int64_t i = 0; i < count; ++i) {
    for (int k = 0; k < 3; ++k) forces[3 * i + k] -= average[k];
  }
}

// Minimising sum |df|^2 under sum df = 0 and sum r x df = -torque with Lagrange multipliers gives
// df_i = omega x r_i, r_i about the centroid, with I omega = -torque and I the inertia tensor of
// unit masses.
void remove_net_torque(const double* positions, double* forces, std::int64_t count) {
  if (count == 0) return;
  const Vector3 centroid = mean(positions, count);
  matrix3::Matrix3 inertia{};
  Vector3 torque{};
  const auto arm = [&](std::int64_t i) {
    return Vector3{positions[3 * i] - centroid[0], positions[3 * i + 1] - centroid[1],
                   positions[3 * i + 2] - centroid[2]};
  };
  for (std::int64_t i = 0; i < count; ++i) {
    const Vector3 r = arm(i);
    const Vector3 t = cross(r, {forces[3 * i], forces[3 * i + 1], forces[3 * i + 2]});
    const double squared = r[0] * r[0] + r[1] * r[1] + r[2] * r[2];
    for (int a = 0; a < 3; ++a) {
      torque[a] += t[a];
      for (int b = 0; b < 3; ++b) inertia[3 * a + b] += (a == b ? squared : 0.0) - r[a] * r[b];
    }
  }
  const Vector3 omega = solve_semidefinite(inertia, {-torque[0], -torque[1], -torque[2]});
  for (std::int64_t i = 0; i < count; ++i) {
    const Vector3 change = cross(omega, arm(i));
    for (int k = 0; k < 3; ++k) forces[3 * i + k] += change[k];
  }
}

}  // namespace mdbridge
