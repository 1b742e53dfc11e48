// SPDX-License-Identifier: GPL-2.0-only
#include "restart_words.hpp"

#include <filesystem>
#include <system_error>

#include "mdbridge/error.hpp"
#include "mdbridge/external/model.hpp"
#include "utils.h"

namespace mdbridge_lammps {

using mdbridge::Error;

namespace {

int read_count(std::FILE* file, int largest) {
  int count = -1;
  if (std::fread(&count, sizeof(int), 1, file) != 1 || count < 0 || count > largest) {
    throw Error(
        "the restart file is damaged, or not of this version of MD Bridge: give pair_style "
        "and pair_coeff after read_restart");
  }
  return count;
}

const std::string member_prefix = "member:";

bool exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

}  // namespace

void write_words(std::FILE* file, const std::vector<std::string>& words) {
  const int count = static_cast<int>(words.size());
  std::fwrite(&count, sizeof(int), 1, file);
  for (const auto& word : words) {
    const int size = static_cast<int>(word.size());
    std::fwrite(&size, sizeof(int), 1, file);
    std::fwrite(word.data(), 1, word.size(), file);
  }
}

std::vector<std::string> read_words(std::FILE* file) {
  std::vector<std::string> words(read_count(file, 10000));
  for (auto& word : words) {
    word.resize(read_count(file, 100000));
    if (std::fread(word.data(), 1, word.size(), file) != word.size()) {
      throw Error("the restart file ends in the middle of the settings of pair style mdbridge");
    }
  }
  return words;
}

std::vector<std::string> words_of_rank_0(MPI_Comm world, const std::vector<std::string>& words) {
  std::string flat;
  for (const auto& word : words) flat += word + '\0';
  int size = static_cast<int>(flat.size());
  MPI_Bcast(&size, 1, MPI_INT, 0, world);
  flat.resize(size);
  MPI_Bcast(flat.data(), size, MPI_CHAR, 0, world);
  std::vector<std::string> all;
  for (std::size_t start = 0; start < flat.size(); start += all.back().size() + 1) {
    all.emplace_back(flat.c_str() + start);
  }
  return all;
}

std::string RestartMember::word() const {
  return member_prefix + name + "\n" + path + "\n" + fingerprint;
}

std::optional<RestartMember> RestartMember::of(const std::string& word) {
  if (word.rfind(member_prefix, 0) != 0) return std::nullopt;
  const auto first = word.find('\n');
  const auto second = word.find('\n', first + 1);
  if (first == std::string::npos || second == std::string::npos) return std::nullopt;
  const auto start = member_prefix.size();
  return RestartMember{word.substr(start, first - start),
                       word.substr(first + 1, second - first - 1), word.substr(second + 1)};
}

std::string find_model(const std::string& model, const std::string& written_at) {
  if (mdbridge::opens_external_model(model)) return model;
  if (exists(model) || !LAMMPS_NS::utils::get_potential_file_path(model).empty()) return model;
  if (exists(written_at)) return written_at;
  throw Error("the restart file was written with the model '" + model +
              "', which is neither here nor at " + written_at +
              ": copy it here, or give pair_style and pair_coeff after read_restart");
}

}  // namespace mdbridge_lammps
