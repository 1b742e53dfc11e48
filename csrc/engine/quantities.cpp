#include "quantities.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "mdbridge/elements.hpp"
#include "mdbridge/error.hpp"
#include "mdbridge/matrix3.hpp"

namespace mdbridge {

const char* to_string(ForceKind kind) {
  return kind == ForceKind::conservative ? "conservative" : "direct";
}

ForceKind parse_force_kind(const std::string& name) {
  if (name == "conservative") return ForceKind::conservative;
  if (name == "direct") return ForceKind::direct;
  throw Error("there are \"conservative\" and \"direct\" forces, found \"" + name + "\"");
}

namespace {

/// The numbers of a quantity's value, whatever its form.
template <typename Value>
auto numbers(Value& value) {
  if constexpr (std::is_same_v<std::remove_const_t<Value>, double>) {
    return std::span(&value, 1);
  } else {
    return std::span(value);
  }
}

/// Whether a quantity, or its deviation, is predicted, and not derived from the energy.
bool is_direct(const auto& quantity) {
  for (const auto wanted :
       {&Wanted::direct_forces, &Wanted::direct_virial, &Wanted::direct_forces_rot_std,
        &Wanted::direct_virial_rot_std, &Wanted::committee_direct_forces}) {
    if (quantity.wanted == wanted) return true;
  }
  return false;
}

/// For a copy with positions R r, a vector of the copy is that of the original times R from the
/// left, so as a row v' = v R^T and v = v' R.
void turn_vectors_back(std::span<double> vectors, const Rotation& rotation) {
  for (std::size_t i = 0; i < vectors.size(); i += 3) {
    const auto original = matrix3::apply(&vectors[i], rotation);
    std::copy(original.begin(), original.end(), vectors.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

/// A tensor of the copy is R W R^T.
void turn_tensors_back(std::span<double> tensors, const Rotation& rotation) {
  const auto inverse = matrix3::transposed(rotation);
  for (std::size_t i = 0; i < tensors.size(); i += 9) {
    matrix3::Matrix3 tensor{};
    std::copy_n(&tensors[i], 9, tensor.begin());
    tensor = matrix3::multiply(inverse, matrix3::multiply(tensor, rotation));
    std::copy_n(tensor.begin(), 9, &tensors[i]);
  }
}

/// A quantity of the copies, and their standard deviation.
template <typename Value>
struct Deviation {
  bool Wanted::* value_wanted;
  Value Evaluation::* value;
  bool Wanted::* wanted;
  Value Evaluation::* deviation;
};

constexpr std::tuple deviations = {
    Deviation<double>{&Wanted::energy, &Evaluation::energy, &Wanted::energy_rot_std,
                      &Evaluation::energy_rot_std},
    Deviation<std::vector<double>>{&Wanted::conservative_forces, &Evaluation::conservative_forces,
                                   &Wanted::conservative_forces_rot_std,
                                   &Evaluation::conservative_forces_rot_std},
    Deviation<std::array<double, 9>>{&Wanted::conservative_virial, &Evaluation::conservative_virial,
                                     &Wanted::conservative_virial_rot_std,
                                     &Evaluation::conservative_virial_rot_std},
    Deviation<std::vector<double>>{&Wanted::direct_forces, &Evaluation::direct_forces,
                                   &Wanted::direct_forces_rot_std,
                                   &Evaluation::direct_forces_rot_std},
    Deviation<std::array<double, 9>>{&Wanted::direct_virial, &Evaluation::direct_virial,
                                     &Wanted::direct_virial_rot_std,
                                     &Evaluation::direct_virial_rot_std},
};

template <typename Visitor>
void for_each_deviation(Visitor&& visit) {
  std::apply([&](const auto&... each) { (visit(each), ...); }, deviations);
}

/// As many zeros as there are numbers in `like`.
void set_zero(double& value, double /*like*/) { value = 0.0; }
void set_zero(std::array<double, 9>& value, const std::array<double, 9>& /*like*/) { value = {}; }
void set_zero(std::vector<double>& value, const std::vector<double>& like) {
  value.assign(like.size(), 0.0);
}

}  // namespace

void check_finite(const Evaluation& evaluation, const Structure& structure) {
  // forces first, for they name the atom
  for_each_quantity([&](const auto& quantity) {
    if (quantity.form != Form::atom_vectors && quantity.form != Form::member_vectors) return;
    const auto values = numbers(evaluation.*quantity.value);
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (std::isfinite(values[i])) continue;
      const auto atom = static_cast<std::int64_t>(i / 3) % structure.size();
      throw NonFiniteError("the model returned " + std::string(quantity.words) +
                               " that is not finite on atom " + std::to_string(atom) +
                               " (counted from 0, element " +
                               chemical_symbol(structure.types[atom]) + ")",
                           atom);
    }
  });
  for_each_quantity([&](const auto& quantity) {
    for (const double value : numbers(evaluation.*quantity.value)) {
      if (std::isfinite(value)) continue;
      throw NonFiniteError(
          "the model returned " + std::string(quantity.words) + " that is not finite", -1);
    }
  });
}

Wanted with_averages(Wanted wanted) {
  for_each_deviation([&](const auto& each) {
    if (wanted.*each.wanted) wanted.*each.value_wanted = true;
  });
  if (wanted.of_members()) wanted.committee = true;
  return wanted;
}

bool wants_deviations(const Wanted& wanted) {
  bool any = false;
  for_each_deviation([&](const auto& each) { any = any || wanted.*each.wanted; });
  return any;
}

void turn_back(Evaluation& of_copy, const Rotation& rotation) {
  for_each_quantity([&](const auto& quantity) {
    constexpr Form form = std::decay_t<decltype(quantity)>::form;
    if constexpr (form == Form::atom_vectors || form == Form::member_vectors) {
      turn_vectors_back(of_copy.*quantity.value, rotation);
    } else if constexpr (form == Form::tensor || form == Form::atom_tensors ||
                         form == Form::member_tensors) {
      turn_tensors_back(of_copy.*quantity.value, rotation);
    }
  });
}

bool wants_energy(const Wanted& wanted) {
  bool any = false;
  for_each_quantity([&](const auto& quantity) {
    any = any || (!is_direct(quantity) && wanted.*quantity.wanted);
  });
  return any;
}

bool wants_direct(const Wanted& wanted) {
  return wanted.direct_forces || wanted.direct_virial || wanted.committee_direct_forces;
}

Wanted part_of(Wanted wanted, bool energy, bool direct) {
  for_each_quantity([&](const auto& quantity) {
    if (!(is_direct(quantity) ? direct : energy)) wanted.*quantity.wanted = false;
  });
  return wanted;
}

void Average::start_sums(bool direct) {
  for_each_quantity([&](const auto& quantity) {
    if (is_direct(quantity) == direct) set_zero(sums_.*quantity.value, first_.*quantity.value);
  });
  for_each_deviation([&](const auto& each) {
    if (is_direct(each) == direct && wanted_.*each.wanted) {
      set_zero(sums_.*each.deviation, first_.*each.value);
    }
  });
}

void Average::add(Evaluation turned_back, const Weights& weights) {
  add_part(false, turned_back, weights.energy);
  add_part(true, turned_back, weights.direct);
}

void Average::add_part(bool direct, Evaluation& turned_back, double weight) {
  if (weight == 0.0) return;
  const std::size_t count = ++counts_[direct ? 1 : 0];
  if (count == 1) {
    for_each_quantity([&](const auto& quantity) {
      if (is_direct(quantity) != direct) return;
      first_.*quantity.value = std::move(turned_back.*quantity.value);
    });
    return;
  }
  if (count == 2) start_sums(direct);
  for_each_deviation([&](const auto& each) {
    if (is_direct(each) != direct || !(wanted_.*each.wanted)) return;
    const auto first = numbers(first_.*each.value);
    const auto values = numbers(turned_back.*each.value);
    const auto squares = numbers(sums_.*each.deviation);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double difference = values[i] - first[i];
      squares[i] += weight * difference * difference;
    }
  });
  for_each_quantity([&](const auto& quantity) {
    if constexpr (of_each_copy(std::decay_t<decltype(quantity)>::form)) {
      if (is_direct(quantity) != direct) return;
      const auto first = numbers(first_.*quantity.value);
      const auto values = numbers(turned_back.*quantity.value);
      const auto sums = numbers(sums_.*quantity.value);
      for (std::size_t i = 0; i < values.size(); ++i) sums[i] += weight * (values[i] - first[i]);
    }
  });
}

Evaluation Average::result() && {
  for (const bool direct : {false, true}) finish(direct);
  first_.has = wanted_;
  return std::move(first_);
}

void Average::finish(bool direct) {
  if (counts_[direct ? 1 : 0] < 2) return;
  for_each_deviation([&](const auto& each) {
    if (is_direct(each) != direct || !(wanted_.*each.wanted)) return;
    const auto shifts = numbers(sums_.*each.value);
    const auto squares = numbers(sums_.*each.deviation);
    for (std::size_t i = 0; i < squares.size(); ++i) {
      squares[i] = std::sqrt(std::max(squares[i] - shifts[i] * shifts[i], 0.0));
    }
    first_.*each.deviation = std::move(sums_.*each.deviation);
  });
  for_each_quantity([&](const auto& quantity) {
    if constexpr (of_each_copy(std::decay_t<decltype(quantity)>::form)) {
      if (is_direct(quantity) != direct) return;
      const auto values = numbers(first_.*quantity.value);
      const auto shifts = numbers(sums_.*quantity.value);
      for (std::size_t i = 0; i < values.size(); ++i) values[i] += shifts[i];
    }
  });
}

}  // namespace mdbridge
