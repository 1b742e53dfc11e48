// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <cmath>
#include <iostream>
#include <string>

namespace mdbridge_lammps::test {

/// Collects what is not as expected; tests of classes without a framework.
class Expectations {
 public:
  /// `rank` stands before each line.
  explicit Expectations(int rank) : rank_(rank) {}

  void that(bool holds, const std::string& what) {
    if (!holds) fail(what);
  }
  template <typename Found, typename Expected>
  void equal(const Found& found, const Expected& expected, const std::string& what) {
    if (found == expected) return;
    fail(what) << "  expected " << expected << "\n  found    " << found << std::endl;
  }
  void close(double found, double expected, double tolerance, const std::string& what) {
    if (std::abs(found - expected) <= tolerance) return;
    fail(what) << "  expected " << expected << " +- " << tolerance << "\n  found    " << found
               << std::endl;
  }
  void contains(const std::string& text, const std::string& part, const std::string& what) {
    if (text.find(part) != std::string::npos) return;
    fail(what) << "  expected a text with: " << part << "\n  found: " << text << std::endl;
  }
  /// That `work()` throws an Error whose message has this part.
  template <typename Error, typename Work>
  void throws(Work&& work, const std::string& part, const std::string& what) {
    try {
      work();
    } catch (const Error& error) {
      contains(error.what(), part, what);
      return;
    }
    fail(what) << "  nothing was thrown" << std::endl;
  }

  int failed() const { return failed_; }

 private:
  std::ostream& fail(const std::string& what) {
    ++failed_;
    return std::cout << "FAILED on rank " << rank_ << ": " << what << std::endl;
  }

  int rank_;
  int failed_ = 0;
};

}  // namespace mdbridge_lammps::test
