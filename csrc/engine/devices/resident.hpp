#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <memory>
#include <vector>

#include "backend.hpp"
#include "devices/transfer.hpp"
#include "geometry/centring.hpp"
#include "mdbridge/pairs.hpp"
#include "mdbridge/structure.hpp"

namespace mdbridge {

/// What of a structure stays on a device (not the CPU, whose memory is the host's) as long as its
/// pair list does: atomic numbers, periodicity and the candidate pairs. A step brings positions and
/// cell; which candidates are within the cutoff then is found out on the device.
class Resident {
 public:
  /// `pairs` is up to date for `structure`.
  Resident(const Structure& structure, const Pairs& pairs, const Backend& backend);

  /// Whether this is of such a structure with this list, wherever its atoms are now.
  bool is_of(const Structure& structure, const Pairs& pairs) const;
  /// Whether one for this list takes its place: of the same list with other elements (an exchange
  /// of atoms, say), or of one that is gone.
  bool gives_way_to(const Pairs& pairs) const {
    return candidates_.expired() || candidates_.lock() == pairs.shared_candidates();
  }

  /// Where a step is in an upload.
  struct Place {
    std::int64_t positions;
    std::int64_t cell;
  };
  Place add_step(const Structure& structure, Upload& upload);
  /// As to_tensors() (packing.hpp), of what was sent.
  SystemTensors tensors(const Place& place, const Upload& upload) const;

 private:
  /// The candidates for one pair list of the model.
  struct List {
    PairRequest request;
    torch::Tensor labels;  // [C, 5] int32
    torch::Tensor first;   // [C] int64
    torch::Tensor second;  // [C] int64
    torch::Tensor shifts;  // [C, 3] float64
  };
  static PairTensors within_cutoff(const List& list, const torch::Tensor& positions,
                                   const torch::Tensor& cell);

  std::weak_ptr<const PairCandidates> candidates_;
  std::vector<std::int32_t> host_types_;
  std::array<bool, 3> host_periodic_;
  std::int64_t owned_;
  Centring centring_;
  torch::Tensor types_;
  torch::Tensor periodic_;
  std::vector<List> lists_;
};

/// Those of all structures that an engine follows.
class Residents {
 public:
  /// Made if there is none yet.
  std::shared_ptr<Resident> of(const Structure& structure, const Pairs& pairs,
                               const Backend& backend);

 private:
  std::list<std::shared_ptr<Resident>> all_;
};

}  // namespace mdbridge
