// SPDX-License-Identifier: GPL-2.0-only
//
// Folding and ListFollower alone, without a model, as a pair style of a plugin:
//   pair_style test_neighbours CUTOFF LAYERS (and pair_coeff * *, run 0)
// Ghosts must reach as far as the layers need. Stops with an error if anything is not expected.
#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "atom.h"
#include "comm.h"
#include "domain.h"
#include "error.h"
#include "expect.hpp"
#include "lammps.h"
#include "mdbridge/error.hpp"
#include "memory.h"
#include "mpi/gather.hpp"
#include "neigh_list.h"
#include "neighbor.h"
#include "neighbours/folding.hpp"
#include "neighbours/list_follower.hpp"
#include "pair.h"
#include "pairs_of_list.hpp"
#include "plugin_of_test.hpp"
#include "utils.h"

namespace mdbridge_lammps::test {

using mdbridge::Error;
namespace utils = LAMMPS_NS::utils;

// A range without effect.
constexpr double far = 1e6;

/// A pair style without forces: at its first force call the tests run, with the list that LAMMPS
/// has just built for it.
class TestNeighbours : public LAMMPS_NS::Pair {
 public:
  explicit TestNeighbours(LAMMPS_NS::LAMMPS* lmp) : Pair(lmp), expect_(lmp->comm->me) {
    single_enable = 0;
    no_virial_fdotr_compute = 1;
  }
  ~TestNeighbours() override {
    if (allocated == 0) return;
    memory->destroy(setflag);
    memory->destroy(cutsq);
  }

  void settings(int count, char** words) override {
    if (count != 2) error->all(FLERR, "pair_style test_neighbours expects CUTOFF LAYERS");
    needs_.elements = {0, 18};
    needs_.cutoff = utils::numeric(FLERR, words[0], false, lmp);
    needs_.layers = utils::inumeric(FLERR, words[1], false, lmp);
  }

  void coeff(int, char**) override {
    allocated = 1;
    memory->create(setflag, 2, 2, "pair:setflag");
    memory->create(cutsq, 2, 2, "pair:cutsq");
    setflag[1][1] = 1;
  }

  void init_style() override {
    using namespace LAMMPS_NS::NeighConst;
    neighbor->add_request(this, needs_.layers > 1 ? REQ_FULL | REQ_GHOST : REQ_FULL);
  }

  double init_one(int, int) override { return needs_.list_range(); }

  void compute(int eflag, int vflag) override {
    ev_init(eflag, vflag);
    try {
      run_tests();
    } catch (const Error& error_of_test) {
      error->one(FLERR, "test_neighbours: {}", error_of_test.what());
    }
    int failed = expect_.failed();
    MPI_Allreduce(MPI_IN_PLACE, &failed, 1, MPI_INT, MPI_SUM, world);
    if (failed > 0) error->all(FLERR, "test_neighbours: {} failed", failed);
    if (comm->me == 0) utils::logmesg(lmp, "test_neighbours: all as expected\n");
  }

 private:
  void run_tests() {
    test_folding();
    test_types_that_the_model_does_not_see();
    test_a_ghost_of_another_atom();
    test_pairs_are_complete();
    test_cell();
    test_foreign_sites();
    test_slack();
    test_pairs_beyond_the_range();
    test_units();
    test_following_small_motion();
    test_motion_beyond_the_skin();
    test_a_list_that_is_older_than_its_follower();
    test_motion_of_atoms_of_all_ranks();
    test_margin();
    test_box_that_shrinks();
    test_images_that_are_strained_without_the_box();
    test_a_list_that_is_taken_anew();
    test_added_atoms();
    test_names();
    test_layers();
  }

  ListFollower follower() const { return follower(needs_); }
  ListFollower follower(const ListNeeds& needs) const {
    ListFollower follower(lmp);
    follower.begin(needs);
    return follower;
  }

  void test_folding() {
    Folding folding(lmp);
    folding.rebuild(*list, needs_.elements, needs_.layers, far, 1e-3);
    expect_.equal(folding.owned(), atom->nlocal, "each owned atom is a site");
    const auto& atoms = folding.atoms();
    for (int i = 0; i < atom->nlocal; ++i) {
      expect_.equal(atoms[i], i, "sites of owned atoms have their order");
      expect_.that(folding.origin(i) == Folding::Shift{}, "owned atoms stay where they are");
    }
    std::vector<LAMMPS_NS::tagint> tags;
    for (const int i : atoms) tags.push_back(atom->tag[i]);
    std::sort(tags.begin(), tags.end());
    expect_.that(std::adjacent_find(tags.begin(), tags.end()) == tags.end(),
                 "no atom is two sites, however many ghosts it has");
    if (comm->nprocs == 1) {
      expect_.equal(static_cast<int>(atoms.size()), atom->nlocal, "one rank has no foreign sites");
    } else {
      expect_.that(static_cast<int>(atoms.size()) > atom->nlocal, "ranks know foreign sites");
    }
    expect_.that(!folding.take_pairs().empty(), "there are pairs");
    expect_.that(folding.take_pairs().empty(), "they are handed over once");
  }

  void test_types_that_the_model_does_not_see() {
    Folding folding(lmp);
    folding.rebuild(*list, {0, 0}, needs_.layers, far, 1e-3);
    expect_.equal(folding.atoms().size(), 0U, "types without an element are no sites");
    expect_.that(folding.take_pairs().empty(), "nor do they have pairs");
  }

  void test_a_ghost_of_another_atom() {
    // the ghost of an own atom that claims to be of another own atom
    int ghost = -1;
    for (int i = atom->nlocal; i < atom->nlocal + atom->nghost && ghost < 0; ++i) {
      for (int owner = 0; owner < atom->nlocal; ++owner) {
        if (atom->tag[owner] == atom->tag[i]) ghost = i;
      }
    }
    if (ghost < 0) return;  // several ranks need not have one
    const LAMMPS_NS::tagint tag = atom->tag[ghost];
    atom->tag[ghost] = atom->tag[0] == tag ? atom->tag[1] : atom->tag[0];
    Folding folding(lmp);
    expect_.throws<Error>(
        [&] { folding.rebuild(*list, needs_.elements, needs_.layers, far, 1e-3); },
        "not a periodic image", "two atoms of one ID are noticed");
    atom->tag[ghost] = tag;
    atom->x[ghost][2] += 0.02;
    expect_.throws<Error>(
        [&] { folding.rebuild(*list, needs_.elements, needs_.layers, far, 1e-3); },
        "not a periodic image", "also where they are near each other");
    atom->x[ghost][2] -= 0.02;
  }

  /// Against the engine's own list for the atoms of all ranks.
  void test_pairs_are_complete() {
    ListFollower follower = this->follower();
    expect_.that(!follower.has_list(), "no list at first");
    Pairs provided(0.0);
    follower.follow(*list, provided);
    expect_.that(follower.has_list(), "a list is followed");

    const Structure& mine = follower.structure();
    const auto owned = static_cast<std::ptrdiff_t>(follower.owned());
    Structure all = mine;
    all.owned = -1;
    const auto x = mine.positions.begin();
    all.positions = gather_everywhere(world, std::vector<double>(x, x + 3 * owned)).values;
    all.types.assign(all.positions.size() / 3, 18);
    Pairs own(0.0);
    own.update(all, needs_.cutoff);
    if (comm->nprocs == 1) {
      expect_.that(labels(provided, mine, needs_.cutoff) == labels(own, all, needs_.cutoff),
                   "one rank finds the pairs that the engine finds");
    }

    // with L layers the neighbours of sites up to L - 1 pairs away must be there
    const auto id = follower.ids().begin();
    const auto all_ids = gather_everywhere(world, std::vector<double>(id, id + owned)).values;
    const auto expected = neighbours_of_each(own, all, needs_.cutoff);
    const auto found = neighbours_of_each(provided, mine, needs_.cutoff);
    const auto needed = within(provided, mine, needs_.cutoff, needs_.layers - 1);
    for (std::size_t s = 0; s < found.size(); ++s) {
      if (!needed[s]) continue;
      const auto at = std::find(all_ids.begin(), all_ids.end(), follower.ids()[s]);
      const Neighbours& right = expected[at - all_ids.begin()];
      const std::string name = "atom ID " + std::to_string(follower.ids()[s]);
      expect_.equal(found[s].count, right.count, name + ": number of neighbours");
      expect_.close(found[s].length, right.length, 1e-8, name + ": sum of their distances");
    }
  }

  void test_cell() {
    ListFollower follower = this->follower();
    Pairs pairs(0.0);
    follower.follow(*list, pairs);
    const double rows[9] = {domain->xprd, 0.0,        0.0,        domain->xy,  domain->yprd,
                            0.0,          domain->xz, domain->yz, domain->zprd};
    for (int k = 0; k < 9; ++k) {
      const bool periodic = domain->periodicity[k / 3] != 0;
      expect_.equal(follower.structure().periodic[k / 3], periodic, "periodic directions");
      expect_.close(follower.structure().cell[k], periodic ? rows[k] : 0.0, 1e-12,
                    "the rows of the cell are the lattice vectors of periodic directions");
    }
  }

  void test_slack() {
    ListFollower follower = this->follower();
    Pairs pairs(0.0);
    follower.follow(*list, pairs);
    const double most = follower.slack();
    follower.expire();  // nothing has moved
    follower.follow(*list, pairs, follower.motion_since_build(*list));
    expect_.close(most - follower.slack(), neighbor->skin / needs_.length, 1e-9, "slack");
  }

  void test_foreign_sites() {
    ListFollower follower = this->follower();
    Pairs pairs(0.0);
    follower.follow(*list, pairs);
    const Structure& structure = follower.structure();
    expect_.equal(structure.owned, atom->nlocal, "the owned atoms are known");
    expect_.equal(follower.owned(), static_cast<std::size_t>(atom->nlocal), "and counted");
    for (std::size_t s = follower.owned(); s < follower.atoms().size(); ++s) {
      double x[3];
      for (int k = 0; k < 3; ++k) x[k] = structure.positions[3 * s + k] - domain->boxlo[k];
      const double* h = domain->h_inv;
      const double cells[3] = {h[0] * x[0] + h[5] * x[1] + h[4] * x[2], h[1] * x[1] + h[3] * x[2],
                               h[2] * x[2]};
      for (const double c : cells) {
        expect_.that(c > -1e-9 && c < 1.0 + 1e-9, "foreign sites lie inside the box");
      }
    }
    if (needs_.layers == 1) return;
    // pairs among the neighbours of owned atoms, which their energies depend on
    const auto all = labels(pairs, structure, needs_.cutoff);
    const auto foreign = [&](const auto& label) {
      return label[0] >= structure.owned && label[1] >= structure.owned;
    };
    expect_.equal(std::any_of(all.begin(), all.end(), foreign), comm->nprocs > 1,
                  "message passing has pairs between foreign sites");
    for (const auto& [i, j, a, b, c] : all) {
      const std::array<std::int32_t, 5> back = {j, i, -a, -b, -c};
      if (std::binary_search(all.begin(), all.end(), back)) continue;
      expect_.that(false, "each pair is there in both directions");
      break;
    }
  }

  /// A list that reaches further, as in a hybrid: here that of a model with twice the cutoff.
  void test_pairs_beyond_the_range() {
    ListNeeds shorter = needs_;
    shorter.cutoff = 0.5 * needs_.cutoff;
    ListFollower follower = this->follower(shorter);
    Pairs pairs(0.0);
    follower.follow(*list, pairs, follower.motion_since_build(*list));
    const Structure& structure = follower.structure();
    ListFollower all = this->follower();
    Pairs all_pairs(0.0);
    all.follow(*list, all_pairs);
    if (comm->nprocs > 1) {
      expect_.that(pairs.candidates() < all_pairs.candidates(), "pairs too long are left out");
      return;
    }
    expect_.that(
        labels(pairs, structure, shorter.cutoff) == labels(all_pairs, structure, shorter.cutoff),
        "none within the cutoff is lost");
    const double range = 1.01 * (shorter.cutoff + neighbor->skin);
    expect_.equal(pairs.candidates(),
                  static_cast<std::int64_t>(labels(all_pairs, structure, range).size()),
                  "those beyond cutoff and skin are left out");
    expect_.that(2 * pairs.candidates() < all_pairs.candidates(), "which are most of them");
  }

  void test_units() {
    ListNeeds in_nanometres = needs_;
    in_nanometres.length = 0.1;
    ListFollower metal = follower();
    ListFollower other = follower(in_nanometres);
    Pairs pairs(0.0);
    metal.follow(*list, pairs);
    other.follow(*list, pairs);
    expect_.close(other.structure().positions[0], 10.0 * metal.structure().positions[0], 1e-9,
                  "positions are converted to Angstrom");
    expect_.close(other.structure().cell[0], 10.0 * metal.structure().cell[0], 1e-9,
                  "and so is the cell");
    in_nanometres.margin = 0.3;
    expect_.close(in_nanometres.list_range(), 0.1 * needs_.cutoff + 0.3, 1e-12, "list range");
    expect_.close(in_nanometres.ghost_range(), 0.1 * needs_.cutoff * needs_.layers + 0.3, 1e-12,
                  "ghost range");
  }

  /// Move the first atom of rank 0 along x, and its ghosts. Collective.
  void move(double by) {
    if (comm->me == 0) atom->x[0][0] += by;
    comm->forward_comm();
  }

  void test_following_small_motion() {
    ListFollower follower = this->follower();
    Pairs pairs(0.0);
    follower.follow(*list, pairs);
    const double x = follower.structure().positions[0];
    move(0.4 * neighbor->skin);
    Pairs untouched(0.0);
    follower.follow(*list, untouched);
    expect_.equal(untouched.candidates(), 0, "the pairs stay while LAMMPS keeps its list");
    if (comm->me == 0) {
      expect_.close(follower.structure().positions[0], x + 0.4 * neighbor->skin, 1e-9,
                    "the structure follows the atoms");
    }
    move(-0.4 * neighbor->skin);
  }

  void test_motion_beyond_the_skin() {
    ListFollower follower = this->follower();
    Pairs pairs(0.0);
    follower.follow(*list, pairs);
    move(1.5 * neighbor->skin);
    if (comm->me == 0) {
      expect_.throws<Error>([&] { follower.follow(*list, pairs); }, "have moved so far",
                            "pairs that may be missing are noticed");
    }
    move(-1.5 * neighbor->skin);
  }

  /// LAMMPS knows where the atoms were when it built the list.
  void test_a_list_that_is_older_than_its_follower() {
    move(1.5 * neighbor->skin);
    ListFollower follower = this->follower();
    Pairs pairs(0.0);
    if (comm->me == 0) {
      expect_.throws<Error>([&] { follower.follow(*list, pairs); }, "have moved so far",
                            "motion from before the list was first seen is noticed");
    }
    move(-1.5 * neighbor->skin);
  }

  /// One atom of each rank moves by so little that only all of them together are too much.
  void test_motion_of_atoms_of_all_ranks() {
    ListFollower follower = this->follower();
    Pairs pairs(0.0);
    follower.follow(*list, pairs);
    const auto move_each = [&](double by) {
      atom->x[0][0] += by;
      comm->forward_comm();
    };
    move_each(0.4 * neighbor->skin);
    follower.follow(*list, pairs);
    follower.require_valid_list();
    move_each(0.3 * neighbor->skin);
    follower.follow(*list, pairs);
    if (comm->nprocs > 1) {
      expect_.throws<Error>([&] { follower.require_valid_list(); }, "have moved so far",
                            "motion of atoms of two ranks is noticed on all");
    }
    move_each(-0.7 * neighbor->skin);
  }

  void test_margin() {
    ListNeeds needs = needs_;
    needs.margin = neighbor->skin;
    ListFollower follower = this->follower(needs);
    Pairs pairs(0.0);
    follower.follow(*list, pairs);
    move(1.5 * neighbor->skin);
    follower.follow(*list, pairs);  // within skin and margin: does not throw
    move(-1.5 * neighbor->skin);
  }

  void test_box_that_shrinks() {
    ListFollower follower = this->follower();
    Pairs pairs(0.0);
    follower.follow(*list, pairs);
    const auto shrink = [&](double to) {
      domain->boxhi[0] = domain->boxlo[0] + to;
      domain->set_global_box();
      comm->forward_comm();
    };
    const double length = domain->xprd;
    shrink(0.5 * length);
    expect_.throws<Error>([&] { follower.follow(*list, pairs); }, "(or the box) have moved",
                          "a cell that shrinks too far is noticed");
    shrink(length);
  }

  /// Move atoms and ghosts by x += strain y, and leave the box as it is.
  void shear(double strain) {
    for (int i = 0; i < atom->nlocal + atom->nghost; ++i) atom->x[i][0] += strain * atom->x[i][1];
  }

  void test_images_that_are_strained_without_the_box() {
    ListFollower follower = this->follower();
    Pairs pairs(0.0);
    follower.follow(*list, pairs);
    const auto cell = follower.structure().cell;
    const double strain = 1e-4;
    shear(strain);
    follower.follow(*list, pairs);
    if (comm->nprocs == 1) {
      for (int a = 0; a < 3; ++a) {
        expect_.close(follower.structure().cell[3 * a], cell[3 * a] + strain * cell[3 * a + 1],
                      1e-9, "the cell is that of the strained images");
      }
    }
    comm->forward_comm();  // ghosts of strained atoms, in the box as it is
    follower.follow(*list, pairs);
    expect_.that(follower.structure().cell == cell, "ghosts of the box give its own cell");
    shear(-strain);
    comm->forward_comm();
    if (comm->nprocs > 1) return;  // ranks need not have two images of an atom
    atom->x[atom->nlocal][0] += 0.01;
    expect_.throws<Error>([&] { follower.follow(*list, pairs); }, "not where its periodic image is",
                          "a ghost that moves alone");
    atom->x[atom->nlocal][0] -= 0.01;
  }

  void test_a_list_that_is_taken_anew() {
    ListFollower follower = this->follower();
    Pairs pairs(0.0);
    follower.follow(*list, pairs);
    const auto taken = [&] {
      Pairs anew(0.0);
      follower.follow(*list, anew);
      return anew.candidates();
    };
    follower.expire();
    expect_.equal(taken(), pairs.candidates(), "an expired list is taken anew");
    expect_.equal(taken(), 0, "once");
    neighbor->build(1);
    expect_.equal(taken(), pairs.candidates(), "a list built in the same step is taken");
    follower.begin(needs_);
    expect_.that(!follower.has_list(), "a run begins without a list");
    expect_.equal(taken(), pairs.candidates(), "and takes the one that is there");
  }

  void test_added_atoms() {
    ListFollower follower = this->follower();
    Pairs pairs(0.0);
    follower.follow(*list, pairs);
    follower.require_atoms_of_list();
    ++atom->natoms;
    expect_.throws<Error>([&] { follower.require_atoms_of_list(); }, "added or deleted",
                          "atoms that the list does not know are noticed");
    neighbor->build(1);
    follower.require_atoms_of_list();  // the newer list knows them
    --atom->natoms;
  }

  void test_names() {
    ListFollower follower = this->follower();
    Pairs pairs(0.0);
    follower.follow(*list, pairs);
    for (std::size_t s = 0; s < follower.atoms().size(); ++s) {
      expect_.equal(follower.ids()[s], atom->tag[follower.atoms()[s]], "IDs of the sites");
    }
    expect_.equal(follower.name_of(0),
                  "atom ID " + std::to_string(atom->tag[0]) + " (element Ar, type 1)",
                  "an atom in the user's words");
  }

  void test_layers() {
    mdbridge::ModelInfo info;
    expect_.equal(message_passing_layers(info), 1, "a model of single atoms");
    info.cutoff = 4.0;
    info.interaction_range = 4.0;
    expect_.equal(message_passing_layers(info), 1, "no message passing");
    info.interaction_range = 12.0;
    expect_.equal(message_passing_layers(info), 3, "three layers");
    info.interaction_range = 12.1;
    expect_.equal(message_passing_layers(info), 4, "any more is another layer");
    expect_.equal(motion_margin(*lmp, 1.0), 0.0, "no margin without multiple time stepping");
  }

  Expectations expect_;
  ListNeeds needs_;
};

}  // namespace mdbridge_lammps::test

extern "C" void lammpsplugin_init(void* lammps, void* handle, void* register_plugin) {
  mdbridge_lammps::test::register_pair_style<mdbridge_lammps::test::TestNeighbours>(
      "test_neighbours", lammps, handle, register_plugin);
}
