// SPDX-License-Identifier: GPL-2.0-only
#include "reversal.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdlib>
#include <optional>

namespace mdbridge_lammps {

namespace {

using Label = std::array<std::int32_t, 5>;

/// Call `visit` with each pair and its reversed one.
template <typename Visitor>
void for_both(const std::vector<std::int32_t>& pairs, Visitor&& visit) {
  for (std::size_t p = 0; p < pairs.size(); p += 5) {
    const std::int32_t* q = &pairs[p];
    visit(Label{q[0], q[1], q[2], q[3], q[4]});
    visit(Label{q[1], q[0], -q[2], -q[3], -q[4]});
  }
}

/// How the five integers of a pair become one number of the same order.
class Packing {
 public:
  /// Of these pairs and the reversed ones; nothing if they need more than 64 bits.
  static std::optional<Packing> of(const std::vector<std::int32_t>& pairs) {
    Packing packing;
    std::uint32_t last = 0;
    std::array<std::uint32_t, 3> largest{};
    for (std::size_t p = 0; p < pairs.size(); p += 5) {
      last = std::max(
          {last, static_cast<std::uint32_t>(pairs[p]), static_cast<std::uint32_t>(pairs[p + 1])});
      for (int k = 0; k < 3; ++k) {
        largest[k] = std::max(largest[k], static_cast<std::uint32_t>(std::abs(pairs[p + 2 + k])));
      }
    }
    packing.widths_[0] = packing.widths_[1] = std::bit_width(last);
    for (int k = 0; k < 3; ++k) {
      packing.offsets_[2 + k] = static_cast<std::int32_t>(largest[k]);
      packing.widths_[2 + k] = std::bit_width(2 * largest[k]);
    }
    if (packing.bits() > 64) return std::nullopt;
    return packing;
  }

  int bits() const {
    int sum = 0;
    for (const int width : widths_) sum += width;
    return sum;
  }

  std::uint64_t key(const Label& label) const {
    std::uint64_t key = 0;
    for (int k = 0; k < 5; ++k) {
      key = key << widths_[k] | static_cast<std::uint64_t>(std::int64_t{label[k]} + offsets_[k]);
    }
    return key;
  }

  Label label(std::uint64_t key) const {
    Label label{};
    for (int k = 4; k >= 0; --k) {
      const std::uint64_t mask = (std::uint64_t{1} << widths_[k]) - 1;
      label[k] = static_cast<std::int32_t>(key & mask) - offsets_[k];
      key >>= widths_[k];
    }
    return label;
  }

 private:
  std::array<int, 5> widths_{};
  std::array<std::int32_t, 5> offsets_{};
};

/// By digits, the last one first: so many passes over the keys as their bits need.
void sort_keys(std::vector<std::uint64_t>& keys, int bits) {
  constexpr int digit_bits = 11;  // the counts of a digit stay in the cache nearest to the core
  constexpr std::size_t digits = std::size_t{1} << digit_bits;
  std::vector<std::uint64_t> sorted(keys.size());
  for (int shift = 0; shift < bits; shift += digit_bits) {
    const auto digit = [shift](std::uint64_t key) { return key >> shift & (digits - 1); };
    std::array<std::size_t, digits + 1> places{};
    for (const auto key : keys) ++places[digit(key) + 1];
    for (std::size_t d = 1; d <= digits; ++d) places[d] += places[d - 1];
    for (const auto key : keys) sorted[places[digit(key)]++] = key;
    keys.swap(sorted);
  }
}

template <typename Value>
void erase_repeated(std::vector<Value>& sorted) {
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
}

}  // namespace

std::vector<std::int32_t> closed_under_reversal(const std::vector<std::int32_t>& pairs) {
  const std::size_t most = 2 * pairs.size() / 5;
  std::vector<std::int32_t> closed;
  const auto append = [&](const Label& label) {
    closed.insert(closed.end(), label.begin(), label.end());
  };
  if (const auto packing = Packing::of(pairs)) {
    std::vector<std::uint64_t> keys;
    keys.reserve(most);
    for_both(pairs, [&](const Label& label) { keys.push_back(packing->key(label)); });
    sort_keys(keys, packing->bits());
    erase_repeated(keys);
    closed.reserve(5 * keys.size());
    for (const auto key : keys) append(packing->label(key));
  } else {  // atoms that have gone round the box a million times
    std::vector<Label> labels;
    labels.reserve(most);
    for_both(pairs, [&](const Label& label) { labels.push_back(label); });
    std::sort(labels.begin(), labels.end());
    erase_repeated(labels);
    closed.reserve(5 * labels.size());
    for (const Label& label : labels) append(label);
  }
  return closed;
}

}  // namespace mdbridge_lammps
