#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "mdbridge/visibility.hpp"

/// What i-PI and its clients say to each other: the bytes only, no sockets and no physics.
///
/// Every message starts with a header of 12 characters, padded with blanks. Numbers are in the byte
/// order of the machine: float64 and int32. See "Communication protocol" in i-PI's documentation,
/// and ipi/interfaces/sockets.py for batches and shared memory.
namespace mdbridge::ipi {

inline constexpr std::size_t header_length = 12;

/// One structure as i-PI sends it, in atomic units.
struct Frame {
  /// Row-major 3x3 matrix whose *columns* are the lattice vectors, bohr.
  std::array<double, 9> cell{};
  /// 3N, bohr.
  std::vector<double> positions;
};

/// What i-PI wants to know about one structure, in atomic units.
struct Result {
  /// Hartree.
  double energy = 0.0;
  /// 3N, hartree/bohr.
  std::vector<double> forces;
  /// -dE/d(strain), symmetric 3x3, hartree.
  std::array<double, 9> virial{};
  /// JSON object, or empty.
  std::string extras;
};

/// Where the numbers travel: with the messages, or through shared memory that i-PI owns.
enum class Transport { stream, shared_memory };

struct Status {};
struct Init {
  std::int32_t replica = 0;
  std::string parameters;
  /// Structures in each exchange from now on.
  std::int32_t batch = 1;
};
struct PositionData {
  std::vector<Frame> frames;
};
/// The structures lie in shared memory; the names of the segments come with the first one only.
struct SharedPositionData {
  /// Positions, cells, inverse cells, energies, forces, virials; or empty.
  std::vector<std::string> segments;
};
struct GetForce {};
struct Exit {};
using Message = std::variant<Status, Init, PositionData, SharedPositionData, GetForce, Exit>;

/// Cuts a stream of bytes into messages. Whatever the bytes are, it neither reads outside them nor
/// keeps more than one message of the size that `atoms` allows.
class MDBRIDGE_API MessageReader {
 public:
  /// Messages about `atoms` atoms; `peer` names the other side in error messages.
  MessageReader(std::int64_t atoms, Transport transport, std::string peer);

  void feed(const char* data, std::size_t size) { buffer_.append(data, size); }
  /// The next whole message; nothing if more bytes are needed for one. Throws Error, a sentence, if
  /// the bytes cannot be a message.
  std::optional<Message> next();
  /// True if the bytes so far end between two messages.
  bool at_boundary() const { return buffer_.size() == consumed_; }
  /// Says, for an error message, what was being received: "POSDATA (1000 of 2112 bytes)".
  std::string unfinished() const;

 private:
  std::string_view rest() const { return std::string_view(buffer_).substr(consumed_); }
  std::optional<Message> read_init();
  std::optional<Message> read_positions();
  std::optional<Message> read_batch();
  std::optional<Message> read_shared();
  void check_atoms(std::int32_t atoms) const;
  bool have(std::size_t size);
  void consume(std::size_t size);

  std::int64_t atoms_;
  Transport transport_;
  std::string peer_;
  std::int32_t batch_ = 1;
  bool segments_known_ = false;
  std::string buffer_;
  std::size_t consumed_ = 0;
  // bytes that the message now being received has, as far as they are known
  std::size_t needed_ = header_length;
};

/// A header, padded: "READY       ".
MDBRIDGE_API std::string header(std::string_view name);

/// The answer to GETFORCE for one structure, for a batch of more than one, and for shared memory
/// (where all but the extras lies elsewhere).
MDBRIDGE_API std::string force_reply(const Result& result);
MDBRIDGE_API std::string force_reply(const std::vector<Result>& batch);
MDBRIDGE_API std::string shared_force_reply(const std::vector<Result>& batch);

}  // namespace mdbridge::ipi
