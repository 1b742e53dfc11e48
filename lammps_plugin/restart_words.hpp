// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <mpi.h>

#include <cstdio>
#include <optional>
#include <string>
#include <vector>

namespace mdbridge_lammps {

// A restart file holds lists of words: a count, then the length and the letters of each.

/// Append these words to a restart file; on the rank that has it open.
void write_words(std::FILE* file, const std::vector<std::string>& words);

/// The next list of words of a restart file. Throws mdbridge::Error for a file that is damaged or
/// of another version.
std::vector<std::string> read_words(std::FILE* file);

/// Give all ranks the words of rank 0. Collective.
std::vector<std::string> words_of_rank_0(MPI_Comm world, const std::vector<std::string>& words);

/// A model of a committee in a restart file: one word for it, which begins like no other.
struct RestartMember {
  std::string name;         // as the user wrote it
  std::string path;         // absolute
  std::string fingerprint;  // may be empty

  std::string word() const;
  /// None if the word is not one of these.
  static std::optional<RestartMember> of(const std::string& word);
};

/// Where the model of a restart file is now: `model` as the user wrote it, if it is there (or in
/// LAMMPS_POTENTIALS), else the absolute path that it was `written_at`. Throws mdbridge::Error if
/// it is in neither place.
std::string find_model(const std::string& model, const std::string& written_at);

}  // namespace mdbridge_lammps
