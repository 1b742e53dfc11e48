#include "ipi/shared_memory.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "mdbridge/error.hpp"

namespace mdbridge::ipi {

namespace {

// the order of i-PI's segments; the inverse cells (2) are of no use to us
enum { positions = 0, cells = 1, energies = 3, forces = 4, virials = 5 };

/// Maps one segment; throws Error unless it has at least `size` bytes.
void* map_segment(const std::string& name, std::size_t size) {
  if (name.find('/') != std::string::npos) {
    throw Error("i-PI named a shared-memory segment \"" + name + "\", which must not have a slash");
  }
  const int descriptor = ::shm_open(("/" + name).c_str(), O_RDWR, 0);
  if (descriptor < 0) {
    throw Error("cannot open i-PI's shared-memory segment " + name + ": " + std::strerror(errno) +
                "; with mode='shm' the client must run on the machine of i-PI, as the same user");
  }
  struct stat status{};
  void* start = MAP_FAILED;
  const bool fits =
      ::fstat(descriptor, &status) == 0 && static_cast<std::size_t>(status.st_size) >= size;
  if (fits) start = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  ::close(descriptor);
  if (!fits) {
    throw Error("i-PI's shared-memory segment " + name + " has " + std::to_string(status.st_size) +
                " bytes, but " + std::to_string(size) + " are needed");
  }
  if (start == MAP_FAILED) {
    throw Error("cannot map i-PI's shared-memory segment " + name + ": " + std::strerror(errno));
  }
  return start;
}

}  // namespace

void SharedSegments::attach(const std::vector<std::string>& names, std::int32_t batch,
                            std::int64_t atoms) {
  detach();
  batch_ = batch;
  atoms_ = atoms;
  const std::size_t vectors = 3 * atoms;
  const std::size_t counts[] = {vectors, 9, 9, 1, vectors, 9};
  for (std::size_t s = 0; s < names.size(); ++s) {
    const std::size_t size = counts[s] * batch * sizeof(double);
    segments_.push_back({map_segment(names[s], size), size});
  }
}

void SharedSegments::detach() {
  for (const Segment& segment : segments_) ::munmap(segment.start, segment.size);
  segments_.clear();
}

std::vector<Frame> SharedSegments::read() const {
  std::vector<Frame> frames(batch_);
  for (std::int32_t b = 0; b < batch_; ++b) {
    const double* cell = values(cells) + 9 * b;
    std::copy(cell, cell + 9, frames[b].cell.begin());
    const double* first = values(positions) + 3 * atoms_ * b;
    frames[b].positions.assign(first, first + 3 * atoms_);
  }
  return frames;
}

void SharedSegments::write(const std::vector<Result>& results) {
  for (std::size_t b = 0; b < results.size(); ++b) {
    const Result& result = results[b];
    values(energies)[b] = result.energy;
    std::copy(result.forces.begin(), result.forces.end(), values(forces) + 3 * atoms_ * b);
    std::copy(result.virial.begin(), result.virial.end(), values(virials) + 9 * b);
  }
}

}  // namespace mdbridge::ipi
