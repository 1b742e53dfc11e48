// SPDX-License-Identifier: GPL-2.0-only
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "atom.h"
#include "comm.h"
#include "mdbridge/elements.hpp"
#include "pair_mdbridge.hpp"

namespace mdbridge_lammps {

using mdbridge::Error;
namespace fs = std::filesystem;
namespace utils = LAMMPS_NS::utils;

namespace {

void write_words(std::FILE* file, const std::vector<std::string>& words) {
  const int count = static_cast<int>(words.size());
  std::fwrite(&count, sizeof(int), 1, file);
  for (const auto& word : words) {
    const int size = static_cast<int>(word.size());
    std::fwrite(&size, sizeof(int), 1, file);
    std::fwrite(word.data(), 1, word.size(), file);
  }
}

int read_count(std::FILE* file, int largest) {
  int count = -1;
  if (std::fread(&count, sizeof(int), 1, file) != 1 || count < 0 || count > largest) {
    throw Error(
        "the restart file is damaged, or not of this version of MD Bridge: give pair_style "
        "and pair_coeff after read_restart");
  }
  return count;
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

/// Words that rank 0 has, on all ranks.
std::vector<std::string> shared(const std::vector<std::string>& words, MPI_Comm world) {
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

bool exists(const std::string& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

}  // namespace

void PairMDBridge::write_restart_settings(std::FILE* file) {
  std::vector<std::string> words = settings_.arguments();
  words.push_back(fs::absolute(engine_->info().path).string());
  write_words(file, words);
}

void PairMDBridge::read_restart_settings(std::FILE* file) {
  std::vector<std::string> words;
  boundary_.together([&] {
    if (comm->me == 0) words = read_words(file);
    if (comm->me == 0 && words.size() < 2) throw Error("the restart file names no model");
  });
  words = shared(words, world);
  Settings settings;
  boundary_.together([&] {
    const std::string written_at = words.back();
    words.pop_back();
    settings = Settings::parse(words);
    const bool here =
        exists(settings.model) || !utils::get_potential_file_path(settings.model).empty();
    if (!here && !exists(written_at)) {
      throw Error("the restart file was written with the model '" + settings.model +
                  "', which is neither here nor at " + written_at +
                  ": copy it here, or give pair_style and pair_coeff after read_restart");
    }
    if (!here) settings.model = written_at;
  });
  boundary_.together([&] { load(settings); });
}

void PairMDBridge::write_restart(std::FILE* file) {
  write_restart_settings(file);
  std::vector<std::string> names;
  for (int type = 1; type <= atom->ntypes; ++type) {
    names.push_back(mdbridge::chemical_symbol(elements_[type]));
  }
  write_words(file, names);
}

void PairMDBridge::read_restart(std::FILE* file) {
  read_restart_settings(file);
  std::vector<std::string> names;
  boundary_.together([&] {
    if (comm->me == 0) names = read_words(file);
  });
  use_elements(shared(names, world));
}

}  // namespace mdbridge_lammps
