#include "torchscript/gradients.hpp"

#include <torch/csrc/autograd/autograd.h>
#include <torch/torch.h>

#include <cstdint>
#include <string>
#include <utility>

#include "mdbridge/error.hpp"

namespace mdbridge {

namespace {

/// Looks for the warning by which torch says, in the middle of a backward pass, that it goes
/// through an operator without a derivative: the gradient lacks a part then. All others pass.
class MissingDerivatives : public c10::WarningHandler {
 public:
  void process(const c10::Warning& warning) override {
    const std::string& text = warning.msg();
    const auto end = text.find(": an autograd kernel was not registered");
    if (end == std::string::npos) {
      before_->process(warning);
    } else {
      operator_name_ = text.substr(0, end);
    }
  }

  /// Throws ModelError, naming the operator, if there was one.
  void require_none() const {
    if (operator_name_.empty()) return;
    throw ModelError(
        "the conservative forces of the model would be wrong: torch has no derivative "
        "of its operator '" +
        operator_name_ +
        "' in this process. Some libraries register it only when Python imports them "
        "(sphericart: import sphericart.torch): do so before the first evaluation. "
        "Where no Python runs, such a model cannot be used");
  }

 private:
  c10::WarningHandler* before_ = c10::WarningUtils::get_warning_handler();
  std::string operator_name_;
};

/// Gradients of the sum of `energy`; undefined for leaves that it does not depend on.
std::vector<torch::Tensor> gradients_of(const torch::Tensor& energy,
                                        const std::vector<torch::Tensor>& leaves,
                                        bool keep_graph = false) {
  // structures without pairs have a constant energy, which is in no graph at all
  if (!energy.requires_grad()) return std::vector<torch::Tensor>(leaves.size());
  MissingDerivatives missing;
  const c10::WarningUtils::WarningHandlerGuard watched(&missing);
  auto gradients = torch::autograd::grad({energy.sum()}, leaves, /*grad_outputs=*/{},
                                         /*retain_graph=*/keep_graph, /*create_graph=*/false,
                                         /*allow_unused=*/true);
  missing.require_none();
  return gradients;
}

}  // namespace

Leaves grow_leaves(std::vector<SystemTensors>& systems, const BackendRequest& request) {
  Leaves leaves;
  for (SystemTensors& system : systems) {
    if (request.pair_gradients) {
      // positions and cell too, to see whether the network looks at them
      system.positions = system.positions.detach().requires_grad_(true);
      leaves.positions.push_back(system.positions);
      system.cell = system.cell.detach().requires_grad_(true);
      leaves.cells.push_back(system.cell);
      for (PairTensors& pairs : system.pairs) {
        pairs.vectors = pairs.vectors.detach().requires_grad_(true);
        leaves.pairs.push_back(pairs.vectors);
      }
      continue;
    }
    if (request.position_gradient || request.member_position_gradients) {
      // the same memory, but a tensor of our own: the caller's stays out of the graph
      system.positions = system.positions.detach().requires_grad_(true);
      leaves.positions.push_back(system.positions);
    }
    if (request.strain_gradient || request.member_strain_gradients) {
      const auto strain = torch::eye(3, system.cell.options()).requires_grad_(true);
      system.positions = system.positions.matmul(strain);
      system.cell = system.cell.matmul(strain);
      leaves.strains.push_back(strain);
    }
  }
  return leaves;
}

namespace {

/// The leaves of those gradients that are wanted, positions first.
std::vector<torch::Tensor> chosen(const Leaves& leaves, bool positions, bool strains) {
  std::vector<torch::Tensor> all;
  if (positions) all = leaves.positions;
  if (strains) all.insert(all.end(), leaves.strains.begin(), leaves.strains.end());
  return all;
}

}  // namespace

void differentiate_members(const torch::Tensor& energies, const Leaves& leaves,
                           const BackendRequest& request, BackendResult& result) {
  const bool positions = request.member_position_gradients;
  const auto all = chosen(leaves, positions, request.member_strain_gradients);
  if (all.empty()) return;
  std::vector<std::vector<torch::Tensor>> by_leaf(all.size());
  for (std::int64_t member = 0; member < energies.size(1); ++member) {
    auto gradients = gradients_of(energies.select(1, member), all, /*keep_graph=*/true);
    for (std::size_t k = 0; k < all.size(); ++k) {
      if (!gradients[k].defined()) gradients[k] = torch::zeros_like(all[k]);
      by_leaf[k].push_back(gradients[k].detach());
    }
  }
  const std::size_t first_strain = positions ? leaves.positions.size() : 0;
  for (std::size_t k = 0; k < all.size(); ++k) {
    auto& kind =
        k < first_strain ? result.member_position_gradients : result.member_strain_gradients;
    kind.push_back(torch::stack(by_leaf[k]));
  }
}

void differentiate(const torch::Tensor& energy, const Leaves& leaves, const BackendRequest& request,
                   BackendResult& result) {
  const bool positions = request.position_gradient;
  const auto all = chosen(leaves, positions, request.strain_gradient);
  if (all.empty()) return;
  auto gradients = gradients_of(energy, all);
  const std::size_t first_strain = positions ? leaves.positions.size() : 0;
  for (std::size_t k = 0; k < all.size(); ++k) {
    if (!gradients[k].defined()) gradients[k] = torch::zeros_like(all[k]);
    auto& kind = k < first_strain ? result.position_gradients : result.strain_gradients;
    kind.push_back(gradients[k].detach());
  }
}

bool differentiate_pairs(const torch::Tensor& energy, const Leaves& leaves,
                         const std::vector<SystemTensors>& systems, const BackendRequest& request,
                         BackendResult& result) {
  std::vector<torch::Tensor> all = leaves.pairs;
  all.insert(all.end(), leaves.positions.begin(), leaves.positions.end());
  all.insert(all.end(), leaves.cells.begin(), leaves.cells.end());
  const auto gradients = gradients_of(energy, all);
  for (std::size_t k = leaves.pairs.size(); k < all.size(); ++k) {
    if (gradients[k].defined()) return false;
  }
  std::size_t next = 0;
  for (const SystemTensors& system : systems) {
    std::vector<torch::Tensor> of_lists;
    for (std::size_t n = 0; n < system.pairs.size(); ++n, ++next) {
      of_lists.push_back(gradients[next].defined() ? gradients[next].detach()
                                                   : torch::zeros_like(all[next]).detach());
    }
    const torch::NoGradGuard no_graph;
    add_pair_gradients(system, of_lists, request, result);
    result.pair_gradients.push_back(std::move(of_lists));
  }
  return true;
}

}  // namespace mdbridge
