#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "ipi/protocol.hpp"

namespace mdbridge::ipi {

/// The six shared-memory segments that i-PI owns for one client, sized for a batch of structures.
class SharedSegments {
 public:
  SharedSegments() = default;
  ~SharedSegments() { detach(); }
  SharedSegments(const SharedSegments&) = delete;
  SharedSegments& operator=(const SharedSegments&) = delete;

  /// Map them, in the order of SharedPositionData::segments. Throws Error if one is not there or is
  /// too small for `batch` structures of `atoms` atoms.
  void attach(const std::vector<std::string>& names, std::int32_t batch, std::int64_t atoms);
  void detach();

  /// What i-PI has written.
  std::vector<Frame> read() const;
  /// What i-PI will read.
  void write(const std::vector<Result>& results);

 private:
  struct Segment {
    void* start;
    std::size_t size;
  };
  double* values(int segment) const { return static_cast<double*>(segments_[segment].start); }

  std::vector<Segment> segments_;
  std::int32_t batch_ = 0;
  std::int64_t atoms_ = 0;
};

}  // namespace mdbridge::ipi
