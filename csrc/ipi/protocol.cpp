#include "ipi/protocol.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstring>
#include <utility>

#include "mdbridge/error.hpp"

namespace mdbridge::ipi {

namespace {

// i-PI's initialisation strings are short lists of parameters, its segment names shorter still; and
// nobody's beads fill a gigabyte. Larger lengths are garbage, and must not make us allocate.
constexpr std::int32_t max_init_length = 1 << 20;
constexpr std::int32_t max_name_length = 255;
constexpr std::int64_t max_batch_bytes = std::int64_t{1} << 30;

constexpr std::size_t cell_bytes = 9 * sizeof(double);

template <typename T>
T read_number(std::string_view bytes, std::size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

template <typename T>
void append_number(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(T));
}

void append_doubles(std::string& out, const double* values, std::size_t count) {
  out.append(reinterpret_cast<const char*>(values), count * sizeof(double));
}

void append_extras(std::string& out, const std::string& extras) {
  append_number(out, static_cast<std::int32_t>(extras.size()));
  out += extras;
}

/// Bytes as somebody can read them: "STATUS", "\x00\x01GET".
std::string printable(std::string_view bytes) {
  static const char* digits = "0123456789abcdef";
  while (!bytes.empty() && bytes.back() == ' ') bytes.remove_suffix(1);
  std::string text = "\"";
  for (const unsigned char c : bytes) {
    if (std::isprint(c)) {
      text += static_cast<char>(c);
    } else {
      text += {'\\', 'x', digits[c / 16], digits[c % 16]};
    }
  }
  return text + "\"";
}

std::string_view stripped(std::string_view text) {
  const auto blank = [](char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

/// i-PI announces batches in the initialisation string: "..., batch_size:4".
std::optional<std::string_view> find_batch_size(std::string_view parameters) {
  while (!parameters.empty()) {
    const std::size_t comma = parameters.find(',');
    const std::string_view token = parameters.substr(0, comma);
    const std::size_t colon = token.find(':');
    if (colon != std::string_view::npos && stripped(token.substr(0, colon)) == "batch_size") {
      return stripped(token.substr(colon + 1));
    }
    if (comma == std::string_view::npos) break;
    parameters.remove_prefix(comma + 1);
  }
  return std::nullopt;
}

}  // namespace

MessageReader::MessageReader(std::int64_t atoms, Transport transport, std::string peer)
    : atoms_(atoms), transport_(transport), peer_(std::move(peer)) {}

bool MessageReader::have(std::size_t size) {
  needed_ = size;
  return buffer_.size() - consumed_ >= size;
}

void MessageReader::consume(std::size_t size) {
  consumed_ += size;
  needed_ = header_length;
  if (consumed_ == buffer_.size()) {
    buffer_.clear();
    consumed_ = 0;
  } else if (consumed_ > (std::size_t{1} << 20)) {
    buffer_.erase(0, consumed_);
    consumed_ = 0;
  }
}

std::optional<Message> MessageReader::next() {
  if (!have(header_length)) return std::nullopt;
  const std::string_view name = stripped(rest().substr(0, header_length));
  if (name == "POSDATA") {
    if (transport_ == Transport::shared_memory) return read_shared();
    return batch_ > 1 ? read_batch() : read_positions();
  }
  if (name == "INIT") return read_init();
  std::optional<Message> message;
  if (name == "STATUS") message = Status{};
  if (name == "GETFORCE") message = GetForce{};
  if (name == "EXIT") message = Exit{};
  if (!message) {
    throw Error(peer_ + " sent " + printable(rest().substr(0, header_length)) +
                ", which is not a message of the i-PI protocol (expected STATUS, INIT, POSDATA, "
                "GETFORCE or EXIT): is it i-PI that listens there?");
  }
  consume(header_length);
  return message;
}

std::string MessageReader::unfinished() const {
  const std::string_view bytes = rest();
  const std::string what = bytes.size() < header_length
                               ? "a header"
                               : std::string(stripped(bytes.substr(0, header_length)));
  return what + " (" + std::to_string(bytes.size()) + " of " + std::to_string(needed_) + " bytes)";
}

std::optional<Message> MessageReader::read_init() {
  std::size_t size = header_length + 2 * sizeof(std::int32_t);
  if (!have(size)) return std::nullopt;
  Init init;
  init.replica = read_number<std::int32_t>(rest(), header_length);
  const auto length = read_number<std::int32_t>(rest(), header_length + sizeof(std::int32_t));
  if (length < 0 || length > max_init_length) {
    throw Error(peer_ + " announced an initialisation string of " + std::to_string(length) +
                " characters; expected between 0 and " + std::to_string(max_init_length));
  }
  if (!have(size + length)) return std::nullopt;
  init.parameters = rest().substr(size, length);
  if (const auto text = find_batch_size(init.parameters)) {
    const auto parsed = std::from_chars(text->data(), text->data() + text->size(), init.batch);
    const bool whole = parsed.ec == std::errc() && parsed.ptr == text->data() + text->size();
    if (!whole || init.batch < 1) {
      throw Error(peer_ + " announced batch_size:" + std::string(*text) +
                  "; expected a positive integer");
    }
  }
  const std::int64_t frame_bytes = 2 * cell_bytes + 3 * sizeof(double) * atoms_;
  if (init.batch > max_batch_bytes / frame_bytes) {
    throw Error(peer_ + " announced batches of " + std::to_string(init.batch) +
                " structures, more than a gigabyte each; use a smaller <batch_size>");
  }
  batch_ = init.batch;
  consume(size + length);
  return init;
}

void MessageReader::check_atoms(std::int32_t atoms) const {
  if (atoms == atoms_) return;
  throw Error(peer_ + " sent the positions of " + std::to_string(atoms) +
              " atoms, but the template has " + std::to_string(atoms_) +
              " atoms; give the structure that i-PI starts from as the template");
}

std::optional<Message> MessageReader::read_positions() {
  const std::size_t start = header_length + 2 * cell_bytes + sizeof(std::int32_t);
  if (!have(start)) return std::nullopt;
  check_atoms(read_number<std::int32_t>(rest(), start - sizeof(std::int32_t)));
  const std::size_t size = start + 3 * sizeof(double) * atoms_;
  if (!have(size)) return std::nullopt;
  PositionData data;
  Frame& frame = data.frames.emplace_back();
  std::memcpy(frame.cell.data(), rest().data() + header_length, cell_bytes);
  frame.positions.resize(3 * atoms_);
  std::memcpy(frame.positions.data(), rest().data() + start, size - start);
  consume(size);
  return data;
}

std::optional<Message> MessageReader::read_batch() {
  const std::size_t start = header_length + sizeof(std::int32_t);
  if (!have(start)) return std::nullopt;
  check_atoms(read_number<std::int32_t>(rest(), header_length));
  const std::size_t position_bytes = 3 * sizeof(double) * atoms_;
  const std::size_t positions_start = start + 2 * cell_bytes * batch_;
  if (!have(positions_start + position_bytes * batch_)) return std::nullopt;
  PositionData data;
  data.frames.resize(batch_);
  for (std::int32_t b = 0; b < batch_; ++b) {
    Frame& frame = data.frames[b];
    std::memcpy(frame.cell.data(), rest().data() + start + 2 * cell_bytes * b, cell_bytes);
    frame.positions.resize(3 * atoms_);
    std::memcpy(frame.positions.data(), rest().data() + positions_start + position_bytes * b,
                position_bytes);
  }
  consume(positions_start + position_bytes * batch_);
  return data;
}

std::optional<Message> MessageReader::read_shared() {
  std::size_t size = header_length + sizeof(std::int32_t);
  if (!have(size)) return std::nullopt;
  check_atoms(read_number<std::int32_t>(rest(), header_length));
  SharedPositionData data;
  if (!segments_known_) {
    for (int segment = 0; segment < 6; ++segment) {
      if (!have(size + sizeof(std::int32_t))) return std::nullopt;
      const auto length = read_number<std::int32_t>(rest(), size);
      size += sizeof(std::int32_t);
      if (length < 1 || length > max_name_length) {
        throw Error(peer_ + " announced a name of " + std::to_string(length) +
                    " characters for a shared-memory segment; expected between 1 and " +
                    std::to_string(max_name_length));
      }
      if (!have(size + length)) return std::nullopt;
      data.segments.emplace_back(rest().substr(size, length));
      size += length;
    }
    segments_known_ = true;
  }
  consume(size);
  return data;
}

std::string header(std::string_view name) {
  std::string padded(name);
  padded.resize(header_length, ' ');
  return padded;
}

std::string force_reply(const Result& result) {
  std::string reply = header("FORCEREADY");
  append_number(reply, result.energy);
  append_number(reply, static_cast<std::int32_t>(result.forces.size() / 3));
  append_doubles(reply, result.forces.data(), result.forces.size());
  append_doubles(reply, result.virial.data(), 9);
  append_extras(reply, result.extras);
  return reply;
}

std::string force_reply(const std::vector<Result>& batch) {
  std::string reply = header("FORCEREADY");
  for (const Result& result : batch) append_number(reply, result.energy);
  const std::size_t coordinates = batch.empty() ? 0 : batch.front().forces.size();
  append_number(reply, static_cast<std::int32_t>(coordinates / 3));
  for (const Result& result : batch) append_doubles(reply, result.forces.data(), coordinates);
  for (const Result& result : batch) append_doubles(reply, result.virial.data(), 9);
  for (const Result& result : batch) append_extras(reply, result.extras);
  return reply;
}

std::string shared_force_reply(const std::vector<Result>& batch) {
  std::string reply = header("FORCEREADY");
  for (const Result& result : batch) append_extras(reply, result.extras);
  return reply;
}

}  // namespace mdbridge::ipi
