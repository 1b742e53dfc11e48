#include "compiled/package.hpp"

#include <caffe2/serialize/inline_container.h>
#include <torch/version.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "mdbridge/error.hpp"
#include "mdbridge/model.hpp"
#include "text.hpp"

namespace mdbridge {

namespace {

constexpr const char* description_record = "extra/mdbridge.txt";
constexpr const char* torchscript_record = "extra/model.pt";
constexpr const char* format = "1";

std::string read_record(const std::string& path, const std::string& name) {
  caffe2::serialize::PyTorchStreamReader reader(path);
  const auto [data, size] = reader.getRecord(name);
  return {static_cast<const char*>(data.get()), size};
}

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

/// Lines "key value", the value to the end of the line.
std::map<std::string, std::string> parse(const std::string& text) {
  std::map<std::string, std::string> values;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const auto space = line.find(' ');
    if (space != std::string::npos) values[line.substr(0, space)] = line.substr(space + 1);
  }
  return values;
}

/// Version of torch without what follows a plus sign, its kind of build.
std::string release(const std::string& version) { return version.substr(0, version.find('+')); }

/// Of the flags of a CPU those that name instructions which a compiler may use.
bool is_instruction_set(const std::string& flag) {
  static const std::vector<std::string> of_x86 = {
      "sse",  "ssse", "avx",  "fma", "f16c",   "bmi",        "amx",       "movbe", "adx",
      "vaes", "aes",  "gfni", "abm", "sha_ni", "vpclmulqdq", "pclmulqdq", "popcnt"};
  return std::any_of(of_x86.begin(), of_x86.end(),
                     [&](const std::string& word) { return flag.starts_with(word); });
}

}  // namespace

std::vector<std::string> cpu_features() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const bool x86 = line.starts_with("flags");
    if (!x86 && !line.starts_with("Features")) continue;
    auto flags = words_of(line.substr(line.find(':') + 1));
    if (x86) std::erase_if(flags, [](const auto& flag) { return !is_instruction_set(flag); });
    std::sort(flags.begin(), flags.end());
    return flags;
  }
  return {};
}

bool CompiledPackage::reads(const std::string& path) {
  try {
    return caffe2::serialize::PyTorchStreamReader(path).hasRecord(description_record);
  } catch (const std::exception&) {
    return false;
  }
}

CompiledPackage::CompiledPackage(const std::string& path)
    : path_(path), description_(parse(read_record(path, description_record))) {
  functions_ = words_of(value("functions"));
  if (value("format") != format) {
    throw ModelError("the compiled model '" + path + "' is of another version of MD Bridge" +
                     remedy());
  }
  require_torch();
  require_cpu();
}

std::string CompiledPackage::remedy() const {
  // files of before know their source only
  const std::string arguments = value("arguments").empty() ? value("source") : value("arguments");
  return ": compile it again, `md-bridge compile " + arguments +
         " -o model.pt2`, or take the TorchScript file out of it, `md-bridge export " + path_ +
         " -o model.pt`";
}

void CompiledPackage::require_torch() const {
  const std::string here = release(TORCH_VERSION);
  if (value("torch") == here) return;
  throw ModelError("the compiled model '" + path_ + "' was made with torch " + value("torch") +
                   ", and this is torch " + here + remedy());
}

void CompiledPackage::require_cpu() const {
  const auto here = cpu_features();
  std::vector<std::string> missing;
  for (const std::string& feature : words_of(value("cpu_features"))) {
    if (!std::binary_search(here.begin(), here.end(), feature)) missing.push_back(feature);
  }
  if (missing.empty()) return;
  throw ModelError("the model '" + path_ + "' was compiled for another CPU (" + value("cpu") +
                   "), and this one cannot do " + join(missing) + remedy());
}

void CompiledPackage::require_precision(torch::Dtype dtype) const {
  const std::string found = dtype == torch::kFloat32 ? "float32" : "float64";
  if (value("dtype") == found) return;
  throw ModelError("the compiled model '" + path_ + "' was made in the precision " +
                   value("dtype") + ", and the TorchScript file in it has " + found + remedy());
}

std::string CompiledPackage::value(const std::string& key) const {
  const auto found = description_.find(key);
  return found == description_.end() ? "" : found->second;
}

bool CompiledPackage::has_function(const std::string& name) const {
  return std::find(functions_.begin(), functions_.end(), name) != functions_.end();
}

std::vector<torch::Tensor> CompiledPackage::run(const std::string& name,
                                                std::vector<torch::Tensor> arguments) {
  auto& loader = loaders_[name];
  if (!loader) {
    loader = std::make_unique<torch::inductor::AOTIModelPackageLoader>(
        path_, name, /*run_single_threaded=*/true);
  }
  return loader->boxed_run(std::move(arguments));
}

std::string CompiledPackage::torchscript() const { return read_record(path_, torchscript_record); }

}  // namespace mdbridge
