// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <string>

namespace mdbridge_lammps {

/// A word that tells one model file from another, whatever their names: its size, and a hash of its
/// last 4 MiB. There a TorchScript archive (zip) has the checksums of all of its records, so that a
/// single weight that differs is noticed, and a large file need not be read. Empty if the file
/// cannot be read.
std::string fingerprint_of(const std::string& path);

/// Whether a word is one of these (an absolute path is not).
bool is_fingerprint(const std::string& word);

}  // namespace mdbridge_lammps
