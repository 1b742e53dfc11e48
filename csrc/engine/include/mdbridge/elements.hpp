#pragma once

#include <string>

#include "mdbridge/visibility.hpp"

namespace mdbridge {

/// Atomic number of a chemical symbol ("O" -> 8); 0 if there is no such element.
MDBRIDGE_API int atomic_number(const std::string& symbol);
/// Chemical symbol of an atomic number; "?" if there is no such element.
MDBRIDGE_API std::string chemical_symbol(int atomic_number);

}  // namespace mdbridge
