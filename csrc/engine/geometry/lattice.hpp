#pragma once

#include <array>

#include "mdbridge/matrix3.hpp"

namespace mdbridge {

/// The cell with its zero rows (open directions) replaced by unit vectors orthogonal to the other
/// rows, so that it can be inverted. The result depends on the periodic rows of `reference` only.
matrix3::Matrix3 completed(matrix3::Matrix3 cell, const matrix3::Matrix3& reference,
                           const std::array<bool, 3>& periodic);

}  // namespace mdbridge
