// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <string>
#include <vector>

namespace mdbridge_lammps {

/// The words in one text, with `separator` between them.
std::string join(const std::vector<std::string>& words, const std::string& separator);

/// The candidate that is the fewest edits (insert, delete, replace, swap neighbours) away from
/// `word`.
std::string nearest(const std::string& word, const std::vector<std::string>& candidates);

}  // namespace mdbridge_lammps
