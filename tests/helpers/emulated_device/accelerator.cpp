// An accelerator of torch that is none: two devices whose memory is the host's, but which torch
// knows to be apart, so that every transfer between them and the host goes through here and is
// counted. What they compute is computed by the CPU.
//
// They are of the type XPU, which a torch without it has the name of, but nothing else. The type
// that is meant for extensions, PrivateUse1, does not do: metatensor's arrays must say on which
// kind of DLPack's devices they are, and there is none for it ("unsupported torch device in
// torch_device_to_dlpack: PRIVATEUSEONE").
#include <ATen/EmptyTensor.h>
#include <ATen/detail/XPUHooksInterface.h>
#include <ATen/native/CPUFallback.h>
#include <ATen/native/Resize.h>
#include <ATen/ops/_copy_from_and_resize_native.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/_scaled_dot_product_attention_math.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/resize_native.h>
#include <ATen/ops/set_native.h>
#include <ATen/ops/unfold_native.h>
#include <ATen/ops/view_native.h>
#include <c10/core/Allocator.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>

#include <atomic>
#include <cstdlib>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>

namespace {

using at::Tensor;
using c10::Device;
using c10::DeviceIndex;
constexpr auto type = c10::DeviceType::XPU;

struct Counts {
  std::atomic<std::int64_t> uploads, downloads, waits, elsewhere;
} counts;

thread_local DeviceIndex current = 0;
// what the CPU needs to compute for a device is no transfer
thread_local int computing = 0;

/// Two devices without streams: each does at once what it is told.
struct Guard final : c10::impl::DeviceGuardImplInterface {
  c10::DeviceType type() const override { return ::type; }
  Device exchangeDevice(Device device) const override {
    const Device before = getDevice();
    uncheckedSetDevice(device);
    return before;
  }
  Device getDevice() const override { return {::type, current}; }
  void setDevice(Device device) const override { uncheckedSetDevice(device); }
  void uncheckedSetDevice(Device device) const noexcept override {
    if (device.has_index()) current = device.index();
  }
  c10::Stream getStream(Device device) const override { return stream(device); }
  c10::Stream getDefaultStream(Device device) const override { return stream(device); }
  c10::Stream getNewStream(Device device, int) const override { return stream(device); }
  c10::Stream exchangeStream(c10::Stream) const override { return stream(getDevice()); }
  void record(void**, const c10::Stream&, DeviceIndex, c10::EventFlag) const override {}
  void block(void*, const c10::Stream&) const override {}
  bool queryEvent(void*) const override { return true; }
  bool queryStream(const c10::Stream&) const override { return true; }
  void synchronizeStream(const c10::Stream&) const override {}
  void synchronizeEvent(void*) const override {}
  DeviceIndex deviceCount() const noexcept override { return 2; }

 private:
  static c10::Stream stream(Device device) {
    const DeviceIndex index = device.has_index() ? device.index() : current;
    return c10::Stream(c10::Stream::DEFAULT, Device(::type, index));
  }
};
C10_REGISTER_GUARD_IMPL(XPU, Guard);

/// What torch asks whether there is an accelerator: gradients want one to exist where their tensors
/// are.
struct XPUHooks final : at::XPUHooksInterface {
  bool hasXPU() const override { return true; }
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(DeviceIndex) const override { return true; }
  DeviceIndex deviceCount() const override { return 2; }
  DeviceIndex getNumGPUs() const override { return 2; }
  DeviceIndex current_device() const override { return current; }
  DeviceIndex getCurrentDevice() const override { return current; }
};

}  // namespace

namespace at {
REGISTER_XPU_HOOKS(XPUHooks);
}

namespace {

struct Memory final : c10::Allocator {
  c10::DataPtr allocate(std::size_t bytes) override {
    void* data = bytes == 0 ? nullptr : std::malloc(bytes);
    TORCH_CHECK(bytes == 0 || data != nullptr, "can't allocate memory");
    return {data, data, &std::free, Device(type, current)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &std::free; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }
} memory;
REGISTER_ALLOCATOR(type, &memory);

/// The same memory as a tensor of the CPU.
Tensor on_cpu(const Tensor& tensor) {
  if (tensor.is_cpu()) return tensor;
  return at::from_blob(tensor.data_ptr(), tensor.sizes(), tensor.strides(),
                       tensor.options().device(c10::kCPU));
}

Tensor empty_memory_format(at::IntArrayRef size, std::optional<at::ScalarType> dtype,
                           std::optional<at::Layout>, std::optional<Device> device,
                           std::optional<bool>, std::optional<at::MemoryFormat> format) {
  const c10::OptionalDeviceGuard guard(device);
  return at::detail::empty_generic(size, &memory, c10::DispatchKeySet(c10::DispatchKey::XPU),
                                   c10::dtype_or_default(dtype), format);
}

Tensor empty_strided(at::IntArrayRef size, at::IntArrayRef stride,
                     std::optional<at::ScalarType> dtype, std::optional<at::Layout>,
                     std::optional<Device> device, std::optional<bool>) {
  const c10::OptionalDeviceGuard guard(device);
  return at::detail::empty_strided_generic(size, stride, &memory,
                                           c10::DispatchKeySet(c10::DispatchKey::XPU),
                                           c10::dtype_or_default(dtype));
}

Tensor& copy(Tensor& to, const Tensor& from, bool) {
  if (computing == 0) {
    if (from.is_cpu()) ++counts.uploads;
    if (to.is_cpu()) ++counts.downloads;
  }
  on_cpu(to).copy_(on_cpu(from));
  return to;
}

Tensor copy_from_and_resize(const Tensor& from, const Tensor& to) {
  Tensor resized = to.resize_(from.sizes());
  return copy(resized, from, false);
}

at::Scalar local_scalar_dense(const Tensor& tensor) {
  if (computing == 0) ++counts.waits;
  return on_cpu(tensor).item();
}

const Tensor& resize(const Tensor& self, at::IntArrayRef size,
                     std::optional<at::MemoryFormat> format) {
  return at::native::resize_(self, size, format);
}

Tensor& set_storage(Tensor& self, at::Storage storage, std::int64_t offset, at::IntArrayRef size,
                    at::IntArrayRef stride) {
  return at::native::set_storage_cpu_(self, std::move(storage), offset, size, stride);
}

/// Everything else is computed by the CPU. The host has to wait where the size of the result is in
/// the numbers, or the result is none of the device.
void compute(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  static const std::set<std::string> waiting = {
      "aten::nonzero",           "aten::masked_select", "aten::equal",
      "aten::_unique2",          "aten::unique_dim",    "aten::unique_consecutive",
      "aten::repeat_interleave", "aten::bincount",      "aten::is_nonzero"};
  if (computing == 0 && waiting.contains(op.schema().name())) ++counts.waits;
  const auto first = stack->size() - op.schema().arguments().size();
  for (std::size_t a = first; a < stack->size(); ++a) {
    auto& argument = (*stack)[a];
    if (argument.isTensor() && argument.toTensor().defined()) {
      const auto device = argument.toTensor().device();
      if (computing == 0 && device.type() == type && device.index() != current) ++counts.elsewhere;
    } else if (op.schema().arguments()[a - first].name() == "indices" && argument.isList()) {
      c10::List<std::optional<Tensor>> indices;  // which torch leaves where they are
      for (const c10::IValue& index : argument.toListRef()) {
        const bool some = index.isTensor() && index.toTensor().defined();
        indices.push_back(some ? std::optional(on_cpu(index.toTensor())) : std::nullopt);
      }
      argument = indices;
    }
  }
  ++computing;
  try {
    at::native::cpu_fallback(op, stack);
  } catch (...) {
    --computing;
    throw;
  }
  --computing;
}

/// Torch would ask a table of its own, in which these devices are not, how to compute it.
Tensor attention(const Tensor& query, const Tensor& key, const Tensor& value,
                 const std::optional<Tensor>& mask, double dropout, bool is_causal,
                 std::optional<double> scale, bool grouped) {
  return std::get<0>(at::_scaled_dot_product_attention_math(query, key, value, mask, dropout,
                                                            is_causal, {}, scale, grouped));
}

TORCH_LIBRARY_IMPL(_, XPU, m) { m.fallback(torch::CppFunction::makeFromBoxedFunction<&compute>()); }

TORCH_LIBRARY_IMPL(aten, XPU, m) {
  m.impl("empty.memory_format", &empty_memory_format);
  m.impl("empty_strided", &empty_strided);
  m.impl("as_strided", &at::native::as_strided_tensorimpl);
  m.impl("view", &at::native::view);
  m.impl("_reshape_alias", &at::native::_reshape_alias);
  m.impl("unfold", &at::native::unfold);
  m.impl("resize_", &resize);
  m.impl("set_.source_Storage_storage_offset", &set_storage);
  m.impl("copy_", &copy);
  m.impl("_copy_from_and_resize", &copy_from_and_resize);
  m.impl("_local_scalar_dense", &local_scalar_dense);
  m.impl("scaled_dot_product_attention", &attention);
}

TORCH_LIBRARY_IMPL(aten, AutogradXPU, m) { m.impl("scaled_dot_product_attention", &attention); }

}  // namespace

extern "C" {
std::int64_t emulated_uploads() { return counts.uploads; }
std::int64_t emulated_downloads() { return counts.downloads; }
std::int64_t emulated_waits() { return counts.waits; }
std::int64_t emulated_elsewhere() { return counts.elsewhere; }
}
