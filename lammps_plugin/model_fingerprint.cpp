// SPDX-License-Identifier: GPL-2.0-only
#include "model_fingerprint.hpp"

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <vector>

#include "fmt/format.h"

namespace mdbridge_lammps {

namespace {

const std::string prefix = "checksum:";
constexpr std::int64_t tail = 4 << 20;

/// FNV-1a.
std::uint64_t hash(const std::vector<char>& bytes) {
  std::uint64_t value = 0xcbf29ce484222325;
  for (const char byte : bytes) {
    value = (value ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
  }
  return value;
}

}  // namespace

std::string fingerprint_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) return "";
  const auto size = static_cast<std::int64_t>(file.tellg());
  std::vector<char> bytes(std::clamp<std::int64_t>(size, 0, tail));
  file.seekg(size - static_cast<std::int64_t>(bytes.size()));
  if (!file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()))) return "";
  return fmt::format("{}{}-{:016x}", prefix, size, hash(bytes));
}

bool is_fingerprint(const std::string& word) { return word.rfind(prefix, 0) == 0; }

}  // namespace mdbridge_lammps
