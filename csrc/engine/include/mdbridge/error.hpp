#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

#include "mdbridge/visibility.hpp"

namespace mdbridge {

/// Every error that this library throws. The message is a whole sentence for the user: what was
/// expected, what was found, what to do next. Hosts add where they are (step, input line).
class MDBRIDGE_API Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The model file is missing, broken, or cannot do what was asked of it.
class MDBRIDGE_API ModelError : public Error {
 public:
  using Error::Error;
};

/// The model returned a NaN or an infinity.
class MDBRIDGE_API NonFiniteError : public Error {
 public:
  NonFiniteError(const std::string& message, std::int64_t atom) : Error(message), atom_(atom) {}
  /// Index of the first atom with a non-finite force; -1 if only the energy or the stress is bad.
  std::int64_t atom() const { return atom_; }

 private:
  std::int64_t atom_;
};

}  // namespace mdbridge
