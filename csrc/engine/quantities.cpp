#include "quantities.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
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

/// Whether a quantity is predicted, and not derived from the energy.
bool is_direct(const auto& quantity) {
  return quantity.wanted == &Wanted::direct_forces || quantity.wanted == &Wanted::direct_virial;
}

double weight_of(const Weights& weights, const auto& quantity) {
  return is_direct(quantity) ? weights.direct : weights.energy;
}

void add(std::span<const double> values, double weight, std::span<double> sum) {
  for (std::size_t i = 0; i < values.size(); ++i) sum[i] += weight * values[i];
}

/// For a copy with positions R r, a vector of the copy is that of the original times R from the
/// left, so as a row v' = v R^T and v = v' R.
void add_vectors(std::span<const double> vectors, const Rotation& rotation, double weight,
                 std::span<double> sum) {
  for (std::size_t i = 0; i < vectors.size(); i += 3) {
    const auto original = matrix3::apply(&vectors[i], rotation);
    for (int k = 0; k < 3; ++k) sum[i + k] += weight * original[k];
  }
}

/// A tensor of the copy is R W R^T.
void add_tensor(const std::array<double, 9>& tensor, const Rotation& rotation, double weight,
                std::span<double> sum) {
  add(matrix3::multiply(matrix3::transposed(rotation), matrix3::multiply(tensor, rotation)), weight,
      sum);
}

}  // namespace

void check_finite(const Evaluation& evaluation, const Structure& structure) {
  // forces first, for they name the atom
  for_each_quantity([&](const auto& quantity) {
    if (quantity.form != Form::atom_vectors) return;
    const auto values = numbers(evaluation.*quantity.value);
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (std::isfinite(values[i])) continue;
      const auto atom = static_cast<std::int64_t>(i / 3);
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

bool wants_energy(const Wanted& wanted) {
  bool any = false;
  for_each_quantity([&](const auto& quantity) {
    any = any || (!is_direct(quantity) && wanted.*quantity.wanted);
  });
  return any;
}

bool wants_direct(const Wanted& wanted) { return wanted.direct_forces || wanted.direct_virial; }

Wanted part_of(Wanted wanted, bool energy, bool direct) {
  for_each_quantity([&](const auto& quantity) {
    if (!(is_direct(quantity) ? direct : energy)) wanted.*quantity.wanted = false;
  });
  return wanted;
}

void add_rotated_back(const Evaluation& of_copy, const Rotation& rotation, const Weights& weights,
                      Evaluation& sum) {
  for_each_quantity([&](const auto& quantity) {
    const double weight = weight_of(weights, quantity);
    if (weight == 0.0) return;
    const auto& value = of_copy.*quantity.value;
    auto& total = sum.*quantity.value;
    if constexpr (requires { total.resize(0); }) total.resize(value.size(), 0.0);
    constexpr Form form = std::decay_t<decltype(quantity)>::form;
    if constexpr (form == Form::atom_vectors) {
      add_vectors(value, rotation, weight, total);
    } else if constexpr (form == Form::tensor) {
      add_tensor(value, rotation, weight, total);
    } else if constexpr (form == Form::atom_tensors) {
      for (std::size_t i = 0; i < value.size(); i += 9) {
        std::array<double, 9> tensor{};
        std::copy_n(&value[i], 9, tensor.begin());
        add_tensor(tensor, rotation, weight, std::span(total).subspan(i, 9));
      }
    } else {
      add(numbers(value), weight, numbers(total));
    }
  });
}

void divide(Evaluation& sum, const Weights& weights) {
  for_each_quantity([&](const auto& quantity) {
    const double weight = weight_of(weights, quantity);
    for (double& value : numbers(sum.*quantity.value)) value /= weight;
  });
}

}  // namespace mdbridge
