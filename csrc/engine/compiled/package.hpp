#pragma once

#include <torch/csrc/inductor/aoti_package/model_package_loader.h>
#include <torch/types.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace mdbridge {

/// A compiled model file (.pt2) as `md-bridge compile` writes it: functions that AOTInductor
/// compiled for one kind of CPU, a description of them, and the TorchScript file that they were
/// made of.
class CompiledPackage {
 public:
  /// Whether this is such a file. Never throws.
  static bool reads(const std::string& path);

  /// Throws ModelError if the file is of another version of this program or of torch, or if it was
  /// compiled for a CPU that can do what this one cannot.
  explicit CompiledPackage(const std::string& path);

  /// What the description says; empty if nothing.
  std::string value(const std::string& key) const;

  bool has_function(const std::string& name) const;
  /// Run one of the functions. They are loaded at their first call.
  std::vector<torch::Tensor> run(const std::string& name, std::vector<torch::Tensor> arguments);

  /// Throws ModelError unless the functions take and give numbers of this type.
  void require_precision(torch::Dtype dtype) const;

  /// The TorchScript file, byte by byte.
  std::string torchscript() const;

  const std::string& path() const { return path_; }
  /// What to do with a file that was compiled for another program or machine, to follow a sentence
  /// that says so.
  std::string remedy() const;

 private:
  void require_torch() const;
  void require_cpu() const;

  std::string path_;
  std::map<std::string, std::string> description_;
  std::vector<std::string> functions_;
  std::map<std::string, std::unique_ptr<torch::inductor::AOTIModelPackageLoader>> loaders_;
};

}  // namespace mdbridge
