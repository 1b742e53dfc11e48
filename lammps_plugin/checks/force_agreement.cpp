// SPDX-License-Identifier: GPL-2.0-only
#include "force_agreement.hpp"

#include <string>

namespace mdbridge_lammps {

mdbridge::ForceAgreement force_agreement(MPI_Comm world, const std::vector<double>& conservative,
                                         const std::vector<double>& inner) {
  mdbridge::ForceAgreement::Sums mine;
  mine.add(conservative, inner);
  double sums[3] = {mine.conservative, mine.correction, mine.count};
  MPI_Allreduce(MPI_IN_PLACE, sums, 3, MPI_DOUBLE, MPI_SUM, world);
  return mdbridge::ForceAgreement({sums[0], sums[1], sums[2]});
}

void require_agreement(const mdbridge::ForceAgreement& agreement, double limit, bool inner_model,
                       bool three_levels) {
  const std::string other = inner_model ? "another inner model (keyword inner)"
                                        : "other direct forces (keyword variant/direct)";
  const std::string instead = three_levels && !inner_model
                                  ? "leave out the middle level (run_style respa 2 M inner 1 3.0 "
                                    "4.0 outer 2)"
                                  : "use run_style verlet";
  agreement.require(
      limit, inner_model,
      instead + ", choose " + other + ", or allow for it by the keyword max_correction");
}

}  // namespace mdbridge_lammps
