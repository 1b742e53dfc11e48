#include <torch/torch.h>

#include "compiled/neighborhoods.hpp"
#include "compiled/network.hpp"
#include "mdbridge/stopwatch.hpp"

namespace mdbridge {

namespace {

/// Cutoffs that follow the density, one for each atom.
struct AtomicCutoffs {
  torch::Tensor cutoffs;      // [N], Å
  torch::Tensor derivatives;  // [P, 3], of the cutoff of each pair's first atom, by the pair vector
};

class PairNetwork final : public CompiledNetwork {
 public:
  explicit PairNetwork(CompiledPackage& package)
      : package_(package),
        adaptive_(package.has_function("cutoffs")),
        cutoff_(std::stod(package.value("cutoff"))) {}

  std::optional<CompiledResult> run(const std::string& function,
                                    const std::vector<SystemTensors>& systems) override {
    const auto labels = all_labels(systems);
    pair_seconds_ = 0.0;
    const auto vectors = all_vectors(systems);
    const auto types = all_types(systems);
    const auto owned = ownership(systems, vectors.scalar_type());
    if (!adaptive_) {
      const auto cutoffs = torch::full({labels.size(0)}, cutoff_, vectors.options());
      const auto whole = call(function, types, owned, labels, vectors, cutoffs);
      return whole ? std::optional(whole->result) : std::nullopt;
    }
    return run_adaptive(function, types, owned, labels, vectors);
  }

 private:
  struct Call {
    CompiledResult result;
    torch::Tensor cutoff_gradients;  // [P], dE/d(cutoff of the pair)
  };

  std::optional<Call> call(const std::string& function, const torch::Tensor& types,
                           const torch::Tensor& owned, const torch::Tensor& labels,
                           const torch::Tensor& vectors, const torch::Tensor& cutoffs) {
    if (!are_enough(types.size(0), labels.size(0))) return std::nullopt;
    const auto rows = neighborhoods(labels, types.size(0));
    const auto directions = both_directions(labels, rows);
    const auto out =
        package_.run(function, {types, owned, vectors, cutoffs, rows.pairs, rows.places, rows.rows,
                                directions.reverse, directions.half});
    Call call;
    call.result.pair_seconds = pair_seconds_;
    const auto gradients =
        take_outputs(package_, function, out, &CompiledResult::stresses, call.result);
    if (function != "direct") {
      call.result.pair_gradients = gradients[0];
      if (adaptive_) call.cutoff_gradients = gradients[1];
    }
    return call;
  }

  /// With the pairs that adaptive cutoffs leave. Each cutoff depends on the neighbours of its atom:
  /// the gradient goes that way too, to all pairs.
  std::optional<CompiledResult> run_adaptive(const std::string& function,
                                             const torch::Tensor& types, const torch::Tensor& owned,
                                             const torch::Tensor& labels,
                                             const torch::Tensor& vectors) {
    if (!are_enough(types.size(0), labels.size(0))) return std::nullopt;
    const auto all = neighborhoods(labels, types.size(0));
    const auto atomic = atomic_cutoffs(all, vectors);
    const auto first = all.pairs.select(1, 0);
    const auto second = all.pairs.select(1, 1);
    const auto of_pairs =
        (atomic.cutoffs.index_select(0, first) + atomic.cutoffs.index_select(0, second)) / 2.0;
    const auto kept = torch::nonzero(vectors.norm(2, -1) + 1e-15 <= of_pairs).squeeze(-1);
    auto inner = call(function, types, owned, labels.index_select(0, kept),
                      vectors.index_select(0, kept), of_pairs.index_select(0, kept));
    if (!inner) return std::nullopt;
    if (function == "direct") return inner->result;
    const auto halves = inner->cutoff_gradients * 0.5;
    const auto of_atoms = torch::zeros_like(atomic.cutoffs)
                              .index_add_(0, first.index_select(0, kept), halves)
                              .index_add_(0, second.index_select(0, kept), halves);
    auto gradients = atomic.derivatives * of_atoms.index_select(0, first).unsqueeze(1);
    gradients.index_add_(0, kept, inner->result.pair_gradients);
    inner->result.pair_gradients = gradients;
    return inner->result;
  }

  Neighborhoods neighborhoods(const torch::Tensor& labels, std::int64_t atoms) {
    const Stopwatch watch(pair_seconds_);
    return make_neighborhoods(labels, atoms);
  }

  Directions both_directions(const torch::Tensor& labels, const Neighborhoods& rows) {
    const Stopwatch watch(pair_seconds_);
    return match_directions(labels, rows);
  }

  AtomicCutoffs atomic_cutoffs(const Neighborhoods& all, const torch::Tensor& vectors) {
    auto out = package_.run("cutoffs", {vectors, all.places, all.rows});
    return {out.at(0), out.at(1)};
  }

  CompiledPackage& package_;
  bool adaptive_;
  double cutoff_;
  double pair_seconds_ = 0.0;  // of this run
};

}  // namespace

std::unique_ptr<CompiledNetwork> pair_network(CompiledPackage& package) {
  return std::make_unique<PairNetwork>(package);
}

}  // namespace mdbridge
