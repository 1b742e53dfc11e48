#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <optional>
#include <string>

namespace mdbridge::ipi {

/// Something that can be connected to.
struct Endpoint {
  /// Path of a unix socket; empty for TCP.
  std::string path;
  std::string host;
  int port = 0;
  /// In words: "the unix socket /tmp/ipi_water".
  std::string description;
};

/// A stream socket that never blocks for good.
class Socket {
 public:
  Socket() = default;
  ~Socket() { close(); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  /// Try once. Returns why it did not work; nothing if it did. Throws Error if it never can.
  std::optional<std::string> connect(const Endpoint& endpoint);
  void close();
  bool is_open() const { return descriptor_ >= 0; }
  int descriptor() const { return descriptor_; }

  struct Chunk {
    std::size_t size = 0;
    bool closed = false;
  };
  /// Read what is there, at most `capacity` bytes; size 0 and not closed: nothing is there yet.
  Chunk receive(char* data, std::size_t capacity);
  /// Send everything. Returns false if the other side is gone or does not read.
  bool send(const std::string& bytes);

 private:
  std::optional<std::string> connect_unix(const Endpoint& endpoint);
  std::optional<std::string> connect_tcp(const Endpoint& endpoint);
  std::optional<std::string> try_address(int family, const sockaddr* address, socklen_t length);

  int descriptor_ = -1;
};

}  // namespace mdbridge::ipi
