#pragma once

#include <chrono>

namespace mdbridge {

/// Adds the seconds from its construction to its end to a sum.
class Stopwatch {
 public:
  /// `sum` must outlive the stopwatch.
  explicit Stopwatch(double& sum) : sum_(sum), start_(std::chrono::steady_clock::now()) {}
  ~Stopwatch() {
    sum_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  double& sum_;
  std::chrono::steady_clock::time_point start_;
};

}  // namespace mdbridge
